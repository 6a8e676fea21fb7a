"""The whole way as somebody who is not root, and what the system refuses to such a person."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.rollback_checks import check_places
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import read_begin
from qa2pack.executor.transaction.paths import transaction_paths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.quantity import owner_named
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.failure import failure_of
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.status import status
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from support.commands import run_here
from support.faulty_disk import ReplaceStoppingDisk, Stopped
from support.hostile import CASES, CannotMakeError, make_case
from support.in_process import UID, Delivery, age, make_reduction
from support.origin_bytes import links_below, read_files, roll_back
from support.reductions import write_small_measurement_set
from support.snapshots import contents, files
from support.users import NOBODY, as_ordinary_user, folder_of_everybody

NEEDS_USER = [case for case in CASES if case.needs_user]


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Go the way once as who we are: modules are imported on the way, from where others may not read."""
    folder = tmp_path_factory.mktemp("imports")
    make_whole(folder / "sb1")
    for mode in (Mode.MOVE, Mode.COPY):
        Delivery(folder / "sb1", folder / "2011.0.00229.S").make(mode)
    with pytest.raises(CannotUndoError):
        roll_back(Delivery(folder / "sb1", folder / "2011.0.00229.S"))
    files(folder)


@pytest.fixture
def common() -> Iterator[Path]:
    with folder_of_everybody() as folder:
        yield folder


def make_whole(origin: Path) -> Path:
    make_reduction(origin)
    write_small_measurement_set(origin / f"X8c/{UID}.ms.split", seed=1)
    age(origin)
    return origin


def files_but_lock(folder: Path) -> dict[str, str]:
    """Return what the folder holds, without the lock file, which names its last holder."""
    return {path: what for path, what in contents(folder).items() if not path.endswith("/lock")}


def refused(delivery: Delivery, mode: Mode = Mode.HARD) -> set[tuple[Code, bytes]]:
    with pytest.raises(Refused) as caught:
        delivery.plan(mode)
    return {(problem.code, problem.path) for problem in caught.value.problems}


@pytest.mark.parametrize("mode", Mode)
def test_plans_applies_verifies_appends_and_rolls_back(common: Path, mode: Mode) -> None:
    with as_ordinary_user():
        delivery = Delivery(make_whole(common / "sb1"), common / "2011.0.00229.S")
        before = read_files(delivery.origin)
        delivery.make(mode)
        delivery.make(mode, append=Append.MEMBER)
        assert delivery.problems() == []
        assert read_files(delivery.origin) == before
        roll_back(delivery)
        roll_back(delivery)
        assert not delivery.path.exists()
        assert read_files(delivery.origin) == before
        assert links_below(delivery.origin) == {}


@pytest.mark.parametrize("case", NEEDS_USER, ids=lambda case: case.name)
def test_what_may_not_be_read_is_refused_with_the_path_named(common: Path, case: object) -> None:
    (hostile,) = (each for each in NEEDS_USER if each is case)
    with as_ordinary_user():
        try:
            origin = make_case(hostile, common / "sb1")
        except CannotMakeError as error:
            pytest.skip(str(error))
        delivery = Delivery(origin, common / "2011.0.00229.S")
        found = refused(delivery)
        named = os.path.join(os.fsencode(origin), hostile.named)
        assert {code for code, _ in found} == set(hostile.refused)
        assert [path for _, path in found if not path.startswith(named)] == []
        delivery.make(exclude=(hostile.exclude,))
        assert delivery.problems() == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
@pytest.mark.parametrize("denied", ["X8c", "X8c/qa2", f"X8c/{UID}.ms.split"])
def test_origin_that_may_not_be_read_for_a_while_is_not_called_changed(common: Path, mode: Mode, denied: str) -> None:
    with as_ordinary_user():
        delivery = Delivery(make_whole(common / "sb1"), common / "2011.0.00229.S")
        delivery.plan(mode)
        folder = delivery.origin / denied
        folder.chmod(0o000)
        with pytest.raises(PermissionError) as caught:
            delivery.apply()
        failure = failure_of(caught.value, Attempt("apply", target_of(str(delivery.path))), Style())
        assert (failure.code, len(failure.problems)) == (Exit.RESUMABLE, 1)
        assert failure.problems[0].code == Code.ACCESS_DENIED
        assert failure.problems[0].path.startswith(os.fsencode(folder))
        assert not status(delivery.package, OpenedFiles()).is_origin_changed
        folder.chmod(0o755)
        delivery.apply()
        assert delivery.problems() == []


