"""Child process: has one function called in a child with limits, because it may crash.

casacore trusts the numbers in a table's files. Damaged files can make it read out of bounds, allocate all memory of
the machine, or never return. Only the child is affected; its time and memory are limited.

The children are forked by the casacore host (`executor.casa.host`), a program of its own that has casacore loaded: so
that is loaded once for all tables, and never in the process that asks. It is started for the first question, or
before; worker processes that are forked later share it.
"""

import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.meter import LOOK_SECONDS, current_meter

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Answer = TypeVar("Answer")

# The host gets sys.path of this process, so that it imports the same modules.
_PROGRAM = """
import os, pickle, sys
with open(int(sys.argv[1]), "rb") as file:
    sys.path[:] = pickle.load(file)
from qa2pack.executor.casa.host import serve
serve(int(sys.argv[2]), int(sys.argv[3]))
"""


TIME_LIMIT = "ulimit -t"  # the user's, which says nothing of what was asked


class ChildDiedError(Exception):
    """The child process ended without an answer; str() says how."""


class HostDiedError(ChildDiedError):
    """The casacore host ended, and its children with it: no question is at fault; str() says how, if known."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the host is asked.

    Attributes:
        call: the function.
        seconds: limit of the processor time of the child; 0 means no limit of time and memory.
        variables: the environment of the process that asks.
    """

    call: Callable[[], object]
    seconds: int
    variables: dict[str, str]


def run_in_child(
    question: Callable[[], Answer], *, seconds: int, written_bytes: Callable[[], int] = lambda: 0
) -> Answer:
    """Call the question in a child process; return its result, or raise its exception.

    Question, result and exceptions must be picklable. Output of the question is discarded.

    Args:
        seconds: limit of the processor time of the child, which waits for disks much longer; 0 means no limit of
            time and memory.
        written_bytes: returns, in this process, how much the child has written so far; the meter counts it.

    Raises:
        ChildDiedError: a signal ended the child, or it needed more than `seconds`.
        HostDiedError: the host ended before the child did.
        Exception: of the meter, which is looked at while the child works: the run was stopped; the child is ended.
    """
    from multiprocessing.connection import Connection  # slow to import, and most packages never need it

    ours, theirs = socket.socketpair()
    with Connection(ours.detach()) as receiver:
        with theirs, _in_memory(Question(question, seconds, dict(os.environ))) as asked:
            _send(theirs.fileno(), asked)
        try:
            answer, status = _received(receiver, written_bytes)
        except BaseException:
            _give_up(receiver)
            raise
    if answer is None and status is None:
        raise HostDiedError(_cause_of_host())
    if answer is None:
        raise ChildDiedError(_cause(status or 0, seconds))
    if answer[1] is not None:
        raise answer[1]
    return cast(Answer, answer[0])


def start_host() -> None:
    """Start the host of this process, unless it runs; it loads casacore while this process goes on."""
    _running_host()


@dataclass(frozen=True, slots=True)
class _Host:
    """A host.

    Attributes:
        control: where it is asked. It ends when no process has this open any more.
        caller: what it has of the process that started it.
    """

    control: socket.socket
    caller: tuple[object, ...]
    process: subprocess.Popen[bytes]


_hosts: list[_Host] = []  # of this process and of those that forked it; the last is asked


def _running_host() -> socket.socket:
    """Return where the host is asked; a process that is another user by now, or has other limits, gets another."""
    modules = [os.path.abspath(path) for path in sys.path]
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)]
    caller = (modules, sys.executable, os.geteuid(), os.getegid(), os.getgroups(), limits)
    if not _hosts or _hosts[-1].caller != caller:
        _hosts.append(_started(modules, caller))
    return _hosts[-1].control


def _started(modules: list[str], caller: tuple[object, ...]) -> _Host:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, _in_memory(modules) as program:
        fds = program, theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *map(str, fds), str(os.getpid())],
            pass_fds=fds,
            cwd="/",  # in a folder that was removed, NumPy cannot be imported by Python 3.13
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return _Host(ours, caller, process)


def _send(connection: int, asked: int) -> None:
    """Give the question to the host; one that was killed is replaced."""
    try:
        socket.send_fds(_running_host(), [b"?"], [connection, asked])
    except (BrokenPipeError, ConnectionResetError):
        _forget(_hosts.pop())
        socket.send_fds(_running_host(), [b"?"], [connection, asked])


def _forget(host: _Host) -> None:
    """Close what is open of a host that ended."""
    host.control.close()
    host.process.wait()


@contextmanager
def _in_memory(value: object) -> Iterator[int]:
    """Yield a file in memory with the pickled value, to be read from its beginning."""
    with open(os.memfd_create("question"), "wb") as file:
        pickle.dump(value, file)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        yield file.fileno()


def _received(
    receiver: "Connection", written_bytes: Callable[[], int]
) -> tuple[tuple[object, Exception | None] | None, int | None]:
    """Return the answer, None if there is none, and the status of the ended child; None where its host ended."""
    meter, counted_bytes = current_meter(), 0
    answer = None
    while True:
        while not receiver.poll(LOOK_SECONDS):
            new_bytes = max(0, written_bytes() - counted_bytes)
            counted_bytes += new_bytes
            meter.add(new_bytes)
            meter.look()
        try:
            found = receiver.recv()
        except EOFError:
            return answer, None  # the host ended, and its children with it
        if isinstance(found, int):
            return answer, found
        answer = found


def _give_up(receiver: "Connection") -> None:
    """Let the host end the child, and wait for that."""
    with socket.socket(fileno=os.dup(receiver.fileno())) as ours:
        ours.shutdown(socket.SHUT_WR)
    with suppress(EOFError):
        while not isinstance(receiver.recv(), int):
            pass


def _cause_of_host() -> str:
    """Return how the host ended; only the process that started it can know that."""
    process = _hosts[-1].process
    with suppress(subprocess.TimeoutExpired):
        process.wait(LOOK_SECONDS)
    return _ending(process.returncode) if process.returncode else "ended without an answer"


def _cause(status: int, seconds: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        own, _ = resource.getrlimit(resource.RLIMIT_CPU)
        if own != resource.RLIM_INFINITY and (own <= seconds or not seconds):
            return f"used up the {own} seconds of computing that a process may take ({TIME_LIMIT})"
        return f"no answer in {seconds} seconds of computing"
    if code == -signal.SIGALRM:
        return "no answer at all"
    return _ending(code)


def _ending(code: int) -> str:
    return f"crashed with {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
