"""The jobs of tarsplit, of sending and of receiving, and the tools that people cut and unpack packages with.

tarsplit compares every file with the manifest while it reads, which the peers do not. Who receives tars sums them up,
unpacks them, and compares the tree; `pack receive` does all three in one reading. Ours end when all is on the disk,
so theirs end with a sync.
"""

import os
import sys
from collections.abc import Iterator

from benchmarks.job import Job, Kind, Target, Tree
from benchmarks.jobs import FEW_BIG, FEW_SMALL, HARD_PACKAGE, PACK
from benchmarks.s3_server import BUCKET

_PROCESSES = len(os.sched_getaffinity(0))
TARSPLIT = f"{sys.executable} -m qa2pack.pack.tarsplit_command --quiet -n 2012-06-20 --output tars"
_CLEAN = "rm -rf tars parts; mkdir tars parts"
_LEAST_BYTES = 16 << 20


def tarsplit_jobs(tree: Tree) -> Iterator[Job]:
    """Yield the comparisons for a tree."""
    if tree.kind is Kind.ONE:
        return  # a file is never cut: there is nothing to do side by side
    limit = _limit_bytes(tree)
    parts = f"fpart -s {limit} -o parts/p P && ls parts/p.* | xargs -P {_PROCESSES} -n 1 sh -c"
    tar = "tar -cf tars/${0##*/}.tar --no-recursion -T $0"
    md5 = "md5sum tars/${0##*/}.tar > tars/${0##*/}.md5sum"
    split = f"tar -cf - P | split -b {limit} - tars/p"
    sums = f"ls tars/p* | xargs -P {_PROCESSES} -n 1 md5sum > tars/sums"
    with_md5, without = f"{TARSPLIT} --size {limit} P", f"{TARSPLIT} --size {limit} --checksum none P"

    def cut(name: str, peer_name: str, ours: str, peer: str, target: float | None, needs: tuple[str, ...]) -> Job:
        least = {Kind.SMALL: FEW_SMALL, Kind.BIG: FEW_BIG}.get(tree.kind, 0)
        requested = None if target is None else Target(target, least)
        is_long = not needs or ours is without
        synced = f"{peer} && sync -f tars"
        return Job(name, f"{peer_name}, sync", ours, synced, requested, needs, HARD_PACKAGE, _CLEAN, _CLEAN, is_long)

    yield cut("tarsplit, md5", "fpart, tar, md5sum", with_md5, f"{parts} '{tar} && {md5}'", 0.85, ("fpart",))
    yield cut("tarsplit", "fpart, tar", without, f"{parts} '{tar}'", 0.7, ("fpart",))
    yield cut("tarsplit, md5", "tar, split, md5sum", with_md5, f"{split} && {sums}", None, ())
    yield cut("tarsplit", "tar, split", without, split, None, ())


def receive_jobs(tree: Tree) -> Iterator[Job]:
    """Yield the comparison for a tree."""
    if tree.kind is Kind.ONE:
        return
    clean = "rm -rf received; mkdir received"
    cut = f"{_CLEAN}; {TARSPLIT} --size {_limit_bytes(tree)} P"
    sums = "find P -type f -print0 | xargs -0 xxhsum -H2 > sums"
    each = f"xargs -P {_PROCESSES} -n 1"
    peer = (
        f"(cd tars && ls *.md5sum | {each} md5sum --quiet -c) && ls tars/*.tar | {each} tar -C received -xf"
        " && (cd received && xxhsum -q -c ../sums) && sync -f received"
    )
    least = {Kind.SMALL: FEW_SMALL, Kind.BIG: FEW_BIG}.get(tree.kind, 0)
    yield Job(
        "receive",
        "md5sum, tar, xxhsum, sync",
        f"{PACK} receive --quiet tars received/P",
        peer,
        Target(0.7, least),
        ("xxhsum",),
        f"{HARD_PACKAGE} && {cut} && {sums}",
        clean,
        clean,
    )


def send_jobs(tree: Tree) -> Iterator[Job]:
    """Yield the comparisons for a tree that is sent to an S3 server on the same machine.

    Who sends with other tools makes the tars and their checksums on a disk first, or streams one tar without any.
    """
    if tree.kind is Kind.ONE:
        return
    server = f"{sys.executable} -m benchmarks.s3_server"
    limit = _limit_bytes(tree)
    with_s3 = ". ./s3.env &&"
    ours = f"{with_s3} {TARSPLIT} --size {limit} --to s3://{BUCKET}/ours P"
    split = f"tar -cf - P | split -b {limit} - tars/p && ls tars/p* | xargs -P {_PROCESSES} -n 1 md5sum > tars/sums"
    copy = f"aws s3 cp --quiet --recursive tars s3://{BUCKET}/peer"
    stream = f"tar -cf - P | aws s3 cp --quiet - s3://{BUCKET}/peer.tar"
    once = f"{HARD_PACKAGE} && {server} begin"
    empty = f"{_CLEAN} && {server} empty"
    peers = {"tar, md5sum, aws s3 cp": f"{split} && {with_s3} {copy}", "tar | aws s3 cp": f"{with_s3} {stream}"}
    for name, peer in peers.items():
        yield Job("send", name, ours, peer, None, ("aws",), once, empty, empty, is_long=True)


def _limit_bytes(tree: Tree) -> int:
    """Return the size of a tar that makes some four of them."""
    match tree.kind:
        case Kind.SMALL | Kind.LATE:
            return max(_LEAST_BYTES, tree.size * 6000 // 4)
        case Kind.MIXED:
            return max(_LEAST_BYTES, tree.size * (550 << 20) // 4)
        case Kind.BIG | Kind.ONE | Kind.BUNDLED | Kind.COLD:
            return max(_LEAST_BYTES, tree.size // 4 + (1 << 20))
