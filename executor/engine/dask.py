"""Dask engine: runs batches on a Dask cluster whose workers share the package's file system.

The worker side is `executor.engine.dask_worker`. Only checked workers get batches: those that do not see the same
folders, or run another program, are reported and not used; those that join later are checked when they join. Dask
itself gives the batches of a lost worker to another one. Only batches that it gives up, or for which no worker is
left, are submitted again here. The journal, the lock and every decision stay with the coordinator. The end of the
scheduler is the end of the run, which can be resumed.
"""

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from qa2pack.executor.engine.dask_worker import (
    Terms,
    WorkerReport,
    call_off,
    inspect_worker,
    run_on_worker,
    running_python,
    shared_folder,
)
from qa2pack.executor.engine.errors import NoWorkersError, WorkersLostError
from qa2pack.executor.engine.futures import FuturesEngine
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.lock import admit_workers, dismiss_workers, locked_for_writing
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.progress import unwatched

if TYPE_CHECKING:
    from distributed import Client

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_CONNECT_SECONDS = 15
_FIRST_WORKER_SECONDS = 120  # a batch system may need minutes to start workers
_STRAY_SECONDS = 120  # longer than the lease after which a network file system releases the locks of a dead machine
_LOOK_AGAIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class SharedPaths:
    """Folders and lock that the workers must share with the coordinator.

    Attributes:
        folders: folders that every worker must see.
        lock: path of the lock under which files are written, in an existing folder; empty if none are written.
        is_locked: the caller holds the lock already.
    """

    folders: tuple[bytes, ...]
    lock: bytes = b""
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Dask cluster, and the program that its workers must run.

    Attributes:
        address: address of the scheduler, as in `tcp://host:8786`.
        name_program: module-level function that returns which program is installed on the machine where it runs.
        limit: maximum number of parallel batches; 0 is no limit.
        report: called with a sentence about a worker that cannot be used.
    """

    address: str
    name_program: Callable[[], str]
    limit: int = 0
    report: Callable[[str], None] = lambda _: None


class ClusterEngine(FuturesEngine):
    """Runs batches on the workers of a Dask cluster; it connects and checks all workers when it is created.

    Raises:
        NoWorkersError: no scheduler answers, or no worker can be used.
        LockedError: the package is locked by another process.
    """

    def __init__(
        self,
        cluster: Cluster,
        shared: SharedPaths,
        stop: Stop = NEVER,
        watch: Callable[[int], None] = unwatched,
    ) -> None:
        super().__init__(DaskPool(cluster, shared), stop, watch)


class DaskPool:
    """Worker pool of the workers of a cluster that were checked and can be used."""

    def __init__(self, cluster: Cluster, shared: SharedPaths) -> None:
        from distributed.scheduler import KilledWorker

        self.losses: tuple[type[Exception], ...] = (KilledWorker, CancelledError)
        self._cluster = cluster
        self._lock = shared.lock
        self._terms = _terms(cluster, shared)
        self._faults: dict[str, str] = {}
        self._fit: list[str] = []
        self._seen_at = 0.0
        self._read_bytes: dict[int, int] = {}  # by number of a batch that is under way
        self._numbers = count()
        self._is_called_off = False
        self._may_take: WeakKeyDictionary[Future[Any], frozenset[str]] = WeakKeyDictionary()
        self._client = _connected(cluster.address)
        try:
            self._executor = self._client.get_executor(pure=False)
            self._client.subscribe_topic(self._terms.topic, self._hear)
            self._find_first(is_locked=shared.is_locked)
        except BaseException:
            self.close()
            raise

    @property
    def jobs(self) -> int:
        """Number of workers in use."""
        return max(1, len(self._used))

    @property
    def _used(self) -> list[str]:
        return self._fit[: self._cluster.limit or None]

    @contextmanager
    def run_context(self) -> Iterator[None]:
        """Let workers write during one run.

        Raises:
            WorkersLostError: a worker that was lost still writes.
        """
        if not self._lock:
            yield
            return
        admit_workers(self._lock, self._terms.token)
        is_whole = False
        try:
            yield
            is_whole = True
        finally:
            # After a failure do not wait long: the error is to be reported, and the next command waits for the rest.
            is_over = dismiss_workers(self._lock, seconds=_STRAY_SECONDS if is_whole else _LOOK_AGAIN_SECONDS)
        if not is_over:
            raise WorkersLostError("a worker that the cluster has lost is still writing")

    def submit(self, work: Callable[[Batch], Result], batch: Batch) -> Future[Result]:
        """Submit a batch to the cluster, for any worker that can be used."""
        if time.monotonic() > self._seen_at + _LOOK_AGAIN_SECONDS:
            self._look_at_new()
        self._wait_for_workers()
        number = next(self._numbers)
        self._read_bytes[number] = 0
        future: Future[Result] = self._executor.submit(
            run_on_worker, self._terms, work, batch, number, workers=self._used
        )
        future.add_done_callback(lambda _: self._read_bytes.pop(number, None))
        self._may_take[future] = frozenset(self._used)
        return future

    def running_bytes(self) -> int:
        """Return how many bytes the running batches have read, as far as the workers have reported it."""
        return sum(self._read_bytes.copy().values())  # a copy: reports come in another thread

    def call_off(self) -> None:
        """Tell the workers, once, to begin no more batches of this run and to end within big files."""
        if not self._is_called_off:
            self._is_called_off = True
            with suppress(OSError):  # a worker that does not hear it finishes its batches
                self._client.run(call_off, self._terms.token, workers=self._fit, on_error="ignore")

    def check_workers(self) -> None:
        """Update the list of workers.

        Raises:
            WorkersLostError: the scheduler is gone.
        """
        self._look_at_new()

    def is_given_up(self, future: Future[Any]) -> bool:
        """Return whether all workers that may run the batch are gone; new workers have other addresses."""
        return self._may_take[future].isdisjoint(self._fit)

    def replace_lost(self) -> None:
        """Wait until there is a usable worker.

        Raises:
            WorkersLostError: no worker joins in time, or the scheduler is gone.
        """
        self._look_at_new()
        self._wait_for_workers()

    def close(self) -> None:
        """Disconnect from the cluster; its workers stay."""
        with suppress(OSError, RuntimeError):
            self._client.close(timeout=2)

    def _hear(self, event: tuple[float, Any]) -> None:
        """Take note of a worker's report, in the thread of the client; the batch may be over already."""
        number, read_bytes = event[1]
        if number in self._read_bytes:
            self._read_bytes[number] = read_bytes

    def _find_first(self, *, is_locked: bool) -> None:
        """Check all workers, holding the lock that the work will need."""
        own_lock = locked_for_writing(self._lock) if self._lock and not is_locked else nullcontext()
        with own_lock, self.run_context():
            self._wait_for_first()

    def _wait_for_first(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_FIRST_WORKER_SECONDS)
            self._look_at_new()
        except (OSError, WorkersLostError) as error:
            reason = f"no worker has come to the scheduler within {_FIRST_WORKER_SECONDS} seconds"
            raise NoWorkersError(reason) from error
        if not self._fit:
            raise NoWorkersError("none of the cluster's workers can be used", tuple(sorted(self._faults.values())))

    def _wait_for_workers(self) -> None:
        deadline = time.monotonic() + _FIRST_WORKER_SECONDS
        while not self._fit:
            if time.monotonic() > deadline:
                raise WorkersLostError("all workers that could be used are gone")
            time.sleep(0.5)
            self._look_at_new()

    def _look_at_new(self) -> None:
        """Update the list of workers, and check the new ones."""
        self._check_connection()
        try:
            there = self._client.nthreads()
            new = sorted(set(there) - set(self._fit) - set(self._faults))
            found = self._client.run(inspect_worker, self._terms, workers=new, on_error="return") if new else {}
        except OSError as error:
            raise WorkersLostError("the scheduler does not answer any more") from error
        self._seen_at = time.monotonic()
        fit = [address for address in self._fit if address in there]
        for address, sighting in found.items():
            fault = _fault(address, sighting)
            if fault:
                self._faults[address] = fault
                self._cluster.report(fault)
            else:
                fit.append(address)
        self._fit = fit

    def _check_connection(self) -> None:
        if self._client.status != "running":
            raise WorkersLostError("the connection to the scheduler is lost")


def _connected(address: str) -> "Client":
    from distributed import Client

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is reported by our errors
    try:
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, name="qa2pack")
    except (OSError, ValueError) as error:
        raise NoWorkersError(f"no scheduler answers at {address}") from error


def _terms(cluster: Cluster, shared: SharedPaths) -> Terms:
    return Terms(
        program=cluster.name_program(),
        name_program=cluster.name_program,
        python=running_python(),
        user=os.geteuid(),
        umask=_running_umask(),
        shared_folders=tuple(map(shared_folder, shared.folders)),
        lock=shared.lock,
        token=secrets.token_bytes(16),
        topic=f"qa2pack-{secrets.token_hex(16)}",
    )


def _running_umask() -> int:
    """Return the umask without changing it even for a moment."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def _fault(address: str, sighting: WorkerReport | Exception) -> str:
    match sighting:
        case WorkerReport(fault=""):
            return ""
        case WorkerReport(host=host, pid=pid, fault=fault):
            return f"worker {address} (process {pid} on {host}): {fault}"
        case ModuleNotFoundError(name=name):
            return f"worker {address}: the Python package {name} is missing there"
        case _:
            return f"worker {address}: {type(sighting).__name__}: {sighting}"
