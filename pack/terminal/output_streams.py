"""What a command prints, where nobody can take it: a full disk behind stdout, a reader who has gone, a closed stream.

Also a terminal or a pipe whose encoding has not all letters: what it lacks is written as an escape.

What a command did to a package does not depend on whether that can be told. So a stream that fails is let go once and
for all, and the work ends as it would have ended.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TextIO


class LossyStream(io.TextIOBase):
    """A stream that never fails: what cannot be written is lost.

    Attributes:
        fault: the first failure; None as long as all was written.
    """

    def __init__(self, stream: TextIO) -> None:
        self.fault: OSError | None = None
        self._stream = stream

    @property
    def terminal(self) -> TextIO:
        """The stream on which progress is drawn, which is in no log; it never fails either."""
        terminal: TextIO | None = getattr(self._stream, "terminal", None)
        return self if terminal is None else LossyStream(terminal)  # type: ignore[return-value]

    def write(self, text: str) -> int:
        """Write the text, or lose it."""
        try:
            return write_escaped(self._stream, text)
        except OSError as error:
            self._close_quietly(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or lose what it holds."""
        try:
            self._stream.flush()
        except OSError as error:
            self._close_quietly(error)

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's own descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def _close_quietly(self, error: OSError) -> None:
        """Send the rest nowhere; Python would fail on what the stream still holds once more while ending."""
        self.fault = self.fault or error
        with suppress(OSError):  # a stream of Python's own has no descriptor
            redirect_to_null(self._stream.fileno())


def write_escaped(stream: TextIO, text: str) -> int:
    """Write the text, with escapes for what the stream's encoding does not have."""
    try:
        return stream.write(text)
    except UnicodeEncodeError:  # raised before anything is written
        encoding = getattr(stream, "encoding", None) or "ascii"
        return stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def escape_unencodable() -> None:
    """Let the streams of this process escape what their encoding does not have, rather than fail on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not (_is_utf8(stream) and stream.errors == "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _is_utf8(stream: TextIO) -> bool:
    """Tell whether a stream can write every letter."""
    return stream.encoding.lower().replace("-", "").replace("_", "") == "utf8"


@contextmanager
def lossy_output(*, is_output_all: bool) -> Iterator[LossyStream | None]:
    """Let stderr lose what it cannot write, and stdout as well; yield the latter.

    Args:
        is_output_all: what is printed is all that the command is for, so stdout fails as it does; yields None.
    """
    with redirect_stderr(LossyStream(sys.stderr)):
        if is_output_all:
            yield None
            return
        out = LossyStream(sys.stdout)
        with redirect_stdout(out):
            yield out


@contextmanager
def losses_reported(who: str) -> Iterator[None]:
    """Let the output of a call lose what cannot be written, and tell that on stderr at the end."""
    with lossy_output(is_output_all=False) as out:
        how: tuple[str, ...] = ()
        try:
            yield
            how = ("The work itself is done.",)
        finally:
            if out is not None:
                out.flush()
                report_loss(who, out.fault, *how)


def report_loss(who: str, fault: OSError | None, *rest: str) -> None:
    """Tell that not all could be printed; a reader who has gone wanted no more."""
    if fault is not None and fault.errno != errno.EPIPE:
        first = f"{who}: the output could not be written ({fault.strerror})."
        print(first, *rest, sep="\n  ", file=sys.stderr)


def redirect_to_null(descriptor: int) -> None:
    """Let a descriptor lead to where everything is lost."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)


def open_closed_streams() -> None:
    """Open stdin, stdout and stderr where whoever started the program closed them.

    Otherwise the next file that is opened, a journal or a lock, gets such a number, and what is printed goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - for as long as the process lives
