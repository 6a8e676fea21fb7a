"""Dask worker: runs a batch on a cluster worker, and checks whether the worker can be used at all.

A worker on another machine does not share the page cache of the coordinator, its umask, its device numbers, or its
end. So a batch runs only for the run that sent it, one at a time per process, with the umask of the coordinator and
with translated device numbers, and the files that it wrote are synced before the result is returned. A lost worker
therefore loses nothing that counts as done, and the coordinator need not ask workers to sync.
"""

import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeVar, cast

from qa2pack.executor.engine.errors import CalledOffError
from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.publish.origin_links import OriginBatch, OriginResult
from qa2pack.executor.stage.batch import StageBatch
from qa2pack.executor.stage.bundle import BundleBatch
from qa2pack.executor.stage.extract import ExtractBatch
from qa2pack.executor.stage.table import SplitBatch
from qa2pack.executor.transaction.lock import StrayError, working_for
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.meter import LOOK_SECONDS, Meter, metered
from qa2pack.manifest.path import shown
from qa2pack.manifest.scan.batches import BatchGroup, BigFile, FileBatch, ScanResult, SubtreeBatch
from qa2pack.manifest.scan.device_numbers import renumber_batch, renumber_result

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_LOOK_SECONDS = 30  # a hanging mount must not block the command

# Reading uses one buffer per process, casacore is not thread-safe, and the umask belongs to the process.
_one_at_a_time = threading.Lock()
_called_off: set[bytes] = set()  # tokens of runs that were stopped


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder that every worker must see as the coordinator does.

    Attributes:
        device: its device number on the coordinator's machine.
    """

    path: bytes
    inode: int
    device: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Conditions that a worker must meet, and settings of all work of one command.

    Attributes:
        program: result of `name_program` on the coordinator's machine.
        name_program: module-level function that returns which program is installed.
        python: version of Python; pickles are not exchanged between versions.
        user: user id of the coordinator; files of the package belong to one user.
        lock: path of the lock under which files are written; empty if none are written.
        token: what the coordinator wrote into the workers' lock file.
        topic: topic of the scheduler's events to which the bytes read are reported; empty if to none.
    """

    program: str
    name_program: Callable[[], str]
    python: str
    user: int
    umask: int
    shared_folders: tuple[SharedFolder, ...]
    lock: bytes
    token: bytes
    topic: str = ""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Result of the check of a worker.

    Attributes:
        fault: why it cannot be used; empty if it can.
    """

    host: str
    pid: int
    fault: str


def run_on_worker(terms: Terms, work: Callable[[Batch], Result], batch: Batch, number: int = 0) -> Result:
    """Do the work on the batch, and sync the files that it wrote.

    Args:
        number: number of the batch in reports of the bytes read.

    Raises:
        StrayError: the run that sent it has ended.
        CalledOffError: the run was stopped before the batch began, or within a big file.
        OSError: as the work; or the sync failed.
    """
    right_to_write = working_for(terms.lock, terms.token) if terms.lock else nullcontext()
    meter = Meter(_OwnReading(terms, number).note)
    with _one_at_a_time, right_to_write, _umask(terms.umask), metered(meter):
        meter.look()  # raises if the run was stopped
        result = _with_own_device_numbers(terms, work, batch)
        for folder in folders_written(batch, result):
            sync_file_system(Disk(), folder)
    return result


def call_off(token: bytes) -> None:
    """End the batches of a run on this worker."""
    _called_off.add(token)


class _OwnReading:
    """What a batch has read, and its reports to the coordinator."""

    def __init__(self, terms: Terms, number: int) -> None:
        self._terms = terms
        self._number = number
        self._read_bytes = 0
        self._reported_at = time.monotonic()

    def note(self, byte_count: int) -> None:
        """Count bytes.

        Raises:
            CalledOffError: the run was stopped.
        """
        if self._terms.token in _called_off:
            raise CalledOffError
        self._read_bytes += byte_count
        now = time.monotonic()
        if self._terms.topic and now - self._reported_at >= LOOK_SECONDS:
            self._reported_at = now
            self._tell()

    def _tell(self) -> None:
        from distributed import get_worker

        with suppress(ValueError):  # not in a worker
            get_worker().log_event(self._terms.topic, [self._number, self._read_bytes])


def folders_written(batch: object, result: object) -> Iterable[bytes]:
    """Return a folder on each file system that the work on the batch wrote to and has not synced itself."""
    match batch, result:
        case (
            (
                StageBatch(context=context)
                | SplitBatch(context=context)
                | BundleBatch(context=context)
                | ExtractBatch(context=context)
            ),
            _,
        ):
            return (context.member,)
        case OriginBatch(), OriginResult(folders=folders):
            return folders.values()
        case _:
            return ()


async def inspect_worker(terms: Terms) -> WorkerReport:
    """Check, on the worker itself, whether it can be used."""
    import asyncio  # here: slow to import, and only workers need it

    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            fault = await asyncio.to_thread(find_fault, terms)
    except TimeoutError:
        fault = f"its file system does not answer within {_LOOK_SECONDS} seconds"
    return WorkerReport(socket.gethostname(), os.getpid(), fault)


def find_fault(terms: Terms) -> str:
    """Return why this process cannot be used under these terms; empty if it can."""
    return next(_faults(terms), "")


def shared_folder(path: bytes) -> SharedFolder:
    """Return the folder as this machine sees it."""
    status = os.stat(path)
    return SharedFolder(path, status.st_ino, status.st_dev)


def running_python() -> str:
    """Return the version of Python as far as pickles depend on it."""
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
        yield from _faults_of_folder(known)
    if terms.lock:
        yield from _faults_of_writing(terms)


def _faults_of_folder(known: SharedFolder) -> Iterator[str]:
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
    """Yield faults found by reading the file that the coordinator has just made, and by making one beside it."""
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


def _with_own_device_numbers(terms: Terms, work: Callable[[Batch], Result], batch: Batch) -> Result:
    """Do the work with this machine's device numbers, and translate those in the result back."""
    numbers = {known.device: os.stat(known.path).st_dev for known in terms.shared_folders}
    if not isinstance(batch, SubtreeBatch | FileBatch | BigFile | BatchGroup) or all(
        a == b for a, b in numbers.items()
    ):
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
