"""Meter: counts the bytes that a batch reads, while it reads them, and lets the run end it within a big file.

An engine sets the meter of the batch that it runs. Code that reads or writes much content adds the bytes to
`current_meter`, which passes them on once per MiB. The receiver may raise, and so end the batch there: work on
batches is idempotent, and a later run does it again. Small files that are read in one call are not counted here,
because a call per file would cost as much as the work; their batches take a second or so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

STEP_BYTES = 1 << 20
LOOK_SECONDS = 0.25  # how often whoever waits, for a rate or for another process, looks whether the run goes on


class Meter:
    """Passes on how many bytes were read, a step at a time.

    Threads of a batch share it: no bytes are lost, because CPython does not switch threads within a statement that
    calls nothing, as those that change the number.

    Args:
        note: called with the bytes since its last call; raises to end the batch.
    """

    def __init__(self, note: Callable[[int], None]) -> None:
        self._note = note
        self._waiting_bytes = 0

    def add(self, byte_count: int) -> None:
        """Count bytes, and pass them on if they make a step."""
        self._waiting_bytes += byte_count
        if self._waiting_bytes >= STEP_BYTES:
            self.look()

    def look(self) -> None:
        """Pass on what was counted since the last step, also if it is nothing; for code that waits."""
        byte_count, self._waiting_bytes = self._waiting_bytes, 0
        self._note(byte_count)


def _ignore(byte_count: int) -> None:
    pass


_UNCOUNTED = Meter(_ignore)
_CURRENT: ContextVar[Meter] = ContextVar("meter", default=_UNCOUNTED)


def current_meter() -> Meter:
    """Return the meter of the batch in this thread; outside of one, a meter that does nothing."""
    return _CURRENT.get()


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count what is read inside with that meter."""
    token = _CURRENT.set(meter)
    try:
        yield
    finally:
        _CURRENT.reset(token)
