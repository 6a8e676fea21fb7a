"""Choices of how a command shows itself: colours, form of progress, form of the log.

Small, because every command imports it.
"""

from enum import StrEnum


class Color(StrEnum):
    """When output is coloured; AUTO: on a terminal, if the environment does not say otherwise."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class ProgressForm(StrEnum):
    """How progress is shown; AUTO: a bar on a terminal, else lines."""

    AUTO = "auto"
    BAR = "bar"
    LINES = "lines"
    JSON = "json"
    NONE = "none"


class LogFormat(StrEnum):
    """Form of a log."""

    TEXT = "text"
    JSON = "json"
