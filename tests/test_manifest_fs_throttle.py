"""A bound on bytes per second: as a value, in every loop that reads contents, and on its way to the workers.

No real time passes: a clock is passed in that only moves when somebody sleeps, so at one byte per second the
seconds that were slept are the bytes that were read.
"""

import os
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.copy import copy_big
from qa2pack.executor.stage.planned_source import Planned
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.fs.digest import digest_of_bytes, digest_of_rest
from qa2pack.manifest.fs.throttle import BURST_SECONDS, Bucket, Pace, PacedEngine, current_pace, paced
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.settings.bounds import parse_rate
from support.commands import run_here
from support.deliveries import PROJECT, adopt, check, cut_up, make_package
from support.in_process import Delivery, make_reduction, write

BIG_BYTES = (3 << 20) + 17


@dataclass(slots=True)
class Clock:
    """A clock that moves when somebody sleeps."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def pace(self, rate: float = 1) -> Pace:
        return Pace(rate, clock=lambda: self.now, sleep=self.sleep)


def bytes_read(work: Callable[[], object]) -> int:
    """Return for how many bytes the work was held up."""
    clock, rate = Clock(), 1000
    with paced(clock.pace(rate)):
        work()
    return round(sum(clock.naps) * rate)


def rate_of(batch: int) -> float:
    """Work on a batch: tell at which rate this worker may read; -1 where it may at any."""
    pace = current_pace()
    return pace._bucket.rate if pace else -1


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    origin = make_reduction(tmp_path / "SB")
    write(origin / "big.fits", os.urandom(BIG_BYTES))
    return Delivery(origin, tmp_path / PROJECT)


def packaged_bytes(delivery: Delivery) -> int:
    """Return the bytes of all files of the member but the README, which is written and not read."""
    return sum(path.stat().st_size for path in delivery.member.rglob("*") if path.is_file() and path.name != "README")


def test_what_is_taken_is_paid_for_one_after_the_other() -> None:
    bucket = Bucket(100, 5).taken(50, now=5).taken(200, now=5)
    assert bucket == Bucket(100, 7.5)


def test_time_that_was_not_used_pays_for_a_short_burst_only() -> None:
    assert Bucket(100, 5).taken(50, now=1000) == Bucket(100, 1000 - BURST_SECONDS + 0.5)


def test_small_amounts_are_waited_for_together() -> None:
    clock = Clock()
    pace = clock.pace(1000)
    for _ in range(30):
        pace.take(2)  # 2 ms each
    assert 3 <= len(clock.naps) <= 6
    pace.settle()
    assert clock.now == pytest.approx(0.06)


def test_what_is_left_to_wait_for_is_waited_for_at_the_end_of_the_work() -> None:
    clock = Clock()
    with paced(clock.pace(1000)):
        current = current_pace()
        assert current is not None
        current.take(2)
        assert clock.naps == []
    assert clock.naps == [0.002]


def test_plan_is_held_up_for_every_byte(delivery: Delivery) -> None:
    read = bytes_read(lambda: delivery.plan(Mode.COPY))
    delivery.apply()
    assert read == packaged_bytes(delivery) > BIG_BYTES


def test_copy_is_held_up_for_every_byte(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    read = bytes_read(delivery.apply)
    assert read == packaged_bytes(delivery) > BIG_BYTES


def test_verify_is_held_up_for_every_byte(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    readme = (delivery.member / "README").stat().st_size
    assert bytes_read(delivery.problems) == packaged_bytes(delivery) + readme


def test_big_copy_that_goes_on_is_held_up_for_what_it_reads_again(tmp_path: Path) -> None:
    content = os.urandom(BIG_BYTES)
    source = write(tmp_path / "source", content)
    planned = Planned(state_of(source.stat()), 0o644, digest_of_bytes(content))
    done = 1 << 20
    write(tmp_path / "parts" / f"big.{done:015d}", content[:done])
    fd = os.open(source, os.O_RDONLY)
    partial = os.fsencode(tmp_path / "parts" / "big")
    assert bytes_read(lambda: copy_big(Disk(), fd, partial, planned)) == BIG_BYTES
    os.lseek(fd, 0, os.SEEK_SET)
    assert bytes_read(lambda: digest_of_rest(fd)) == BIG_BYTES
    os.close(fd)


def test_tars_are_written_kept_and_checked_at_the_pace(tmp_path: Path) -> None:
    big = os.urandom(BIG_BYTES)
    package = make_package(tmp_path / PROJECT, {"product/big.fits": big, "log/a.log": b"small"})
    content = BIG_BYTES + len(b"small")
    written = bytes_read(lambda: cut_up(package, tmp_path / "out"))
    assert content <= written < content + 5000  # and the README
    (tar,) = (tmp_path / "out").glob("*.tar")
    (sidecar,) = (tmp_path / "out").glob("*.manifest")
    kept = bytes_read(lambda: cut_up(package, tmp_path / "out"))
    most = tar.stat().st_size + 4 * sidecar.stat().st_size  # which is read for its checksums
    assert tar.stat().st_size <= kept <= most
    checked = bytes_read(lambda: check(tmp_path / "out"))
    assert content < checked <= most


def test_adopting_is_held_up(tmp_path: Path) -> None:
    package = tmp_path / PROJECT
    made = make_package(package, {"product/big.fits": os.urandom(BIG_BYTES)})
    shutil.rmtree(os.fsdecode(made.manifests))
    assert bytes_read(lambda: adopt(package)) > BIG_BYTES


def test_every_worker_gets_its_share_of_the_rate() -> None:
    with PoolEngine(2) as engine:
        assert list(PacedEngine(engine, 500).run(rate_of, deque(range(4)))) == [250] * 4


def test_workers_know_the_rate_that_was_asked_for() -> None:
    with started_engine(Workers(2, bandwidth=500)) as engine:
        assert list(engine.run(rate_of, deque(range(3)))) == [250] * 3
    with started_engine(Workers(2)) as engine:
        assert list(engine.run(rate_of, deque(range(3)))) == [-1] * 3


def test_pace_ends_with_the_work_that_it_was_for() -> None:
    assert list(PacedEngine(InlineEngine(), 500).run(rate_of, deque([1]))) == [500]
    assert rate_of(1) == -1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """Return the list of all workers that commands ask for."""
    found: list[Workers] = []
    titled = Workers.titled

    def noted(workers: Workers, title: str) -> Workers:
        found.append(workers)
        return titled(workers, title)

    monkeypatch.setattr(Workers, "titled", noted)
    return found


@pytest.mark.parametrize(
    "command",
    ["plan SB P", "apply P", "verify P", "verify --chunks . P", "tarsplit -n 2012-06-20 P", "tarsplit --check ."],
)
def test_every_command_asks_for_the_rate_that_was_typed(
    delivery: Delivery,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: list[Workers],
    command: str,
) -> None:
    delivery.make()
    monkeypatch.chdir(delivery.path.parent)
    for bandwidth in ("--bandwidth=1.5GB/s", "--jobs=1"):
        run_here(capsys, *command.replace("P", str(delivery.path)).split(), bandwidth, "--quiet")
    assert [workers.bandwidth for workers in asked] == [1_500_000_000, 0]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("0", 0), ("1500", 1500), ("200MB", 200_000_000), ("1.5GiB/s", 3 << 29), (" 2k ", 2000), (7, 7)],
)
def test_rate_is_a_size_a_second(text: str | int, rate: int) -> None:
    assert parse_rate(text) == rate


def test_rate_that_is_none_is_refused_before_anything_begins(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--bandwidth", "0.5B")
    assert (ran.code, "'0.5B' is less than a byte per second; 0 means" in " ".join(ran.err.split())) == (2, True)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--bandwidth", "fast")
    assert ran.code == 2
    assert "'fast' is not a rate; write bytes per second" in " ".join(ran.err.split())
    assert not os.path.exists(delivery.package.control)


def test_rate_comes_from_the_environment_and_from_settings(
    delivery: Delivery, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: list[Workers]
) -> None:
    (delivery.origin.parent / "pack.toml").write_text('bandwidth = "3GB"\n')
    run_here(capsys, "plan", delivery.origin, delivery.path)
    monkeypatch.setenv("PACK_BANDWIDTH", "2GB")
    run_here(capsys, "plan", delivery.origin, delivery.path)
    assert [workers.bandwidth for workers in asked] == [3_000_000_000, 2_000_000_000]
