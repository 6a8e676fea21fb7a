"""Files behind a file system that answers late, and programs that wait for 32 of them at once where they can.

`slow_fs.c` is mounted over the tree for each run, so nothing is in a cache. Each call takes a millisecond, as one to
a server does; calls that come at the same time wait at the same time. It needs gcc, FUSE 3 and the right to mount.
"""

from collections.abc import Iterator

from benchmarks.cutting import TARSPLIT
from benchmarks.job import Job, Target, Tree
from benchmarks.jobs import CLEAN, FEW_SMALL, PACK
from benchmarks.process import REPO

_MICROSECONDS = 1000
_NEEDS = ("gcc", "pkg-config", "fusermount3", "xargs", "xxhsum")
_BUILD = f"gcc -O2 -o slow_fs {REPO}/benchmarks/slow_fs.c $(pkg-config --cflags --libs fuse3)"
_PLANNED = f"{PACK} plan --quiet SB sent/P --mode hard --layout as-is"
_SENT = f"rm -rf sent && mkdir sent && {_PLANNED} && {PACK} apply --quiet sent/P"
_NO_TARS = "rm -rf tars && mkdir tars"
_HASHED = "find late -type f -print0 | xargs -0 -P 32 -n 100 xxhsum -q -H2"


def late_jobs(tree: Tree) -> Iterator[Job]:
    """Yield the comparisons for a tree of small files; for a larger one all are long, as the ratio is the same."""
    yield Job(
        "plan, 1 ms per call",
        "find, xargs -P 32 xxhsum",
        _unmounted(f"{PACK} plan --quiet late P --mode copy --layout as-is"),
        _unmounted(_HASHED),
        Target(1.0, FEW_SMALL),
        needs=_NEEDS,
        once=_BUILD,
        before_ours=f"{CLEAN}; {_mounted('SB')}",
        before_peer=_mounted("SB"),
        is_long=tree.size > FEW_SMALL,
    )
    yield Job(
        "tarsplit, 1 ms per call",
        "tar, md5sum",
        _unmounted(f"{TARSPLIT} late/P"),
        _unmounted("tar -cf tars/P.tar -C late P && md5sum tars/P.tar > tars/sums"),
        needs=_NEEDS,
        once=f"{_BUILD}; {_SENT}",
        before_ours=f"{_NO_TARS} && {_mounted('sent')}",
        before_peer=f"{_NO_TARS} && {_mounted('sent')}",
        is_long=True,
    )
    received = f"rm -rf received && mkdir received && {_mounted('received')}"
    yield Job(
        "receive, 1 ms per call",
        "md5sum, xargs -P 32 tar, xxhsum",
        _unmounted(f"{PACK} receive --quiet tars late/P"),
        _unmounted(
            "(cd tars && md5sum --quiet -c *.md5sum) && ls tars/*.tar | xargs -P 32 -n 1 tar -C late -xf"
            f" && {_HASHED}"
        ),
        needs=_NEEDS,
        once=f"{_BUILD}; {_SENT} && {_NO_TARS} && {TARSPLIT} sent/P",
        before_ours=received,
        before_peer=received,
        is_long=True,
    )


def _mounted(folder: str) -> str:
    return f"mkdir -p late && ./slow_fs {folder} {_MICROSECONDS} late"


def _unmounted(command: str) -> str:
    """Return the command with the end of the mount, some milliseconds, which no later one finds then."""
    return f"{command}; code=$?; fusermount3 -u late && exit $code"
