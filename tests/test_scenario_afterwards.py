"""What comes after an apply and must not be made worse by the next command: changed files, clocks, links, names."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.errors import CannotUndoError, OriginChangedError
from qa2pack.executor.transaction.history import read_history
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.layout.load import known_layouts
from qa2pack.manifest.problem import Code, Refused
from support.commands import run_here
from support.faulty_disk import WatchedDisk
from support.in_process import Delivery, write
from support.origin_bytes import roll_back
from support.snapshots import contents
from support.stock_origins import make_stock_origin


def tickets(delivery: Delivery) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in delivery.path.parent.glob("*.ticket.*")}


def script(delivery: Delivery) -> Path:
    return next(delivery.origin.glob("*/*.scriptForCalibration.py"))


def change_in_place(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))


@pytest.mark.parametrize("append", [Append.MEMBER, Append.GROUP])
def test_append_is_refused_while_a_member_that_stays_is_changed(delivery: Delivery, append: Append) -> None:
    delivery.make(Mode.HARD)
    before = tickets(delivery)
    change_in_place(script(delivery))
    delivery.plan(Mode.COPY, append=append)
    with pytest.raises(Refused) as caught:
        delivery.apply()
    assert [problem.code for problem in caught.value.problems] == [Code.CHANGED]
    assert caught.value.problems[0].path.startswith(os.fsencode(delivery.member))
    assert tickets(delivery) == before
    change_in_place(script(delivery))
    delivery.plan(Mode.COPY, append=append)
    delivery.apply()
    assert delivery.problems() == []


def test_plan_reports_a_changed_member_that_stays(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.make(Mode.HARD)
    change_in_place(script(delivery))
    arguments = (delivery.origin, delivery.path, "--append", "member", "--mode", "copy")
    ran = run_here(capsys, "plan", *arguments)
    assert (ran.code, "changed" in ran.err, script(delivery).name in ran.err) == (1, True, True)
    assert not os.path.exists(delivery.package.plan)
    change_in_place(script(delivery))
    assert run_here(capsys, "plan", *arguments).code == 0


class ChangingDisk(WatchedDisk):
    """A disk with a reducer who writes into a packaged script once all that was looked at beforehand is looked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Change the script as soon as the new member's manifest folder is made."""
        result = call()
        if name == "mkdir" and args[0].endswith(b"/staging/manifests"):
            change_in_place(self._path)
        return result


def test_member_that_stays_and_is_changed_during_an_append_is_noticed(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    before = tickets(delivery)
    delivery.plan(Mode.COPY, append=Append.MEMBER)
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply(ChangingDisk(script(delivery)))
    assert [problem.code for problem in caught.value.problems] == [Code.CHANGED]
    assert tickets(delivery) == before


def test_rollback_reverts_the_last_apply_whatever_the_clock_said(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.HARD)
    first = contents(delivery.path)
    real, real_ns, real_gmtime = time.time, time.time_ns, time.gmtime
    day = 86_400
    monkeypatch.setattr(time, "time", lambda: real() - day)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - day * 10**9)
    monkeypatch.setattr(time, "gmtime", lambda *given: real_gmtime(*(given or (real() - day,))))
    delivery.make(Mode.HARD, append=Append.MEMBER)
    assert [one.sequence for one in read_history(delivery.package).finished] == [2, 1]
    assert roll_back(delivery).member.endswith(b"member_ouss_id2")
    assert contents(delivery.path) == first


@pytest.mark.parametrize("record", [b"Begin", b"Commit"])
def test_damaged_journal_of_the_last_apply_is_not_passed_over_whatever_the_clock_said(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, record: bytes
) -> None:
    delivery.make(Mode.HARD)
    (first,) = finished(delivery)
    real_gmtime, real = time.gmtime, time.time
    monkeypatch.setattr(time, "gmtime", lambda *given: real_gmtime(*(given or (real() - 86_400,))))
    delivery.make(Mode.HARD, append=Append.MEMBER)
    (last,) = finished(delivery) - {first}
    assert last.name < first.name
    damage(last, record)
    before = contents(delivery.path)
    with pytest.raises(CannotUndoError, match="journal-damaged"):
        roll_back(delivery)
    assert contents(delivery.path) == before


def test_number_of_a_damaged_journal_is_not_given_again(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    (first,) = finished(delivery)
    damage(first, b"Commit")
    delivery.make(Mode.HARD, append=Append.MEMBER)
    assert [one.sequence for one in read_history(delivery.package).finished] == [2]
    assert roll_back(delivery).member.endswith(b"member_ouss_id2")


def damage(journal: Path, record: bytes) -> None:
    journal.write_bytes(journal.read_bytes().replace(record, b"?" * len(record)))


def finished(delivery: Delivery) -> set[Path]:
    return set(Path(os.fsdecode(delivery.package.control), "finished").glob("*.journal"))


@pytest.mark.parametrize("mode", [Mode.HARD, Mode.COPY, Mode.MOVE])
def test_link_that_the_origin_had_stays_after_a_move(delivery: Delivery, mode: Mode) -> None:
    plot = delivery.origin / "X8c/qa2/qa2_part1.png"
    own = plot.with_name("qa2_part2.png")
    own.symlink_to(plot.name)
    delivery.make(Mode.MOVE)
    delivery.make(mode)
    assert os.readlink(own) == plot.name
    assert (own.read_bytes(), delivery.problems()) == (plot.read_bytes(), [])


@pytest.mark.parametrize("layout", known_layouts())
def test_package_in_the_place_of_a_control_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    origin, words = make_stock_origin(tmp_path / "origin", layout)
    packed, package = tmp_path / "2017.1.01185.S.pack", tmp_path / "2017.1.01185.S"
    assert run_here(capsys, "plan", origin, packed, *words).code == 0
    assert run_here(capsys, "apply", packed).code == 0
    before = contents(tmp_path)
    ways: tuple[list[str | Path], ...] = (["plan", origin, package, *words], ["verify", package], ["apply", package])
    for way in ways:
        ran = run_here(capsys, *way)
        assert (ran.code, "control-unusable" in ran.err, "found a package" in ran.err) == (1, True, True)
    assert contents(tmp_path) == before
    assert run_here(capsys, "verify", packed).code == 0


def test_folder_of_something_else_in_the_place_of_a_control_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, words = make_stock_origin(tmp_path / "origin", "as-is")
    write(tmp_path / "thesis.pack/chapter.tex", b"ours")
    before = contents(tmp_path)
    ran = run_here(capsys, "plan", origin, tmp_path / "thesis", *words)
    assert (ran.code, "control-unusable" in ran.err, contents(tmp_path)) == (1, True, before)
    (tmp_path / "thesis.pack/chapter.tex").rename(tmp_path / "thesis.pack/.DS_Store")
    assert run_here(capsys, "plan", origin, tmp_path / "thesis", *words).code == 0
