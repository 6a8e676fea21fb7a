"""Workers of a command: its run options with progress display."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from qa2pack.executor.transaction.lock import Wait
from qa2pack.manifest.humanize import human_seconds
from qa2pack.manifest.path import shown
from qa2pack.pack.commands.options import ClusterRunOptions, RunOptions
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.terminal.choices import ProgressForm
from qa2pack.pack.terminal.progress import shown_progress


@contextmanager
def shown_workers(
    options: RunOptions | ClusterRunOptions,
    trusted: frozenset[int] = frozenset(),
    wait_seconds: int = 0,
    *,
    title: str = "",
) -> Iterator[Workers]:
    """Yield the workers of a command, with progress display.

    Args:
        trusted: ids of other users whose control folders are accepted.
        wait_seconds: how long another run that locks the package is waited for.
        title: of one of several works; the name of each phase begins with it.
    """
    wait = Wait(wait_seconds, partial(_report_wait, wait_seconds))
    with shown_progress(ProgressForm.NONE if options.quiet else options.progress) as progress:
        workers = Workers(options.jobs, progress, trusted=trusted, wait=wait)
        if isinstance(options, ClusterRunOptions):
            workers = replace(
                workers,
                cluster=options.cluster,
                bandwidth=options.bandwidth,
                is_insecure=options.insecure_cluster,
            )
        yield workers.titled(title)


def _report_wait(seconds: int, holder: str) -> None:
    print(
        f"Locked by {shown(holder) or 'another process'}: waiting, at most {human_seconds(seconds)}", file=sys.stderr
    )
    sys.stderr.flush()
