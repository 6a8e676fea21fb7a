"""Log of a command: handlers of Python's `logging` for a file (--log) and for the screen (--verbose, --debug).

A file gets every event and every line that is printed. It is append-only, one write per event, so that several
commands, and the worker processes of each, may share it. A log that cannot be written never stops the work: that is
reported once, and logging ends. The caller checks that it is outside package and origin.
"""

import io
import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO

from qa2pack.manifest.event import LOGGER, Level, log_event
from qa2pack.manifest.path import shown
from qa2pack.pack.terminal.log_lines import LogLines
from qa2pack.pack.terminal.output_streams import LossyStream, write_escaped

# Printed lines are for the file alone: a handler that prints would print them again and again.
_PRINTED = f"{LOGGER}.printed"


class LogFile(logging.Handler):
    """An open log; after a failed write it stays silent."""

    def __init__(self, path: bytes, lines: LogLines, screen: TextIO) -> None:
        """Open the file for appending; a failure, also a later one, is reported on the screen."""
        super().__init__()
        self.setFormatter(lines)
        self._path = path
        self._screen = LossyStream(screen)  # it may be the very pipe that the log could not be written to
        self._fd = -1
        try:
            # O_NONBLOCK: opening a named pipe without a reader must not block.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._fd = os.open(path, flags, 0o666)
            if _ends_within_a_line(self._fd):  # its disk was full, or the machine stopped
                os.write(self._fd, b"\n")
        except OSError as error:
            self._give_up(error)

    def emit(self, record: logging.LogRecord) -> None:
        """Append the lines of the record."""
        if self._fd < 0:
            return
        data = self.format(record).encode()
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Stop writing."""
        super().close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _give_up(self, error: OSError) -> None:
        self.close()
        print(f"No log is written ({error.strerror}): {shown(self._path)}; the work goes on.", file=self._screen)


def _ends_within_a_line(log: int) -> bool:
    status = os.fstat(log)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return False
    with suppress(OSError), open(f"/proc/self/fd/{log}", "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
    return False  # it may be written, but not read


class LogScreen(logging.Handler):
    """Prints events on stderr, which may fail as any output."""

    def __init__(self, lines: LogLines, screen: TextIO) -> None:
        super().__init__()
        self.setFormatter(lines)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Print the lines of the record."""
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            write_escaped(self._screen, self.format(record))
            self._screen.flush()


@contextmanager
def logging_to_file(log: LogFile, level: Level) -> Iterator[None]:
    """Write the events of this level, and everything that is printed in this context, line by line, into the log."""
    with ExitStack() as stack:
        stack.callback(log.close)
        stack.enter_context(_handled(_PRINTED, log, Level.INFO))
        for stream, redirect, of_line in (
            (sys.stdout, redirect_stdout, Level.INFO),
            (sys.stderr, redirect_stderr, Level.WARNING),
        ):
            logged = LoggedStream(stream, of_line)
            stack.callback(logged.end_line)
            stack.enter_context(redirect(logged))
        stack.enter_context(_handled(LOGGER, log, level))
        yield


@contextmanager
def logging_to_screen(lines: LogLines, level: Level) -> Iterator[None]:
    """Print the events of this level on stderr in this context."""
    with _handled(LOGGER, LogScreen(lines, sys.stderr), level):
        yield


@contextmanager
def _handled(name: str, handler: logging.Handler, level: Level) -> Iterator[None]:
    """Give a logger a handler for events from a level on.

    Until its end nothing goes on to handlers of the calling program: they would print what it has not asked for.
    """
    logger = logging.getLogger(name)
    before, propagated = logger.level, logger.propagate
    logger.propagate = False
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(min(level, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = propagated


class LoggedStream(io.TextIOBase):
    """A stream whose lines are also written to a log.

    Attributes:
        terminal: the stream itself.
    """

    def __init__(self, stream: TextIO, level: Level) -> None:
        self.terminal = stream
        self._level = level
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the text, and log the lines that it completes."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._log(line)
        return write_escaped(self.terminal, text)

    def end_line(self) -> None:
        """Log the last line if it is incomplete."""
        if self._begun:
            self._log(self._begun)
            self._begun = ""

    def _log(self, line: str) -> None:
        log_event(_PRINTED, "output" if self._level is Level.INFO else "message", line, self._level)

    def flush(self) -> None:
        """Flush the stream; the calling program may have closed it before Python ends this one."""
        if not self.terminal.closed:
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
