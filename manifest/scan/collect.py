"""Collect: runs the batches of a scan and merges their results."""

import time
from collections import deque
from collections.abc import Iterable

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import BatchGroup, BigFile, ScanBatch
from qa2pack.manifest.scan.expected import ExpectedTotals
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.scan.link_and_owner_checks import name_problems, sum_warnings
from qa2pack.manifest.scan.walk import scan_batch

_FAST_BYTES = 2 << 30  # that are read in a second; most disks are slower


def gather(batches: Iterable[ScanBatch], *, phase: str, engine: Engine, progress: Progress) -> Gathered:
    """Run the batches of a scan, and the batches that they leave for others, to the end.

    They begin as one group, so that a small package is done before workers would have started. Big files go first,
    the biggest before all others: a huge file that begins last would delay the end of the scan.

    Args:
        phase: name of the phase of the progress. It gets its totals a moment after it began, if it takes so long.
    """
    gathered = Gathered()
    group = BatchGroup(tuple(batches))
    if group.batches:
        progress.phase(phase)
    expected: ExpectedTotals | None = ExpectedTotals(group.batches)
    began, big_bytes = time.monotonic(), 0
    queue: deque[ScanBatch] = deque([group])
    for result in engine.run(scan_batch, queue):
        big_files = sorted((b for b in result.more if isinstance(b, BigFile)), key=lambda big: big.state.size)
        queue.extendleft(big_files)
        queue.extend(batch for batch in result.more if not isinstance(batch, BigFile))
        gathered.add(result)
        progress.advance(file_count=result.file_count, byte_count=result.read_bytes)
        big_bytes += sum(big.state.size for big in big_files)
        # A scan that is done after its first batch has no need of totals.
        if expected and queue and expected.go_on(time.monotonic() - began + big_bytes / _FAST_BYTES):
            progress.phase(phase, file_count=expected.file_count, byte_count=expected.byte_count)
            expected = None
    gathered.warnings.extend(sum_warnings(gathered.sums))
    gathered.problems.extend(name_problems(gathered.linked))
    # Several batches may scan the same folder of the origin and report the same problem.
    gathered.problems = sorted(dict.fromkeys(gathered.problems), key=lambda problem: (problem.path, problem.code))
    gathered.warnings.sort(key=lambda problem: (problem.path, problem.code))
    return gathered
