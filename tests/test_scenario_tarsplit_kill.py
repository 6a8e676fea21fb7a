"""Killing `tarsplit` at random moments, really, and running it again: the delivery is as if it had never stopped."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

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


def start(
    home: Path,
    output: Path,
    *,
    stderr: int = subprocess.DEVNULL,
    program: Sequence[str] = ("qa2pack.pack.tarsplit_command",),
    more: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    arguments = ["-n", DAY, "--size", "8MiB", "--jobs", "2", "--quiet", "--checksum", "md5,sha256"]
    return subprocess.Popen(
        [sys.executable, "-m", *program, *arguments, "--output", output, home / PROJECT],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **more},
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


@contextmanager
def held_in_a_chunk(
    home: Path, output: Path, *, stderr: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Hold its workers where each reads its first table; yield it, and the id of one of them.

    They go on after the block: only then the marks are removed, until it ends.
    """
    mark = output.with_name("held")
    raw = home / PROJECT / "sg_ouss_id/group_ouss_id/member_ouss_id/raw"
    hold = {"QA2PACK_TEST_HOLD": str(raw), "QA2PACK_TEST_HELD": str(mark)}
    process = start(home, output, stderr=stderr, program=("support.slow_pack", "tarsplit"), more=hold)
    try:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.001)
        assert list(output.glob("*.tar.part")) != []
        yield process, int(mark.read_text())
        while process.poll() is None:
            mark.unlink(missing_ok=True)
            time.sleep(0.001)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_worker_that_is_killed_does_not_stop_the_delivery(home: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with held_in_a_chunk(home, output) as (process, worker):
        assert worker != process.pid
        os.kill(worker, signal.SIGKILL)
    assert process.returncode == 0
    assert digests(output) == digests(home / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_leaves_whole_tars_and_reports_that_the_same_command_goes_on(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out"
    with held_in_a_chunk(home, output, stderr=subprocess.PIPE) as (process, _):
        process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 4
    assert " ".join(said.decode().split()).endswith(
        "Finished tars are kept: the next run goes on from there. To go on, give the same command again."
    )
    assert not list(output.glob("*.part"))
    # A tar that runs is finished or given up, as far as it has come when its worker looks.
    assert len(list(output.glob("*.tar"))) < len(list((home / "whole").glob("*.tar")))
    assert_finished_chunks_are_whole(home, output)
    assert start(home, output).wait() == 0
    assert digests(output) == digests(home / "whole")
