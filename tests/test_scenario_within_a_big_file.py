"""Within a big file: how far it is is reported, a signal ends the command there, and the same command goes on.

Real processes read big sparse files at a rate at which they would not be finished before the test gives up.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from support.commands import ROOT, run_in_child
from support.in_process import Delivery, age, make_reduction

SECONDS = 600
BIG_BYTES = 66 << 20  # just enough to be staged in a batch of its own
SLOW = ("--bandwidth", "2MiB")
# Lines of progress are printed whenever there is something to say, instead of every half minute.
TALKATIVE = """
import sys
from qa2pack.pack.terminal import progress
from qa2pack.pack.cli import main
progress._LINE_SECONDS = 0.0
sys.exit(main())
"""
MOST_LINES = 100  # several come each second, whether or not there is more to tell
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
VERBS = ["plan", "apply", "verify", "tarsplit", "check"]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    """A reduction with two big files, so that two workers have one each."""
    origin = make_reduction(tmp_path / "origin")
    for name in ("casapy-1.log", "casapy-2.log"):
        (origin / name).touch()
        os.truncate(origin / name, BIG_BYTES)
    age(origin)
    return Delivery(origin, tmp_path / "2011.0.00229.S")


@pytest.fixture
def start() -> Iterator[Start]:
    """Return what starts a command in a session of its own; what is left of it at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def started(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", TALKATIVE, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def command(delivery: Delivery, verb: str) -> list[str | Path]:
    """Return the command, after what it needs was done."""
    output = delivery.path.parent / "tars"
    cut: list[str | Path] = [
        "tarsplit",
        delivery.path,
        "--size",
        f"{BIG_BYTES}",
        "--output",
        output,
        "-n",
        "2012-06-20",
    ]
    match verb:
        case "plan":
            return ["plan", delivery.origin, delivery.path, "--mode", "copy"]
        case "apply":
            delivery.plan(Mode.COPY)
            return ["apply", delivery.path]
        case "verify":
            delivery.make(Mode.HARD)
            return ["verify", delivery.path]
        case "tarsplit":
            delivery.make(Mode.HARD)
            return cut
        case _:
            delivery.make(Mode.HARD)
            assert run_in_child(*cut).code == 0
            return ["tarsplit", "--check", output]


def counts_of(stderr: Iterator[str]) -> Iterator[tuple[float, float, bool]]:
    """Yield of each line of progress with bytes how many are done and in all, and whether it tells the time left."""
    for line in stderr:
        if match := re.search(r"([\d.,]+) (\w+) of ([\d.,]+) (\w+), ", line):
            done, unit, total, unit_of_total = match.groups()
            done_bytes = float(done.replace(",", "")) * UNITS[unit]
            all_bytes = float(total.replace(",", "")) * UNITS[unit_of_total]
            yield done_bytes, all_bytes, line.endswith(" left\n")


@pytest.mark.parametrize(
    ("verb", "jobs"),
    [*((verb, 2) for verb in VERBS), ("apply", 1), ("tarsplit", 1)],  # 1: in the process itself
)
def test_bytes_are_reported_within_a_file_and_a_signal_ends_there(
    delivery: Delivery, start: Start, verb: str, jobs: int
) -> None:
    typed = command(delivery, verb)
    process = start(*typed, "--jobs", str(jobs), *SLOW)
    assert process.stderr
    seen: list[float] = []
    for done, total, has_time_left in islice(counts_of(process.stderr), MOST_LINES):
        assert 0 <= done <= total
        assert seen == [] or done >= seen[-1]
        assert has_time_left or done == 0
        seen.append(done)
        if len(set(seen)) >= 4:
            break
    assert len(set(seen)) >= 4, "the bytes do not grow"
    assert seen[-1] < BIG_BYTES, "no file can be finished yet"
    if jobs == 1:
        os.kill(process.pid, signal.SIGTERM)
    else:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, "interrupted." in err, "Traceback" in err) == (4, True, False)
    again = start(*typed)
    again.communicate(timeout=SECONDS)
    assert again.returncode == 0
    shutil.rmtree(delivery.path.parent)  # pytest would keep the tars
