"""Hard cases of a repair: what no origin has, what stands in the place of something else, and disks without links."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code
from qa2pack.pack.cli import main
from qa2pack.pack.exit_codes import Exit
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.file_systems import exfat_disk
from support.in_process import Delivery, make_reduction, write
from support.reductions import UID, write_small_measurement_set

Capsys = pytest.CaptureFixture[str]


def run(*words: str | Path) -> int:
    """Type a command."""
    return main(list(map(str, words)))


def repaired(capsys: Capsys, *words: str | Path) -> tuple[int, list[dict[str, object]]]:
    """Return exit code and members of a repair."""
    capsys.readouterr()
    code = run("repair", *words, "--json")
    return code, json.loads(capsys.readouterr().out).get("members", [])


def copied(delivery: Delivery, place: Path) -> Path:
    """Return a copy of the package as tars unpack it, in a folder of its own."""
    shutil.copytree(delivery.path, place / delivery.path.name)
    return place


def test_copies_that_are_not_there_are_no_missing_reduction(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    assert run("repair", delivery.path, "--from", "nowhere") == Exit.FAILED
    assert f"{Code.PATH_MISSING}:" in capsys.readouterr().err
    os.mkfifo(delivery.path.with_name("pipe"))
    assert run("repair", delivery.path, "--from", delivery.path.with_name("pipe")) == Exit.FAILED
    err = capsys.readouterr().err
    assert f"{Code.PATH_OTHER}:" in err
    assert "expected a folder with a delivery, found a named pipe" in err


def test_part_of_a_split_table_comes_from_a_copy_only(capsys: Capsys, tmp_path: Path, delivery: Delivery) -> None:
    write_small_measurement_set(delivery.origin / "X8c" / f"{UID}.ms.split", seed=1)
    delivery.make(Mode.COPY)
    place = copied(delivery, tmp_path / "unpacked")
    damaged = delivery.member / "raw" / f"{UID}.ms.split" / "table.dat"
    right = damaged.read_bytes()
    damaged.unlink()
    capsys.readouterr()
    assert run("repair", delivery.path) == 3
    shown = capsys.readouterr().out
    assert "made by a table split, so only other copies of the package have it." in shown
    assert shown.count("pack repair ") == 1, "the advice is not given twice"
    assert f"pack repair {delivery.path} --from FOLDER" in shown
    assert run("repair", delivery.path, "--from", place) == 0
    assert damaged.read_bytes() == right
    assert delivery.problems() == []


@pytest.mark.parametrize("has_origin", [True, False])
def test_lock_of_a_table_is_made_again(capsys: Capsys, delivery: Delivery, has_origin: bool) -> None:
    write(delivery.origin / "X8c" / f"{UID}.ms.tsys/table.lock", b"x" * 300)
    delivery.make(Mode.COPY)
    write(delivery.origin / "X8c" / f"{UID}.ms.tsys/table.lock", b"opened since the plan")
    if not has_origin:
        shutil.rmtree(delivery.origin)
    (lock,) = delivery.path.rglob("table.lock")
    lock.unlink()
    assert repaired(capsys, delivery.path)[0] == 0
    assert lock.stat().st_size == 300
    assert delivery.problems() == []


def _as_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def _as_empty_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_as_link, _as_empty_folder])
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY])
def test_something_else_in_the_place_of_a_file(
    delivery: Delivery, mode: Mode, damage: Callable[[Path], None]
) -> None:
    delivery.make(mode)
    script = delivery.member / "script/scriptForImaging.py"
    right = script.read_bytes()
    damage(script)
    assert run("repair", delivery.path) == 0
    assert script.read_bytes() == right
    assert delivery.problems() == []


def test_files_in_the_place_of_others_are_not_lost_silently(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    _as_empty_folder(script)
    (script / "mine").write_text("mine")
    shutil.rmtree(delivery.member / "qa")
    (delivery.member / "qa").write_text("mine, too")
    capsys.readouterr()
    assert run("repair", delivery.path) == 1
    reported = capsys.readouterr().err
    assert f"{script}:" in reported
    assert f"{delivery.member / 'qa'}:" in reported
    assert (script / "mine").read_text() == "mine"
    assert run("repair", delivery.path, "--remove-extra") == 0
    assert delivery.problems() == []


@pytest.mark.parametrize("has_other", [False, True])
@pytest.mark.parametrize("name", ["qa", "script"])
def test_file_in_the_place_of_a_role_folder_does_not_take_the_other_members_away(
    delivery: Delivery, name: str, has_other: bool
) -> None:
    """The package looks like something else then, and is yet not replaced as a whole."""
    delivery.make(Mode.COPY)
    if has_other:
        replace(delivery, origin=make_reduction(delivery.origin.parent / "sb2", seed=2)).make(
            Mode.COPY, append=Append.MEMBER
        )
    shutil.rmtree(delivery.member / name)
    (delivery.member / name).write_text("mine")
    damaged = shape(delivery.path)
    assert run("repair", delivery.path, "--remove-extra", "--member", "member_ouss_id") == 0
    assert delivery.problems() == []
    assert run("rollback", delivery.path) == Exit.PROBLEMS  # what comes back is as damaged as it was
    assert shape(delivery.path) == damaged


def shape(folder: Path) -> list[str]:
    return sorted(f"{path.relative_to(folder)} {path.is_dir()}" for path in folder.rglob("*"))


def test_file_in_the_place_of_a_member_is_no_extra_file(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    replace(delivery, origin=make_reduction(delivery.origin.parent / "sb2", seed=2)).make(
        Mode.COPY, append=Append.MEMBER
    )
    shutil.rmtree(delivery.member)
    delivery.member.write_text("mine")
    assert run("verify", delivery.path) == 3
    assert f"rm {delivery.member}\n" not in capsys.readouterr().out


def test_empty_folder_is_made_again(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    empty = next(path for path in delivery.member.rglob("*") if path.is_dir() and not any(path.iterdir()))
    empty.rmdir()
    code, (member,) = repaired(capsys, delivery.path)
    assert (code, member["is_changed"]) == (0, True)
    assert empty.is_dir()
    assert delivery.problems() == []


def test_placeholder_is_made_again(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    image = next((delivery.member / "product").iterdir())
    image.unlink()
    assert run("repair", delivery.path) == 0
    assert image.stat().st_size == 0
    assert delivery.problems() == []


def test_names_of_one_inode_are_repaired_together(tmp_path: Path, delivery: Delivery) -> None:
    os.link(delivery.origin / "calibrated_all.clean.fits", delivery.origin / "second.fits")
    delivery.make(Mode.HARD)
    place = copied(delivery, tmp_path / "backup")
    first, second = (delivery.member / "product" / name for name in ("calibrated_all.clean.fits", "second.fits"))
    right = first.read_bytes()
    first.write_bytes(b"changed in place")
    assert second.read_bytes() == b"changed in place"
    assert run("repair", delivery.path, "--from", place) == 0
    assert first.read_bytes() == second.read_bytes() == right
    assert delivery.problems() == []


def test_holes_of_a_copy_stay_holes(tmp_path: Path, delivery: Delivery) -> None:
    with (delivery.origin / "sparse.fits").open("wb") as file:
        file.truncate(8 << 20)
        file.write(b"begin")
    delivery.make(Mode.COPY)
    sparse = delivery.member / "product/sparse.fits"
    sparse.unlink()
    assert run("repair", delivery.path) == 0
    assert sparse.stat().st_blocks * 512 < 1 << 20
    assert delivery.problems() == []


def test_package_itself_repairs_nothing(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    image = delivery.member / "product/calibrated_all.clean.fits"
    shutil.copy2(image, delivery.path / "kept-by-hand.fits")
    image.unlink()
    shutil.rmtree(delivery.origin)
    code, (member,) = repaired(capsys, delivery.path, "--from", delivery.path)
    assert (code, member["is_changed"]) == (3, False)


def test_only_the_damaged_member_is_made_again(capsys: Capsys, tmp_path: Path, delivery: Delivery) -> None:
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", seed=2), delivery.path)
    delivery.make(Mode.COPY)
    other.make(Mode.COPY, append=Append.MEMBER)
    script = delivery.member / "script/scriptForImaging.py"
    right = script.read_bytes()
    script.unlink()
    second = delivery.member.with_name("member_ouss_id2")
    before = {path: path.lstat().st_ino for path in (second, *second.rglob("*"))}
    code, members = repaired(capsys, delivery.path)
    assert (code, [member["is_changed"] for member in members]) == (0, [True, False])
    assert script.read_bytes() == right
    assert {path: path.lstat().st_ino for path in (second, *second.rglob("*"))} == before


def test_folder_put_into_another_member_is_left_out_by_its_repair(capsys: Capsys, delivery: Delivery) -> None:
    """It may be a folder of the member that was renamed, so it is not advised to be removed."""
    delivery.make(Mode.COPY)
    delivery.make(Mode.COPY, append=Append.MEMBER)
    (delivery.member / "script/scriptForImaging.py").unlink()
    other = delivery.member.with_name("member_ouss_id2")
    (other / "log").rename(other / "log.away")
    capsys.readouterr()
    assert run("repair", delivery.path, "--member", "group_ouss_id/member_ouss_id") == 1
    refused = capsys.readouterr().err
    repair = f"pack repair {delivery.path} --member group_ouss_id/member_ouss_id2 --remove-extra"
    assert (repair in refused.replace("\n", " "), "rm -r" in refused) == (True, False)
    assert run(*repair.split()[1:]) == 0
    assert run("repair", delivery.path, "--member", "group_ouss_id/member_ouss_id") == 0
    assert delivery.problems() == []


def test_stopped_repair_is_finished_by_apply(monkeypatch: pytest.MonkeyPatch, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    right = script.read_bytes()
    script.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, 30))
        with pytest.raises(Stopped):
            run("repair", delivery.path)
    assert run("apply", delivery.path) == 0
    assert script.read_bytes() == right
    assert delivery.problems() == []


def test_disk_without_hard_links_takes_a_copy_of_the_member_or_refuses(
    capsys: Capsys, tmp_path: Path, delivery: Delivery
) -> None:
    write(delivery.origin / "cube.fits", os.urandom(18 << 20))
    with exfat_disk(tmp_path / "disk") as disk:
        far = replace(delivery, path=disk.path / "2011.0.00229.S")
        far.make(Mode.COPY)
        assert run("readme", far.path, "--set-field", "PI name=A. Person", "--keep-previous=no") == 0
        assert far.problems() == []
        write(disk.path / "filler", os.urandom(36 << 20))
        capsys.readouterr()
        assert run("readme", far.path, "--set-field", "PI name=B") == 1
        assert Code.NO_SPACE in capsys.readouterr().err
        assert b"A. Person" in (far.member / "README").read_bytes()
        assert not (far.path.parent / "2011.0.00229.S.pack/journal").exists()
