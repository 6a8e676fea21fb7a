"""Stop signals: the first SIGINT or SIGTERM asks running work to finish, the second ends the process at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from qa2pack.manifest.problem import Code, PackError, Problem


class InterruptedByUser(PackError):
    """A stop was requested, and the work that was running is finished."""

    problems = (Problem(Code.INTERRUPTED, b""),)


class Stop:
    """Whether a stop was requested."""

    def __init__(self) -> None:
        self.is_requested = False

    def check(self) -> None:
        """Raise `InterruptedByUser` if a stop was requested."""
        if self.is_requested:
            raise InterruptedByUser


NEVER = Stop()
_observing: list[Stop] = []


@contextmanager
def stop_on_signals(
    on_first: Callable[[], None] = lambda: None, on_second: Callable[[], None] = lambda: None
) -> Iterator[Stop]:
    """Yield a `Stop` that SIGINT and SIGTERM request; the second signal ends the process at once, by that signal.

    Outside the main thread Python handles no signals, so the `Stop` is never requested there. See `stops_observed`.

    Args:
        on_first: called at the first signal, between any two bytecode instructions.
        on_second: called at the second signal, likewise; a third signal ends the process even during this call.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    stop.is_requested = any(each.is_requested for each in _observing)
    owner = os.getpid()

    def ask(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            _end_child(number)
            return
        for each in (stop, *_observing):
            each.is_requested = True
        _handle_both(end)
        on_first()

    def end(number: int, frame: FrameType | None) -> None:
        _handle_both(signal.SIG_DFL)  # before the call, which may block on a stopped terminal
        on_second()
        os.kill(os.getpid(), number)

    before = _handle_both(ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stops_observed() -> Iterator[Stop]:
    """Yield a `Stop` that is requested when any `stop_on_signals` in the block is: for work in several steps.

    A step that is asked to stop after its last safe point ends as if it were not. So the steps that follow begin with
    a stop that is requested already.
    """
    stop = Stop()
    _observing.append(stop)
    try:
        yield stop
    finally:
        _observing.remove(stop)


def _end_child(number: int) -> None:
    """End a child process that has not yet handlers of its own; only SIGTERM is meant for it, not Ctrl-C.

    A worker that took it for a request to stop would wait for work for ever, and who ended it for its end.
    """
    if number == signal.SIGTERM:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


_Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def _handle_both(handler: _Handler) -> dict[signal.Signals, Any]:
    """Set the handler of the two signals and return what they had before."""
    return {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}


@contextmanager
def ended_by_keyboard() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt, so that both are reported alike; an ignored Ctrl-C stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_deadly = signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    numbers = (signal.SIGTERM, signal.SIGINT) if is_deadly else (signal.SIGTERM,)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
