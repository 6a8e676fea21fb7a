"""Measure the same commands on this machine's own processes and on Dask clusters of 1, 2 and 4 workers.

    python -m benchmarks.cluster --dir FOLDER [--rounds 3] [--small 20000] [--big-mib 1024] ...

The clusters run on the loopback of this machine, so this measures what the way through a scheduler costs, not what a
network brings: with more workers than processors nothing can become faster. In each round all clusters take their
turn, and medians are printed. FOLDER should be on a tmpfs or a journalled disk. Nothing outside FOLDER is written.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from distributed import LocalCluster

from benchmarks.machine import this_machine
from benchmarks.page import fill, markdown_table
from benchmarks.process import REPO
from benchmarks.trees import make_big, make_small

_WORKERS = (1, 2, 4)
OWN = "own processes"
HEAD = ("", OWN, "1 worker", "2 workers", "4 workers")
_PLAN = "plan SB P --mode copy"
_COMMANDS = {"plan": (_PLAN, True), "apply copy": ("apply P", False), "verify": ("verify P", False)}
_FEW_FILES = 100  # of which bytes tell more than files


@dataclass(frozen=True, slots=True)
class Measured:
    """One command done in one way on one tree, in seconds of each round."""

    tree: str
    file_count: int
    mebibytes: float
    command: str
    way: str
    seconds: list[float]

    def cell(self) -> str:
        """Return median and rate."""
        median = statistics.median(self.seconds)
        if self.file_count < _FEW_FILES:
            return f"{median:.2f} s, {self.mebibytes / median:,.0f} MiB/s"
        return f"{median:.2f} s, {self.file_count / median:,.0f} files/s"


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=20_000, help="files of the small tree")
    parser.add_argument("--big-mib", type=int, default=1024, help="MiB of the big tree")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="put the table between the marks on this page")
    options = parser.parse_args()
    machine = this_machine(options.dir)
    measured: list[Measured] = []
    makers: dict[str, Callable[[Path], None]] = {
        "small": lambda root: make_small(root, options.small),
        "big": lambda root: make_big(root, options.big_mib << 20, file_bytes=128 << 20),
    }
    for name, make in makers.items():
        root = options.dir / f"cluster-{name}"
        root.mkdir(parents=True)
        try:
            make(root)
            measured += _measured(name, root, options.rounds)
        finally:
            shutil.rmtree(root)
    table = markdown_table(HEAD, list(_rows(measured)))
    print(machine.sentence(), table, sep="\n")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": asdict(machine), "measured": list(map(asdict, measured))}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.page:
        fill(options.page, "cluster", f"{machine.of_rounds(options.rounds)}\n\n{table}")


def _measured(tree: str, root: Path, rounds: int) -> list[Measured]:
    sizes = [path.stat().st_size for path in (root / "SB").rglob("*") if path.is_file()]
    seconds: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        ways = {OWN: ""}
        for count in _WORKERS:
            ways[_way(count)] = f" --cluster {stack.enter_context(_cluster(count))}"
        for number in range(rounds):
            for way, option in ways.items():
                for command, took in _round(root, option):
                    seconds.setdefault((command, way), []).append(took)
                    print(f"{tree}, round {number + 1}, {way}: {command} {took:.2f} s", flush=True)
    return [
        Measured(tree, len(sizes), sum(sizes) / 2**20, command, way, each) for (command, way), each in seconds.items()
    ]


def _way(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _rows(measured: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    by_job: dict[tuple[str, str], dict[str, Measured]] = {}
    for one in measured:
        by_job.setdefault((one.tree, one.command), {})[one.way] = one
    for (_, command), ways in by_job.items():
        first = ways[OWN]
        tree = f"{first.file_count:,} files, {first.mebibytes:,.0f} MiB"
        yield (f"{command}, {tree}", *(ways[way].cell() for way in HEAD[1:]))


def _round(root: Path, option: str) -> Iterator[tuple[str, float]]:
    for command, (text, is_first) in _COMMANDS.items():
        if is_first:
            for path in root.glob("P*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "qa2pack.pack", *f"{text} --quiet{option}".split()],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield command, time.monotonic() - started


@contextmanager
def _cluster(count: int) -> Iterator[str]:
    sys.path.insert(0, str(REPO))  # workers get the same path
    with LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        cluster.wait_for_workers(count, timeout=60)
        yield cluster.scheduler_address


if __name__ == "__main__":
    main()
