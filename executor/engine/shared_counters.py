"""Shared counters: how many bytes each running batch has read, in memory shared with forked worker processes.

A worker adds to the counter of its batch once per MiB, without a system call or a lock: no other process writes it.
Threads of the worker do (`manifest.fs.at_once`), but CPython switches between threads only at calls and where a loop
starts again, not within an addition.

A stop is signalled in the same memory, because the pool cannot take back a batch that is in its queue.
"""

import mmap

from qa2pack.executor.engine.errors import CalledOffError

_CELL_BYTES = 8
_NOTICE, _SPARE, _FIRST = 0, 1, 2  # cells: whether all is called off; batches without a counter; the counters


class SharedCounters:
    """Counters of running batches; made before the workers are forked."""

    def __init__(self, count: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, _CELL_BYTES * (_FIRST + count))).cast("Q")
        self._free = list(range(_FIRST, _FIRST + count))

    @property
    def total(self) -> int:
        """Bytes that all running batches have read so far."""
        return sum(self._cells[_FIRST:])

    def take(self) -> int:
        """Return a free counter, at 0; where there is none, the batch is not counted."""
        return self._free.pop() if self._free else _SPARE

    def give_back(self, counter: int) -> None:
        """Free the counter of a batch that is over."""
        if counter != _SPARE:
            self._cells[counter] = 0
            self._free.append(counter)

    def call_off(self) -> None:
        """Let all batches end, for the rest of the workers' lives."""
        self._cells[_NOTICE] = 1

    def add(self, counter: int, byte_count: int) -> None:
        """Count bytes of a batch; called by its worker.

        Raises:
            CalledOffError: all is called off.
        """
        if self._cells[_NOTICE]:
            raise CalledOffError
        self._cells[counter] += byte_count
