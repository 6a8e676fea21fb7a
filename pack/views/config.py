"""View of `pack config`: a line for each setting, then the files."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.path import shown
from qa2pack.pack.jobs.config import Config, Setting, Source
from qa2pack.pack.settings.keys import Value
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.view import View


def config_view(config: Config, unused: Sequence[bytes]) -> View:
    """Return the view.

    Args:
        unused: files called `pack.toml` that do not count because of where they are.
    """
    return View(partial(_lines, config, unused), partial(_fields, config, unused))


def _lines(config: Config, unused: Sequence[bytes], style: Style) -> Iterator[str]:
    key_width = max(len(setting.key) for setting in config.settings)
    value_width = min(max(len(_value_text(setting.value)) for setting in config.settings), 30)
    for setting in config.settings:
        start = f"{setting.key:<{key_width}}  {_value_text(setting.value):<{value_width}}  "
        sources = ", ".join(map(_source_text, setting.sources)) or "default"
        fault = f"  {style.bad('refused')}: {shown(setting.fault)}" if setting.fault else ""
        yield start + (style.dim(sources) if sources == "default" else sources) + fault
    yield ""
    yield from (f"counts: {shown(path)}" for path in config.files)
    for each in config.ignored:
        yield style.warning(f"ignored: {shown(each.path)}, {each.reason}")
    yield from (f"not used: {shown(path)}: only the one beside the origin counts" for path in unused)
    if config.own and config.own not in config.files:
        yield f"your own would be: {shown(config.own)}"


def _value_text(value: Value | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case tuple():
            return " ".join(map(shown, value))
        case _:
            return shown(str(value))


def _source_text(source: Source) -> str:
    if source.variable:
        return source.variable
    if not source.file:
        return "default"
    refused = " refused: it counts only in your own file" if source.is_refused else ""
    return f"{shown(source.file)}:{source.line}{refused}"


def _fields(config: Config, unused: Sequence[bytes]) -> Fields:
    return {
        **path_fields("folder", config.folder),
        "settings": [_setting_fields(setting) for setting in config.settings],
        "files": [path_fields("path", path) for path in config.files],
        "ignored": [{**path_fields("path", each.path), "owner": str(each.owner)} for each in config.ignored],
        "unused_settings": [path_fields("path", path) for path in unused],
        **path_fields("own", config.own),
    }


def _setting_fields(setting: Setting) -> Fields:
    return {
        "key": setting.key,
        "value": list(setting.value) if isinstance(setting.value, tuple) else setting.value,
        "sources": [
            {
                "variable": source.variable,
                **path_fields("file", source.file),
                "line": source.line or None,
                "is_refused": source.is_refused,
            }
            for source in setting.sources
        ],
        "fault": setting.fault or None,
    }
