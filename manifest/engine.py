"""The seam for bulk work: where batches run is somebody else's business.

A batch is a small picklable description, the work on it a module-level function that returns a small packed
result. Everything that scans, hashes, links, copies or verifies is written against `Engine`; the in-line one
here needs no processes and serves small jobs and tests.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_AHEAD_PER_JOB = 4


class Engine(Protocol):
    """Runs batches, in any order, on any number of workers."""

    @property
    def jobs(self) -> int:
        """How many batches run side by side."""
        ...

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run every batch and yield the results as they come.

        The caller may add batches to the deque while it takes results; the work ends when the deque is empty and
        no batch is under way. An error in the work is raised here, after which nothing more is started.
        """
        ...


class InlineEngine:
    """Runs each batch in this process, one after the other."""

    jobs = 1

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches in the order of the deque."""
        while batches:
            yield work(batches.popleft())


def run_streamed(
    engine: Engine,
    work: Callable[[Batch], Result],
    batches: Iterable[Batch],
    leftover: Callable[[Result], Iterable[Batch]] | None = None,
) -> Iterator[Result]:
    """Run batches that are made while others run, so that never all of them exist at once.

    Args:
        leftover: what a batch left to be done by others; it goes before all that waits.
    """
    source = iter(batches)
    queue = deque(islice(source, _AHEAD_PER_JOB * engine.jobs))
    for result in engine.run(work, queue):
        if leftover:
            queue.extendleft(leftover(result))
        queue.extend(islice(source, max(0, _AHEAD_PER_JOB * engine.jobs - len(queue))))  # jobs may come and go
        yield result
