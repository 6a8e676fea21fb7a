"""A disk that is really full, of bytes or of inodes: nothing is visible, and with room the same command finishes."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import save_durably
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.disk_shortage import shortage_of
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from support.commands import run_here
from support.file_systems import count_no_inodes, mounted, quota_disk
from support.in_process import Delivery
from support.tools import needs_root
from support.worlds import Change, Scenario, World, make_world, scratch_root

_BIG_BYTES = 3 << 20


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """Mount a file system of this size in memory."""
    needs_root("mount a small file system")
    with mounted(place, "-t", "tmpfs", "-o", options, "qa2pack-test") as disk:
        yield disk


@pytest.fixture(params=["size=16m", "size=64m,nr_inodes=400"], ids=["bytes", "inodes"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world on a small disk, with a plan to copy."""
    with scratch_root() as root, small_disk(root / "disk", request.param) as disk:
        world = make_world(disk, Scenario(Change.REPLACE, Mode.COPY), big_bytes=_BIG_BYTES)
        yield world


def fill(folder: Path, *, spare_bytes: int, spare_inodes: int) -> None:
    """Use up the disk but for so much."""
    folder.mkdir()
    room = os.statvfs(folder)
    with (folder / "filling").open("wb") as file:
        file.write(bytes(max(0, room.f_bavail * room.f_frsize - spare_bytes)))
    for number in range(max(0, os.statvfs(folder).f_favail - spare_inodes) if room.f_files < 1000 else 0):
        (folder / str(number)).touch()


