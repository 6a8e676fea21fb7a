"""Stopping on request: the first signal asks to finish what runs, the second ends at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class InterruptedByUser(Exception):
    """A stop was asked for, and everything that was under way is finished."""


class Stop:
    """Whether a stop was asked for."""

    def __init__(self) -> None:
        self.is_requested = False

    def check(self) -> None:
        """Raise `InterruptedByUser` if a stop was asked for."""
        if self.is_requested:
            raise InterruptedByUser


NEVER = Stop()


@contextmanager
def stop_on_signals(
    tell: Callable[[], None] = lambda: None, tell_end: Callable[[], None] = lambda: None
) -> Iterator[Stop]:
    """Yield a `Stop` that SIGINT and SIGTERM ask for; the second of them ends the process at once, by that signal.

    Outside the main thread Python handles no signals, so there nothing asks.

    Args:
        tell: called at the first signal, between any two steps of the program.
        tell_end: called at the second one, likewise; a third one ends even this.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop.is_requested = True
        _handle_both(end)
        tell()

    def end(number: int, frame: FrameType | None) -> None:
        _handle_both(signal.SIG_DFL)  # first: to tell may wait for a terminal that is held
        tell_end()
        os.kill(os.getpid(), number)

    before = _handle_both(ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def _handle_both(handler: _Handler) -> dict[signal.Signals, Any]:
    """Set the handler of the two signals and return what they had before."""
    return {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}


@contextmanager
def ended_by_keyboard() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that both are told in the same words: raise KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
