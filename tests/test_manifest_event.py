"""Whether anybody listens to events, which decides whether texts that take long are made."""

import logging
import sys

import pytest

from qa2pack.manifest.event import LOGGER, Level, is_logged


def test_events_below_the_level_of_the_log_are_not_listened_to(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    assert [is_logged(level) for level in Level] == [False, True, True, True]


def test_nobody_listens_in_a_program_without_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "logging")
    assert not is_logged(Level.ERROR)
