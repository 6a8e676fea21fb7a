"""Workers of a command: its run options with progress display."""

from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.pack.commands.options import ClusterRunOptions, RunOptions
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.terminal.progress import shown_progress


@contextmanager
def shown_workers(
    options: RunOptions | ClusterRunOptions, trusted: frozenset[int] = frozenset()
) -> Iterator[Workers]:
    """Yield the workers of a command, with progress display.

    Args:
        trusted: ids of other users whose control folders are accepted.
    """
    with shown_progress(is_quiet=options.quiet) as progress:
        if isinstance(options, RunOptions):
            yield Workers(options.jobs, progress, trusted=trusted)
        else:
            yield Workers(
                options.jobs,
                progress,
                options.cluster,
                options.bandwidth,
                trusted=trusted,
                is_insecure=options.insecure_cluster,
            )
