"""What a reducer does with CASA, beside what `pack` does: both end with tars and their checksums.

Run as `PYTHONPATH=tests python -m benchmarks.casa --casa PYTHON`, with a PYTHON that has casatasks and casadata, as
`make build/casa/bin/python` makes one. CASA simulates two measurement sets, beside which lie the calibration tables
and plots of an execution block. It is running already when it splits; ours starts three times, once for each command.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.cutting import TARSPLIT
from benchmarks.job import Job, Kind, Target, Tree
from benchmarks.jobs import APPLY, CLEAN, PLAN_HARD
from benchmarks.machine import this_machine
from benchmarks.page import fill, markdown_table
from benchmarks.process import REPO, Run, environment, timed
from benchmarks.rows import HEAD, Pair, plain_line, row_of
from benchmarks.side_by_side import measure

_TABLE = "SB/X8c/uid___A002_X3c9295_X8c.ms.split"
_COLUMNS = {_TABLE: "DATA", f"{_TABLE}.cal": "CORRECTED"}
_OTHERS = "find SB SB/X8c -mindepth 1 -maxdepth 1 ! -name X8c ! -name '*.split' ! -name '*.split.cal'"
_CUT = "tar -cf tars/out.tar out && (cd tars && md5sum out.tar > out.tar.md5sum) && sync -f tars"
_JOB = Job(
    "plan, apply, tarsplit",
    "CASA split, cp -al, tar, md5sum",
    f"{PLAN_HARD} && {APPLY} && {TARSPLIT} P",
    f"{_OTHERS} -exec cp -al -t out {{}} + && {_CUT}",
    Target(0.35),
    before_ours=f"{CLEAN}; rm -rf tars && mkdir tars",
    before_peer=f"{CLEAN}; rm -rf tars && mkdir tars out",
)


def main() -> None:
    """Measure, print the lines, and put them on the page if one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--casa", metavar="PYTHON", type=Path, required=True)
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm/qa2pack-bench"), help="where the tables are made")
    parser.add_argument("--table-gb", metavar="GB", type=float, nargs="+", default=[1.2, 4.0], help="size of a table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", type=Path, help="put the table between the marks on this page")
    asked = parser.parse_args()
    asked.dir.mkdir(parents=True, exist_ok=True)
    machine, rows = this_machine(asked.dir), []
    for gigabytes in asked.table_gb:
        pairs = _reduced(asked.dir / "calibrated", str(asked.casa.absolute()), gigabytes, asked.rounds)
        rows.append(replace(row_of(Tree(Kind.MIXED, 1), _JOB, pairs), tree=f"2 x {gigabytes:g} GB").cells())
        print(plain_line(HEAD), plain_line(rows[-1]), sep="\n", flush=True)
    if asked.page:
        text = f"{machine.of_rounds(asked.rounds)}\n\n{markdown_table(HEAD, rows)}"
        fill(asked.page, "casa", text)


def _reduced(folder: Path, python: str, gigabytes: float, rounds: int) -> list[Pair]:
    shutil.rmtree(folder, ignore_errors=True)  # what a run that was stopped left
    try:
        timed(REPO, f"{sys.executable} -m benchmarks.trees mixed {folder} 1")
        with RunningCasa(python, folder) as casa:
            for table in _COLUMNS:
                shutil.rmtree(folder / table)
                casa.call("simulated", table, int(gigabytes * 1e9))
            return measure(folder, _JOB, rounds, partial(_split_and_cut, folder, casa))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _split_and_cut(folder: Path, casa: "RunningCasa") -> Run:
    before, start = casa.cpu_seconds(), time.perf_counter()
    for table, column in _COLUMNS.items():
        casa.call("split_column", table, f"out/{table.rpartition('/')[2]}", column)
    splits = Run(time.perf_counter() - start, casa.cpu_seconds() - before, 0)
    rest = timed(folder, _JOB.peer)
    return Run(splits.wall_seconds + rest.wall_seconds, splits.cpu_seconds + rest.cpu_seconds, rest.peak_mib)


class RunningCasa:
    """A process of CASA, as `running_casa` says; ends with the `with` block."""

    def __init__(self, python: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [python, str(REPO / "benchmarks" / "running_casa.py")],
            cwd=folder,
            env={**environment(), "PYTHONPATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> "RunningCasa":
        try:
            self.wait()
        except EOFError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def wait(self) -> None:
        """Wait until it is ready for the next table.

        Raises:
            EOFError: it has ended.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == "done\n":
                return
        raise EOFError("CASA has ended")

    def cpu_seconds(self) -> float:
        """Return the time of processors that it has taken."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def call(self, name: str, *values: object) -> None:
        """Let it do something that `running_casa` names, and wait for that."""
        assert self._process.stdin is not None
        print(json.dumps([name, *values]), file=self._process.stdin, flush=True)
        self.wait()


if __name__ == "__main__":
    main()
