"""Progress: the interface through which bulk work reports files and bytes done; silent by default."""

from typing import Protocol


class Progress(Protocol):
    """Receives phases and what was done in them; called once per batch and several times a second, so cheap."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase; a total is 0 where it is not known.

        Called again with the name of the present phase, it tells the totals of that, and what was done stays counted.
        """
        ...

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase; both are 0 where only time has passed."""
        ...


class Silent:
    """Reports nothing."""

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Ignore it."""


class SteadyProgress:
    """Counts what running batches have read before they are finished, and passes on each byte once.

    What is passed on never exceeds the total of the phase, and nothing is taken back when a batch runs again: then
    the count stands until the new run has come as far.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name = ""
        self._all_bytes = self._done_bytes = self._reported_bytes = 0

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals; a total is 0 where it is not known."""
        if name != self._name:
            self._name, self._done_bytes, self._reported_bytes = name, 0, 0
        self._all_bytes = byte_count = max(byte_count, self._reported_bytes) if byte_count else 0
        self._progress.phase(name, file_count=file_count, byte_count=byte_count)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes of a finished batch; it is not among the running ones any more."""
        self._done_bytes += byte_count
        self._tell(file_count, self._done_bytes)

    def look(self, running_bytes: int) -> None:
        """Note how many bytes all running batches have read so far; called by the clock, also if nothing is new."""
        self._tell(0, self._done_bytes + running_bytes)

    def _tell(self, file_count: int, reached_bytes: int) -> None:
        if self._all_bytes:
            reached_bytes = min(reached_bytes, self._all_bytes)
        new_bytes = max(0, reached_bytes - self._reported_bytes)
        self._reported_bytes += new_bytes
        self._progress.advance(file_count=file_count, byte_count=new_bytes)


def steady(progress: Progress) -> SteadyProgress:
    """Return the progress as one that can also count running batches."""
    return progress if isinstance(progress, SteadyProgress) else SteadyProgress(progress)


def unwatched(running_bytes: int) -> None:
    """Ignore how far running batches are."""
