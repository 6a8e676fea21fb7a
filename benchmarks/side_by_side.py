"""Measure the jobs beside peers that do the same work, in turn, and print ratios.

    python benchmarks/side_by_side.py --dir FOLDER [--rounds 5] [--small 20000] [--big-gib 2] [--json FILE]

Each round runs ours and the peer one after the other on the same warm tree, as whole processes. Times vary on shared
machines: compare ratios, not seconds. FOLDER should be on a journalled disk or a tmpfs with room for three times
the trees. Peers that are not installed are left out with a word. Nothing outside FOLDER is written.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from trees import count_files, make_big, make_small

_REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Job:
    """One comparison.

    Attributes:
        ours, peer: shell commands, run inside the tree's folder.
        before_ours, before_peer: what is prepared before each run and not measured.
        target: the highest ratio to be content with.
        needs: programs of the peer.
    """

    name: str
    ours: str
    peer: str
    target: float
    needs: tuple[str, ...]
    before_ours: str = "true"
    before_peer: str = "true"


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: seconds of wall clock and of processor, and the largest process in MiB."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ratios are ours / peer, round by round."""

    tree: str
    job: str
    ours_seconds: float
    peer_seconds: float
    ratio: float
    lowest: float
    highest: float
    ours_cpu: float
    peer_cpu: float
    peak_mib: float
    target: float


def jobs(tree: str) -> list[Job]:
    """Return the comparisons for a tree, `small` or `big`."""
    pack = f"{sys.executable} -m pack"
    clean = "rm -rf P P.pack P.ticket.tar P.ticket.zip out"
    hashing = (
        "find SB -type f -print0 | xargs -0 xxhsum -H2 > sums"
        if tree == "small"
        else "find SB -type f -print0 | xargs -0 -n 1 -P 2 xxhsum -H2 > sums"
    )
    plan_hard = f"{pack} plan --quiet SB P --mode hard"
    is_small = tree == "small"
    return [
        Job("plan", plan_hard, hashing, 0.65 if is_small else 0.75, ("xxhsum",), clean),
        Job("plan again", plan_hard, hashing, 0.25, ("xxhsum",), f"{clean}; {plan_hard}"),
        Job(
            "plan + apply hard",
            f"{plan_hard} && {pack} apply --quiet P",
            f"{hashing} && cp -al SB out",
            0.85,
            ("xxhsum",),
            clean,
            clean,
        ),
        Job(
            "apply hard",
            f"{pack} apply --quiet P",
            "cp -al SB out && sync -f out",
            1.2,
            (),
            f"{clean}; {plan_hard}",
            clean,
        ),
        Job(
            "apply copy, checked",
            f"{pack} apply --quiet P",
            f"cp -a SB out && {hashing} && (cd out && cp ../sums . && sed -i 's,SB/,,' sums && xxhsum -q -c sums)",
            0.8 if is_small else 0.6,
            ("xxhsum",),
            f"{clean}; {pack} plan --quiet SB P --mode copy",
            clean,
        ),
        Job(
            "apply fake",
            f"{pack} apply --quiet P",
            "find SB -type d -printf 'out/%p\\0' | xargs -0 mkdir -p"
            " && find SB -type f -printf 'out/%p\\0' | xargs -0 touch",
            1.0,
            (),
            f"{clean}; {pack} plan --quiet SB P --mode fake",
            clean,
        ),
        Job(
            "verify",
            f"{pack} verify --quiet P",
            "find SB -type f > /dev/null && xxhsum -q -c sums",
            1.3 if is_small else 1.0,
            ("xxhsum",),
            f"{clean}; {plan_hard} && {pack} apply --quiet P",
            "[ -s sums ] || (find SB -type f -print0 | xargs -0 xxhsum -H2 > sums)",
        ),
    ]


def measure(folder: Path, job: Job, rounds: int) -> list[tuple[Run, Run]]:
    """Run ours and the peer in turn, after one round that is not counted."""
    pairs = []
    for number in range(rounds + 1):
        _shell(folder, job.before_ours)
        ours = _timed(folder, job.ours)
        _shell(folder, job.before_peer)
        peer = _timed(folder, job.peer)
        if number:
            pairs.append((ours, peer))
    return pairs


def _shell(folder: Path, command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_REPO)}
    subprocess.run(["sh", "-c", command], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def _timed(folder: Path, command: str) -> Run:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    _shell(folder, command)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, after.ru_maxrss / 1024)


def row_of(tree: str, job: Job, pairs: list[tuple[Run, Run]]) -> Row:
    """Return the line for a job from its rounds."""
    ratios = [ours.wall_seconds / peer.wall_seconds for ours, peer in pairs]

    def median(value: Callable[[tuple[Run, Run]], float]) -> float:
        return statistics.median(map(value, pairs))

    return Row(
        tree=tree,
        job=job.name,
        ours_seconds=median(lambda pair: pair[0].wall_seconds),
        peer_seconds=median(lambda pair: pair[1].wall_seconds),
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        ours_cpu=median(lambda pair: pair[0].cpu_seconds),
        peer_cpu=median(lambda pair: pair[1].cpu_seconds),
        peak_mib=median(lambda pair: pair[0].peak_mib),
        target=job.target,
    )


def print_row(row: Row) -> None:
    """Print one line of the table."""
    verdict = "met" if row.ratio <= row.target else "missed"
    print(
        f"{row.tree:<6} {row.job:<20} {row.ours_seconds:7.2f}s {row.peer_seconds:7.2f}s  {row.ratio:5.2f} "
        f"({row.lowest:.2f}-{row.highest:.2f})  cpu {row.ours_cpu:5.2f}/{row.peer_cpu:5.2f}  "
        f"target {row.target:4.2f} {verdict}",
        flush=True,
    )


def main() -> int:
    """Measure all jobs on the trees that were asked for."""
    parser = argparse.ArgumentParser(description="Measure the jobs beside peers that do the same work.")
    parser.add_argument("--dir", type=Path, required=True, help="an empty or new folder to work in")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", type=int, default=20_000, help="small files; 0 leaves that tree out")
    parser.add_argument("--big-gib", type=float, default=2, help="GiB in big files; 0 leaves that tree out")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    rows = []
    for tree, size, make in (
        ("small", arguments.small, make_small),
        ("big", int(arguments.big_gib * 2**30), make_big),
    ):
        if not size:
            continue
        folder = arguments.dir / tree
        shutil.rmtree(folder, ignore_errors=True)  # what a run that was stopped left
        folder.mkdir(parents=True)
        make(folder, size)
        kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True).stdout
        print(f"{tree}: {count_files(folder)} files on {kind.strip()}, {len(os.sched_getaffinity(0))} processors")
        for job in jobs(tree):
            missing = [program for program in job.needs if shutil.which(program) is None]
            if missing:
                print(f"{tree:<6} {job.name:<20} left out: {', '.join(missing)} is not installed")
                continue
            rows.append(row_of(tree, job, measure(folder, job, arguments.rounds)))
            print_row(rows[-1])
        shutil.rmtree(folder)
    if arguments.json:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=_REPO, capture_output=True, text=True, check=False)
        result = {"machine": platform.platform(), "commit": commit.stdout.strip(), "rows": [asdict(r) for r in rows]}
        arguments.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
