"""Which engine does the work of a command: processes of this machine, or a cluster."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial

from qa2pack.executor.engine.local import PoolEngine, available_jobs
from qa2pack.executor.stop_signals import Stop, stop_on_signals
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.fs.throttle import PacedEngine
from qa2pack.manifest.path import shown
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.pack import PROGRAM
from qa2pack.pack.settings.cluster_address import check_address

_MOST_PER_PROCESSOR = 4


@dataclass(frozen=True, slots=True)
class Workers:
    """How the work is spread.

    Attributes:
        jobs: most batches side by side; 0 means one for each processor, or for each worker of the cluster.
            On this machine at most four for each processor.
        progress: told how far it is.
        cluster: address of the scheduler; empty for this machine.
        is_insecure: a plain connection to a cluster of other machines is taken.
        bandwidth: bytes that all of them together may read in a second; 0 is no bound.
        trusted: numbers of users whose control folders are acted on, too.
    """

    jobs: int = 0
    progress: Progress = field(default_factory=Silent)
    cluster: str = ""
    bandwidth: int = 0
    trusted: frozenset[int] = frozenset()
    is_insecure: bool = False


@contextmanager
def started_engine(
    workers: Workers,
    folders: Iterable[bytes] = (),
    *,
    lock: bytes = b"",
    is_locked: bool = False,
    stop: Stop | None = None,
) -> Iterator[Engine]:
    """Yield an engine that stops on request.

    Args:
        folders: what the work reads or writes; those that exist must be the same for the workers of a cluster.
        lock: path of the lock under which the work writes, in an existing folder; empty where it only reads.
        is_locked: the caller holds it.
        stop: what asks to stop, if the caller looks at it as well; else signals do.
    """
    with nullcontext(stop) if stop else stopping() as asked:
        if not workers.cluster:
            with PoolEngine(job_count(workers.jobs), asked) as engine:
                yield _bounded(engine, workers)
            return
        check_address(workers.cluster, is_insecure=workers.is_insecure)
        from qa2pack.executor.engine.dask import Cluster, ClusterEngine, SharedPaths

        cluster = Cluster(workers.cluster, running_program, workers.jobs, _report)
        shared = SharedPaths(tuple(filter(os.path.isdir, folders)), lock, is_locked)
        with ClusterEngine(cluster, shared, asked) as engine:
            yield _bounded(engine, workers)


def job_count(wanted: int) -> int:
    """Return how many processes work on this machine where so many are wanted; 0 is one for each processor.

    More than a few for each processor bring nothing but their memory, and a mistyped number could stop the machine.
    """
    return min(wanted or available_jobs(), _MOST_PER_PROCESSOR * available_jobs())


def _bounded(engine: Engine, workers: Workers) -> Engine:
    return PacedEngine(engine, workers.bandwidth) if workers.bandwidth else engine


def stopping() -> AbstractContextManager[Stop]:
    """Yield a stop that signals ask for; each is answered at once, because to finish may take a while."""
    return stop_on_signals(partial(_answer, _STOPPING), partial(_answer, _STOPPED))


_STOPPING = b"Stopping as soon as what is under way is finished; once more stops at once.\n"
_STOPPED = b"Stopped at once. To go on, or to begin again, type the same command.\n"


def _answer(line: bytes) -> None:
    # Written to the descriptor: the signal may have come in the middle of a print.
    start = b"\n" if os.isatty(2) else b""  # a bar may be shown
    with suppress(OSError):
        os.write(2, start + line)


def running_program() -> str:
    """Say which program this is, on whatever machine it is asked."""
    return PROGRAM


def _report(sentence: str) -> None:
    print(f"Not used: {shown(sentence)}.", file=sys.stderr)
