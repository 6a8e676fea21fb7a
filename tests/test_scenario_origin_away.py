"""Moved origin that is not at its path: not mounted, or renamed. Nothing is given up; all goes on when it is back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError, OriginAwayError
from qa2pack.executor.publish.exchange import Swap
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.file_systems import folder_elsewhere, mounted
from support.in_process import Delivery, make_reduction, write
from support.origin_bytes import links_below, moved_sources, read_files, roll_back, stop_after_links
from support.snapshots import contents, files, snapshot

Capsys = pytest.CaptureFixture[str]
PARTS = ("a", "below/b", "below/c")


@contextmanager
def renamed(delivery: Delivery) -> Iterator[None]:
    """Have another name for the origin for a while."""
    elsewhere = delivery.origin.with_name("o.unmounted")
    delivery.origin.rename(elsewhere)
    yield
    elsewhere.rename(delivery.origin)


@contextmanager
def emptied(delivery: Delivery) -> Iterator[None]:
    """Have an empty folder in place of the origin, as where a bind mount was: the device is the same."""
    with renamed(delivery):
        delivery.origin.mkdir()
        yield
        delivery.origin.rmdir()


@contextmanager
def linked(delivery: Delivery) -> Iterator[None]:
    """Have a symlink in place of the origin, which is never followed."""
    with renamed(delivery):
        delivery.origin.symlink_to("o.unmounted")
        yield
        delivery.origin.unlink()


Away = Callable[[Delivery], AbstractContextManager[None]]
ways = pytest.mark.parametrize("away", [renamed, emptied, linked])


def litter(root: Path) -> list[Path]:
    return list(root.rglob(".qa2pack*"))


@ways
@pytest.mark.parametrize("count", [0, 5])
def test_stopped_move_waits_for_its_origin(delivery: Delivery, away: Away, count: int) -> None:
    before = read_files(delivery.origin)
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, count)
    seen = snapshot(delivery.origin)
    with away(delivery):
        for _ in range(2):
            with pytest.raises(OriginAwayError) as caught:
                delivery.apply()
            assert [(each.code, each.path) for each in caught.value.problems] == [
                (Code.ORIGIN_AWAY, os.fsencode(delivery.origin))
            ]
    assert snapshot(delivery.origin) == seen
    assert delivery.apply().left_alone == ()
    assert set(links_below(delivery.origin)) == moved_sources(delivery) != set()
    assert read_files(delivery.origin) == before
    assert litter(delivery.origin) == []
    assert delivery.problems() == []


def test_command_that_waits_for_the_origin_can_be_given_again(delivery: Delivery, capsys: Capsys) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 5)
    with renamed(delivery):
        ran = run_here(capsys, "apply", delivery.path)
        assert ran.code == Exit.RESUMABLE
        assert "origin-away" in ran.err and "expected the origin, found nothing" in ran.err
        assert f"\n        pack apply {delivery.path}\n" in ran.err
        assert "another" not in ran.err
    assert run_here(capsys, "apply", delivery.path).code == Exit.DONE


def test_origin_that_goes_while_its_files_become_links_is_waited_for(delivery: Delivery) -> None:
    elsewhere = delivery.origin.with_name("elsewhere")

    class Renaming(FaultyDisk):
        def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
            super().symlink(target, name, dir_fd=dir_fd)
            if not elsewhere.exists():
                delivery.origin.rename(elsewhere)

    delivery.plan(Mode.MOVE)
    with pytest.raises(OriginAwayError):
        delivery.apply(Renaming(Fault.STOP_BEFORE, 10**9))
    elsewhere.rename(delivery.origin)
    assert delivery.apply().left_alone == ()
    assert set(links_below(delivery.origin)) == moved_sources(delivery)


@ways
def test_rollback_of_a_move_waits_for_its_origin(delivery: Delivery, away: Away) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    packaged = snapshot(delivery.path)
    with away(delivery):
        seen = contents(delivery.origin.parent)
        with pytest.raises(CannotUndoError) as caught:
            roll_back(delivery)
        assert {problem.code for problem in caught.value.problems} == {Code.ORIGIN_AWAY}
        changed = {path for path, what in contents(delivery.origin.parent).items() if seen[path] != what}
        assert changed <= {"2011.0.00229.S.pack/lock"}
    assert snapshot(delivery.path) == packaged
    roll_back(delivery)
    assert files(delivery.origin) == before


@ways
def test_rollback_that_was_stopped_waits_for_its_origin(delivery: Delivery, away: Away) -> None:
    before = files(delivery.origin)
    delivery.make(Mode.MOVE)
    with pytest.raises(Stopped):
        roll_back(delivery, FaultyDisk(Fault.STOP_BEFORE, 12))
    with away(delivery):
        for go_on in (lambda: roll_back(delivery), delivery.apply):
            with pytest.raises((CannotUndoError, OriginAwayError), match="origin-away"):
                go_on()
    roll_back(delivery)
    assert files(delivery.origin) == before


def test_status_says_that_the_origin_is_not_there(delivery: Delivery, capsys: Capsys) -> None:
    delivery.make(Mode.MOVE)
    with renamed(delivery):
        status = run_here(capsys, "status", delivery.path).out
    assert "origin-away" in status and "other files" not in status
    assert "pack rollback" in run_here(capsys, "status", delivery.path).out


def test_removed_file_is_reported_and_the_move_ends(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    (delivery.origin / "scriptForImaging.py").unlink()
    (problem,) = delivery.apply().left_alone
    assert (problem.path, problem.found) == (os.fsencode(delivery.origin / "scriptForImaging.py"), "none")
    assert len(links_below(delivery.origin)) == len(moved_sources(delivery)) - 1


def test_removed_folder_is_reported_as_that_and_not_as_other_files(delivery: Delivery) -> None:
    for part in PARTS:
        write(delivery.origin / part, part.encode())
    delivery.make(Mode.MOVE, layout="as-is")
    for name in ("b", "c"):
        (delivery.origin / "below" / name).unlink()
    (delivery.origin / "below").rmdir()
    with pytest.raises(CannotUndoError, match="origin-in-the-way") as caught:
        roll_back(delivery)
    assert {problem.found for problem in caught.value.problems[1:]} == {"none: its folder is not there"}
    (delivery.origin / "below").mkdir()
    roll_back(delivery)
    assert (delivery.origin / "below/b").read_bytes() == b"below/b"


def test_origin_that_is_gone_for_good_is_given_up_with_one_file_in_it(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    stop_after_links(delivery, 0)
    delivery.origin.rename(delivery.origin.with_name("gone"))
    delivery.origin.mkdir()
    script = delivery.origin / "scriptForImaging.py"
    subprocess.run(["cp", "-p", delivery.member / "script/scriptForImaging.py", script], check=True)
    left = {problem.path for problem in delivery.apply().left_alone}
    assert len(left) == len(moved_sources(delivery)) - 1
    assert script.is_symlink()


def test_rollback_fills_an_origin_that_is_gone_for_good_from_one_file_on(delivery: Delivery) -> None:
    for part in PARTS:
        write(delivery.origin / part, part.encode())
    before = contents(delivery.origin)
    delivery.make(Mode.MOVE, layout="as-is")
    folders = [path.relative_to(delivery.origin) for path in delivery.origin.rglob("*") if path.is_dir()]
    delivery.origin.rename(delivery.origin.with_name("gone"))
    for folder in (Path(), *sorted(folders)):
        (delivery.origin / folder).mkdir()
    subprocess.run(["cp", "-p", delivery.path / "a", delivery.origin / "a"], check=True)
    roll_back(delivery)
    assert contents(delivery.origin) == before


# --- on disks of their own


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than the one of the test."""
    with folder_elsewhere(tmp_path) as folder:
        yield folder


