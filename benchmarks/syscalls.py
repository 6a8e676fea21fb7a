"""Count the system calls that each job makes for one file; needs strace.

    python -m benchmarks.syscalls --dir FOLDER [--files 2000] [--page FILE]

Each job is run on so many files and on twice as many: what a command does once cancels out. The files lie in folders
of a hundred, so a call per folder counts as 0.01 per file. One worker, because what workers say to each other
depends on chance.
"""

import argparse
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.jobs import CLEAN, PACK
from benchmarks.page import fill, markdown_table
from benchmarks.process import REPO, timed

HEAD = ("job", "calls a file", "which")
_ONE = f"PACK_JOBS=1 {PACK}"
_LEAST_SHARE = 0.015  # what happens once per folder, or once per block of a manifest, is not told
_COUNTED = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """A command that is counted, and what is done before it."""

    job: str
    command: str
    before: str = "true"


def steps() -> Iterator[Step]:
    """Yield the jobs in an order in which one prepares the next."""
    plan = f"{_ONE} plan --quiet SB P --mode"
    apply, verify = f"{_ONE} apply --quiet P", f"{_ONE} verify --quiet P"
    tarsplit = f"{_ONE} tarsplit --quiet -n 2012-06-20 --output out P"
    yield Step("plan", f"{plan} hard")
    yield Step("plan again", f"{plan} hard")
    yield Step("apply hard", apply)
    yield Step("verify", verify)
    yield Step("verify --quick", f"{verify} --quick")
    yield Step("tarsplit, md5", tarsplit)
    yield Step("apply copy", apply, f"{CLEAN}; {plan} copy")
    yield Step("apply fake", apply, f"{CLEAN}; {plan} fake")
    yield Step("apply move", apply, f"{CLEAN}; {plan} move")


def calls_per_file(few: Mapping[str, int], twice: Mapping[str, int], file_count: int) -> dict[str, float]:
    """Return the calls that each of `file_count` more files cost; those that do not grow are left out."""
    grown = {name: (count - few.get(name, 0)) / file_count for name, count in twice.items()}
    return {name: share for name, share in sorted(grown.items(), key=lambda item: -item[1]) if share >= _LEAST_SHARE}


def counted_calls(summary: str) -> Counter[str]:
    """Return how often each call was made, from what `strace -c` writes."""
    return Counter({name: int(count) for count, name in _COUNTED.findall(summary) if name != "total"})


def main() -> int:
    """Count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="a folder to work in")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the table to this file too")
    parser.add_argument("--page", type=Path, help="and between the marks on this page")
    asked = parser.parse_args()
    if shutil.which("strace") is None:
        print("Nothing counted: strace is not installed", file=sys.stderr)
        return 1
    few, twice = (_counted(asked.dir / f"calls-{count}", count) for count in (asked.files, 2 * asked.files))
    shares = {job: calls_per_file(few[job], twice[job], asked.files) for job in few}
    table = markdown_table(HEAD, [_cells(job, found) for job, found in shares.items()])
    print(table)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(shares, indent=1) + "\n")
    if asked.page:
        fill(asked.page, "system calls", table)
    return 0


def _counted(folder: Path, file_count: int) -> dict[str, Counter[str]]:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        timed(REPO, f"{sys.executable} -m benchmarks.trees small {folder} {file_count}")
        found = {}
        for step in steps():
            timed(folder, step.before)
            timed(folder, f"strace -f -c -o calls sh -c '{step.command}'")
            found[step.job] = counted_calls((folder / "calls").read_text())
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cells(job: str, shares: Mapping[str, float]) -> tuple[str, str, str]:
    return job, f"{sum(shares.values()):.2f}", ", ".join(f"{name} {share:.2f}" for name, share in shares.items())


if __name__ == "__main__":
    sys.exit(main())
