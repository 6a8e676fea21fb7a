"""Source of the README header: a regular file, or the pipe of a process substitution, `<(command)`.

Anything else is refused, because a named pipe without a writer or a device could block a plan for ever.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from qa2pack.manifest.fs.presence import is_there, real_path
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused


@contextmanager
def readable_readme(request: PlanRequest) -> Iterator[PlanRequest]:
    """Yield the request with a header file that can be read without blocking; a missing path is left as it is.

    A pipe is read into memory here, where a signal still ends the command at once.

    Raises:
        Refused: the path is neither a regular file nor such a pipe.
    """
    path = request.readme
    mode = None if path is None else _mode_of(path)
    if path is None or mode is None or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        yield request
    elif stat.S_ISFIFO(mode) and not is_there(real_path(path)):  # anonymous pipe of a shell
        with open(os.memfd_create("readme"), "w+b") as memory:
            with open(path, "rb") as pipe:
                shutil.copyfileobj(pipe, memory)
            memory.flush()
            yield replace(request, readme=b"/proc/self/fd/%d" % memory.fileno())
    else:
        raise Refused(Problem(Code.README_MISSING, path, "a file", "something else"))


def is_pipe(path: bytes) -> bool:
    """Return whether a path is a pipe, which can be read only once."""
    mode = _mode_of(path)
    return mode is not None and stat.S_ISFIFO(mode)


def _mode_of(path: bytes) -> int | None:
    try:
        return os.stat(path).st_mode
    except OSError:
        return None  # reading it reports the error
