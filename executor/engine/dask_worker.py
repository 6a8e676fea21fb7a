"""What a worker of a cluster does with a batch, and how it finds out whether it may take any.

A worker on another machine does not share the coordinator's memory of what is on disk, its umask, its numbers of file
systems, or its end. So around the work on a batch: only for the run that sent it, only one batch in a process at a
time, with the coordinator's umask and numbers, and what was written is on disk before the result is told. A worker
that is lost can therefore lose nothing that counts as done, and the coordinator need not ask anybody to sync.
"""

import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar, cast

from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.publish.origin_links import OriginBatch, OriginResult
from qa2pack.executor.stage.batch import StageBatch
from qa2pack.executor.stage.table import SplitBatch
from qa2pack.executor.transaction.lock import StrayError, working_for
from qa2pack.manifest.path import shown
from qa2pack.manifest.scan.batches import BigFile, FileBatch, ScanResult, SubtreeBatch
from qa2pack.manifest.scan.device_numbers import renumber_batch, renumber_result

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_LOOK_SECONDS = 30  # a mount that hangs must not hang the command

# Reading uses one buffer per process, casacore is not made for threads, and the umask is the process's.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder that every worker must see as the coordinator does.

    Attributes:
        device: the number of its file system on the coordinator's machine.
    """

    path: bytes
    inode: int
    device: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all work of one command.

    Attributes:
        program: what `name_program` says on the coordinator's machine.
        name_program: module-level function that says which program this is.
        python: version of Python; what is sent is not made to be read by another one.
        user: who the coordinator runs as; files of the package belong to one user.
        lock: path of the lock under which is written; empty where nothing is.
        token: what the coordinator wrote into the workers' lock.
    """

    program: str
    name_program: Callable[[], str]
    python: str
    user: int
    umask: int
    shared_folders: tuple[SharedFolder, ...]
    lock: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker found when it looked around.

    Attributes:
        fault: why it is of no use; empty if it is.
    """

    host: str
    pid: int
    fault: str


def run_on_worker(terms: Terms, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Do the work on the batch, and bring to the disk what it wrote.

    Raises:
        StrayError: the run that sent it has ended.
        OSError: as the work; or what was written could not be brought to the disk.
    """
    right_to_write = working_for(terms.lock, terms.token) if terms.lock else nullcontext()
    with _one_at_a_time, right_to_write, _umask(terms.umask):
        result = _with_own_numbers(terms, work, batch)
        for folder in folders_written(batch, result):
            sync_file_system(Disk(), folder)
    return result


def folders_written(batch: object, result: object) -> Iterable[bytes]:
    """Return a folder on each file system that the work on the batch wrote to and has not synced itself."""
    match batch, result:
        case ((StageBatch(context=context) | SplitBatch(context=context)), _):
            return (context.member,)
        case OriginBatch(), OriginResult(folders=folders):
            return folders.values()
        case _:
            return ()


async def inspect_worker(terms: Terms) -> WorkerReport:
    """Find out, on a worker, whether it may take batches."""
    import asyncio  # here: it is large, and only workers need it

    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            fault = await asyncio.to_thread(find_fault, terms)
    except TimeoutError:
        fault = f"its file system does not answer within {_LOOK_SECONDS} seconds"
    return WorkerReport(socket.gethostname(), os.getpid(), fault)


def find_fault(terms: Terms) -> str:
    """Say why this process may not take batches under these terms; empty if it may."""
    return next(_faults(terms), "")


def shared_folder(path: bytes) -> SharedFolder:
    """Return the folder as this machine sees it."""
    status = os.stat(path)
    return SharedFolder(path, status.st_ino, status.st_dev)


def running_python() -> str:
    """Return the version of Python as far as it matters for what is sent."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _faults(terms: Terms) -> Iterator[str]:
    for what, found, expected in (
        ("program", terms.name_program(), terms.program),
        ("Python", running_python(), terms.python),
        ("user", str(os.geteuid()), str(terms.user)),
    ):
        if found != expected:
            yield f"another {what}: {found}, here {expected}"
    for known in terms.shared_folders:
        yield from _faults_of_landmark(known)
    if terms.lock:
        yield from _faults_of_writing(terms)


def _faults_of_landmark(known: SharedFolder) -> Iterator[str]:
    try:
        inode = os.stat(known.path).st_ino
    except OSError as error:
        yield f"it does not see {shown(known.path)}: {error.strerror}"
        return
    if inode != known.inode:
        yield f"it sees another folder at {shown(known.path)}"
    elif not os.access(known.path, os.R_OK | os.X_OK):
        yield f"it may not read {shown(known.path)}"


def _faults_of_writing(terms: Terms) -> Iterator[str]:
    """Look for the file that the coordinator has just made, and make one beside it."""
    disk, folder = Disk(), os.path.dirname(terms.lock)
    try:
        with working_for(terms.lock, terms.token):
            probe = os.path.join(folder, b"probe." + secrets.token_hex(8).encode())
            os.close(disk.create(probe))
            disk.unlink(probe)
    except StrayError:
        yield f"it does not see what is written to {shown(folder)}"
    except OSError as error:
        yield f"it cannot write to {shown(folder)}: {error.strerror}"


def _with_own_numbers(terms: Terms, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Do the work with this machine's numbers of file systems, which the coordinator does not get to see."""
    numbers = {known.device: os.stat(known.path).st_dev for known in terms.shared_folders}
    if not isinstance(batch, SubtreeBatch | FileBatch | BigFile) or all(a == b for a, b in numbers.items()):
        return work(batch)
    result = work(cast(Batch, renumber_batch(batch, numbers)))
    if isinstance(result, ScanResult):
        renumber_result(result, {own: device for device, own in numbers.items()})
    return result


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
