"""Defaults of the legacy call `QA_Packager`, read from `pack.toml` and the environment because it has no options."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import field

from typer import BadParameter

from qa2pack.executor.keep_previous import KeepPrevious, keep_previous_of
from qa2pack.manifest.bundle.gzip_format import USUAL_LEVEL
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack.settings.files import find_settings
from qa2pack.pack.settings.keys import KEYS, MOST, Kind, Settings, values_of
from qa2pack.pack.settings.option_source import Default, SettingsError
from qa2pack.pack.settings.selection import Selection
from qa2pack.pack.settings.trusted_owners import trusted_users
from qa2pack.pack.terminal.choices import LogFormat

_KEYS = (
    "layout", "set", "include", "exclude", "strict", "as-is", "no-split", "casa-weights", "follow-outside",
    "compression", "keep-previous", "jobs", "wait", "log", "log-format", "trust-owner",
)  # fmt: skip
_LOG_FORMAT = "PACK_LOG_FORMAT"
_MOST_DIGITS = 20  # Python refuses to read numbers of some thousand digits, with an error of another kind


@dataclass(frozen=True, slots=True)
class DropinDefaults:
    """Options that are not parameters of the call.

    Attributes:
        jobs: worker processes; 0 means one per processor.
        wait_seconds: how long another run that locks the package is waited for.
        log: absolute path of the log; empty for no log.
        log_format: form of it.
        trusted: ids of other users whose control folders are accepted.
        defaults: the source of each value.
    """

    selection: Selection = field(default_factory=Selection)
    strict: bool = False
    keep_previous: KeepPrevious = KeepPrevious.AUTO
    jobs: int = 0
    wait_seconds: int = 0
    log: bytes = b""
    log_format: LogFormat = LogFormat.TEXT
    trusted: frozenset[int] = frozenset()
    defaults: tuple[Default, ...] = ()


def read_dropin_defaults(folder: bytes, environment: Mapping[str, str]) -> DropinDefaults:
    """Return the values from the `pack.toml` beside the origin, the user's own one, and the environment.

    Args:
        folder: the folder that holds the origin.

    Raises:
        Refused: a file or a variable cannot be parsed.
    """
    is_unsettled = environment.get("PACK_NO_SETTINGS", "").lower() in ("1", "true", "yes", "on")
    try:
        return _read(() if is_unsettled else find_settings(folder, environment), environment)
    except SettingsError as error:
        raise Refused(Problem(Code.SETTINGS_UNUSABLE, error.path, found=error.reason)) from error


def _read(files: Sequence[Settings], environment: Mapping[str, str]) -> DropinDefaults:
    log = environment.get("PACK_LOG")
    return DropinDefaults(
        selection=Selection(
            include=_texts(files, "include"),
            exclude=_texts(files, "exclude"),
            layout=_text(files, "layout") or Selection().layout,
            values=(*environment.get("PACK_SET", "").split(), *_texts(files, "set")),  # the first of a name counts
            as_is=_is_set(files, "as-is"),
            no_split=_is_set(files, "no-split"),
            follow_outside=_is_set(files, "follow-outside"),
            casa_weights=_is_set(files, "casa-weights"),
            compression=int(_text(files, "compression") or USUAL_LEVEL),
        ),
        strict=_is_set(files, "strict"),
        keep_previous=keep_previous_of(_text(files, "keep-previous") or KeepPrevious.AUTO),
        jobs=_number(files, "jobs", environment),
        wait_seconds=_number(files, "wait", environment),
        log=_absolute(log or _text(files, "log")),
        log_format=_log_format(environment.get(_LOG_FORMAT) or _text(files, "log-format")),
        trusted=_trusted((*environment.get("PACK_TRUST_OWNER", "").split(), *_texts(files, "trust-owner"))),
        defaults=tuple(_defaults(files, environment)),
    )


def _defaults(files: Sequence[Settings], environment: Mapping[str, str]) -> list[Default]:
    variables = {"jobs": "PACK_JOBS", "wait": "PACK_WAIT", "log": "PACK_LOG", "log-format": _LOG_FORMAT}
    typed = {key: variable for key, variable in variables.items() if environment.get(variable)}
    found = [Default(key, variable) for key, variable in typed.items()]
    found += [Default("set", "PACK_SET")] if environment.get("PACK_SET") else []
    found += [
        Default(key, shown(settings.path))
        for key in _KEYS
        if not typed.get(key)
        for _, settings in values_of(files, key)
    ]
    return found


def _trusted(names: Sequence[str]) -> frozenset[int]:
    try:
        return trusted_users(names)
    except BadParameter as error:
        problem = Problem(Code.SETTINGS_UNUSABLE, b"PACK_TRUST_OWNER", found=error.message)
        remedy = Remedy("Correct trust-owner in your own pack.toml, or PACK_TRUST_OWNER")
        raise Refused(problem, remedies=(remedy,)) from error


def _texts(files: Sequence[Settings], key: str) -> tuple[str, ...]:
    return tuple(part for value, _ in values_of(files, key) if isinstance(value, tuple) for part in value)


def _text(files: Sequence[Settings], key: str) -> str:
    return next((str(value) for value, _ in values_of(files, key)), "")


def _is_set(files: Sequence[Settings], key: str) -> bool:
    return any(value is True for value, _ in values_of(files, key))


def _absolute(path: str) -> bytes:
    return os.path.abspath(os.fsencode(path)) if path else b""


def _log_format(text: str) -> LogFormat:
    """Return the form of the log; only the variable can be wrong, files are checked when they are read."""
    try:
        return LogFormat(text or LogFormat.TEXT)
    except ValueError:
        raise Refused(Problem(Code.SETTINGS_UNUSABLE, _LOG_FORMAT.encode(), "text or json", text)) from None


def _number(files: Sequence[Settings], key: str, environment: Mapping[str, str]) -> int:
    variable = f"PACK_{key.upper()}"
    if text := environment.get(variable):
        return _count(text, variable, KEYS[key])
    return next((int(value) for value, _ in values_of(files, key) if isinstance(value, int)), 0)


def _count(text: str, variable: str, kind: Kind) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and int(text) <= MOST[kind]):
        raise Refused(Problem(Code.SETTINGS_UNUSABLE, variable.encode(), kind, text))
    return int(text)
