"""Run options that all commands share (jobs, cluster, bandwidth, output), and workers with progress display."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.terminal.progress import shown_progress


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run that do not depend on the verb.

    Attributes:
        jobs: maximum number of batches in parallel; 0 means one per processor, or per worker of the cluster.
        cluster: address of the scheduler; empty for this machine.
        is_insecure: accept an unencrypted connection to a cluster on other machines.
        bandwidth: bytes per second that all workers together may read; 0 is unlimited.
        is_quiet: show no progress.
        is_json: print one JSON object instead of lines.
        trusted: ids of other users whose control folders are accepted.
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
    """Yield the workers of a command, with progress display."""
    with shown_progress(is_quiet=run_options.is_quiet) as progress:
        yield Workers(
            run_options.jobs,
            progress,
            run_options.cluster,
            run_options.bandwidth,
            trusted=run_options.trusted,
            is_insecure=run_options.is_insecure,
        )
