"""Keys of `pack.toml`: the known keys, the type of each, and checking of the values.

Keys are named after options, so that `--help` explains them; keys of a single command are in a table with its name,
as `tarsplit.size`. Pure: files are read by `pack.settings.files`. Keys that choose where something is written, or
that trust another machine or user, are accepted only in the user's own file: a `pack.toml` beside the origin may come
from anyone who can write there.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import shown
from qa2pack.pack.settings.bounds import MOST_JOBS, MOST_WAIT_SECONDS
from qa2pack.pack.settings.option_source import SettingsError
from qa2pack.pack.terminal.choices import Color, LogFormat, ProgressForm

Value = str | int | bool | tuple[str, ...]


class Kind(StrEnum):
    """Type of a key's value, as a text for messages."""

    TEXT = "a text"
    PATH = "a path"
    MODE = "a mode"
    INCLUDES = "a list of GLOB=ROLE"
    VALUES = "a list of NAME=VALUE, one for each NAME"
    GLOBS = "a list of globs"
    NAMES = "a list of texts"
    RATE = "a rate, as in 200MB, of at most 1000TB"
    JOBS = f"a whole number from 0 to {MOST_JOBS}"
    SECONDS = f"a whole number of seconds from 0 to {MOST_WAIT_SECONDS}"
    LEVEL = "a level from 1 to 9"
    FLAG = "true or false"
    KEEP = "true, false or auto"
    SIZE = "a size, as in 6GiB or 2GB, of at most 1000TB"
    CHECKSUMS = "a list of checksums in one text, as in md5,sha256"
    FILL = "order or tight"
    COLOR = "auto, always or never"
    PROGRESS = "auto, bar, lines, json or none"
    LOG_FORMAT = "text or json"


KEYS: Mapping[str, Kind] = {
    "layout": Kind.TEXT,
    "include": Kind.INCLUDES,
    "exclude": Kind.GLOBS,
    "set": Kind.VALUES,
    "readme": Kind.PATH,
    "mode": Kind.MODE,
    "strict": Kind.FLAG,
    "as-is": Kind.FLAG,
    "no-split": Kind.FLAG,
    "casa-weights": Kind.FLAG,
    "follow-outside": Kind.FLAG,
    "compression": Kind.LEVEL,
    "keep-previous": Kind.KEEP,
    "jobs": Kind.JOBS,
    "wait": Kind.SECONDS,
    "bandwidth": Kind.RATE,
    "quiet": Kind.FLAG,
    "progress": Kind.PROGRESS,
    "log": Kind.PATH,
    "log-format": Kind.LOG_FORMAT,
    "verbose": Kind.FLAG,
    "debug": Kind.FLAG,
    "color": Kind.COLOR,
    "trust-owner": Kind.NAMES,
    "allowed-signers": Kind.PATH,
    "require-signature": Kind.FLAG,
    "catalogue": Kind.PATH,
    "cluster": Kind.TEXT,
    "insecure-cluster": Kind.FLAG,
    "deliver.output": Kind.PATH,
    "deliver.fill": Kind.FILL,
    "deliver.checksum": Kind.CHECKSUMS,
    "tarsplit.size": Kind.SIZE,
    "tarsplit.output": Kind.PATH,
    "tarsplit.label-member": Kind.FLAG,
    "tarsplit.fill": Kind.FILL,
    "tarsplit.checksum": Kind.CHECKSUMS,
}
PERSONAL = frozenset(
    {
        "catalogue",
        "log",
        "cluster",
        "insecure-cluster",
        "trust-owner",
        "allowed-signers",
        "require-signature",
        "deliver.output",
        "tarsplit.output",
    }
)
MOST = {Kind.JOBS: MOST_JOBS, Kind.SECONDS: MOST_WAIT_SECONDS}
_CHOICES = {Kind.COLOR: Color, Kind.PROGRESS: ProgressForm, Kind.LOG_FORMAT: LogFormat}
LISTS = (Kind.INCLUDES, Kind.VALUES, Kind.GLOBS, Kind.NAMES)