def test_read_only_files_and_folders_are_packaged(common: Path) -> None:
    with as_ordinary_user():
        delivery = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
        for path in (delivery.origin / "scriptForImaging.py", delivery.origin / f"X8c/{UID}.ms.tsys"):
            path.chmod(path.stat().st_mode & 0o555)
        for mode in (Mode.COPY, Mode.HARD, Mode.COPY):
            delivery.make(mode)
            assert delivery.problems() == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_measurement_set_of_read_only_files_is_split(common: Path, mode: Mode) -> None:
    with as_ordinary_user():
        delivery = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
        write_small_measurement_set(delivery.origin / f"X8c/{UID}.ms.split", seed=1)
        for folder, _, names in os.walk(delivery.origin):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o444)
        assert delivery.plan(mode).notes.splits != ()
        delivery.apply()
        assert delivery.problems() == []


@pytest.mark.parametrize("name", ["table.dat", "table.f0", "table.f1", "table.lock"])
def test_measurement_set_that_may_not_be_read_is_not_called_broken(common: Path, name: str) -> None:
    """Called that, it would be packaged with all its columns where `--as-is` allows what is broken."""
    with as_ordinary_user():
        delivery = Delivery(make_whole(common / "sb1"), common / "2011.0.00229.S")
        table = delivery.origin / f"X8c/{UID}.ms.split"
        (table / name).chmod(0o000)
        for as_is in (False, True):
            with pytest.raises(Refused) as caught:
                delivery.plan(as_is=as_is)
            ((code, path, found),) = {(each.code, each.path, str(each.found)) for each in caught.value.problems}
            assert (code, path) == (Code.UNREADABLE, os.fsencode(table))
            assert "Permission denied" in found
            assert name in found


def test_move_out_of_a_folder_that_may_not_be_written_is_refused(common: Path) -> None:
    """The files could be linked into the package, but no link could take their place at the end."""
    with as_ordinary_user():
        delivery = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
        before = contents(delivery.origin)
        locked = delivery.origin / f"X8c/{UID}.ms.tsys"
        locked.chmod(0o555)
        assert refused(delivery, Mode.MOVE) == {(Code.ORIGIN_NOT_WRITABLE, os.fsencode(locked))}
        assert contents(delivery.origin) == before
        locked.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_move_out_of_a_sticky_folder_of_another_user_is_refused(common: Path) -> None:
    """Its files may be linked, and a file of one's own may be replaced there, but none of others."""
    origin = make_reduction(common / "sb1")
    for path in origin.rglob("*"):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o777 if path.is_dir() else 0o666)
    sticky = origin / f"X8c/{UID}.ms.tsys"
    sticky.chmod(0o1777)
    os.chown(sticky, 12_345, NOBODY)
    origin.chmod(0o777)
    delivery = Delivery(origin, common / "2011.0.00229.S")
    with as_ordinary_user():
        delivery.plan(Mode.MOVE)
    os.chown(sticky / "table.dat", 12_345, NOBODY)
    with as_ordinary_user():
        assert refused(delivery, Mode.MOVE) == {(Code.ORIGIN_NOT_WRITABLE, os.fsencode(sticky))}
        delivery.make(Mode.HARD)
        assert delivery.problems() == []


def test_folders_that_a_move_may_not_write_are_reported_once_each(common: Path) -> None:
    """The files of one folder go to several places of the package, which are scanned one by one."""
    with as_ordinary_user():
        delivery = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
        locked = [delivery.origin, delivery.origin / "X8c"]
        for folder in locked:
            folder.chmod(0o555)
        with pytest.raises(Refused) as caught:
            delivery.plan(Mode.MOVE)
        for folder in locked:
            folder.chmod(0o755)
    reported = [(problem.code, problem.path) for problem in caught.value.problems]
    assert reported == [(Code.ORIGIN_NOT_WRITABLE, os.fsencode(folder)) for folder in locked]


def test_destination_that_may_not_be_written_is_refused(common: Path) -> None:
    with as_ordinary_user():
        origin = make_reduction(common / "sb1")
        (common / "locked").mkdir(0o555)
        found = refused(Delivery(origin, common / "locked/2011.0.00229.S"))
        assert found == {(Code.NOT_WRITABLE, os.fsencode(common / "locked"))}


@pytest.mark.parametrize("locked", [".", "2011.0.00229.S"])
def test_rollback_of_a_package_that_may_not_be_moved_is_refused_before_it_begins(common: Path, locked: str) -> None:
    """It began, and then could neither go on nor back until somebody gave permission."""
    with as_ordinary_user():
        folder = common / "packages"
        folder.mkdir()
        delivery = Delivery(make_reduction(common / "sb1"), folder / "2011.0.00229.S")
        delivery.make(Mode.FAKE)
        check_refused_where_locked(delivery, folder / locked)


