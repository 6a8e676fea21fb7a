"""The jobs of `pack` and the peers that do the same work.

Every peer is what a careful person would type: hashing with xxhsum, copying with cp and comparing afterwards. Where
`pack` uses all processors, the peer is given as many processes, if it can use them.
"""

import os
import sys
from collections.abc import Iterator

from benchmarks.job import Job, Kind, Target, Tree

FEW_SMALL = 20_000
MANY_SMALL = 100_000
FEW_BIG = 2 << 30
MANY_BIG = 4 << 30
_PROCESSES = len(os.sched_getaffinity(0))
PACK = f"{sys.executable} -m pack"
PLAN_HARD = f"{PACK} plan --quiet SB P --mode hard"
APPLY = f"{PACK} apply --quiet P"
CLEAN = "rm -rf P P.pack P.ticket.tar P.ticket.zip out"
_SUMS = "find SB -type f -print0 | xargs -0 xxhsum -H2 > sums"
_COMPARE = "sed 's,SB/,,' ../sums > sums && xxhsum -q -c sums"
_COPY_NAMES = "find SB -type d -printf 'out/%p\\0' | xargs -0 mkdir -p"
HARD_PACKAGE = f"{CLEAN}; {PLAN_HARD} && {APPLY}"


def pack_jobs(tree: Tree) -> Iterator[Job]:
    """Yield the comparisons for a tree."""
    if tree.kind is Kind.ONE:
        yield from _single_file()
        return
    yield from _planning(tree)
    yield from _applying(tree)
    yield from _verifying(tree)


def _planning(tree: Tree) -> Iterator[Job]:
    is_small = tree.kind is Kind.SMALL
    hashing = _hashing(tree)
    peer = f"xxhsum -P{_PROCESSES}" if tree.kind is Kind.BIG else "find, xxhsum"
    needs = ("xxhsum",)
    is_mixed = tree.kind is Kind.MIXED
    first = Target(0.65, MANY_SMALL) if is_small else Target(1.3) if is_mixed else _from_many_big(tree, 0.75)
    again = _from_many(tree, 0.25)
    yield Job("plan", peer, PLAN_HARD, hashing, first, needs, before_ours=CLEAN)
    planned = f"{CLEAN}; {PLAN_HARD}"
    is_long = again is None or tree.size < again.least_size  # the start decides, as in the first plan
    yield Job("plan again", peer, PLAN_HARD, hashing, again, needs, once=planned, is_long=is_long)
    both = Target(0.85, MANY_SMALL) if is_small else Target(1.5) if is_mixed else None
    yield Job(
        "plan, apply hard",
        f"{peer}, cp -al",
        f"{PLAN_HARD} && {APPLY}",
        f"{hashing} && cp -al SB out",
        both,
        needs,
        before_ours=CLEAN,
        before_peer=CLEAN,
        is_long=not is_mixed,  # it is the sum of two others
    )


def _applying(tree: Tree) -> Iterator[Job]:
    is_small = tree.kind is Kind.SMALL
    planned_copy = f"{CLEAN}; {PACK} plan --quiet SB P --mode copy"
    yield Job(
        "apply hard",
        "cp -al, sync",
        APPLY,
        "cp -al SB out && sync -f out",
        Target(1.2, FEW_SMALL) if is_small else None,
        before_ours=f"{CLEAN}; {PLAN_HARD}",
        before_peer=CLEAN,
    )
    yield Job(
        "apply copy, checked",
        "cp -a, xxhsum, xxhsum -c",
        APPLY,
        f"cp -a SB out && {_hashing(tree)} && cd out && {_COMPARE} && sync -f .",
        Target(0.8, FEW_SMALL) if is_small else Target(0.6, FEW_BIG) if tree.kind is Kind.BIG else None,
        ("xxhsum",),
        before_ours=planned_copy,
        before_peer=CLEAN,
    )
    yield Job(
        "apply copy, checked",
        "rsync -a, rsync -anc",
        APPLY,
        "rsync -a SB/ out/ && rsync -anc SB/ out/ && sync -f out",
        needs=("rsync",),
        before_ours=planned_copy,
        before_peer=CLEAN,
        is_long=True,
    )
    yield Job(
        "apply fake",
        "find, mkdir, touch",
        APPLY,
        f"{_COPY_NAMES} && find SB -type f -printf 'out/%p\\0' | xargs -0 touch && sync -f out",
        Target(1.0, FEW_SMALL) if is_small else None,
        before_ours=f"{CLEAN}; {PACK} plan --quiet SB P --mode fake",
        before_peer=CLEAN,
        is_long=True,
    )


