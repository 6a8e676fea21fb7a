"""Files behind a file system that answers late, and programs that wait for 32 of them at once where they can.

`slow_fs.c` is mounted over the tree for each run, so nothing is in a cache. Each call takes a millisecond or more, as
one to a server does; calls that come at the same time wait at the same time. It needs gcc, FUSE 3 and the right to
mount. `sshfs` speaks to a server of its own through a pipe, as through ssh: neither network nor ssh is needed.
"""

from collections.abc import Iterator

from benchmarks.cutting import TARSPLIT
from benchmarks.job import Job, Target
from benchmarks.jobs import CLEAN, FEW_SMALL, PACK
from benchmarks.process import REPO

_NEEDS = ("gcc", "pkg-config", "fusermount3", "xargs", "xxhsum")
_BUILD = f"gcc -O2 -o slow_fs {REPO}/benchmarks/slow_fs.c $(pkg-config --cflags --libs fuse3)"
_PLANNED = f"{PACK} plan --quiet SB sent/P --mode hard --layout as-is"
_SENT = f"rm -rf sent && mkdir sent && {_PLANNED} && {PACK} apply --quiet sent/P"
_BY_SSHFS = "mkdir -p late && sshfs -o ssh_command=$PWD/ssh server:$PWD/SB late"
_NO_TARS = "rm -rf tars && mkdir tars"
_SERVER = "/usr/lib/openssh/sftp-server"
_SSH = f"printf '#!/bin/sh\\nexec {_SERVER}\\n' > ssh && chmod +x ssh"
_FOLDERS = "find SB -type d -printf 'late/%p\\0' | xargs -0 mkdir -p"
_PARTS = "fpart -n 32 -o parts/p SB"
_HASHED = "find late -type f -print0 | xargs -0 -P 32 -n 100 xxhsum -q -H2"


def late_jobs() -> Iterator[Job]:
    """Yield the comparisons for a tree of small files."""
    for milliseconds in (1, 4):
        mounted = _mounted("SB", milliseconds)
        yield _plan_job(f"{milliseconds} ms per call", mounted, _NEEDS, _BUILD, is_long=milliseconds > 1)
    yield _plan_job("sshfs", _BY_SSHFS, ("sshfs", "fusermount3", "xargs", "xxhsum", _SERVER), _SSH)
    empty = f"rm -rf sent && mkdir sent && {_mounted('sent')}"
    yield Job(
        "apply copy, 1 ms per call",
        "fpart, cp",
        _unmounted(f"{PACK} apply --quiet late/P"),
        _unmounted(f"{_FOLDERS} && {_PARTS} && ls parts/p.* | xargs -P 32 -I[] xargs -a [] cp -a --parents -t late"),
        Target(1.0, FEW_SMALL),
        needs=(*_NEEDS, "fpart"),
        once=_BUILD,
        before_ours=f"{empty} && {PACK} plan --quiet SB late/P --mode copy --layout as-is",
        before_peer=f"rm -rf parts && mkdir parts && {empty}",
        is_long=True,
    )
    yield Job(
        "verify, 1 ms per call",
        "rclone, 32 checkers",
        _unmounted(f"{PACK} verify --quiet late/P"),
        _unmounted("rclone checksum md5 md5sums late/P --checkers 32"),
        Target(1.0, FEW_SMALL),
        needs=(*_NEEDS, "rclone"),
        once=f"{_BUILD}; {_SENT} && (cd sent/P && find . -type f -printf '%P\\0' | xargs -0 md5sum) > md5sums",
        before_ours=_mounted("sent"),
        before_peer=_mounted("sent"),
        is_long=True,
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


def _plan_job(how: str, mounted: str, needs: tuple[str, ...], once: str, *, is_long: bool = False) -> Job:
    return Job(
        f"plan, {how}",
        "find, xargs -P 32 xxhsum",
        _unmounted(f"{PACK} plan --quiet late P --mode copy --layout as-is"),
        _unmounted(_HASHED),
        Target(1.0, FEW_SMALL),
        needs,
        once,
        f"{CLEAN}; {mounted}",
        mounted,
        is_long,
    )


def _mounted(folder: str, milliseconds: int = 1) -> str:
    return f"mkdir -p late && ./slow_fs {folder} {milliseconds * 1000} late"


def _unmounted(command: str) -> str:
    """Return the command with the end of the mount, some milliseconds, which no later one finds then."""
    return f"{command}; code=$?; fusermount3 -u late && exit $code"
