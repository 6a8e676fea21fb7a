"""Places that a rollback must be able to write: who may take the package away, and from where."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.rollback_checks import check_places, rollback_obstacles
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import read_begin
from qa2pack.executor.transaction.paths import TransactionPaths, transaction_paths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Code
from support.file_systems import marked
from support.in_process import Delivery, make_reduction
from support.users import NOBODY, as_ordinary_user, folder_of_everybody

ROOT, SOMEBODY = 0, NOBODY - 1
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


@pytest.fixture(scope="module")
def appended() -> Iterator[Delivery]:
    """A package to which a member was appended, in a folder of everybody."""
    with folder_of_everybody() as folder:
        delivery = Delivery(make_reduction(folder / "sb1"), folder / "packages/2011.0.00229.S")
        delivery.path.parent.mkdir()
        delivery.make(Mode.FAKE)
        delivery.make(Mode.FAKE, append=Append.MEMBER)
        yield delivery


def paths_of(delivery: Delivery) -> TransactionPaths:
    return transaction_paths(delivery.package, read_begin(last_finished(delivery.package) or b""))


def problems(delivery: Delivery) -> list[tuple[bytes, str]]:
    """Return where the rollback could not write, and why."""
    try:
        check_places(paths_of(delivery))
    except CannotUndoError as error:
        assert {problem.code for problem in error.problems} == {Code.NOT_WRITABLE}
        assert [command for remedy in error.remedies for command in remedy.commands] == ["pack rollback PACKAGE"]
        return [(problem.path, str(problem.found)) for problem in error.problems]
    return []


@pytest.mark.parametrize("place", ["packages", "group", "target"])
def test_each_folder_that_changes_must_be_writable(appended: Delivery, place: str) -> None:
    target = Path(os.fsdecode(paths_of(appended).target))
    folder = {"packages": appended.path.parent, "group": target.parent, "target": target}[place]
    modes = {each: each.stat().st_mode for each in (appended.path.parent, target.parent, target)}
    try:
        for each in modes:
            each.chmod(0o555 if each == folder else 0o777)
        with as_ordinary_user():
            assert problems(appended) == [(os.fsencode(folder), "")]
    finally:
        for each, mode in modes.items():
            each.chmod(mode)


def test_folder_in_which_nothing_can_be_removed_is_named(appended: Delivery) -> None:
    with marked(appended.path.parent, "a") as folder:
        assert problems(appended) == [(os.fsencode(folder), "append-only")]


def test_obstacles_are_told_without_reading_content(delivery: Delivery) -> None:
    assert rollback_obstacles(delivery.package, OpenedFiles()) == (), "nothing was applied yet"
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    script.write_bytes(bytes(script.stat().st_size))
    assert rollback_obstacles(delivery.package, OpenedFiles()) == ()
    script.write_bytes(b"")
    codes = [problem.code for problem in rollback_obstacles(delivery.package, OpenedFiles())]
    assert codes == [Code.CHANGED_SINCE, Code.TRUNCATED]


@needs_root
@pytest.mark.parametrize(
    ("folder", "package", "ticket", "is_kept"),
    [
        (ROOT, NOBODY, NOBODY, False),
        (ROOT, SOMEBODY, NOBODY, True),
        (ROOT, NOBODY, SOMEBODY, True),
        (NOBODY, SOMEBODY, SOMEBODY, False),
    ],
    ids=["own", "package of another", "ticket file of another", "own folder"],
)
def test_sticky_bit_keeps_what_others_own_in_folders_of_others(
    folder: int, package: int, ticket: int, is_kept: bool
) -> None:
    with folder_of_everybody() as place:
        delivery = Delivery(make_reduction(place / "sb1"), place / "2011.0.00229.S")
        delivery.make(Mode.FAKE)
        delivery.path.chmod(0o777)
        os.chown(delivery.path, package, -1)
        for path in delivery.package.tickets:
            os.chown(path, ticket, -1)
        os.chown(place, folder, -1)
        with as_ordinary_user():
            assert problems(delivery) == []
        place.chmod(0o1777)
        with as_ordinary_user():
            assert problems(delivery) == ([(os.fsencode(place), "sticky")] if is_kept else [])
        assert problems(delivery) == [], "root may remove what others own"
