"""Files behind a file system that answers late, and programs that wait for 32 of them at once.

`slow_fs.c` is mounted over the tree for each run, so nothing is in a cache. Each call takes a millisecond, as one to
a server does; calls that come at the same time wait at the same time. It needs gcc, FUSE 3 and the right to mount.
"""

from collections.abc import Iterator

from benchmarks.job import Job, Target
from benchmarks.jobs import CLEAN, PACK
from benchmarks.process import REPO

_MICROSECONDS = 1000
_NEEDS = ("gcc", "pkg-config", "fusermount3", "xargs", "xxhsum")
_BUILD = f"gcc -O2 -o slow_fs {REPO}/benchmarks/slow_fs.c $(pkg-config --cflags --libs fuse3)"
_MOUNT = f"mkdir -p late && ./slow_fs SB {_MICROSECONDS} late"


def late_jobs() -> Iterator[Job]:
    """Yield the comparisons for a tree of small files."""
    yield Job(
        "plan, 1 ms per call",
        "find, xargs -P 32 xxhsum",
        _unmounted(f"{PACK} plan --quiet late P --mode copy --layout as-is"),
        _unmounted("find late -type f -print0 | xargs -0 -P 32 -n 100 xxhsum -q -H2"),
        Target(1.0, 20_000),
        needs=_NEEDS,
        once=_BUILD,
        before_ours=f"{CLEAN}; {_MOUNT}",
        before_peer=_MOUNT,
    )


def _unmounted(command: str) -> str:
    """Return the command with the end of the mount, some milliseconds, which no later one finds then."""
    return f"{command}; code=$?; fusermount3 -u late && exit $code"
