"""The log of the running command, if it has one. Small, because commands without a log load it too."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

from qa2pack.manifest.progress import Progress

if TYPE_CHECKING:
    from qa2pack.pack.logfile import LogFile

CURRENT_LOG: "ContextVar[LogFile | None]" = ContextVar("log", default=None)


def log_error(text: str) -> None:
    """Log a failure that is not printed; nothing where there is no log."""
    if log := CURRENT_LOG.get():
        from qa2pack.pack.logfile import Level

        log.write(Level.ERROR, text)


@contextmanager
def progress_logged(progress: Progress) -> Iterator[Progress]:
    """Yield the progress, with its phases logged if there is a log."""
    log = CURRENT_LOG.get()
    if log is None:
        yield progress
        return
    from qa2pack.pack.logfile import LoggedProgress

    logged = LoggedProgress(progress, log)
    try:
        yield logged
    finally:
        logged.end()


def terminal_of(stream: TextIO) -> TextIO:
    """Return the stream on which progress is drawn: its drawing is no matter for a log."""
    terminal: TextIO = getattr(stream, "terminal", stream)
    return terminal
