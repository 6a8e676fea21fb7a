"""Log file of a command (--log): all lines that were printed, phases with their counts, and the exit code.

The file is append-only, one write per line, so that several commands may share it. A log that cannot be written never
stops the work: that is reported once, and logging ends. The caller checks that it is outside package and origin.
"""

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from enum import StrEnum
from typing import TextIO

from qa2pack.manifest.path import shown
from qa2pack.manifest.progress import Progress
from qa2pack.pack.terminal.output_streams import write_escaped


class Level(StrEnum):
    """Log level of a line."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFile:
    """An open log; after a failed write it stays silent."""

    def __init__(self, path: bytes, verb: str, screen: TextIO) -> None:
        """Open the file for appending; a failure, also a later one, is reported on the screen."""
        self.path = path
        self.verb = verb
        self._screen = screen
        self._fd = -1
        try:
            # O_NONBLOCK: opening a named pipe without a reader must not block.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._fd = os.open(path, flags, 0o666)
        except OSError as error:
            self._give_up(error)

    def write(self, level: Level, text: str) -> None:
        """Append a line for each line of the text, escaped so that a text cannot forge a log line."""
        if self._fd < 0:
            return
        now = time.time_ns()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
        start = f"{second}.{now // 10**6 % 1000:03d}Z {level} {os.getpid()} {self.verb}: "
        data = "".join(f"{start}{shown(line)}\n" for line in text.split("\n")).encode()
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Stop writing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _give_up(self, error: OSError) -> None:
        self.close()
        print(f"No log is written ({error.strerror}): {shown(self.path)}; the work goes on.", file=self._screen)


@contextmanager
def logging_to(path: bytes, verb: str) -> Iterator[LogFile]:
    """Copy everything that is printed in this context into the log, line by line; sets `CURRENT_LOG`."""
    log = LogFile(path, verb, sys.stderr)
    out, err = LoggedStream(sys.stdout, log, Level.INFO), LoggedStream(sys.stderr, log, Level.WARNING)
    token = CURRENT_LOG.set(log)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield log
    finally:
        CURRENT_LOG.reset(token)
        out.end_line()
        err.end_line()
        log.close()


class LoggedStream(io.TextIOBase):
    """A stream whose lines are also written to a log.

    Attributes:
        terminal: the stream itself.
    """

    def __init__(self, stream: TextIO, log: LogFile, level: Level) -> None:
        self.terminal = stream
        self._log = log
        self._level = level
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the text, and log the lines that it completes."""
        *lines, self._begun = (self._begun + text).split("\n")
        if lines:
            self._log.write(self._level, "\n".join(lines))
        return write_escaped(self.terminal, text)

    def end_line(self) -> None:
        """Log the last line if it is incomplete."""
        if self._begun:
            self._log.write(self._level, self._begun)
            self._begun = ""

    def flush(self) -> None:
        """Flush the stream."""
        self.terminal.flush()

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return self.terminal.isatty()

    def fileno(self) -> int:
        """Return the stream's own descriptor."""
        return self.terminal.fileno()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The binary stream: bytes written there are data, and not logged."""
        buffer: io.BufferedIOBase = self.terminal.buffer  # type: ignore[assignment]
        return buffer


class LoggedProgress:
    """Logs the begin of each phase, and its end with counts and time."""

    def __init__(self, progress: Progress, log: LogFile) -> None:
        self._progress = progress
        self._log = log
        self._name = ""
        self._files = self._bytes = 0
        self._began = 0.0

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Begin a phase, or tell its totals, which are 0 where they are not known."""
        expected = f"{file_count} files, {byte_count} bytes to do" if file_count or byte_count else ""
        if name == self._name:
            self._log.write(Level.INFO, f"phase {name}: {expected}")
        else:
            self.end()
            self._name, self._files, self._bytes, self._began = name, 0, 0, time.monotonic()
            self._log.write(Level.INFO, f"phase {name}: " + ", ".join(filter(None, ("begins", expected))))
        self._progress.phase(name, file_count=file_count, byte_count=byte_count)

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Count files and bytes as done in the phase."""
        self._files += file_count
        self._bytes += byte_count
        self._progress.advance(file_count=file_count, byte_count=byte_count)

    def end(self) -> None:
        """End the phase that was begun last."""
        if self._name:
            seconds = time.monotonic() - self._began
            done = f"{self._files} files, {self._bytes} bytes in {seconds:.3f} s"
            self._log.write(Level.INFO, f"phase {self._name}: ended, {done}")
            self._name = ""


CURRENT_LOG: "ContextVar[LogFile | None]" = ContextVar("log", default=None)


def log_error(text: str) -> None:
    """Log a failure that is not printed; does nothing without a log."""
    if log := CURRENT_LOG.get():
        from qa2pack.pack.terminal.log_file import Level

        log.write(Level.ERROR, text)


@contextmanager
def progress_logged(progress: Progress) -> Iterator[Progress]:
    """Yield the progress, with its phases logged if there is a log."""
    log = CURRENT_LOG.get()
    if log is None:
        yield progress
        return
    from qa2pack.pack.terminal.log_file import LoggedProgress

    logged = LoggedProgress(progress, log)
    try:
        yield logged
    finally:
        logged.end()


def terminal_of(stream: TextIO) -> TextIO:
    """Return the stream for progress display, which is not logged."""
    terminal: TextIO = getattr(stream, "terminal", stream)
    return terminal
