"""Engine: the interface for bulk work in batches, independent of where the batches run.

A batch is a small picklable description. The work on it is a module-level function that returns a small packed
result. Everything that scans, hashes, links, copies or verifies uses `Engine`. The in-line engine here starts no
processes; it serves small jobs and tests. Process pool and Dask are in `executor/engine/`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")
Part = TypeVar("Part")

# Where each call waits for a server, the rest of a batch is soon left to others, which wait at the same time.
BATCH_SECONDS = 0.25
LEAST_FILES = 60  # that make a batch: with less it would take longer to hand it over than to wait for its files
_AHEAD_PER_JOB = 4
_SHARES = 8


class Engine(Protocol):
    """Runs batches, in any order, on any number of workers."""

    @property
    def jobs(self) -> int:
        """How many batches that compute run side by side; those that wait for a file system may be more."""
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


def shares(rest: Sequence[Part], least: int = 1) -> Iterator[Sequence[Part]]:
    """Yield what a batch leaves to others, in order and in a few parts of about the same size.

    Args:
        least: a part may have fewer only if it is the last.
    """
    size = max(-(-len(rest) // _SHARES), least)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def run_streamed(
    engine: Engine,
    work: Callable[[Batch], Result],
    batches: Iterable[Batch],
    leftover: Callable[[Result], Iterable[Batch]] | None = None,
    *,
    is_computing: bool = False,
) -> Iterator[Result]:
    """Run batches from an iterator, made while others run, so that they never all exist at once.

    Args:
        leftover: returns the batches that a result leaves to others; they run before all that wait.
        is_computing: each batch needs a processor for long, so no more are under way than `engine.jobs`.
    """
    source = iter(batches)
    if is_computing:
        queue = deque(islice(source, engine.jobs))
        for result in engine.run(work, queue):
            queue.extend(islice(source, 1))
            yield result
        return
    queue = deque(islice(source, _AHEAD_PER_JOB * engine.jobs))
    for result in engine.run(work, queue):
        if leftover:
            queue.extendleft(reversed([*leftover(result)]))  # each goes before the last
        queue.extend(islice(source, max(0, _AHEAD_PER_JOB * engine.jobs - len(queue))))  # jobs may change
        yield result
