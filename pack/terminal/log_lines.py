"""Forms of the lines of a log: text to be read, and JSON, one object a line, for programs."""

import json
import logging
import re
import time

from qa2pack.manifest.path import shown
from qa2pack.pack.terminal.choices import LogFormat

_COLOURS = re.compile(r"\x1b\[\d+m")  # as `style` writes them; in a name the first character is escaped
_BEGINNING = re.compile(rb'(\{"time": ")?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z')


def is_log_line(start: bytes) -> bool:
    """Return whether bytes begin as a line of a log does, of either form."""
    return _BEGINNING.match(start) is not None


class LogLines(logging.Formatter):
    """Makes lines of a record, escaped so that a name cannot forge a line.

    Args:
        verb: the command that is logged.
    """

    def __init__(self, verb: str, form: LogFormat = LogFormat.TEXT) -> None:
        super().__init__()
        self._verb = verb
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return a line for each line of the text, or one JSON object for all; each ends in a newline."""
        lines = [shown(line) for line in _COLOURS.sub("", record.getMessage()).split("\n")]
        if self._form is LogFormat.JSON:
            return f"{json.dumps(self._object(record, lines))}\n"
        start = f"{_utc(record)} {record.levelname} {record.process} {self._verb}: "
        return "".join(f"{start}{line}\n" for line in lines)

    def _object(self, record: logging.LogRecord, lines: list[str]) -> dict[str, object]:
        fields = getattr(record, "fields", {})
        return {
            "time": _utc(record),
            "level": record.levelname,
            "pid": record.process,
            "command": self._verb,
            "event": getattr(record, "event", "message"),
            "text": "\n".join(lines),
            **{name: shown(value) if isinstance(value, str) else value for name, value in fields.items()},
        }


def _utc(record: logging.LogRecord) -> str:
    """Return the time as ISO 8601 in UTC, with milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
