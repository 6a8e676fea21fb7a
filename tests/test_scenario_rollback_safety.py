"""A rollback never takes the last copy of anything away, and never goes further back than was asked."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.rollback import roll_back_package
from qa2pack.executor.stop_signals import InterruptedByUser, Stop
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan import lost_sources
from qa2pack.manifest.plan.packaged_file import PackagedFile
from qa2pack.manifest.problem import Code
from qa2pack.manifest.progress import Silent
from support.commands import run_here
from support.faulty_disk import ReplaceStoppingDisk, Stopped, StoppingDisk, WatchedDisk
from support.file_systems import mounted
from support.in_process import UID, Delivery, age, write
from support.measurement_sets import Recipe, write_measurement_set
from support.origin_bytes import roll_back
from support.snapshots import contents

GROUP = "group_ouss_id"


def made_or_stopped(delivery: Delivery, mode: Mode, *, is_stopped: bool) -> None:
    """Make the package, or stop when it is published."""
    delivery.plan(mode)
    with pytest.raises(Stopped) if is_stopped else nullcontext():
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]) if is_stopped else None)


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
def test_package_that_is_the_only_copy_stays(delivery: Delivery, mode: Mode) -> None:
    delivery.make(mode)
    shutil.rmtree(delivery.origin)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert {problem.code for problem in caught.value.problems} == {Code.ORIGIN_LOST, Code.ORIGIN_CHANGED}
    assert delivery.problems() == []


def test_package_stays_when_one_file_of_the_origin_was_replaced(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    script = next(delivery.origin.glob("*/*.scriptForCalibration.py"))
    script.unlink()
    script.write_text("another script, of another size than the packaged one had\n")
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(script)]


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_package_stays_when_one_file_of_the_origin_was_replaced_by_one_of_its_size_and_time(
    delivery: Delivery, mode: Mode, is_stopped: bool
) -> None:
    made_or_stopped(delivery, mode, is_stopped=is_stopped)
    script = delivery.origin / "scriptForImaging.py"
    data = script.read_bytes()
    script.unlink()
    write(script, data[::-1])
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.code for problem in caught.value.problems] == [Code.ORIGIN_LOST, Code.ORIGIN_CHANGED]
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(script)]
    assert (delivery.member / "script/scriptForImaging.py").read_bytes() == data
    write(script, data)
    roll_back(delivery)
    assert not delivery.path.exists()


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
@pytest.mark.parametrize("is_stopped", [False, True])
def test_origin_whose_folder_leads_into_the_package_has_no_copy_of_its_own(
    delivery: Delivery, mode: Mode, is_stopped: bool
) -> None:
    script = delivery.origin / "script"
    script.mkdir()
    (delivery.origin / "scriptForImaging.py").rename(script / "scriptForImaging.py")
    made_or_stopped(delivery, mode, is_stopped=is_stopped)
    aside = script.rename(delivery.origin.with_name("aside"))
    script.symlink_to(delivery.member / "script")
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.code for problem in caught.value.problems] == [Code.ORIGIN_LOST, Code.ORIGIN_CHANGED]
    assert caught.value.problems[1].path == os.fsencode(script / "scriptForImaging.py")
    script.unlink()
    aside.rename(script)
    roll_back(delivery)
    assert not delivery.path.exists()


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
@pytest.mark.parametrize("place", ["script", "script/scriptForImaging.py"])
def test_origin_into_which_the_package_is_mounted_has_no_copy_of_its_own(
    delivery: Delivery, mode: Mode, place: str
) -> None:
    script = delivery.origin / "script/scriptForImaging.py"
    script.parent.mkdir()
    (delivery.origin / script.name).rename(script)
    delivery.make(mode)
    script.unlink()  # else it has a name here
    if place == "script":
        script.parent.rmdir()
        os.link(delivery.member / "script" / script.name, delivery.origin.with_name("snapshot"))
    else:
        script.touch()
    with (
        mounted(delivery.origin / place, "--bind", os.fspath(delivery.member / place)),
        pytest.raises(CannotUndoError) as caught,
    ):
        roll_back(delivery)
    assert [(each.code, each.path) for each in caught.value.problems] == [
        (Code.ORIGIN_LOST, os.fsencode(delivery.path)),
        (Code.ORIGIN_CHANGED, os.fsencode(script)),
    ]
    assert delivery.problems() == []


def test_hard_links_to_the_package_in_the_origin_are_copies(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.origin / "scriptForImaging.py"
    data = script.read_bytes()
    script.unlink()
    os.link(delivery.member / "script/scriptForImaging.py", script)
    roll_back(delivery)
    assert script.read_bytes() == data


def _removed(file: Path, packaged: Path) -> None:
    file.unlink()


def _replaced(file: Path, packaged: Path) -> None:
    data = file.read_bytes()
    file.unlink()
    write(file, data[::-1])


def _led_nowhere(file: Path, packaged: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def _led_into_the_package(file: Path, packaged: Path) -> None:
    file.unlink()
    file.symlink_to(packaged)


@pytest.mark.in_casa
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
@pytest.mark.parametrize("change", [_removed, _replaced, _led_nowhere, _led_into_the_package])
def test_split_table_that_is_the_only_copy_stays(
    delivery: Delivery, mode: Mode, change: Callable[[Path, Path], None]
) -> None:
    table = f"{UID}.ms.split.cal"
    write_measurement_set(delivery.origin / "X8c" / table, Recipe(rows=12))
    age(delivery.origin)
    before = contents(delivery.origin)
    delivery.make(mode)
    main, packaged = (
        delivery.origin / "X8c" / table / "table.dat",
        delivery.member / "calibrated" / table / "table.dat",
    )
    saved = shutil.copy2(main, delivery.origin.with_name("saved"))
    change(main, packaged)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [(each.code, each.path) for each in caught.value.problems] == [
        (Code.ORIGIN_LOST, os.fsencode(delivery.path)),
        (Code.ORIGIN_CHANGED, os.fsencode(main)),
    ]
    assert delivery.problems() == []
    main.unlink(missing_ok=True)
    shutil.copy2(saved, main)
    roll_back(delivery)
    assert contents(delivery.origin) == before


@pytest.mark.in_casa
def test_files_that_one_split_of_a_table_is_made_of_and_another_one_moved_go_back(delivery: Delivery) -> None:
    table = f"{UID}.ms.split"  # with no calibrated one, CORRECTED_DATA of it becomes that
    write_measurement_set(delivery.origin / "X8c" / table, Recipe(rows=12))
    age(delivery.origin)
    before = contents(delivery.origin)
    splits = delivery.plan(Mode.MOVE).notes.splits
    delivery.apply()
    (raw,) = (decode_record(split.before).names for split in splits if split.path.startswith(b"raw"))
    assert any((delivery.origin / "X8c" / table / os.fsdecode(name)).is_symlink() for name in raw)
    roll_back(delivery)
    assert contents(delivery.origin) == before
    assert not delivery.path.exists()


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
def test_package_that_is_the_only_copy_of_what_was_outside_of_the_origin_stays(
    delivery: Delivery, mode: Mode
) -> None:
    """A move leaves such files where they are."""
    script, outside = delivery.origin / "scriptForImaging.py", delivery.origin.with_name("script.py")
    script.symlink_to(script.rename(outside))
    delivery.make(mode, follow_outside=True)
    saved = outside.with_name("saved")
    shutil.copy2(outside, saved)
    outside.unlink()
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [(each.code, each.path) for each in caught.value.problems] == [
        (Code.ORIGIN_LOST, os.fsencode(delivery.path)),
        (Code.ORIGIN_CHANGED, os.fsencode(outside)),
    ]
    saved.rename(outside)
    roll_back(delivery)
    assert not delivery.path.exists()


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
def test_origin_with_other_inode_numbers_has_its_files_still(delivery: Delivery, mode: Mode) -> None:
    """As in a new mount of some file systems, or after a restore."""
    delivery.make(mode)
    before = delivery.origin.rename(delivery.origin.with_name("before"))
    subprocess.run(["cp", "-a", before, delivery.origin], check=True)
    shutil.rmtree(before)
    roll_back(delivery)
    assert not delivery.path.exists()


def test_stop_ends_the_comparison_with_the_origin_between_two_files(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.COPY)
    for path in delivery.origin.rglob("*"):
        os.utime(path)
    read: list[bytes] = []
    stop = Stop()

    def reading(file: PackagedFile, path: bytes) -> bool:
        read.append(path)
        stop.is_requested = True
        return True

    monkeypatch.setattr(PackagedFile, "has_content", reading)
    with pytest.raises(InterruptedByUser):
        roll_back_package(
            delivery.package,
            opened=OpenedFiles(),
            engine=delivery.engine,
            disk=Disk(),
            progress=Silent(),
            stop=stop,
        )
    assert len(read) == 1
    assert delivery.problems() == []


class _Phases(Silent):
    """Notes the phases that would be shown."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Note it."""
        self.names.append(name)


