"""Choice of the engine for a command: in-line, process pool, or Dask cluster; number of jobs, signals."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import field, replace
from functools import partial

from qa2pack.executor.engine.local import PoolEngine, available_jobs
from qa2pack.executor.stop_signals import Stop, stop_on_signals
from qa2pack.executor.transaction.lock import NO_WAIT, Wait
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.event import Level, is_logged, log_event
from qa2pack.manifest.fs.at_once import calls_at_once
from qa2pack.manifest.fs.latency import useful_calls
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.fs.throttle import PacedEngine
from qa2pack.manifest.path import shown
from qa2pack.manifest.progress import Progress, Silent, SteadyProgress, steady
from qa2pack.pack import PROGRAM

_MOST_PER_PROCESSOR = 4


@dataclass(frozen=True, slots=True)
class Workers:
    """Options of the worker processes, and of the lock under which they work.

    Attributes:
        jobs: maximum number of batches in parallel; 0 means one per processor, or per worker of the cluster. On this
            machine at most four per processor.
        progress: where progress is reported; bytes are counted while big files are read.
        cluster: address of the scheduler; empty for this machine.
        is_insecure: accept an unencrypted connection to a cluster on other machines.
        bandwidth: bytes per second that all workers together may read; 0 is unlimited.
        trusted: ids of other users whose control folders are accepted.
        wait: for another process that holds the lock of the package.
    """

    jobs: int = 0
    progress: Progress = field(default_factory=Silent)
    cluster: str = ""
    bandwidth: int = 0
    trusted: frozenset[int] = frozenset()
    is_insecure: bool = False
    wait: Wait = NO_WAIT

    def __post_init__(self) -> None:
        """Count running batches, too: the engine reports these and the work reports finished ones, to one object."""
        object.__setattr__(self, "progress", steady(self.progress))

    def titled(self, title: str) -> "Workers":
        """Return workers for one of several works: in their progress the name of each phase begins with the title."""
        return replace(self, progress=steady(self.progress).titled(title))


@contextmanager
def started_engine(
    workers: Workers,
    folders: Iterable[bytes] = (),
    *,
    reads: Iterable[bytes] = (),
    lock: bytes = b"",
    is_locked: bool = False,
    stop: Stop | None = None,
) -> Iterator[Engine]:
    """Yield an engine that stops on request.

    Args:
        folders: folders that the work reads or writes; the workers of a cluster must see the same ones.
        reads: of these, those with the files that the work reads, or a file beside those that it makes; it is
            measured whether they answer late.
        lock: path of the lock for writing, in an existing folder; empty if the work only reads.
        is_locked: the caller holds the lock.
        stop: the stop request, if the caller also checks it; by default signals set one.
    """
    progress = steady(workers.progress)
    watch = progress.look
    with _ended(progress), nullcontext(stop) if stop else stopping() as asked:
        folders, reads = tuple(folders), tuple(reads)
        _log_file_systems(dict.fromkeys((*folders, *reads)))
        if not workers.cluster:
            calls, jobs = call_count(workers, reads), job_count(workers.jobs)
            _log_workers(jobs, calls, workers)
            with calls_at_once(calls), PoolEngine(jobs, asked, watch) as engine:
                yield _bounded(engine, workers)
            return
        log_event(__name__, "cluster", f"workers: of the cluster {workers.cluster}", Level.DEBUG, jobs=workers.jobs)
        from qa2pack.pack.settings.cluster_address import check_address

        check_address(workers.cluster, is_insecure=workers.is_insecure)
        from qa2pack.executor.engine.dask import Cluster, ClusterEngine, SharedPaths

        cluster = Cluster(workers.cluster, running_program, workers.jobs, _report)
        shared = SharedPaths(tuple(filter(is_folder, folders)), lock, is_locked)
        with ClusterEngine(cluster, shared, asked, watch) as engine:
            yield _bounded(engine, workers)


def job_count(wanted: int) -> int:
    """Return the number of worker processes on this machine for a requested number; 0 is one per processor.

    At most four per processor: more only cost memory, and a mistyped number could exhaust the machine.
    """
    return min(wanted or available_jobs(), _MOST_PER_PROCESSOR * available_jobs())


def call_count(workers: Workers, reads: Iterable[bytes]) -> int:
    """Return how many calls a worker has under way at once: many, if these folders or files answer late.

    A number of workers, or a rate, is a bound that was asked for, so then there is one.
    """
    return 1 if workers.jobs or workers.bandwidth else useful_calls(reads)


@contextmanager
def _ended(progress: SteadyProgress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.end()


def _log_workers(jobs: int, calls: int, workers: Workers) -> None:
    bound = f", {workers.bandwidth} bytes/s for all of them" if workers.bandwidth else ""
    text = f"workers: at most {jobs}, calls at once of each: {calls}{bound}"
    log_event(__name__, "workers", text, Level.DEBUG, jobs=jobs, calls_at_once=calls, bandwidth=workers.bandwidth)


def _log_file_systems(folders: Iterable[bytes]) -> None:
    """Log on which file systems the work is, with their mount options."""
    if not is_logged(Level.DEBUG):
        return
    from qa2pack.manifest.fs.mount import mount_of

    for folder in folders:
        if mount := mount_of(folder):
            text = f"file system: {mount.kind} from {mount.source}, {mount.options}: {os.fsdecode(folder)}"
            log_event(
                __name__,
                "file-system",
                text,
                Level.DEBUG,
                path=os.fsdecode(folder),
                kind=mount.kind,
                source=mount.source,
                options=mount.options,
            )


def _bounded(engine: Engine, workers: Workers) -> Engine:
    return PacedEngine(engine, workers.bandwidth) if workers.bandwidth else engine


def stopping() -> AbstractContextManager[Stop]:
    """Yield a stop request that signals set; each signal is answered with a message, because finishing takes time."""
    return stop_on_signals(partial(_answer, _STOPPING), partial(_answer, _STOPPED))


_STOPPING = b"Stopping at the next safe point, in a few seconds; a second Ctrl-C stops at once.\n"
_STOPPED = b"Stopped at once. To go on, or to begin again, type the same command.\n"


def _answer(line: bytes) -> None:
    # Written to the descriptor: the signal may interrupt a print.
    start = b"\n" if os.isatty(2) else b""  # a progress bar may be shown
    with suppress(OSError):
        os.write(2, start + line)


def running_program() -> str:
    """Return name, version and path of the program on the machine where this is called."""
    return PROGRAM


def _report(sentence: str) -> None:
    print(f"Not used: {shown(sentence)}", file=sys.stderr)
