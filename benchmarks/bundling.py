"""A bundle and the tools that people make tar.gz with.

Ours compares every file with the plan's digest while it reads, and hashes what it writes, which the peers do not. All
compress at the same level, and end when all is on the disk.
"""

import os
from collections.abc import Iterator

from benchmarks.job import Job, Target
from benchmarks.jobs import APPLY, CLEAN, PACK

_PROCESSES = len(os.sched_getaffinity(0))
_LEVELS = (1, 6, 9)
_TARGET_LEVEL = 6
_LEAST_BYTES = 512 << 20


def bundle_jobs() -> Iterator[Job]:
    """Yield the comparisons for a tree that becomes one bundle."""
    for level in _LEVELS:
        plan = f"{PACK} plan --quiet SB P --mode copy --layout bundles.toml --compression {level}"
        for compressor, program in ((f"pigz -p {_PROCESSES}", "pigz"), ("gzip", "gzip")):
            yield Job(
                f"apply bundle, -{level}",
                f"tar, {compressor}, sync",
                APPLY,
                f"mkdir out && tar -cf - SB | {compressor} -{level} > out/all.tgz && sync -f out",
                Target(0.8, _LEAST_BYTES) if program == "pigz" else None,
                needs=(program,),
                before_ours=f"{CLEAN}; {plan}",
                before_peer=CLEAN,
                is_long=level != _TARGET_LEVEL or program == "gzip",  # which took a sixth of all
            )
