"""Mount points in a package, its surroundings and its origin: told by the plan, and never removed with a package."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here, run_redirected
from support.file_systems import made_disk, mounted
from support.in_process import Delivery, make_reduction
from support.origin_bytes import read_files, roll_back
from support.tools import needs_tool
from support.two_members import FIRST, SECOND, make_two, other_reduction

PACKAGE = "2011.0.00229.S"
MEMBER = "sg_ouss_id/group_ouss_id/member_ouss_id"
TABLE = "X8c/uid___A002_X3c9295_X8c.ms.tsys"
LOG = "X8c/ipython.log"


@contextmanager
def mounted_copy(place: Path, aside: Path) -> Iterator[None]:
    """Mount a copy of what is there, made at `aside`: one more mount of the same file system, with the same files."""
    (shutil.copytree if place.is_dir() else shutil.copy2)(place, aside)
    with mounted(place, "--bind", os.fspath(aside)):
        yield


def refused(step: Callable[[], object]) -> list[tuple[Code, str]]:
    with pytest.raises(Refused) as caught:
        step()
    return [(problem.code, os.fsdecode(problem.path)) for problem in caught.value.problems]


def in_the_way(place: Path) -> list[tuple[Code, str]]:
    return [(Code.MOUNT_POINT, os.fspath(place))]


@pytest.mark.parametrize("inner", ["", "sg_ouss_id", MEMBER, f"{MEMBER}/calibration"])
@pytest.mark.parametrize("choices", [{}, {"append": Append.REPLACE, "replaced": FIRST.encode()}], ids=str)
def test_plan_that_replaces_what_something_is_mounted_in_is_refused(
    delivery: Delivery, tmp_path: Path, inner: str, choices: dict[str, Any]
) -> None:
    delivery.make(Mode.COPY)
    with mounted_copy(delivery.path / inner, tmp_path / "aside"):
        assert refused(lambda: delivery.plan(Mode.COPY, **choices)) == in_the_way(delivery.path / inner)


@pytest.mark.parametrize("inner", ["", "X8c"])
def test_package_in_another_mount_of_the_origin_is_in_the_origin(
    delivery: Delivery, tmp_path: Path, inner: str
) -> None:
    with mounted(tmp_path / "again", "--bind", os.fspath(delivery.origin / inner)) as again:
        inside = replace(delivery, path=again / PACKAGE)
        assert refused(lambda: inside.plan(Mode.COPY)) == [(Code.NESTED, os.fspath(inside.path))]


def test_package_is_not_made_where_the_origin_was_mounted_after_the_plan(delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    inside = replace(delivery, path=tmp_path / "again" / PACKAGE)
    inside.plan(Mode.COPY)
    shutil.move(os.fsdecode(inside.package.control), delivery.origin)
    with mounted(tmp_path / "again", "--bind", os.fspath(delivery.origin)):
        assert (Code.NESTED, os.fspath(inside.path)) in refused(inside.apply)


@pytest.mark.parametrize("beside", [".pack", ".pack/finished", ".ticket.tar", ".ticket.zip"])
def test_plan_is_refused_where_something_is_mounted_beside_the_package(
    delivery: Delivery, tmp_path: Path, beside: str
) -> None:
    delivery.make(Mode.COPY)
    place = tmp_path / (PACKAGE + beside)
    with mounted_copy(place, tmp_path / "aside"):
        assert refused(lambda: delivery.plan(Mode.COPY)) == in_the_way(place)


def test_member_is_added_beside_one_that_is_mounted_and_not_below_a_mount(
    delivery: Delivery, other: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    with mounted_copy(delivery.member, tmp_path / "aside"):
        other.make(Mode.COPY, append=Append.MEMBER)
        assert other.problems() == []
        roll_back(other)
    with mounted_copy(delivery.member.parent, tmp_path / "aside.2"):
        add = lambda: other.plan(Mode.COPY, append=Append.MEMBER)  # noqa: E731
        assert refused(add) == in_the_way(delivery.member.parent)


@pytest.mark.parametrize("words", [("remove", "--member", SECOND), ("rename", "2011.0.00230.S")], ids=str)
def test_command_that_takes_away_what_something_is_mounted_in_is_refused(
    two: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    place = two.path / "sg_ouss_id" / SECOND / "script"
    command, *more = words
    with mounted_copy(place, tmp_path / "aside"):
        ran = run_here(capsys, command, two.path, *more)
    assert (ran.code, "mount-point: " in ran.err, os.fspath(place) in ran.err) == (Exit.FAILED, True, True)


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
def test_rollback_removes_nothing_that_is_mounted_in_the_package(
    delivery: Delivery, tmp_path: Path, mode: Mode
) -> None:
    delivery.make(mode)
    place = delivery.member / "calibration"
    with mounted_copy(place, tmp_path / "aside"):
        before = read_files(tmp_path / "aside")
        with pytest.raises(CannotUndoError) as caught:
            roll_back(delivery)
        assert [(each.code, os.fsdecode(each.path)) for each in caught.value.problems] == in_the_way(place)
        assert read_files(tmp_path / "aside") == before
    assert roll_back(delivery).is_gone


def test_what_is_mounted_in_the_package_since_the_plan_is_refused_by_the_apply(
    delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.HARD)
    place = delivery.member / "calibration"
    with mounted_copy(place, tmp_path / "aside"):
        assert refused(delivery.apply) == in_the_way(place)
    delivery.apply()
    assert delivery.problems() == []


@pytest.mark.parametrize("inner", [TABLE, LOG])
def test_hard_mode_is_refused_for_what_is_mounted_in_the_origin(
    delivery: Delivery, tmp_path: Path, inner: str
) -> None:
    place = delivery.origin / inner
    with mounted_copy(place, tmp_path / "aside"):
        ((code, path),) = refused(delivery.plan)
        assert (code, path.startswith(os.fspath(place))) == (Code.CROSS_DEVICE, True)


@pytest.mark.parametrize("mode", [Mode.MOVE, Mode.COPY, Mode.TICKET])
@pytest.mark.parametrize("inner", ["", TABLE])
def test_origin_with_mounts_is_packaged_by_modes_that_copy(
    delivery: Delivery, tmp_path: Path, mode: Mode, inner: str
) -> None:
    before = read_files(delivery.origin)
    with mounted_copy(delivery.origin / inner, tmp_path / "aside"):
        delivery.make(mode)
        assert delivery.problems() == []
        roll_back(delivery)
        assert read_files(delivery.origin) == before


def test_move_counts_what_it_copies_from_another_mount(delivery: Delivery, tmp_path: Path) -> None:
    near = delivery.plan(Mode.MOVE).notes.new_bytes
    copied = sum(map(len, read_files(delivery.origin / TABLE).values()))
    with mounted_copy(delivery.origin / TABLE, tmp_path / "aside"):
        assert delivery.plan(Mode.MOVE).notes.new_bytes == near + copied


def test_file_that_is_a_mount_point_cannot_be_moved(delivery: Delivery, tmp_path: Path) -> None:
    place = delivery.origin / LOG
    with mounted_copy(place, tmp_path / "aside"):
        assert refused(lambda: delivery.plan(Mode.MOVE)) == in_the_way(place)
        delivery.make(Mode.COPY)
        assert delivery.problems() == []


@pytest.mark.parametrize(
    ("place", "stops"),
    [
        ("sg_ouss_id", {"append", "replace-member", "remove", "rollback"}),
        (f"{MEMBER}2/script", set()),
        (".pack", {"append", "replace-member", "remove", "rename", "rollback"}),
        (".pack/finished", {"append", "replace-member", "remove", "rename", "rollback"}),
    ],
)
def test_subvolume_is_no_mount_and_stops_what_would_rename_out_of_it(
    tmp_path: Path, place: str, stops: set[str]
) -> None:
    with made_disk(tmp_path / "disk", ["mkfs.btrfs", "-q", "-f"]) as disk:
        delivery = Delivery(make_reduction(disk / "sb1"), disk / PACKAGE)
        other = other_reduction(delivery)
        path = make_two(delivery, other, Mode.COPY)
        folder = Path(f"{path}{place}") if place.startswith(".") else path / place
        folder.rename(folder.with_name("before"))
        subprocess.run([needs_tool("btrfs"), "subvolume", "create", folder], check=True, capture_output=True)
        for inner in folder.with_name("before").iterdir():
            shutil.move(inner, folder)
        folder.with_name("before").rmdir()
        commands: dict[str, list[str | Path]] = {
            "append": ["package", other.origin, path, "--mode", "copy", "--append", "member"],
            "replace-member": ["package", other.origin, path, "--mode", "copy", "--replace-member", SECOND],
            "remove": ["remove", path, "--member", SECOND],
            "rename": ["rename", path, "2011.0.00230.S"],
            "rollback": ["rollback", path, "--further"],
        }
        renamed = path.with_name("2011.0.00230.S")
        found = {name for name, words in commands.items() if not _is_done(words, renamed)}
        assert found == stops
        assert run_redirected("verify", path).code == 0


def _is_done(words: list[str | Path], renamed: Path) -> bool:
    """Tell whether a command was done, and undo it; else it was refused before anything was changed."""
    ran = run_redirected(*words)
    if ran.code == 0 and words[0] != "rollback":
        (package,) = (word for word in words if isinstance(word, Path) and word.name == PACKAGE)
        undone = run_redirected("rollback", renamed if words[0] == "rename" else package)
        assert undone.code == 0, undone.err
    assert ran.code == 0 or (ran.code == Exit.FAILED and "mount-point: " in ran.err), ran.err
    return ran.code == 0