def with_disk_at(place: Path, disk: Path) -> AbstractContextManager[Path]:
    return mounted(place, "--bind", os.fspath(disk))


def made_of_parts(origin: Path) -> Path:
    for part in PARTS:
        write(origin / part, part.encode())
    return origin


def test_mount_point_of_the_origin_is_not_taken_for_the_origin(tmp_path: Path, disk: Path) -> None:
    """There is a file in the folder that the mount hid: that it is another device says that the origin is away."""
    place = tmp_path / "origin"
    write(place / "not mounted", b"")
    far = Delivery(place, tmp_path / "package")
    with with_disk_at(place, disk):
        make_reduction(place)
        before = read_files(place)
        far.plan(Mode.MOVE)
        stop_after_links(far, 3)
    with pytest.raises(OriginAwayError) as caught:
        far.apply()
    assert "another" in str(caught.value.problems[0].found)
    with with_disk_at(place, disk):
        assert far.apply().left_alone == ()
        assert read_files(place) == before
    with pytest.raises(CannotUndoError, match="origin-away"):
        roll_back(far)
    assert os.listdir(place) == ["not mounted"]
    with with_disk_at(place, disk):
        roll_back(far)
        assert read_files(place) == before
        assert links_below(place) == {}


@pytest.fixture
def parted(tmp_path: Path) -> Delivery:
    """A delivery whose origin has a folder `below` to mount a disk at."""
    (tmp_path / "origin/below").mkdir(parents=True)
    return Delivery(tmp_path / "origin", tmp_path / "package")


