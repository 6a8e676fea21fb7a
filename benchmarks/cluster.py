"""Measure the same commands on this machine's own processes and on Dask clusters of 1, 2 and 4 workers.

    python -m benchmarks.cluster --dir FOLDER [--rounds 3] [--small 20000] [--big-mib 1024] [--json FILE]

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import LocalCluster

from benchmarks.trees import make_big, make_small

_REPO = Path(__file__).resolve().parent.parent
_WORKERS = (1, 2, 4)
_PLAN = "plan SB P --mode copy"
_COMMANDS = {"plan": (_PLAN, True), "apply copy": ("apply P", False), "verify": ("verify P", False)}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=20_000, help="files of the small tree")
    parser.add_argument("--big-mib", type=int, default=1024, help="MiB of the big tree")
    parser.add_argument("--json", type=Path)
    wishes = parser.parse_args()
    rows = []
    makers: dict[str, Callable[[Path], None]] = {
        "small": lambda root: make_small(root, wishes.small),
        "big": lambda root: make_big(root, wishes.big_mib << 20, file_bytes=128 << 20),
    }
    for name, make in makers.items():
        root = wishes.dir / f"cluster-{name}"
        root.mkdir(parents=True)
        try:
            make(root)
            rows += list(_measured(name, root, wishes.rounds))
        finally:
            shutil.rmtree(root)
    if wishes.json:
        wishes.json.write_text(json.dumps(rows, indent=1))


def _measured(tree: str, root: Path, rounds: int) -> Iterator[dict[str, object]]:
    sizes = [path.stat().st_size for path in (root / "SB").rglob("*") if path.is_file()]
    with ExitStack() as stack:
        ways = {"processes": ""}
        for count in _WORKERS:
            ways[f"{count} workers"] = f" --cluster {stack.enter_context(_cluster(count))}"
        seconds: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for way, option in ways.items():
                for command, took in _round(root, option):
                    seconds.setdefault((command, way), []).append(took)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{os.cpu_count()} processors, load {load}")
    print(f"{tree}: {len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB, medians of {rounds} rounds, least and most")
    for (command, way), each in sorted(seconds.items()):
        median = statistics.median(each)
        files, mebibytes = len(sizes) / median, sum(sizes) / 2**20 / median
        spread = f"({min(each):.2f} to {max(each):.2f})"
        print(f"  {command:<11} {way:<10} {median:7.2f} s {spread:<16} {files:7.0f} files/s {mebibytes:6.0f} MiB/s")
        yield {"tree": tree, "command": command, "way": way, "seconds": each}


def _round(root: Path, option: str) -> Iterator[tuple[str, float]]:
    for command, (text, is_first) in _COMMANDS.items():
        if is_first:
            for path in root.glob("P*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "pack", *f"{text} --quiet{option}".split()],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(_REPO)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield command, time.monotonic() - started


@contextmanager
def _cluster(count: int) -> Iterator[str]:
    sys.path.insert(0, str(_REPO))  # workers get the same path
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
