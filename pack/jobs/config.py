"""Config: the settings that count in a folder, each with its sources."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.pack.settings.files import FoundSettings, Ignored, key_lines, look_for_settings, own_settings_path
from qa2pack.pack.settings.keys import KEYS, LISTS, PERSONAL, Value


@dataclass(frozen=True, slots=True)
class Option:
    """The option of a setting.

    Attributes:
        key: of the setting.
        variable: the environment variable that counts before the files.
        default: what counts if nothing else is given; None for no value.
        fault_of: returns why a command that has the option refuses a value, given those of all settings by key;
            empty for one that it takes.
    """

    key: str
    variable: str
    default: Value | None
    fault_of: Callable[[Value, Mapping[str, Value | None]], str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value, or an item of a list, comes from; the default if there is neither variable nor file.

    Attributes:
        file: path of a `pack.toml`; empty for a variable.
        line: of the key in the file, from 1; 0 for a variable.
        is_refused: this key counts only in the user's own file, so commands that have the option refuse this one.
    """

    variable: str = ""
    file: bytes = b""
    line: int = 0
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting.

    Attributes:
        value: None for no value; of a list all items; a text for whatever is from a variable.
        sources: the one of the value; of a list all that gave items, and those that are refused.
        fault: why commands that have the option refuse the value; empty for one that they take.
    """

    key: str
    value: Value | None
    sources: tuple[Source, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a folder.

    Attributes:
        folder: whose `pack.toml` counts.
        files: paths of the files that count, the one with precedence first.
        ignored: files that are left aside because of their owner.
        own: path of the user's own file, which need not exist; empty if there is no configuration folder.
    """

    folder: bytes
    settings: tuple[Setting, ...]
    files: tuple[bytes, ...]
    ignored: tuple[Ignored, ...]
    own: bytes


def config(
    folder: bytes, options: Mapping[str, Option], environment: Mapping[str, str], *, has_files: bool
) -> Config:
    """Return the settings that count for origins and packages in a folder.

    Args:
        options: by key.
        has_files: the files count.

    Raises:
        SettingsError: a file cannot be read or parsed.
    """
    nothing = FoundSettings((), (), own_settings_path(environment))
    found = look_for_settings(folder, environment) if has_files else nothing
    lines = {file.path: key_lines(file.path) for file in found.files}
    settings = [_setting(options[key], environment, found, lines) for key in KEYS if key in options]
    values = {setting.key: setting.value for setting in settings}
    return Config(
        folder,
        tuple(replace(setting, fault=_fault(setting, options[setting.key], values)) for setting in settings),
        tuple(file.path for file in found.files),
        found.ignored,
        found.own,
    )


def _fault(setting: Setting, option: Option, values: Mapping[str, Value | None]) -> str:
    """Return why a value that was given is refused; a default is always taken."""
    is_given = any(not source.is_refused and (source.variable or source.file) for source in setting.sources)
    return option.fault_of(setting.value, values) if is_given and setting.value else ""


def _setting(
    option: Option, environment: Mapping[str, str], found: FoundSettings, lines: Mapping[bytes, Mapping[str, int]]
) -> Setting:
    given = list(_given(option, environment, found, lines))
    taken = [each for each in given if not each[1].is_refused]
    refused = [source for _, source in given if source.is_refused]
    if KEYS[option.key] in LISTS:
        items = tuple(item for value, _ in taken if isinstance(value, tuple) for item in value)
        sources = (*(source for _, source in taken), *refused)
        return Setting(option.key, items or None, sources)
    value, source = taken[0] if taken else (option.default, Source())
    return Setting(option.key, value, (source, *refused))


def _given(
    option: Option, environment: Mapping[str, str], found: FoundSettings, lines: Mapping[bytes, Mapping[str, int]]
) -> Iterator[tuple[Value, Source]]:
    """Yield each value that is given, the one that counts first, with its source."""
    if text := environment.get(option.variable):
        yield tuple(text.split()) if KEYS[option.key] in LISTS else text, Source(option.variable)
    for file in found.files:
        if option.key in file.values:
            is_refused = option.key in PERSONAL and file.path != found.own
            line = lines[file.path].get(option.key, 0)
            yield file.values[option.key], Source(file=file.path, line=line, is_refused=is_refused)
