"""Measure how the jobs grow with the number of files, and draw it.

    python -m benchmarks.growth --dir FOLDER [--counts 10000,100000,1000000] [--rounds 3] [--listed 10000000] ...

Trees of tiny files are really made, packaged by hard links, verified, and given a second, small member. Where no
disk holds the tree (--listed), only its manifest is made, and the jobs that need no more are measured. FOLDER should
be on a tmpfs: a million tiny files take 5 GiB and three million names.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.curves import Curve, draw
from benchmarks.jobs import APPLY, CLEAN, PACK, PLAN_HARD
from benchmarks.machine import this_machine
from benchmarks.page import fill, markdown_table
from benchmarks.process import REPO, timed
from benchmarks.watch import Seen, watched

_SECOND = "SB2"
_SECOND_COUNT = 100
_LISTED = "2011.01234.S"


def _append_to(package: str) -> str:
    plan = f"{PACK} plan --quiet {_SECOND} {package} --mode hard --append member"
    return f"{plan} && {PACK} apply --quiet {package}"


_STEPS: Mapping[str, str] = {
    "plan": PLAN_HARD,
    "plan again": PLAN_HARD,
    "apply hard": APPLY,
    "verify": f"{PACK} verify --quiet P",
    "plan over it": PLAN_HARD,
    f"append {_SECOND_COUNT} files": _append_to("P"),
}
_LISTED_STEPS: Mapping[str, str] = {
    "show": f"{PACK} show {_LISTED}",
    "show --files": f"{PACK} show --files {_LISTED}",
    "status": f"{PACK} status {_LISTED}",
    "tarsplit --dry-run": f"{PACK} tarsplit --quiet --dry-run -n 2012-06-20 {_LISTED}",
    "export --format json": f"{PACK} export --quiet --output sums --format json {_LISTED}",
    f"append {_SECOND_COUNT} files": _append_to(_LISTED),
}


@dataclass(frozen=True, slots=True)
class Series:
    """Jobs that are measured with ever more files.

    Attributes:
        maker: the module that makes what they work on.
        has_files: False if it makes a manifest alone.
    """

    name: str
    maker: str
    steps: Mapping[str, str]
    has_files: bool


GROWN = Series("growth", "benchmarks.trees tiny", _STEPS, has_files=True)
LISTED = Series("listed", "benchmarks.manifests", _LISTED_STEPS, has_files=False)
_NAMES_PER_FILE = 2.2  # its own, that in the package, and folders
_BYTES_PER_FILE = 5000


@dataclass(frozen=True, slots=True)
class Point:
    """One job on one tree: medians of time, the most of all else."""

    job: str
    file_count: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    process_count: int
    open_file_count: int


HEAD = ("job", "files", "s", "CPU, s", "us a file", "MiB a process", "processes", "open files")


def main() -> int:
    """Measure, print, draw."""
    asked = _arguments()
    asked.dir.mkdir(parents=True, exist_ok=True)
    machine = this_machine(asked.dir)
    print(machine.sentence(), flush=True)
    points: list[Point] = []
    for point in (*_measured(GROWN, asked.counts, asked), *_measured(LISTED, asked.listed, asked)):
        points.append(point)
    table = markdown_table(HEAD, [_cells(point) for point in points])
    print(table)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": asdict(machine), "points": list(map(asdict, points))}
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    if asked.picture:
        asked.picture.write_text(draw(_curves(points)))
    if asked.page:
        fill(asked.page, "growth", f"{machine.of_rounds(asked.rounds)}\n\n{table}")
    return 0


def _measured(series: Series, counts: Sequence[int], asked: argparse.Namespace) -> Iterator[Point]:
    for count in filter(None, counts):
        lacking = _lacking(asked.dir, count) if series.has_files else ""
        if lacking:
            print(f"{count} files: left out, because {lacking} are free", flush=True)
            continue
        folder = asked.dir / f"{series.name}-{count}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            timed(REPO, f"{sys.executable} -m {series.maker} {folder} {count}")
            _make_second(folder)
            rounds = [_round(folder, series.steps) for _ in range(asked.rounds)]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        yield from _points(count, rounds)


def _make_second(folder: Path) -> None:
    """Make the origin of the small member that is appended."""
    timed(REPO, f"{sys.executable} -m benchmarks.trees tiny {folder}/second {_SECOND_COUNT}")
    timed(folder, f"mv second/SB {_SECOND}")


def _round(folder: Path, steps: Mapping[str, str]) -> dict[str, Seen]:
    timed(folder, f"{CLEAN}; rm -rf sums")
    found = {}
    for job, command in steps.items():
        found[job] = watched(folder, command)
        print(f"{folder.name}: {job} {found[job].run.wall_seconds:.2f} s", flush=True)
    return found


def _points(count: int, rounds: list[dict[str, Seen]]) -> Iterator[Point]:
    for job in rounds[0]:
        seen = [found[job] for found in rounds]
        yield Point(
            job=job,
            file_count=count,
            seconds=statistics.median(one.run.wall_seconds for one in seen),
            cpu_seconds=statistics.median(one.run.cpu_seconds for one in seen),
            peak_mib=max(one.run.peak_mib for one in seen),
            process_count=max(one.process_count for one in seen),
            open_file_count=max(one.open_file_count for one in seen),
        )


def _lacking(folder: Path, count: int) -> str:
    """Return what is too little for a tree of so many files; empty if all is enough."""
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < count * _BYTES_PER_FILE:
        return f"only {free.f_bavail * free.f_frsize >> 20} MiB"
    if free.f_files and free.f_favail < count * _NAMES_PER_FILE:
        return f"only {free.f_favail} names"
    return ""


def _cells(point: Point) -> tuple[str, ...]:
    return (
        point.job,
        f"{point.file_count:,}",
        f"{point.seconds:.2f}",
        f"{point.cpu_seconds:.2f}",
        f"{point.seconds / point.file_count * 1e6:.1f}",
        f"{point.peak_mib:.0f}",
        str(point.process_count),
        str(point.open_file_count),
    )


def _curves(points: list[Point]) -> list[Curve]:
    return [
        Curve(job, [(p.file_count, p.seconds, p.peak_mib) for p in points if p.job == job])
        for job in _STEPS
        if any(p.job == job for p in points)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="a folder to work in")
    parser.add_argument("--counts", type=_counts, default=[10_000, 100_000, 1_000_000], help="files, with commas")
    parser.add_argument("--listed", type=_counts, default=[0], help="files of a manifest without a tree; or 0")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    parser.add_argument("--page", type=Path, help="and between the marks on this page")
    parser.add_argument("--picture", type=Path, help="draw it into this SVG file")
    return parser.parse_args()


def _counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
