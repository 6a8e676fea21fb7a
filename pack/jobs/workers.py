"""How a command spreads its work: as many workers as asked for, with their progress shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.terminal.progress import shown_progress


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a command goes about its work, and tells of it, whatever the work is.

    Attributes:
        jobs: most batches side by side; 0 means one for each processor, or for each worker of the cluster.
        cluster: address of the scheduler; empty for this machine.
        is_insecure: a plain connection to a cluster of other machines is taken.
        bandwidth: bytes that all workers together may read in a second; 0 is no bound.
        is_quiet: show no progress.
        is_json: print one object instead of lines.
        trusted: numbers of users whose control folders are acted on, too.
    """

    jobs: int = 0
    cluster: str = ""
    bandwidth: int = 0
    is_quiet: bool = False
    is_json: bool = False
    trusted: frozenset[int] = frozenset()
    is_insecure: bool = False


@contextmanager
def shown_workers(conduct: Conduct) -> Iterator[Workers]:
    """Yield the workers of a command, with progress that is shown."""
    with shown_progress(is_quiet=conduct.is_quiet) as progress:
        yield Workers(
            conduct.jobs,
            progress,
            conduct.cluster,
            conduct.bandwidth,
            trusted=conduct.trusted,
            is_insecure=conduct.is_insecure,
        )
