"""Running one question in a child process, because the answer may be a crash.

casacore trusts the numbers in a table's files: damaged ones can make it read beyond its memory, ask for all
of the machine's, or never come back. The child takes that upon itself. What it may use is bounded.
"""

import ctypes
import faulthandler
import os
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Answer = TypeVar("Answer")

# Far above what describing or splitting a table takes, far below what would bring the machine down.
_MEMORY_BYTES = 4 << 30
_PR_SET_PDEATHSIG = 1
# The names are found where this process finds them, whatever the new one would do.
_PROGRAM = """
import os, pickle, sys
file = os.fdopen(int(sys.argv[1]), "rb")
sys.path[:] = pickle.load(file)
from qa2pack.executor.casa.child_process import answer_afresh
answer_afresh(file, int(sys.argv[2]))
"""


class ChildDiedError(Exception):
    """The child ended without an answer; str() says how."""


def run_in_child(question: Callable[[], Answer], *, seconds: int, is_fresh: bool = False) -> Answer:
    """Return what the question returns, or raise what it raises, from a child process that is gone afterwards.

    Answer and exceptions must be picklable. What the question prints is dropped.

    Args:
        seconds: after which the child is ended; 0 leaves it all the time, and all the memory.
        is_fresh: the child begins as a new program, without what this process has loaded; then the question must be
            picklable, too.

    Raises:
        ChildDiedError: a signal ended the child, or it took more than `seconds`.
    """
    from multiprocessing.connection import Pipe  # loads much that most packages never need

    receiver, sender = Pipe(duplex=False)
    parent = os.getpid()
    with warnings.catch_warnings():
        # Python warns of forking beside threads, such as numpy's, which are idle: the child makes no use of
        # them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        receiver.close()
        _answer(question, sender, parent, seconds=seconds, is_fresh=is_fresh)
    sender.close()
    answer = _received(receiver)
    _, status = os.waitpid(child, 0)
    if answer is None:
        raise ChildDiedError(_cause(status, seconds))
    if answer[1] is not None:
        raise answer[1]
    return cast(Answer, answer[0])


def _answer(
    question: Callable[[], object], sender: "Connection", parent: int, *, seconds: int, is_fresh: bool
) -> NoReturn:
    try:
        _follow(parent)
        _bound(seconds)
        if is_fresh:
            _exec_new_program(question, sender)
        _send_answer(question, sender)
    finally:
        os._exit(1)  # the parent's buffers and exit handlers are not the child's to run


def _send_answer(question: Callable[[], object], sender: "Connection") -> NoReturn:
    try:
        sender.send((question(), None))
    except Exception as error:
        sender.send((None, error))
    os._exit(0)


def _exec_new_program(question: Callable[[], object], sender: "Connection") -> NoReturn:
    """Become a new program; process number, bounds and the time that is left stay what they are."""
    fd = os.memfd_create("question", 0)
    with open(fd, "wb", closefd=False) as file:
        pickle.dump([os.path.abspath(path) for path in sys.path], file)
        pickle.dump(question, file)
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(sender.fileno(), True)
    os.execv(sys.executable, [sys.executable, "-c", _PROGRAM, str(fd), str(sender.fileno())])


def answer_afresh(file: BinaryIO, fd: int) -> NoReturn:
    """Answer the question in the file, in the new program, through the pipe that is open as `fd`."""
    from multiprocessing.connection import Connection

    sender = Connection(fd, readable=False)
    try:
        with file:
            question = pickle.load(file)
        _send_answer(question, sender)
    finally:
        os._exit(1)


def _follow(parent: int) -> None:
    """Leave Ctrl-C to the parent, which finishes what is under way: else it would look like a crash. Die with it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal, and some programs that end others, tell all alike
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above


def _bound(seconds: int) -> None:
    faulthandler.disable()  # a crash of the child is an answer, not a reason to alarm the user
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)  # the kernel's default action: ends even a loop inside casacore
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # casacore holds a file of every column open
    if seconds:
        _bound_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Not writable on purpose: writes to it fail and are forgotten.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _bound_memory() -> None:
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))


def _received(receiver: "Connection") -> tuple[object, Exception | None] | None:
    with receiver:
        try:
            answer: tuple[object, Exception | None] = receiver.recv()
        except EOFError:
            return None
    return answer


def _cause(status: int, seconds: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        return f"no answer in {seconds} seconds"
    return f"crashed with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
