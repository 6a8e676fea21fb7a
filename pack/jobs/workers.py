"""How a command spreads its work: as many workers as asked for, with their progress shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.terminal.progress import shown_progress


@dataclass(frozen=True, slots=True)
class RunOptions:
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
def shown_workers(run_options: RunOptions) -> Iterator[Workers]:
    """Yield the workers of a command, with progress that is shown."""
    with shown_progress(is_quiet=run_options.is_quiet) as progress:
        yield Workers(
            run_options.jobs,
            progress,
            run_options.cluster,
            run_options.bandwidth,
            trusted=run_options.trusted,
            is_insecure=run_options.is_insecure,
        )
