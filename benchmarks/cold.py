"""Jobs whose files are read from the disk, not from the page cache: nothing can be faster than the device.

The cache is dropped before each run, which only root may do. Each peer is dd, which reads or writes the same bytes,
one file after the other, and does nothing else; where ours sums up what it writes, md5sum follows. It writes blocks
of 128 KiB, as ours does: with those of a MiB it took up to twice as long on ext4.
"""

import os
from collections.abc import Iterator

from benchmarks.cutting import TARSPLIT
from benchmarks.job import Job, Target
from benchmarks.jobs import APPLY, CLEAN, FEW_BIG, HARD_PACKAGE, MANY_BIG, PACK, PLAN_HARD

_PROCESSES = len(os.sched_getaffinity(0))
_SWITCH = "/proc/sys/vm/drop_caches"
_DROP = f"sync; echo 3 > {_SWITCH}"
_FILES = "SB/X8c/*.fits"
_READ = f"for file in {_FILES}; do dd if=$file of=/dev/null bs=1M status=none || exit 1; done"
_COPY = f"for file in {_FILES}; do dd if=$file of=out/${{file##*/}} bs=128K conv=fsync status=none || exit 1; done"
_READS = Target(1.1, MANY_BIG)
_WRITES = Target(1.1, FEW_BIG)


def can_drop_cache() -> bool:
    """Return whether this user may empty the page cache."""
    return os.access(_SWITCH, os.W_OK)


def cold_jobs() -> Iterator[Job]:
    """Yield the comparisons for a tree of big files that lies on a disk."""
    yield Job("plan, cold", "dd", PLAN_HARD, _READ, _READS, before_ours=f"{CLEAN}; {_DROP}", before_peer=_DROP)
    yield Job(
        "verify, cold",
        "dd",
        f"{PACK} verify --quiet P",
        _READ,
        _READS,
        once=HARD_PACKAGE,
        before_ours=_DROP,
        before_peer=_DROP,
    )
    yield _tarsplit_job("tarsplit", "dd, fsync", f"{TARSPLIT} --size 1GiB --checksum none P", _COPY, _WRITES)
    sums = f"{_COPY} && ls out/* | xargs -P {_PROCESSES} -n 1 md5sum > out/sums"
    yield _tarsplit_job("tarsplit, md5", "dd, fsync, md5sum", f"{TARSPLIT} --size 1GiB P", sums, None)
    yield Job(
        "apply copy, cold",
        "dd, fsync",
        APPLY,
        _COPY,
        _WRITES,
        before_ours=f"{CLEAN}; {PACK} plan --quiet SB P --mode copy; {_DROP}",
        before_peer=f"{CLEAN}; mkdir out; {_DROP}",
    )


def _tarsplit_job(name: str, peer_name: str, ours: str, peer: str, target: Target | None) -> Job:
    return Job(
        f"{name}, cold",
        peer_name,
        ours,
        peer,
        target,
        once=HARD_PACKAGE,
        before_ours=f"rm -rf tars; {_DROP}",
        before_peer=f"rm -rf tars out; mkdir out; {_DROP}",
        is_long=target is None,
    )
