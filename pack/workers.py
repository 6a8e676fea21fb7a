"""How a command spreads its work: as many workers as asked for, with their progress shown."""

from collections.abc import Iterator
from contextlib import contextmanager

from pack.engines import Workers
from pack.progress import shown_progress


@contextmanager
def shown_workers(jobs: int, *, is_quiet: bool, cluster: str = "", bandwidth: int = 0) -> Iterator[Workers]:
    """Yield the workers; 0 jobs mean one per processor, or one per worker of the cluster at that address.

    Args:
        bandwidth: bytes that all of them together may read in a second; 0 is no bound.
    """
    with shown_progress(is_quiet=is_quiet) as progress:
        yield Workers(jobs, progress, cluster, bandwidth)