def key_of(command: str, option: str) -> str:
    """Return the name of the key for an option of a command; it need not exist."""
    key = option.replace("_", "-")
    return key if f"{command}.{key}" not in KEYS else f"{command}.{key}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one file.

    Attributes:
        path: the file, absolute.
        values: from key to value; paths are absolute.
        own: path of the user's own file, which may be this one; empty if there is no configuration folder.
    """

    path: bytes
    values: Mapping[str, Value]
    own: bytes


def read_settings(table: Mapping[str, object], path: bytes, *, own: bytes) -> Settings:
    """Check the table of a file and return its settings.

    Args:
        own: path of the user's own file.

    Raises:
        SettingsError: an unknown key, or a value of the wrong kind; the first one found.
    """
    reader = _Reader(path)
    table = dict(_flat(table))
    for key in table:
        if key not in KEYS:
            raise SettingsError(path, f"there is no key {shown(key)}{_near(key)}")
    return Settings(path, {key: reader.value(key, KEYS[key], value) for key, value in table.items()}, own)


def _flat(table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", part) for key, part in value.items())
        else:
            yield name, value


def values_of(files: Sequence[Settings], key: str) -> Iterator[tuple[Value, Settings]]:
    """Yield the values of a key with their files: lists from every file, other values from the first that has it.

    Raises:
        SettingsError: the key is accepted only in the user's own file, and is in another. Raised only here, because
            a command without that option is not affected.
    """
    for settings in files:
        if key in settings.values:
            if key in PERSONAL and settings.path != settings.own:
                place = shown(settings.own) or "$HOME/.config/qa2pack/pack.toml"
                raise SettingsError(settings.path, f"{key} is refused here: it counts only in your own file, {place}")
            yield settings.values[key], settings
            if KEYS[key] not in LISTS:
                return


@dataclass(frozen=True, slots=True)
class _Reader:
    """Checks the values of one file."""

    path: bytes

    def value(self, key: str, kind: Kind, value: object) -> Value:
        match value, kind:
            case bool(), Kind.FLAG:
                return value
            case bool() | str(), Kind.KEEP if _is_choice(str(value)):
                return str(value)
            case int(), Kind.JOBS | Kind.SECONDS if 0 <= value <= MOST[kind] and not isinstance(value, bool):
                return value
            case int(), Kind.LEVEL if 1 <= value <= 9 and not isinstance(value, bool):
                return value
            case str(), Kind.MODE if _is_mode(value):
                return value
            case str(), Kind.RATE if _is_rate(value):
                return value
            case str(), Kind.SIZE | Kind.CHECKSUMS | Kind.FILL if _is_of_delivery(value, kind):
                return value
            case str(), Kind.COLOR | Kind.PROGRESS | Kind.LOG_FORMAT if value in list(_CHOICES[kind]):
                return value
            case str(), Kind.TEXT | Kind.PATH if value and "\0" not in value:
                is_path = kind is Kind.PATH or (key == "layout" and ("/" in value or value.endswith(".toml")))
                return self._beside_file(value) if is_path else value
            case list(), _ if kind in LISTS and all(_is_valid_item(part, kind) for part in value):
                if kind is not Kind.VALUES or not _has_two_values(value):
                    return tuple(map(str, value))
        raise SettingsError(self.path, f"{key} must be {_words(kind)}, not {shown(_as_toml(value))}")

    def _beside_file(self, value: str) -> str:
        """Return the absolute path of a value: relative to the file's folder, or to a home folder for `~`."""
        path = os.path.expanduser(os.fsencode(value))
        return os.fsdecode(os.path.normpath(os.path.join(os.path.dirname(self.path), path)))


def _is_valid_item(part: object, kind: Kind) -> bool:
    if not isinstance(part, str) or not part:
        return False
    if kind not in (Kind.INCLUDES, Kind.VALUES):
        return True
    from qa2pack.manifest.layout.given import parse_value
    from qa2pack.manifest.layout.include import parse_include
    from qa2pack.manifest.problem import Refused

    try:
        parse_include(part) if kind is Kind.INCLUDES else parse_value(part)
    except Refused:
        return False
    return True


def _has_two_values(texts: Sequence[str]) -> bool:
    from qa2pack.manifest.layout.given import two_values

    return two_values(texts) is not None


def _is_rate(value: str) -> bool:
    from typer import BadParameter

    from qa2pack.pack.settings.bounds import parse_rate

    try:
        parse_rate(value)
    except BadParameter:
        return False
    return True


def _is_of_delivery(value: str, kind: Kind) -> bool:
    from qa2pack.pack.settings.bounds import parse_tar_size
    from qa2pack.tarsplit.naming import parse_checksums
    from qa2pack.tarsplit.packing.partition import Fill

    parsers: dict[Kind, Callable[[str], object]] = {Kind.SIZE: parse_tar_size, Kind.CHECKSUMS: parse_checksums}
    try:
        parsers.get(kind, Fill)(value)
    except ValueError:
        return False
    return True


def _is_choice(value: str) -> bool:
    from qa2pack.executor.keep_previous import keep_previous_of

    try:
        keep_previous_of(value)
    except ValueError:
        return False
    return True


def _is_mode(value: str) -> bool:
    from qa2pack.manifest.actions import Mode

    return value in list(Mode)


def _words(kind: Kind) -> str:
    from qa2pack.manifest.actions import Mode

    more = {Kind.MODE: f" ({', '.join(Mode)})", Kind.INCLUDES: " with a folder of the layout"}
    return kind + more.get(kind, "")


def _as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _near(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key.replace("_", "-"), KEYS, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(KEYS)}"
