"""Isolated environment of casacore: own HOME, settings, TMPDIR and current folder, in a child process.

casacore reads settings of the user (`~/.casarc`, CASARCFILES) that change how tables are stored, needs a HOME and
free space for temporary files, and searches libraries from the current folder. Here HOME, settings and current folder
are empty, and temporary files have their own folder. casacore reads its settings once per process; the child has not
used it before.

Only a scratch folder is written. An error is reported as a fault of the table only if casacore can do the same kind
of work there on a table of our own; otherwise it is a fault of the environment.
"""

import errno
import os
import signal
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from qa2pack.executor.casa.child_process import TIME_LIMIT, ChildDiedError, HostDiedError, run_in_child
from qa2pack.executor.casa.table import create_table, opened_table
from qa2pack.executor.memory import is_memory_short, killed_count, limit_words, low_limit
from qa2pack.manifest.casa.column_split import CasacoreEnvironmentError
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.scratch import DISK_FULL, check_space, scratch_folder
from qa2pack.manifest.problem import Code

Answer = TypeVar("Answer")

_MARGIN_BYTES = 256 << 10  # for what casacore writes in addition to copies of a table's files: empty tables, locks
_PROCESS = (errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EROFS)
_OF_CASACORE = ("CASA", "AIPS")  # prefixes of its environment variables
_PROBE_SECONDS = 60
PROBE_COLUMN = {
    "valueType": "int",
    "dataManagerType": "StandardStMan",
    "dataManagerGroup": "StandardStMan",
    "option": 0,
    "maxlen": 0,
    "comment": "",
    "keywords": {},
}


def run_isolated(
    question: Callable[[Path], Answer],
    *,
    space_bytes: int,
    seconds: int = 0,
    collect: Callable[[Path], None] = lambda _: None,
    written_bytes: Callable[[], int] = lambda: 0,
) -> Answer:
    """Call the question with an empty work folder in a child process, and return its answer.

    Args:
        question: picklable, and so are its answer and its exceptions; paths in it must be absolute.
        space_bytes: how much it may write into the folder.
        seconds: time limit of the child; unless it is 0, memory is limited too.
        collect: takes results out of the folder, in this process.
        written_bytes: returns, in this process, how much was written so far, for the progress.

    Raises:
        CasacoreEnvironmentError: the fault is in the environment, such as a full disk, not in the question.
        ChildDiedError: the child ended without an answer.
    """
    killed_before = killed_count()
    try:
        with scratch_folder() as scratch:  # made by the parent, because a child that crashes cannot remove it
            _lay_out(scratch)
            check_space(scratch, space_bytes + _MARGIN_BYTES)
            answer = run_in_child(
                partial(_ask, question, scratch),
                seconds=seconds,
                written_bytes=written_bytes,
            )
            collect(scratch / "work")
            return answer
    except Exception as error:
        _raise_environment_error(error, space_bytes, is_for_memory=killed_count() > killed_before)
        raise


def check_casacore(space_bytes: int) -> None:
    """Test casacore on a table of our own, after it failed on another.

    Raises:
        CasacoreEnvironmentError: it fails on that, too.
    """
    try:
        run_isolated(_probe, space_bytes=space_bytes, seconds=_PROBE_SECONDS)
    except (RuntimeError, OSError, MemoryError, ChildDiedError) as error:
        if isinstance(error, ChildDiedError) and low_limit() is not None:
            raise _memory_short(limit_words()) from error
        raise _unusable(_words(error)) from error


def _ask(question: Callable[[Path], Answer], scratch: Path) -> Answer:
    """Set up the environment in the child; before casacore is loaded, because it reads it only then."""
    for name in [name for name in os.environ if name.startswith(_OF_CASACORE)]:
        del os.environ[name]
    os.environ["HOME"] = str(scratch / "home")
    os.environ["CASARCFILES"] = str(scratch / "settings")
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch / "temporary")
    os.chdir(scratch / "nothing")  # not `/`: a table may name a library as `/../../tmp/x`, which lib/ makes a path
    return question(scratch / "work")


def _lay_out(scratch: Path) -> None:
    for name in ("home", "temporary", "nothing", "work"):
        (scratch / name).mkdir()
    (scratch / "settings").touch()


def _raise_environment_error(error: Exception, space_bytes: int, *, is_for_memory: bool) -> None:
    """Raise CasacoreEnvironmentError if no table can be at fault; casacore reports system errors as text.

    Args:
        is_for_memory: the kernel has killed processes for want of memory since it began.
    """
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if number in DISK_FULL or any(os.strerror(code) in text for code in DISK_FULL):
        raise _full(space_bytes + _MARGIN_BYTES) from error
    if number in _PROCESS or any(os.strerror(code) in text for code in _PROCESS):
        raise _unusable(_words(error)) from error
    if low_limit() is not None and (is_memory_short(error) or _is_lost(error)):
        raise _memory_short(limit_words()) from error
    if _is_killed(error):
        raise (_memory_short if is_for_memory else _unusable)(f"the process {text}") from error
    if isinstance(error, ImportError) or TIME_LIMIT in text:
        raise _unusable(_words(error)) from error
    if isinstance(error, FileNotFoundError) and "temporary directory" in text:
        raise CasacoreEnvironmentError(b"/tmp", "", _words(error), Code.SCRATCH_FULL) from error


def _is_lost(error: Exception) -> bool:
    """Return whether a process ended as OpenBLAS and the loader end one that gets no memory, or its host did."""
    return _is_killed(error) or (isinstance(error, ChildDiedError) and "exit code" in str(error))


def _is_killed(error: Exception) -> bool:
    """Return whether something else than the question ended the process: it was killed, or its host ended."""
    is_signal = isinstance(error, ChildDiedError) and signal.SIGKILL.name in str(error)
    return is_signal or isinstance(error, HostDiedError)


def _words(error: Exception) -> str:
    """Return the message of the error, without the errno that Python puts before it."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__


def _full(count: int) -> CasacoreEnvironmentError:
    folder = tempfile.gettempdir()
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    mount = _mount_point(folder)
    where = "its file system" if mount == real_path(folder) else f"the file system at {mount}"
    found = f"{free:,} bytes free on {where}, or a quota that is used up"
    # It may be that the estimate was too low; what was written until the disk was full is free again.
    needed = f"free space for {count:,} bytes" if count > free else "more free space"
    return CasacoreEnvironmentError(os.fsencode(folder), needed, found, Code.SCRATCH_FULL)


def _memory_short(found: str) -> CasacoreEnvironmentError:
    return CasacoreEnvironmentError(b"", "", found, Code.MEMORY_SHORT)


def _unusable(reason: str) -> CasacoreEnvironmentError:
    folder = os.fsencode(tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp")
    return CasacoreEnvironmentError(folder, "", reason, Code.CASACORE_UNUSABLE)


def _mount_point(folder: str) -> str:
    path = real_path(folder)
    device = os.stat(path).st_dev
    while path != "/" and os.stat(os.path.dirname(path)).st_dev == device:
        path = os.path.dirname(path)
    return path


def _probe(work: Path) -> None:
    """Make and open a small table."""
    path = str(work / "probe")
    create_table(path, {"A": PROBE_COLUMN}, {})
    with opened_table(path) as table:
        table.nrows()