def test_changed_origin_is_read_by_the_workers_in_a_phase_of_its_own(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.COPY)
    for path in delivery.origin.rglob("*"):
        os.utime(path)
    script = delivery.origin / "scriptForImaging.py"
    write(script, script.read_bytes()[::-1])
    monkeypatch.setattr(lost_sources, "_BATCH_FILES", 2)
    monkeypatch.setattr(PackagedFile, "has_content", _only_in_workers(PackagedFile.has_content))
    phases = _Phases()
    with PoolEngine(2) as engine, pytest.raises(CannotUndoError) as caught:
        roll_back_package(delivery.package, opened=OpenedFiles(), engine=engine, disk=Disk(), progress=phases)
    assert [each.path for each in caught.value.problems[1:]] == [os.fsencode(script)]
    assert phases.names == ["compare with the origin"]


def _only_in_workers(method: Callable[[PackagedFile, bytes], bool]) -> Callable[[PackagedFile, bytes], bool]:
    here = os.getpid()

    def has_content(file: PackagedFile, path: bytes) -> bool:
        assert os.getpid() != here
        return method(file, path)

    return has_content


def test_files_that_are_links_to_those_of_the_origin_are_not_read(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A further link, as of a snapshot, gives them another ctime."""
    delivery.make(Mode.HARD)
    os.link(delivery.origin / "scriptForImaging.py", delivery.origin.with_name("snapshot"))
    monkeypatch.setattr(PackagedFile, "has_content", None)
    roll_back(delivery)
    assert not delivery.path.exists()


def test_damaged_file_of_a_stopped_apply_can_be_given_up(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    made_or_stopped(delivery, Mode.COPY, is_stopped=True)
    script = delivery.member / "script/scriptForImaging.py"
    script.write_text("damaged")
    refused = run_here(capsys, "rollback", delivery.path)
    assert "changed-since" in refused.err and "give up what is damaged: remove it" in " ".join(refused.err.split())
    script.unlink()
    assert run_here(capsys, "rollback", delivery.path).code == 0
    assert not delivery.path.exists()


@pytest.mark.parametrize("place", [".", "sg_ouss_id", f"sg_ouss_id/{GROUP}", f"sg_ouss_id/{GROUP}/member_ouss_id/qa"])
def test_file_that_would_go_with_the_package_keeps_it(delivery: Delivery, place: str) -> None:
    delivery.make(Mode.HARD)
    notes = delivery.path / place / "notes"
    notes.write_text("mine")
    with pytest.raises(CannotUndoError, match="changed-since") as caught:
        roll_back(delivery)
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(notes)]
    assert notes.read_text() == "mine"


@pytest.mark.parametrize(
    ("append", "staying", "going"),
    [
        (
            Append.MEMBER,
            (".", "sg_ouss_id", "sg_ouss_id/group_ouss_id"),
            "sg_ouss_id/group_ouss_id/member_ouss_id2/qa",
        ),
        (Append.GROUP, (".", "sg_ouss_id"), "sg_ouss_id/group_ouss_id2"),
    ],
)
def test_file_that_stays_when_what_was_appended_goes_is_no_obstacle(
    delivery: Delivery, append: Append, staying: tuple[str, ...], going: str
) -> None:
    delivery.make(Mode.HARD)
    delivery.make(Mode.HARD, append=append)
    notes = [delivery.path / place / "notes" for place in (*staying, going)]
    for path in notes:
        path.write_text("mine")
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.path for problem in caught.value.problems[1:]] == [os.fsencode(notes[-1])]
    notes[-1].unlink()
    assert roll_back(delivery).was_finished
    assert {path.read_text() for path in notes[:-1]} == {"mine"}


class FullDisk(WatchedDisk):
    """A disk on which nothing more can be written."""

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, unless it takes space."""
        if name in ("append", "write"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call()


def test_full_disk_does_not_cost_the_package_that_was_exchanged(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    before = contents(delivery.path)
    write(delivery.origin / "new.fits", b"x")
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]))
    assert contents(delivery.path) != before, "the old package is in staging now"
    with pytest.raises(OSError, match="No space"):
        roll_back(delivery, FullDisk())
    roll_back(delivery)
    assert contents(delivery.path) == before


