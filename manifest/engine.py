"""Engine: the interface for bulk work in batches, independent of where the batches run.

A batch is a small picklable description. The work on it is a module-level function that returns a small packed
result. Everything that scans, hashes, links, copies or verifies uses `Engine`. The in-line engine here starts no
processes; it serves small jobs and tests. Process pool and Dask are in `executor/engine/`.
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
        """Run every batch and yield the results in the order in which they finish.

        The caller may add batches to the deque while it takes results. The run ends when the deque is empty and no
        batch is running. An error in the work is raised here; after that, no batch is started.
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
    """Run batches from an iterator, made while others run, so that they never all exist at once.

    Args:
        leftover: returns the batches that a result leaves to others; they run before all that wait.
    """
    source = iter(batches)
    queue = deque(islice(source, _AHEAD_PER_JOB * engine.jobs))
    for result in engine.run(work, queue):
        if leftover:
            queue.extendleft(leftover(result))
        queue.extend(islice(source, max(0, _AHEAD_PER_JOB * engine.jobs - len(queue))))  # jobs may change
        yield result
