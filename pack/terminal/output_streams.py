"""Output streams that may fail: full disk, closed pipe, closed descriptor, encoding without all characters.

The result of a command does not depend on whether it can be printed: after a failure the rest of a stream is
discarded, and the work ends as it would have ended. A character that the encoding lacks is written as an escape.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from qa2pack.manifest.path import shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class LossyStream(io.TextIOBase):
    """A stream that never raises: output that cannot be written is discarded.

    Attributes:
        fault: the first failure; None if everything was written.
    """

    def __init__(self, stream: TextIO) -> None:
        self.fault: OSError | None = None
        self._stream = stream

    def __del__(self) -> None:
        """Leave the stream open, unlike a stream that has one of its own."""

    @property
    def terminal(self) -> TextIO:
        """The stream for progress display, which is not logged; it never raises either."""
        terminal: TextIO | None = getattr(self._stream, "terminal", None)
        return self if terminal is None else LossyStream(terminal)  # type: ignore[return-value]

    def write(self, text: str) -> int:
        """Write the text, or discard it."""
        try:
            return write_escaped(self._stream, text)
        except OSError as error:
            self.discard_rest(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream, or discard its buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            self.discard_rest(error)

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's own descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The binary stream, for bytes that are no text; it fails as this stream does."""
        return _LossyBuffer(self, self._stream.buffer)

    def discard_rest(self, error: OSError) -> None:
        """Redirect the stream to /dev/null; otherwise Python fails again on its buffer at exit."""
        self.fault = self.fault or error
        with suppress(OSError):  # an in-memory stream has no descriptor
            redirect_to_null(self._stream.fileno())


class _LossyBuffer(io.BufferedIOBase):
    """The binary stream below a lossy stream."""

    def __init__(self, owner: LossyStream, buffer: BinaryIO) -> None:
        self._owner = owner
        self._buffer = buffer

    def __del__(self) -> None:
        """Leave the stream open."""

    def write(self, data: "ReadableBuffer") -> int:
        """Write the bytes, or do what the stream does when it fails."""
        try:
            return self._buffer.write(data)
        except OSError as error:
            self._owner.discard_rest(error)
            return memoryview(data).nbytes

    def flush(self) -> None:
        """Flush the bytes through the stream above."""
        self._owner.flush()


class OutputLostError(Exception):
    """What is printed is all that a command is for, and could not be written; str() says why."""


class Output(LossyStream):
    """A stream of which nothing may be lost: it fails with an error of its own, so that no other disk is blamed."""

    def discard_rest(self, error: OSError) -> None:
        """Raise, unlike the other streams, after the rest is redirected; a closed pipe is raised as it is."""
        if isinstance(error, BrokenPipeError):
            raise error
        super().discard_rest(error)
        raise OutputLostError(error.strerror or str(error)) from error


def write_escaped(stream: TextIO, text: str) -> int:
    """Write the text, with escapes for characters that the stream's encoding lacks."""
    try:
        return stream.write(text)
    except UnicodeEncodeError:  # raised before anything is written
        encoding = getattr(stream, "encoding", None) or "ascii"
        return stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def terminal_of(stream: TextIO) -> TextIO:
    """Return the stream for progress display, which is not logged."""
    terminal: TextIO = getattr(stream, "terminal", stream)
    return terminal


def escape_unencodable() -> None:
    """Make stdout and stderr escape characters that their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not (_is_utf8(stream) and stream.errors == "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _is_utf8(stream: TextIO) -> bool:
    """Return whether the stream's encoding has every character."""
    return stream.encoding.lower().replace("-", "").replace("_", "") == "utf8"


@contextmanager
def lossy_output(*, is_output_all: bool) -> Iterator[LossyStream | None]:
    """Make stderr and stdout discard output that cannot be written; yield stdout.

    Args:
        is_output_all: printing is the only purpose of the command, so stdout raises OutputLostError or
            BrokenPipeError; yields None.
    """
    with redirect_stderr(LossyStream(sys.stderr)):
        if is_output_all:
            with redirect_stdout(Output(sys.stdout)):
                yield None
            return
        out = LossyStream(sys.stdout)
        with redirect_stdout(out):
            yield out


@contextmanager
def losses_reported(who: str) -> Iterator[None]:
    """Discard output of a call that cannot be written, and report that on stderr at the end."""
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
    """Report that output was lost; a closed pipe is not reported, because its reader wanted no more."""
    if fault is not None and fault.errno != errno.EPIPE:
        first = f"{who}: the output could not be written ({fault.strerror})."
        print(first, *rest, sep="\n  ", file=sys.stderr)


def report_os_error(program: str, error: OSError) -> None:
    """Print what could not be read or written; nothing behind a closed pipe, where nobody reads it."""
    if error.errno == errno.EPIPE:
        redirect_to_null(sys.stdout.fileno())  # where Python would fail again at its end
    else:
        path = f": {shown(error.filename)}" if isinstance(error.filename, str | bytes) else ""
        print(f"{program}: {error.strerror}{path}", file=sys.stderr)


def redirect_to_null(descriptor: int) -> None:
    """Redirect a descriptor to /dev/null."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)


def open_closed_streams() -> None:
    """Open /dev/null as stdin, stdout and stderr if the parent process closed them.

    Otherwise the next opened file, a journal or a lock, gets descriptor 0, 1 or 2, and output is written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - for as long as the process lives
