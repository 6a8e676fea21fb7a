"""Source of the README header: a regular file, or the pipe of a process substitution, `<(command)`.

Anything else is refused, because a named pipe without a writer or a device could block a plan for ever.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO

from qa2pack.manifest.fs.control_file import SMALL_BYTES, ControlFileError, is_shell_pipe, read_named
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused


@contextmanager
def readable_readme(request: PlanRequest) -> Iterator[PlanRequest]:
    """Yield the request with a header file that can be read without blocking; a missing path is left as it is.

    A pipe is read into memory here, where a signal still ends the command at once.

    Raises:
        Refused: the path is neither a regular file nor such a pipe, or too much comes out of it.
    """
    path = request.readme
    mode = None if path is None else _mode_of(path)
    if path is None or mode is None or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        yield request
    elif is_shell_pipe(path):
        with open(os.memfd_create("readme"), "w+b") as memory:
            shutil.copyfileobj(BytesIO(_piped(path)), memory)
            memory.flush()
            yield replace(request, readme=b"/proc/self/fd/%d" % memory.fileno())
    else:
        raise Refused(Problem(Code.README_MISSING, path, "a file", "something else"))


def _piped(path: bytes) -> bytes:
    try:
        return read_named(path, limit_bytes=SMALL_BYTES)
    except ControlFileError as error:
        raise Refused(Problem(Code.README_MISSING, path, found=error.strerror or "")) from error


def is_pipe(path: bytes) -> bool:
    """Return whether a path is a pipe, which can be read only once."""
    mode = _mode_of(path)
    return mode is not None and stat.S_ISFIFO(mode)


def _mode_of(path: bytes) -> int | None:
    try:
        return os.stat(path).st_mode
    except OSError:
        return None  # reading it reports the error