def test_disk_inside_of_the_origin_that_is_not_mounted_is_waited_for(parted: Delivery, disk: Path) -> None:
    origin = parted.origin
    with with_disk_at(origin / "below", disk):
        made_of_parts(origin)
        before = contents(origin)
        parted.plan(Mode.MOVE, layout="as-is")
        stop_after_links(parted, 0)
    with pytest.raises(OriginAwayError) as caught:
        parted.apply()
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(origin / "below")]
    with with_disk_at(origin / "below", disk):
        assert parted.apply().left_alone == ()
        assert set(links_below(origin)) == {*PARTS}
    with pytest.raises(CannotUndoError, match="origin-away"):
        roll_back(parted)
    with with_disk_at(origin / "below", disk):
        roll_back(parted)
        assert contents(origin) == before


def test_all_files_removed_from_a_disk_that_is_there_are_reported(parted: Delivery, disk: Path) -> None:
    origin = parted.origin
    with with_disk_at(origin / "below", disk):
        made_of_parts(origin)
        parted.plan(Mode.MOVE, layout="as-is")
        stop_after_links(parted, 0)
        for name in ("b", "c"):
            (origin / "below" / name).unlink()
        assert {os.path.basename(problem.path) for problem in parted.apply().left_alone} == {b"b", b"c"}


@pytest.mark.parametrize("is_rolled_back", [False, True])
def test_new_file_that_is_removed_beside_files_that_were_moved_earlier_is_reported(
    tmp_path: Path, disk: Path, is_rolled_back: bool
) -> None:
    """They are on the disk of the package by then, and the record of all of them has the number of that."""
    far = Delivery(made_of_parts(tmp_path / "origin"), disk / "package")
    far.make(Mode.MOVE, layout="as-is")
    new = write(far.origin / "below/new", b"new")
    far.plan(Mode.MOVE, layout="as-is")
    stop_after_links(far, 0)
    new.unlink()
    if is_rolled_back:
        roll_back(far)
        assert new.read_bytes() == b"new"
    else:
        assert [problem.path for problem in far.apply().left_alone] == [os.fsencode(new)]


# --- what a run that was killed leaves


@pytest.mark.parametrize("layout", ["cycle0", "as-is"])
def test_leftover_of_a_killed_move_is_left_out_of_a_plan_and_listed(tmp_path: Path, layout: str) -> None:
    origin = make_reduction(tmp_path / "origin")
    delivery = Delivery(origin, tmp_path / "2011.0.00229.S")
    beside = os.fsdecode(Swap(FaultyDisk(Fault.STOP_BEFORE, 10**9), -1, b"x", lambda _: True).beside)
    places = [origin, origin / "X8c", origin / "X8c/qa2"]
    for folder in places:
        write(folder / beside, b"left")
        write(folder / f"{beside}.part", b"left")
    delivery.make(Mode.COPY, layout=layout)
    assert litter(delivery.path) == []
    listed = {os.fsdecode(left.path): left.reason for left in delivery.made(Mode.COPY, layout=layout).notes.left_out}
    names = {os.path.relpath(folder / name, origin) for folder in places for name in (beside, f"{beside}.part")}
    assert names <= {*listed}
    assert {listed[name] for name in names} == {
        "what this program prepares in an origin for an instant, left by a run that was killed"
    }
