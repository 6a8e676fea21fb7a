"""casacore host: a program that loads casacore once, and forks a child for each question.

It uses casacore only in the children, each of which has the environment of the process that asks. It ends, and its
children with it, when the process that started it ends, and when nobody is left who could ask; the asking side is
`executor.casa.child_process`.
"""

import ctypes
import faulthandler
import os
import pickle
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from multiprocessing.connection import Connection
from typing import NoReturn

from qa2pack.executor.casa.child_process import Question
from qa2pack.executor.memory import ENOUGH_BYTES
from qa2pack.manifest.dataclass import dataclass

_LOAD_SECONDS = 120
_WAITING = 60  # so many times as long as it may compute may a child take, which waits for disks
_PR_SET_PDEATHSIG = 1
_HUNG_UP = select.POLLRDHUP | select.POLLHUP


def serve(control: int, parent: int) -> NoReturn:
    """Answer what is asked on a socket, until it is closed.

    Args:
        parent: the process that started this one.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal, and some process managers, signal the whole group
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, the system would not keep how children ended
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)  # the kernel's default action: ends even a loop inside casacore
    _follow(parent)
    with _computing_limited(_LOAD_SECONDS):
        _load()
    with socket.socket(fileno=control) as asked:
        _Children(asked).serve()
    os._exit(0)


def _follow(parent: int) -> None:
    """Die with the parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before prctl


def _load() -> None:
    """Import casacore, with nothing that it could read; where that fails, each child finds out why."""
    os.environ |= {"HOME": os.devnull, "CASARCFILES": os.devnull}
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the threads of NumPy take address space, and have no work here
    with suppress(Exception, SystemExit):
        from casacore import tables  # noqa: F401


@dataclass(frozen=True, slots=True)
class _Child:
    """A running child.

    Attributes:
        connection: where it answers.
    """

    pid: int
    connection: socket.socket


@dataclass(slots=True)
class _Children:
    """The running children.

    Attributes:
        asked: where questions arrive.
        running: by the descriptor of the process.
        asking: the same, by that of the connection.
    """

    asked: socket.socket
    running: dict[int, _Child] = field(default_factory=dict)
    asking: dict[int, _Child] = field(default_factory=dict)
    poll: select.poll = field(default_factory=select.poll)

    def serve(self) -> None:
        """Begin children and tell how they ended, until nobody can ask any more."""
        self.poll.register(self.asked, select.POLLIN)
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.asked.fileno():
                    _, fds, _, _ = socket.recv_fds(self.asked, 1, 2)
                    if not fds:
                        return
                    self._begin(socket.socket(fileno=fds[0]), fds[1])
                elif fd in self.running:
                    self._end(fd)
                elif fd in self.asking:  # not of a child that has just ended
                    self._kill(fd)

    def _begin(self, connection: socket.socket, question: int) -> None:
        """Fork the child that answers; the question is read before, so that its modules are imported here."""
        with open(question, "rb") as file:
            try:
                asked: Question | Exception = pickle.load(file)
            except (Exception, SystemExit) as error:
                asked = _as_answer(error)
        host, pid = os.getpid(), os.fork()
        if pid == 0:
            _answer(asked, connection, host)
        child, process = _Child(pid, connection), os.pidfd_open(pid)
        self.running[process] = self.asking[connection.fileno()] = child
        self.poll.register(process, select.POLLIN)
        self.poll.register(connection, _HUNG_UP)

    def _end(self, process: int) -> None:
        """Tell how a child ended."""
        child = self.running.pop(process)
        self.poll.unregister(process)
        os.close(process)
        _, status = os.waitpid(child.pid, 0)
        if self.asking.pop(child.connection.fileno(), None):
            self.poll.unregister(child.connection)
        with suppress(OSError):  # nobody waits for it any more
            _send(child.connection, status)
        child.connection.close()

    def _kill(self, connection: int) -> None:
        """End a child whose answer is not wanted any more, because the process that asked stopped or ended."""
        os.kill(self.asking.pop(connection).pid, signal.SIGKILL)
        self.poll.unregister(connection)


def _answer(asked: Question | Exception, connection: socket.socket, host: int) -> NoReturn:
    """Answer one question; runs in the child."""
    try:
        _follow(host)
        if isinstance(asked, Exception):
            raise asked
        _bound(asked)
        os.environ.clear()
        os.environ.update(asked.variables)
        answer: tuple[object, Exception | None] = asked.call(), None
    except (Exception, SystemExit) as error:
        answer = None, _as_answer(error)
    try:
        _send(connection, answer)
        os._exit(0)
    finally:
        os._exit(1)


def _as_answer(error: Exception | SystemExit) -> Exception:
    """Return the error; a module that ends the program while it is imported cannot be loaded."""
    if isinstance(error, SystemExit):
        return ImportError(f"a Python module ends the program when it is loaded: sys.exit({error.code!r})")
    return error


def _send(connection: socket.socket, value: object) -> None:
    with Connection(os.dup(connection.fileno()), readable=False) as sender:
        sender.send(value)


def _bound(asked: Question) -> None:
    faulthandler.disable()  # a crash of the child is an answer, and must not print a traceback
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_WAITING * asked.seconds)
    if asked.seconds:
        _limit_computing(asked.seconds)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # casacore holds a file of every column open
    if asked.seconds:
        _bound_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # Not writable on purpose: writes to it fail and are ignored.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


@contextmanager
def _computing_limited(seconds: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    _limit_computing(seconds)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)


def _limit_computing(seconds: int) -> None:
    """Limit the processor time that is left to this process; a slow disk or a busy machine take none of it."""
    _lower(resource.RLIMIT_CPU, int(time.process_time()) + seconds)


def _bound_memory() -> None:
    try:
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except FileNotFoundError:  # no /proc, which is no fault of the table
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    _lower(resource.RLIMIT_AS, used + ENOUGH_BYTES)


def _lower(limit: int, most: int) -> None:
    """Lower a limit of this process, unless it is lower already."""
    soft, hard = resource.getrlimit(limit)
    known = [each for each in (soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(limit, (min([most, *known]), hard))