def test_kept_file_of_the_same_size_and_time_is_no_copy_of_the_last_one(delivery: Delivery) -> None:
    script = delivery.origin / "scriptForImaging.py"
    data = script.read_bytes()
    delivery.make(Mode.COPY)
    write(script, data[::-1])
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    script.unlink()
    with pytest.raises(CannotUndoError, match=Code.ORIGIN_LOST):
        roll_back(delivery)
    assert (delivery.member / "script" / script.name).read_bytes() == data[::-1]
    write(script, data[::-1])
    roll_back(delivery)
    assert (delivery.member / "script" / script.name).read_bytes() == data


def test_plan_that_waits_is_not_replaced_by_the_one_that_is_rolled_back(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    waiting = delivery.plan(Mode.COPY).stream.digest
    assert roll_back(delivery).was_finished
    assert open_plan(delivery.package.plan).stream.digest == waiting


def test_plan_of_an_earlier_apply_does_not_wait_again(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("syncfs"))
    os.unlink(delivery.package.plan)
    assert not roll_back(delivery).was_finished
    assert not os.path.exists(delivery.package.plan)


def test_package_that_cannot_be_read_is_not_said_to_be_changed(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.COPY)
    real = os.open

    def stale(path: Any, *args: Any, **options: Any) -> int:
        if path == b"script":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", stale)
        with pytest.raises(CannotUndoError, match="not-comparable") as caught:
            roll_back(delivery)
    assert {problem.code for problem in caught.value.problems} == {Code.NOT_COMPARABLE, Code.UNREADABLE}
    assert delivery.problems() == []
    assert roll_back(delivery).was_finished


def test_command_given_twice_does_not_roll_back_twice(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.HARD)
    append = run_here(capsys, "plan", delivery.origin, delivery.path, "--append", "member", "--mode", "hard")
    assert append.code == 0
    assert run_here(capsys, "apply", delivery.path).code == 0
    assert run_here(capsys, "rollback", delivery.path).code == 0
    again = run_here(capsys, "rollback", delivery.path)
    assert (again.code, "--further" in again.err) == (1, True)
    assert delivery.problems() == []
    assert run_here(capsys, "rollback", "--further", delivery.path).code == 0
    assert not delivery.path.exists()


def test_append_adopts_at_the_first_try(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    ran = run_here(
        capsys, "plan", delivery.origin, delivery.path, "--append", "member", "--mode", "copy", "--jobs", "2"
    )
    assert (ran.code, ran.err) == (0, "")


def test_append_is_refused_over_a_damaged_manifest(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.make(Mode.HARD)
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--append", "member", "--mode", "hard")
    assert (ran.code, "manifest-damaged" in ran.err) == (1, True)


def test_empty_group_folder_is_found(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    (delivery.path / "sg_ouss_id" / "group_ouss_id9").mkdir()
    assert delivery.found() == [("extra-folder", b"sg_ouss_id/group_ouss_id9")]
