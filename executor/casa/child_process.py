"""Child process: runs one function in a forked child with limits, because it may crash.

casacore trusts the numbers in a table's files. Damaged files can make it read out of bounds, allocate all memory of
the machine, or never return. Only the child is affected; its time and memory are limited.
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

from qa2pack.executor.memory import ENOUGH_BYTES
from qa2pack.manifest.fs.meter import LOOK_SECONDS, current_meter

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Answer = TypeVar("Answer")

_PR_SET_PDEATHSIG = 1
# The new program gets sys.path of this process, so that it imports the same modules.
_PROGRAM = """
import os, pickle, sys
file = os.fdopen(int(sys.argv[1]), "rb")
sys.path[:] = pickle.load(file)
from qa2pack.executor.casa.child_process import answer_afresh
answer_afresh(file, int(sys.argv[2]))
"""


class ChildDiedError(Exception):
    """The child process ended without an answer; str() says how."""


def run_in_child(
    question: Callable[[], Answer],
    *,
    seconds: int,
    is_fresh: bool = False,
    written_bytes: Callable[[], int] = lambda: 0,
) -> Answer:
    """Call the question in a child process; return its result, or raise its exception.

    Result and exceptions must be picklable. Output of the question is discarded.

    Args:
        seconds: time limit of the child; 0 means no limit of time and memory.
        is_fresh: the child executes a new program without the modules of this process; then the question must be
            picklable, too.
        written_bytes: returns, in this process, how much the child has written so far; the meter counts it.

    Raises:
        ChildDiedError: a signal ended the child, or it took more than `seconds`.
        Exception: of the meter, which is looked at while the child works: the run was stopped; the child is ended.
    """
    from multiprocessing.connection import Pipe  # slow to import, and most packages never need it

    receiver, sender = Pipe(duplex=False)
    parent = os.getpid()
    with warnings.catch_warnings():
        # Python warns of a fork in a process with threads, such as the idle ones of numpy, which the child does
        # not use.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        receiver.close()
        _answer(question, sender, parent, seconds=seconds, is_fresh=is_fresh)
    sender.close()
    try:
        answer = _received(receiver, written_bytes)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        _status_of(child)
        raise
    status = _status_of(child)
    if answer is None:
        raise ChildDiedError(_cause(status, seconds))
    if answer[1] is not None:
        raise answer[1]
    return cast(Answer, answer[0])


def _status_of(child: int) -> int:
    """Wait for the end of the child, and return its status, that of exit code 1 if the system does not keep it.

    It does not where a parent of this process made it ignore the ends of its children, as some job schedulers do.
    """
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        return 1 << 8
    return status


def _answer(
    question: Callable[[], object], sender: "Connection", parent: int, *, seconds: int, is_fresh: bool
) -> NoReturn:
    try:
        _follow(parent)
        _bound(seconds)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the threads of NumPy take address space, and have no work here
        if is_fresh:
            _exec_new_program(question, sender)
        _send_answer(question, sender)
    finally:
        os._exit(1)  # the child must not run the parent's exit handlers or flush its buffers


def _send_answer(question: Callable[[], object], sender: "Connection") -> NoReturn:
    try:
        sender.send((question(), None))
    except Exception as error:
        sender.send((None, error))
    os._exit(0)


def _exec_new_program(question: Callable[[], object], sender: "Connection") -> NoReturn:
    """Execute a new program in this process; process id, limits and remaining time stay."""
    fd = os.memfd_create("question", 0)
    with open(fd, "wb", closefd=False) as file:
        pickle.dump([os.path.abspath(path) for path in sys.path], file)
        pickle.dump(question, file)
    os.lseek(fd, 0, os.SEEK_SET)
    os.chdir("/")  # in a folder that was removed, NumPy cannot be imported by Python 3.13
    os.set_inheritable(sender.fileno(), True)
    os.execv(sys.executable, [sys.executable, "-c", _PROGRAM, str(fd), str(sender.fileno())])


def answer_afresh(file: BinaryIO, fd: int) -> NoReturn:
    """Answer the question in the file through the pipe open as `fd`; runs in the new program."""
    from multiprocessing.connection import Connection

    sender = Connection(fd, readable=False)
    try:
        with file:
            question = pickle.load(file)
        _send_answer(question, sender)
    finally:
        os._exit(1)


def _follow(parent: int) -> None:
    """Ignore Ctrl-C, which would look like a crash; the parent finishes the running work. Die with the parent."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal, and some process managers, signal the whole group
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before prctl


def _bound(seconds: int) -> None:
    faulthandler.disable()  # a crash of the child is an answer, and must not print a traceback
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)  # the kernel's default action: ends even a loop inside casacore
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # casacore holds a file of every column open
    if seconds:
        _bound_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Not writable on purpose: writes to it fail and are ignored.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def _bound_memory() -> None:
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    limit = min([used + ENOUGH_BYTES, *(each for each in limits if each != resource.RLIM_INFINITY)])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limits[1]))


def _received(receiver: "Connection", written_bytes: Callable[[], int]) -> tuple[object, Exception | None] | None:
    meter, counted_bytes = current_meter(), 0
    with receiver:
        while not receiver.poll(LOOK_SECONDS):
            new_bytes = max(0, written_bytes() - counted_bytes)
            counted_bytes += new_bytes
            meter.add(new_bytes)
            meter.look()
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
