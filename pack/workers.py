"""How a command spreads its work: as many worker processes as asked for, with their progress shown."""

from collections.abc import Iterator
from contextlib import contextmanager

from executor.engine import available_jobs
from pack.job import Workers
from pack.progress import shown_progress


@contextmanager
def shown_workers(jobs: int, *, is_quiet: bool) -> Iterator[Workers]:
    """Yield the workers; 0 jobs mean one per processor."""
    with shown_progress(is_quiet=is_quiet) as progress:
        yield Workers(jobs or available_jobs(), progress)
