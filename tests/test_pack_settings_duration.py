"""Durations on the command line."""

import pytest
import typer

from qa2pack.pack.settings.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90s", 90), ("30min", 1800), ("2h", 7200), (" 1.5 d ", 129_600), (0, 0)]
)
def test_duration_is_parsed(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "2 hours", "-1h", "1h30min", "h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="as in 30min, 2h or 7d"):
        parse_duration(text)