def _verifying(tree: Tree) -> Iterator[Job]:
    verify = f"{PACK} verify --quiet P"
    least = MANY_SMALL if tree.kind is Kind.SMALL else MANY_BIG
    bag = "rm -rf bag; cp -al SB bag && bagit.py --md5 bag"
    md5 = "find . -type f -printf '%P\\0' | xargs -0 md5sum > ../md5sums"

    # rclone lets go of what it read, and the next to read it would wait for the disk.
    warm = "find SB -type f -print0 | xargs -0 cat > /dev/null"

    def against(peer_name: str, peer: str, target: Target | None, needs: str, once: str, *, is_long: bool) -> Job:
        made = f"{HARD_PACKAGE} && {once}"
        return Job("verify", peer_name, verify, peer, target, (needs,), made, warm, warm, is_long)

    compared = Target(1.3, least) if tree.kind is Kind.SMALL else _from_many_big(tree, 1.0)
    xxhsum = "find SB -type f > /dev/null && xxhsum -q -c sums"
    yield against("find, xxhsum -c", xxhsum, compared, "xxhsum", _SUMS, is_long=False)
    others = tree.kind is not Kind.MIXED
    validate = f"bagit.py --quiet --validate --processes {_PROCESSES} bag"
    yield against("bagit.py, md5", validate, Target(0.15, least) if others else None, "bagit.py", bag, is_long=True)
    yield against(
        "hashdeep -a",
        "hashdeep -r -l -a -k known SB",
        Target(0.4, least) if others else None,
        "hashdeep",
        "hashdeep -r -l -c md5 SB > known",
        is_long=True,
    )
    yield against(
        "rclone checksum",
        "rclone checksum md5 md5sums SB",
        Target(0.1, least) if others else None,
        "rclone",
        f"(cd SB && {md5})",
        is_long=True,
    )


def _single_file() -> Iterator[Job]:
    """Yield what tells whether a single file goes at the speed of the device; ours hashes wherever it reads."""
    file = "SB/X8c/image00.fits"
    yield Job("plan", "xxhsum", PLAN_HARD, f"xxhsum -H2 {file}", needs=("xxhsum",), before_ours=CLEAN)
    yield Job(
        "apply copy, checked",
        "dd",
        APPLY,
        f"mkdir out && dd if={file} of=out/copy bs=1M conv=fsync",
        before_ours=f"{CLEAN}; {PACK} plan --quiet SB P --mode copy",
        before_peer=CLEAN,
    )
    yield Job(
        "verify",
        "xxhsum -c",
        f"{PACK} verify --quiet P",
        "xxhsum -q -c sums",
        needs=("xxhsum",),
        once=f"{HARD_PACKAGE} && {_SUMS}",
    )


def _hashing(tree: Tree) -> str:
    if tree.kind is Kind.BIG:
        # A process for each file: several files in one process would tear each other's lines.
        return f"find SB -type f -print0 | xargs -0 -n 1 -P {_PROCESSES} xxhsum -H2 > sums"
    return _SUMS


def _from_many(tree: Tree, ratio: float) -> Target | None:
    return Target(ratio, MANY_SMALL) if tree.kind is Kind.SMALL else _from_many_big(tree, ratio)


def _from_many_big(tree: Tree, ratio: float) -> Target | None:
    return Target(ratio, MANY_BIG) if tree.kind is Kind.BIG else None
