"""Parsing of durations on the command line: seconds, minutes, hours or days."""

import re

import typer

from qa2pack.pack.settings.bounds import MOST_DURATION_SECONDS

_FORM = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|min|h|d)\s*")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def parse_duration(text: str | float) -> float:
    """Return seconds from a text like 90s, 30min, 2h or 1.5d; 0 needs no unit.

    Raises:
        typer.BadParameter: the text is not a duration.
    """
    if isinstance(text, int | float):
        return float(text)  # a default goes through here as well
    if text.strip() == "0":
        return 0.0
    match = _FORM.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write a number with a unit, as in 30min, 2h or 7d")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > MOST_DURATION_SECONDS:
        raise typer.BadParameter(f"{text!r} is more than 100 years")
    return seconds
