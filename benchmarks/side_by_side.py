"""Measure the jobs beside peers that do the same work, in turn, and print ratios.

    python -m benchmarks.side_by_side --dir FOLDER [--rounds 5] [--small 20000,100000] [--big-gib 2] [--full] ...

Each round runs ours and the peer one after the other on the same warm tree, as whole processes; one round before
them is not counted. Times vary on shared machines: compare ratios, not seconds. FOLDER should be on a journalled disk
or a tmpfs with room for three times a tree. Peers that are not installed are left out with a word.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.bundling import bundle_jobs
from benchmarks.cold import can_drop_cache, cold_jobs
from benchmarks.cutting import receive_jobs, send_jobs, tarsplit_jobs
from benchmarks.job import Job, Kind, Tree
from benchmarks.jobs import pack_jobs
from benchmarks.late import late_jobs
from benchmarks.machine import Machine, this_machine
from benchmarks.page import fill, markdown_table
from benchmarks.process import REPO, CommandFailedError, Run, timed
from benchmarks.rows import HEAD, Pair, Row, plain_line, row_of
from benchmarks.trees import count_files


def main() -> int:
    """Measure what was asked for; return 1 if a command failed, which the others do not mind."""
    asked = _arguments()
    asked.dir.mkdir(parents=True, exist_ok=True)
    machine = this_machine(asked.dir)
    print(machine.sentence(), plain_line(HEAD), sep="\n", flush=True)
    rows: list[Row] = []
    notes: list[str] = []
    for tree in _trees(asked):
        for found in _measured(tree, asked):
            if isinstance(found, Row):
                rows.append(found)
                print(plain_line(found.cells()), flush=True)
            else:
                notes.append(found)
                print(found, flush=True)
    _save(asked, machine, rows, [note for note in notes if "left out" in note])
    return 1 if any("failed" in note for note in notes) else 0


def measure(folder: Path, job: Job, rounds: int, run_peer: Callable[[], Run] | None = None) -> list[Pair]:
    """Run ours and the peer in turn, after one round that is not counted.

    Args:
        run_peer: runs the peer, where that is more than a command.

    Raises:
        CommandFailedError: one of the commands fails.
    """
    timed(folder, job.once)
    pairs = []
    for number in range(rounds + 1):
        timed(folder, job.before_ours)
        ours = timed(folder, job.ours)
        timed(folder, job.before_peer)
        peer = run_peer() if run_peer else timed(folder, job.peer)
        if number:
            pairs.append((ours, peer))
    return pairs


def _measured(tree: Tree, asked: argparse.Namespace) -> Iterator[Row | str]:
    """Yield the lines for a tree, and sentences about what is left out or failed."""
    jobs = [job for job in _jobs(tree) if _is_wanted(job, asked)]
    if not jobs:
        return
    if tree.kind is Kind.COLD and not can_drop_cache():
        yield f"{tree.label}: left out, because only root may drop the page cache"
        return
    free = shutil.disk_usage(asked.dir).free
    if free < tree.space_bytes:
        yield f"{tree.label}: left out, because it takes {tree.space_bytes >> 20} MiB and {free >> 20} MiB are free"
        return
    folder = asked.dir / f"{tree.kind}-{tree.size}"
    shutil.rmtree(folder, ignore_errors=True)  # what a run that was stopped left
    try:
        timed(REPO, f"{sys.executable} -m benchmarks.trees {tree.kind} {folder} {tree.size}")
        print(f"{tree.label}: {count_files(folder):,} files", flush=True)
        for job in jobs:
            yield _one(tree, folder, job, asked.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _jobs(tree: Tree) -> Iterator[Job]:
    if tree.kind is Kind.BUNDLED:
        yield from bundle_jobs()
        return
    if tree.kind is Kind.COLD:
        yield from cold_jobs()
        return
    if tree.kind is Kind.LATE:
        yield from late_jobs()
        return
    yield from pack_jobs(tree)
    yield from tarsplit_jobs(tree)
    yield from send_jobs(tree)
    yield from receive_jobs(tree)


def _one(tree: Tree, folder: Path, job: Job, rounds: int) -> Row | str:
    if missing := job.missing():
        return f"{tree.label}, {job.name}, {job.peer_name}: left out, because {', '.join(missing)} is not installed"
    try:
        return row_of(tree, job, measure(folder, job, rounds))
    except CommandFailedError as error:
        return f"{tree.label}, {job.name}, {job.peer_name}: failed, {error}"


def _is_wanted(job: Job, asked: argparse.Namespace) -> bool:
    is_like = re.search(asked.jobs_like, f"{job.name} | {job.peer_name}") is not None
    return is_like and (asked.full or not job.is_long)


def _trees(asked: argparse.Namespace) -> Iterator[Tree]:
    yield from (Tree(Kind.SMALL, int(count)) for count in asked.small if count)
    yield from (Tree(Kind.BIG, int(gib * 2**30)) for gib in asked.big_gib if gib)
    yield from (Tree(Kind.ONE, int(gib * 2**30)) for gib in asked.one_gib if gib)
    yield from (Tree(Kind.MIXED, int(count)) for count in asked.mixed if count)
    yield from (Tree(Kind.BUNDLED, int(gib * 2**30)) for gib in asked.bundled_gib if gib)
    yield from (Tree(Kind.LATE, int(count)) for count in asked.late if count)
    yield from (Tree(Kind.COLD, int(gib * 2**30)) for gib in asked.cold_gib if gib)


def _save(asked: argparse.Namespace, machine: Machine, rows: list[Row], notes: list[str]) -> None:
    if asked.json:
        result = {"machine": asdict(machine), "rounds": asked.rounds, "left_out": notes}
        result["rows"] = [{**asdict(row), "verdict": row.verdict} for row in rows]
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(result, indent=1) + "\n")
    if asked.page:
        table = markdown_table(HEAD, [row.cells() for row in rows])
        told = "".join(f"- {note}\n" for note in notes)
        fill(asked.page, asked.marks, f"{machine.of_rounds(asked.rounds)}\n\n{table}\n\n{told}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="a folder to work in")
    parser.add_argument("--rounds", type=int, default=5)
    trees = parser.add_argument_group("trees", "one or several sizes, with commas; 0 leaves them out")
    trees.add_argument("--small", type=_list(int), default=[20_000], help="numbers of small files")
    trees.add_argument("--big-gib", type=_list(float), default=[2.0], help="GiB in files of 256 MiB")
    trees.add_argument("--one-gib", type=_list(float), default=[0.0], help="GiB in a single file")
    trees.add_argument("--late", type=_list(int), default=[0], help="numbers of small files that answer late")
    trees.add_argument("--mixed", type=_list(int), default=[0], help="numbers of execution blocks")
    trees.add_argument("--bundled-gib", type=_list(float), default=[0.0], help="GiB in a bundle")
    trees.add_argument("--cold-gib", type=_list(float), default=[0.0], help="GiB in files of 256 MiB, on a disk")
    parser.add_argument("--full", action="store_true", help="also peers that take long")
    parser.add_argument("--jobs-like", metavar="REGEX", default="", help="only jobs where `NAME | PEER` is like this")
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    parser.add_argument("--page", type=Path, help="and between the marks on this page")
    parser.add_argument("--marks", default="side by side", help="the name of these marks")
    return parser.parse_args()


def _list(kind: Callable[[str], float]) -> Callable[[str], list[float]]:
    return lambda text: [kind(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
