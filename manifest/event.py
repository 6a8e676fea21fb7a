"""Events for a log: records of Python's `logging`, by loggers with the names of modules, all below `qa2pack`.

Nothing is done in a program that has not imported `logging`, because nobody can listen there: the import would make
small commands slower. Nothing is printed where nobody listens.
"""

import sys
from enum import IntEnum
from typing import Any

LOGGER = "qa2pack"
Field = str | int | float | bool | None


class Level(IntEnum):
    """Log level of an event, with the number that `logging` gives it."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


def log_event(name: str, event: str, text: str, /, level: Level = Level.INFO, **fields: Field) -> None:
    """Log an event.

    Args:
        name: of the logger; `__name__` of the module.
        event: kind of the event, for programs.
        text: the event as a sentence, which may have several lines; names in it need not be escaped.
        fields: the values in the text, for programs.
    """
    if logging := _logging():
        logging.getLogger(name).log(level, "%s", text, extra={"event": event, "fields": fields})


def is_logged(level: Level) -> bool:
    """Return whether anybody listens to events of this level; for texts that take long to make."""
    logging = _logging()
    return logging is not None and bool(logging.getLogger(LOGGER).isEnabledFor(level))


def _logging() -> Any:
    """Return the module `logging` if the program has imported it."""
    logging = sys.modules.get("logging")
    if logging is not None:
        ours = logging.getLogger(LOGGER)
        if not ours.handlers:  # otherwise errors would be printed where the program has no handler
            ours.addHandler(logging.NullHandler())
    return logging
