"""Progress: the interface through which bulk work reports files and bytes done; silent by default."""

import time
from typing import Protocol

from qa2pack.manifest.event import log_event


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


class LoggedProgress:
    """Passes all on, and logs the begin of each phase, and its end with counts and time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name = ""
        self._files = self._bytes = 0
        self._began = 0.0

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals, which are 0 where they are not known."""
        is_new = name != self._name
        if is_new:
            self.end()
            self._name, self._files, self._bytes, self._began = name, 0, 0, time.monotonic()
        if is_new or file_count or byte_count:
            expected = f"{file_count} files, {byte_count} bytes to do" if file_count or byte_count else ""
            text = ", ".join(filter(None, ("begins" if is_new else "", expected)))
            event = "phase-begin" if is_new else "phase-totals"
            log_event(
                __name__, event, f"phase {name}: {text}", phase=name, file_count=file_count, byte_count=byte_count
            )
        self._progress.phase(name, file_count=file_count, byte_count=byte_count)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        self._files += file_count
        self._bytes += byte_count
        self._progress.advance(file_count=file_count, byte_count=byte_count)

    def end(self) -> None:
        """End the phase that was begun last; nothing without one."""
        if not self._name:
            return
        seconds = round(time.monotonic() - self._began, 3)
        log_event(
            __name__,
            "phase-end",
            f"phase {self._name}: ended, {self._files} files, {self._bytes} bytes in {seconds:.3f} s",
            phase=self._name,
            file_count=self._files,
            byte_count=self._bytes,
            seconds=seconds,
        )
        self._name = ""


class SteadyProgress:
    """Counts what running batches have read before they are finished, and passes on each byte once.

    What is passed on never exceeds the total of the phase, and nothing is taken back when a batch runs again: then
    the count stands until the new run has come as far.

    Args:
        title: what the name of each phase begins with.
    """

    def __init__(self, progress: Progress, title: str = "") -> None:
        self._display = progress
        self._title = title
        self._progress = LoggedProgress(progress)
        self._name = ""
        self._all_bytes = self._done_bytes = self._reported_bytes = 0

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals; a total is 0 where it is not known."""
        name = f"{self._title}{name}"
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

    def titled(self, title: str) -> "SteadyProgress":
        """Return the progress of one of several works that are shown on the same display, one after the other.

        With another title, a phase of the same name is another phase.
        """
        return SteadyProgress(self._display, title)

    def end(self) -> None:
        """End the phase that was begun last, for the log; the display has its own end."""
        self._progress.end()

    def _tell(self, file_count: int, reached_bytes: int) -> None:
        if self._all_bytes:
            reached_bytes = min(reached_bytes, self._all_bytes)
        new_bytes = max(0, reached_bytes - self._reported_bytes)
        self._reported_bytes += new_bytes
        self._progress.advance(file_count=file_count, byte_count=new_bytes)


def steady(progress: Progress) -> SteadyProgress:
    """Return the progress as one that can also count running batches, and whose phases are logged."""
    return progress if isinstance(progress, SteadyProgress) else SteadyProgress(progress)


def unwatched(running_bytes: int) -> None:
    """Ignore how far running batches are."""