@pytest.mark.parametrize("spare", range(6))
def test_full_disk_is_reported_and_room_lets_it_finish(world: World, spare: int) -> None:
    before = world.state()
    fill(world.root / "saved" / "other", spare_bytes=spare * _BIG_BYTES // 5, spare_inodes=3 + 12 * spare)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        world.apply()
    assert world.visible() == before.package
    assert world.origin_files() == before.origins
    shutil.rmtree(world.root / "saved" / "other")
    world.apply()
    assert world.problems() == []
    assert world.visible() != before.package
    assert not world.has_begun


def test_rolling_back_works_on_a_full_disk(world: World) -> None:
    before = world.state()
    fill(world.root / "saved" / "other", spare_bytes=_BIG_BYTES // 2, spare_inodes=30)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        world.apply()
    world.roll_back()
    assert world.state() == before


def test_quota_that_is_used_up_is_named_and_rolling_back_makes_room(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (delivery.origin / "calibrated_all.clean.fits").write_bytes(os.urandom(_BIG_BYTES))
    with quota_disk(tmp_path / "disk", _BIG_BYTES) as disk:
        package = disk / "2011.0.00229.S"
        replace(delivery, path=package).plan(Mode.COPY)
        ran = run_here(capsys, "apply", package)
        assert (ran.code, "your quota on this disk is used up" in ran.err) == (Exit.RESUMABLE, True)
        assert run_here(capsys, "rollback", package).code == Exit.DONE
        assert not list(disk.glob("*.pack/staging"))


def test_message_says_how_much_room_is_missing(world: World) -> None:
    filling = world.root / "saved" / "other"
    fill(filling, spare_bytes=_BIG_BYTES // 2, spare_inodes=200)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC) as caught:
        world.apply()
    attempt = Attempt("apply", target_of(os.fsdecode(world.package.path)))
    reported = re.search(r"About ([\d.]+) ([KM])iB more are needed", failure_of(caught.value, attempt, Style()).text)
    assert reported
    missing = int(float(reported[1]) * {"K": 1 << 10, "M": 1 << 20}[reported[2]])
    assert missing < _BIG_BYTES, "what is staged, and was free, is taken off"
    os.truncate(filling / "filling", (filling / "filling").stat().st_size - missing)
    world.apply()
    assert world.problems() == []


def test_full_disk_of_temporary_files_is_the_one_that_is_named(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "scratch", "size=1m") as scratch:
        monkeypatch.setattr(tempfile, "tempdir", os.fspath(scratch))
        fill(scratch / "other", spare_bytes=0, spare_inodes=30)
        ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy")
        reported = " ".join(ran.err.split())
        assert ran.code != Exit.DONE
        assert f"The disk of {scratch} is full: 0 B are free." in reported
        assert reported.count("The disk of") == 1
        assert "more are needed" not in reported


@pytest.mark.parametrize(
    "command", [("report", "-o", "page.html"), ("export", "--format", "sha256sum", "-o", "sums")]
)
def test_full_disk_of_an_output_is_the_one_that_is_named(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    delivery.make()
    verb, *options, output = command
    with small_disk(tmp_path / "small", "size=1m") as small:
        fill(small / "other", spare_bytes=0, spare_inodes=30)
        ran = run_here(capsys, verb, delivery.path, *options, small / output)
        reported = " ".join(ran.err.split())
        assert ran.code == Exit.FAILED
        assert f"The disk of {small} is full: 0 B are free." in reported
        assert f"Path: {small / output}" in reported
        assert os.listdir(small) == ["other"]


def test_disk_that_does_not_report_its_size_is_not_named_as_full(delivery: Delivery) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/proc/2011.0.00229.S")
    assert "/proc" not in shortage_of(error, Attempt("apply", target_of(os.fspath(delivery.path))))


def test_package_s_disk_is_not_asked_for_room_when_another_one_is_full(delivery: Delivery, tmp_path: Path) -> None:
    plan = delivery.plan(Mode.COPY)
    with small_disk(tmp_path / "small", "size=2m") as small, small_disk(tmp_path / "scratch", "size=1m") as scratch:
        package = target_of(os.fspath(small / delivery.path.name))
        os.mkdir(package.package.control)
        save_durably(package.package.plan, plan.header, replace(plan.notes, new_bytes=1 << 30), ())
        fill(scratch / "other", spare_bytes=0, spare_inodes=30)
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(scratch / "x"))
        reported = shortage_of(error, Attempt("apply", package))
    assert reported == f"The disk of {scratch} is full: 0 B are free."


def test_disk_without_inodes_is_full_whatever_room_it_has(delivery: Delivery, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "size=8m,nr_inodes=20") as small:
        fill(small / "other", spare_bytes=4 << 20, spare_inodes=0)
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(small / "x"))
        reported = shortage_of(error, Attempt("plan", target_of(os.fspath(delivery.path))))
    assert reported == f"The disk of {small} is full: 0 inodes are free."


def test_disk_that_counts_no_free_inode_and_takes_files_is_not_named_as_full(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_no_inodes(monkeypatch)
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(tmp_path / "x"))
    assert shortage_of(error, Attempt("plan", target_of(os.fspath(delivery.path)))) == ""


@pytest.mark.parametrize(
    ("verb", "new_bytes", "words"),
    [
        ("apply", 5 << 50, "About 5.0 PiB more are needed."),
        ("package", 5 << 50, "About 5.0 PiB more are needed."),
        ("plan", 5 << 50, ""),
        ("apply", 1, ""),
    ],
)
def test_space_that_a_plan_lacks_is_told_where_it_is_applied(
    delivery: Delivery, verb: str, new_bytes: int, words: str
) -> None:
    plan = delivery.plan(Mode.COPY)
    save_durably(delivery.package.plan, plan.header, replace(plan.notes, new_bytes=new_bytes), ())
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert shortage_of(error, Attempt(verb, target_of(os.fspath(delivery.path)))) == words


def test_disk_that_does_not_report_its_size_has_room(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = delivery.plan(Mode.COPY)
    save_durably(delivery.package.plan, plan.header, replace(plan.notes, new_bytes=5 << 50), ())
    monkeypatch.setattr("qa2pack.pack.errors.disk_shortage.free_bytes", lambda package: None)
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert shortage_of(error, Attempt("apply", target_of(os.fspath(delivery.path)))) == ""
