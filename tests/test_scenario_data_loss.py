"""The hunt: sequences of moving, replacing, stopping, rolling back, mishaps; no origin may lose a byte.

The law: whatever a file of the origin held is found in a file of the origin or of the package, at every moment. Where
a sequence ends well, the origin also reads as it did.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError, OriginChangedError
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.stage.planned_source import SourceChangedError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, Refused
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped
from support.file_systems import folder_elsewhere, small_disk
from support.in_process import UID, Delivery, make_reduction, write
from support.origin_bytes import links_below, lost_names, read_files, roll_back
from support.snapshots import contents
from support.worlds import scratch_root

EVERY = 5  # the whole fault grid is tried elsewhere; here every so many calls, another set for each sequence


@pytest.fixture
def small() -> Iterator[Delivery]:
    """A reduction of few files, to be packaged many times, in memory where syncing costs nothing."""
    with scratch_root() as root:
        yield make_small(root)


def make_small(folder: Path) -> Delivery:
    origin = folder / "sb1"
    for name in ("scriptForImaging.py", "image.fits", "notes", f"X8c/{UID}.ms.tsys/table.dat", "X8c/checklist.txt"):
        write(origin / name, name.encode())
    write(origin / f"X8c/{UID}.ms.scriptForCalibration.py", b"calibration")
    return Delivery(origin, folder / "2011.0.00229.S")


def stopped_apply(delivery: Delivery, at: int, fault: Fault = Fault.STOP_AFTER) -> bool:
    """Apply until call number `at`; False if it is over before."""
    disk = FaultyDisk(fault, at)
    with suppress(Stopped, OSError):
        delivery.apply(disk)
    return disk.has_failed


def calls_of_a_move(delivery: Delivery) -> int:
    """Move and roll back, and return how many changes the move was."""
    disk = CountingDisk()
    delivery.plan(Mode.MOVE)
    delivery.apply(disk)
    roll_back(delivery)
    return len(disk.calls)


def go_on(delivery: Delivery) -> None:
    """Apply what was begun; nothing is waiting if only the last calls were missing."""
    with suppress(Refused):
        delivery.apply()


def start_over(delivery: Delivery) -> None:
    """Roll back all that can be, so that the next case begins with a whole origin and no package."""
    with suppress(CannotUndoError):
        while roll_back(delivery).member:
            pass
    shutil.rmtree(delivery.package.control, ignore_errors=True)


@pytest.mark.parametrize("mode", Mode)
def test_move_then_replace(delivery: Delivery, mode: Mode) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    delivery.make(mode)
    assert read_files(delivery.origin) == before
    assert lost_names(before, delivery) == []


def test_move_then_roll_back(delivery: Delivery) -> None:
    before = contents(delivery.origin)
    delivery.make(Mode.MOVE)
    roll_back(delivery)
    assert contents(delivery.origin) == before


def test_move_roll_back_and_move_again(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    roll_back(delivery)
    delivery.apply()  # the plan waits again
    assert read_files(delivery.origin) == before
    assert delivery.problems() == []


def test_move_twice(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    delivery.make(Mode.MOVE)
    assert read_files(delivery.origin) == before
    assert delivery.problems() == []


def test_move_twice_then_roll_back_is_refused_where_the_first_package_was_not_kept(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    delivery.make(Mode.MOVE)
    with pytest.raises(CannotUndoError):
        roll_back(delivery)
    assert read_files(delivery.origin) == before


def test_move_to_two_packages_in_turn(delivery: Delivery, tmp_path: Path) -> None:
    """The second package takes the content of the first by links; removing the first then costs no byte."""
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    second = Delivery(delivery.origin, tmp_path / "2012.1.00001.S")
    with pytest.raises(Refused) as caught:
        second.plan(Mode.MOVE)
    assert {problem.code for problem in caught.value.problems} == {Code.LINK_OUTSIDE}
    second.make(Mode.MOVE, follow_outside=True)
    assert read_files(delivery.origin) == before
    shutil.rmtree(delivery.path)
    assert [name for name in lost_names(before, second) if name != "notes of the reducer"] == []


@pytest.mark.parametrize("append", [Append.GROUP, Append.MEMBER])
def test_move_append_and_roll_back_one_after_the_other(delivery: Delivery, append: Append) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    moved = contents(delivery.path)
    delivery.make(Mode.MOVE, append=append)
    assert read_files(delivery.origin) == before
    roll_back(delivery)
    assert contents(delivery.path) == moved
    assert read_files(delivery.origin) == before
    roll_back(delivery)
    assert read_files(delivery.origin) == before
    assert links_below(delivery.origin) == {}


def test_move_append_another_origin_and_replace_is_refused(delivery: Delivery, tmp_path: Path) -> None:
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2), delivery.path)
    before, others = read_files(delivery.origin), read_files(other.origin)
    delivery.make(Mode.MOVE)
    other.make(Mode.MOVE, append=Append.MEMBER)
    for each in (delivery, other):
        with pytest.raises(Refused) as caught:
            each.plan(Mode.MOVE)
        assert {problem.code for problem in caught.value.problems} == {Code.ONLY_COPY}
    assert (read_files(delivery.origin), read_files(other.origin)) == (before, others)


def test_move_then_remove_the_package_by_hand_then_plan(delivery: Delivery) -> None:
    """What was removed by hand is gone; the plan says so by name instead of packaging the rest."""
    delivery.make(Mode.MOVE)
    moved = {os.fsencode(delivery.origin / name) for name in links_below(delivery.origin)}
    shutil.rmtree(delivery.path)
    for mode in Mode:
        with pytest.raises(Refused) as caught:
            delivery.plan(mode)
        assert {problem.code for problem in caught.value.problems} == {Code.LINK_DANGLING}
        assert {problem.path for problem in caught.value.problems} <= moved


def test_move_then_remove_the_control_folder_then_replace_is_refused(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    shutil.rmtree(delivery.package.control)
    with pytest.raises(Refused) as caught:
        delivery.plan(Mode.HARD)
    assert [problem.code for problem in caught.value.problems] == [Code.NOT_ADOPTED]
    delivery.make(Mode.HARD, force=True)
    assert read_files(delivery.origin) == before


def test_move_then_rename_the_package_then_plan_is_refused(delivery: Delivery, tmp_path: Path) -> None:
    delivery.make(Mode.MOVE)
    before = read_files(delivery.path)
    delivery.path.rename(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        delivery.plan(Mode.MOVE)
    assert read_files(tmp_path / "elsewhere") == before


def test_move_with_the_origin_changed_in_between(delivery: Delivery) -> None:
    delivery.plan(Mode.MOVE)
    write(delivery.origin / "scriptForImaging.py", b"changed after the plan")
    before = read_files(delivery.origin)
    with pytest.raises(OriginChangedError):
        delivery.apply()
    assert read_files(delivery.origin) == before
    assert links_below(delivery.origin) == {}
    delivery.make(Mode.MOVE)
    assert read_files(delivery.origin) == before
    assert delivery.problems() == []


def test_two_plans_of_one_origin_only_one_of_which_is_applied(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    delivery.plan(Mode.COPY)
    delivery.make(Mode.MOVE)
    assert read_files(delivery.origin) == before


def test_plan_to_move_that_waited_while_another_package_took_the_files(delivery: Delivery, tmp_path: Path) -> None:
    second = Delivery(delivery.origin, tmp_path / "2012.1.00001.S")
    second.plan(Mode.MOVE)
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    with pytest.raises(OriginChangedError):
        second.apply()
    assert read_files(delivery.origin) == before


def test_chain_of_kept_packages_forth_and_back(delivery: Delivery) -> None:
    before = read_files(delivery.origin)
    delivery.make(Mode.MOVE)
    for mode in (Mode.HARD, Mode.FAKE, Mode.COPY, Mode.MOVE):
        delivery.plan(mode)
        delivery.apply(keep_previous=KeepPrevious.YES)
        assert read_files(delivery.origin) == before
    roll_back(delivery)
    assert read_files(delivery.origin) == before
    with pytest.raises(CannotUndoError):  # only the last one was kept
        roll_back(delivery)
    assert read_files(delivery.origin) == before


@pytest.mark.parametrize("offset", range(EVERY))
def test_move_stopped_and_gone_on_with(small: Delivery, offset: int) -> None:
    before = read_files(small.origin)
    for at in range(offset, calls_of_a_move(small), EVERY):
        small.plan(Mode.MOVE)
        assert stopped_apply(small, at)
        assert lost_names(before, small) == []
        assert read_files(small.origin) == before
        go_on(small)
        assert read_files(small.origin) == before
        assert small.problems() == []
        start_over(small)


@pytest.mark.parametrize("offset", range(EVERY))
def test_move_stopped_and_rolled_back(small: Delivery, offset: int) -> None:
    before, count = contents(small.origin), calls_of_a_move(small)
    for at in range(offset, count, EVERY):
        small.plan(Mode.MOVE)
        assert stopped_apply(small, at)
        roll_back(small)
        assert contents(small.origin) == before
        start_over(small)


@pytest.mark.parametrize("offset", range(EVERY))
def test_move_stopped_and_the_rollback_stopped_too(small: Delivery, offset: int) -> None:
    before, count = contents(small.origin), calls_of_a_move(small)
    read = read_files(small.origin)
    for at in range(offset, count, EVERY):
        small.plan(Mode.MOVE)
        assert stopped_apply(small, at)
        with suppress(Stopped):
            roll_back(small, FaultyDisk(Fault.STOP_BEFORE, at % 17))
        assert lost_names(read, small) == []
        assert read_files(small.origin) == read
        roll_back(small)
        assert contents(small.origin) == before
        start_over(small)


@pytest.mark.parametrize("offset", range(EVERY))
def test_move_stopped_then_ended_and_replaced(small: Delivery, offset: int) -> None:
    before = read_files(small.origin)
    for at in range(offset, calls_of_a_move(small), EVERY):
        small.plan(Mode.MOVE)
        assert stopped_apply(small, at)
        go_on(small)
        small.plan(Mode.HARD)
        small.apply(keep_previous=KeepPrevious.YES)
        assert read_files(small.origin) == before
        start_over(small)
        assert links_below(small.origin) == {}


@pytest.mark.parametrize("offset", range(EVERY))
def test_replacing_a_moved_package_stopped_then_rolled_back(small: Delivery, offset: int) -> None:
    before = read_files(small.origin)
    small.make(Mode.MOVE)
    packaged = contents(small.path)
    disk = CountingDisk()
    small.plan(Mode.MOVE)
    small.apply(disk, keep_previous=KeepPrevious.YES)
    roll_back(small)
    for at in range(offset, len(disk.calls), EVERY):
        small.plan(Mode.MOVE)
        with suppress(Stopped):
            small.apply(FaultyDisk(Fault.STOP_AFTER, at), keep_previous=KeepPrevious.YES)
        assert lost_names(before, small) == []
        if contents(small.path) != packaged or os.path.lexists(os.path.join(small.package.control, b"journal")):
            roll_back(small)
        assert contents(small.path) == packaged
        assert read_files(small.origin) == before


def test_move_across_file_systems_onto_a_full_disk(delivery: Delivery, tmp_path: Path) -> None:
    write(delivery.origin / "calibrated_all.clean.fits", os.urandom(300_000))
    before = contents(delivery.origin)
    with small_disk(tmp_path / "small", size=500_000) as place:
        far = Delivery(delivery.origin, place / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        filler = write(place / "filler", bytes(250_000))
        with pytest.raises(OSError, match="No space"):
            far.apply()
        assert contents(delivery.origin) == before
        assert not far.path.exists()
        filler.unlink()
        far.apply()
        read = read_files(delivery.origin)
        assert far.problems() == []
        roll_back(far)
        assert contents(delivery.origin) == before
        assert read_files(delivery.origin) == read


def test_roll_back_across_file_systems_onto_a_full_origin(tmp_path: Path) -> None:
    """There is no room to bring the files back: the package stays, and it goes on when there is room again."""
    with small_disk(tmp_path / "small", size=800_000) as place, folder_elsewhere(place) as folder:
        near = Delivery(make_reduction(place / "sb1"), folder / "2011.0.00229.S")
        write(near.origin / "calibrated_all.clean.fits", os.urandom(300_000))
        before = contents(near.origin)
        near.make(Mode.MOVE)
        read = read_files(near.origin)
        filler = place / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with pytest.raises(OSError, match="No space"):
            roll_back(near)
        assert read_files(near.origin) == read
        assert lost_names(read, near) == []
        filler.unlink()
        roll_back(near)
        assert contents(near.origin) == before


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_move_across_file_systems_stopped_then_rolled_back(tmp_path: Path, at: int) -> None:
    small = make_small(tmp_path)
    before = contents(small.origin)
    with folder_elsewhere(small.origin) as folder:
        far = Delivery(small.origin, folder / "2011.0.00229.S")
        far.plan(Mode.MOVE)
        assert stopped_apply(far, at)
        assert lost_names(read_files(small.origin), far) == []
        roll_back(far)
        assert contents(small.origin) == before


def test_content_that_was_forged_before_the_link_is_noticed(delivery: Delivery) -> None:
    """Same size, mtime and inode, other bytes: only the digest tells, and nothing is moved."""
    delivery.plan(Mode.MOVE)
    script = delivery.origin / "scriptForImaging.py"
    status = script.stat()
    with script.open("r+b") as file:
        file.write(b"#")
    os.utime(script, ns=(status.st_mtime_ns, status.st_mtime_ns))
    with pytest.raises((OriginChangedError, SourceChangedError)):
        delivery.apply()
    assert links_below(delivery.origin) == {}
