"""Which engine does the work of a command: processes of this machine, or a cluster."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from executor.engine import PoolEngine, available_jobs
from executor.stopping import stop_on_signals
from manifest.engine import Engine
from manifest.path import shown
from manifest.progress import Progress, Silent
from pack import PROGRAM


@dataclass(frozen=True, slots=True)
class Workers:
    """How the work is spread.

    Attributes:
        jobs: most batches side by side; 0 means one for each processor, or for each worker of the cluster.
        progress: told how far it is.
        cluster: address of the scheduler; empty for this machine.
    """

    jobs: int = 0
    progress: Progress = field(default_factory=Silent)
    cluster: str = ""


@contextmanager
def started_engine(
    workers: Workers, folders: Iterable[bytes] = (), *, lock: bytes = b"", is_locked: bool = False
) -> Iterator[Engine]:
    """Yield an engine that stops on request.

    Args:
        folders: what the work reads or writes; those that exist must be the same for the workers of a cluster.
        lock: path of the lock under which the work writes, in an existing folder; empty where it only reads.
        is_locked: the caller holds it.
    """
    with stop_on_signals() as stop:
        if not workers.cluster:
            with PoolEngine(workers.jobs or available_jobs(), stop) as engine:
                yield engine
            return
        from executor.cluster import Cluster, ClusterEngine, Ground

        cluster = Cluster(workers.cluster, running_program, workers.jobs, _tell)
        ground = Ground(tuple(filter(os.path.isdir, folders)), lock, is_locked)
        with ClusterEngine(cluster, ground, stop) as engine:
            yield engine


def running_program() -> str:
    """Say which program this is, on whatever machine it is asked."""
    return PROGRAM


def _tell(sentence: str) -> None:
    print(f"Not used: {shown(sentence)}.", file=sys.stderr)
