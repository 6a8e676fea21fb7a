"""Killing `tarsplit` at random moments, really, and running it again: the delivery is as if it had never stopped."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.deliveries import DAY, PROJECT, check, make_package

ROOT = Path(__file__).resolve().parent.parent
SIZES = (200_000, 3_000_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of some 60 MB, for chunks that take a moment each, and its delivery made without a stop."""
    home = tmp_path_factory.mktemp("kill")
    chance = random.Random(7)
    files: dict[str | bytes, bytes] = {
        f"raw/X{n // 4}.ms.split/table.f{n % 4}": chance.randbytes(chance.randrange(*SIZES)) for n in range(32)
    }
    make_package(home / PROJECT, files)
    done = start(home, home / "whole").wait()
    assert done == 0
    return home


def start(home: Path, output: Path, *, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    arguments = ["-n", DAY, "--size", "8MiB", "--jobs", "2", "--quiet", "--checksum", "md5,sha256"]
    return subprocess.Popen(
        [sys.executable, "-m", "qa2pack.pack.tarsplit_command", *arguments, "--output", output, home / PROJECT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def kill_when(process: subprocess.Popen[bytes], output: Path, byte_count: int) -> None:
    """Kill all of it as soon as the output holds so many bytes."""
    while process.poll() is None:
        try:
            if sum(path.stat().st_size for path in output.iterdir()) >= byte_count:
                os.killpg(process.pid, signal.SIGKILL)
                break
        except FileNotFoundError:
            pass
        time.sleep(0.001)
    process.wait()


@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again_it_ends_in_the_same_bytes(home: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    output = tmp_path / "out"
    total = sum(path.stat().st_size for path in (home / "whole").iterdir())
    for _ in range(2):
        kill_when(start(home, output), output, chance.randrange(total))
        assert_finished_chunks_are_whole(home, output)
    assert start(home, output).wait() == 0
    assert digests(output) == digests(home / "whole")
    assert check(output) == []


def assert_finished_chunks_are_whole(home: Path, output: Path) -> None:
    """A tar that has its name is complete, at any moment."""
    if not output.exists():
        return
    for path in output.glob("*.tar"):
        assert path.read_bytes() == (home / "whole" / path.name).read_bytes()


def test_worker_that_is_killed_does_not_stop_the_delivery(home: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = start(home, output)
    while process.poll() is None and not list(output.glob("*.tar.part")):
        time.sleep(0.001)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children[:1]:
        os.kill(int(child), signal.SIGKILL)
    assert (bool(children), process.wait()) == (True, 0)
    assert digests(output) == digests(home / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_finishes_what_runs_and_reports_that_the_same_command_goes_on(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    process = start(home, output, stderr=subprocess.PIPE)
    while process.poll() is None and not list(output.glob("*.tar.part")):
        time.sleep(0.001)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 4
    assert " ".join(said.decode().split()).endswith(
        "Finished tars are kept: the next run goes on from there. To go on, give the same command again."
    )
    assert not list(output.glob("*.part"))
    assert 0 < len(list(output.glob("*.tar"))) < len(list((home / "whole").glob("*.tar")))
    assert start(home, output).wait() == 0
    assert digests(output) == digests(home / "whole")