@pytest.mark.parametrize("locked", [".", "2011.0.00229.S"])
def test_rollback_of_a_stopped_apply_is_refused_where_the_package_may_not_be_moved(common: Path, locked: str) -> None:
    with as_ordinary_user():
        folder = common / "packages"
        folder.mkdir()
        delivery = Delivery(make_reduction(common / "sb1"), folder / "2011.0.00229.S")
        delivery.plan(Mode.FAKE)
        with pytest.raises(Stopped):
            delivery.apply(ReplaceStoppingDisk(delivery.package.last_plan))
        check_refused_where_locked(delivery, folder / locked)


def check_refused_where_locked(delivery: Delivery, place: Path) -> None:
    """Check that a rollback changes nothing while the place may not be written, and is done afterwards."""
    before = files_but_lock(delivery.path.parent)
    place.chmod(0o555)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    place.chmod(0o755)
    assert [(problem.code, problem.path) for problem in caught.value.problems] == [
        (Code.NOT_WRITABLE, os.fsencode(place))
    ]
    assert files_but_lock(delivery.path.parent) == before
    roll_back(delivery)
    assert not delivery.path.exists()


def test_rollback_that_may_not_be_done_is_refused_before_content_is_compared(common: Path) -> None:
    with as_ordinary_user():
        folder = common / "packages"
        folder.mkdir()
        delivery = Delivery(make_reduction(common / "sb1"), folder / "2011.0.00229.S")
        delivery.make(Mode.COPY)
        (delivery.member / "script/scriptForImaging.py").write_bytes(b"changed")
        folder.chmod(0o555)
        with pytest.raises(CannotUndoError) as caught:
            roll_back(delivery)
        offered = status(delivery.package, OpenedFiles()).rollback_problems
        folder.chmod(0o755)
    assert [problem.code for problem in caught.value.problems] == [Code.NOT_WRITABLE]
    assert offered == caught.value.problems


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders to others")
def test_rollback_is_refused_where_the_sticky_bit_keeps_the_package_of_another_user(common: Path) -> None:
    common.chmod(0o1777)
    delivery = Delivery(make_reduction(common / "sb1"), common / "2011.0.00229.S")
    delivery.make(Mode.FAKE)
    delivery.path.chmod(0o777)
    paths = transaction_paths(delivery.package, read_begin(last_finished(delivery.package) or b""))
    with as_ordinary_user(), pytest.raises(CannotUndoError) as caught:
        check_places(paths)
    assert [(problem.path, problem.found) for problem in caught.value.problems] == [(os.fsencode(common), "sticky")]
    with as_ordinary_user(), pytest.raises(PermissionError):
        delivery.path.rename(delivery.path.with_name("elsewhere"))
    check_places(paths)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_links_to_files_of_others_are_refused_where_the_system_forbids_them(common: Path) -> None:
    if Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1":
        pytest.skip("this system lets everybody link")
    origin = make_reduction(common / "sb1")
    with as_ordinary_user():
        delivery = Delivery(origin, common / "2011.0.00229.S")
        with pytest.raises(Refused) as caught:
            delivery.plan(Mode.HARD)
        assert {(p.code, p.found) for p in caught.value.problems} == {
            (Code.LINK_FORBIDDEN, owner_named(0, "a file of"))
        }
        plan = delivery.plan(Mode.COPY)
        assert Code.W_OWNER in {warning.code for warning in plan.notes.warnings}
        delivery.apply()
        assert delivery.problems() == []


def test_looking_at_what_may_not_be_read_advises_nothing_that_only_a_plan_has(
    common: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with as_ordinary_user():
        delivery = Delivery(make_whole(common / "sb1"), common / "2011.0.00229.S")
        delivery.make(Mode.COPY)
        (path,) = delivery.path.rglob("scriptForImaging.py")
        path.chmod(0)
        for words in (("verify", delivery.path), ("export", delivery.path, "--format", "md5sum")):
            ran = run_here(capsys, *words)
            assert "Get permission: chmod u+rX, or ask its owner." in ran.out + ran.err
            assert "--exclude" not in ran.out + ran.err
        (delivery.origin / "scriptForImaging.py").chmod(0)
        ran = run_here(capsys, "plan", delivery.origin, common / "2011.0.00230.S", "--mode", "copy")
        assert "Or leave it out of a plan: --exclude GLOB" in ran.err
