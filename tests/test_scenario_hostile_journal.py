"""Journals and manifests that somebody else wrote: nothing outside the package is touched, whatever they name."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import JournalDamagedError, create_journal, read_journal
from qa2pack.executor.transaction.journal_records import Begin, Commit, End, Published, Publishing
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.problem import Code
from support.in_process import Delivery, make_reduction
from support.origin_bytes import roll_back
from support.snapshots import snapshot


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    make_reduction(tmp_path / "work/sb1")
    made = Delivery(tmp_path / "work/sb1", tmp_path / "work/2011.0.00229.S")
    made.make(Mode.COPY)
    return made


def control(delivery: Delivery) -> Path:
    return Path(os.fsdecode(delivery.package.control))


def begun(delivery: Delivery) -> Begin:
    (path,) = (control(delivery) / "finished").iterdir()
    begin = read_journal(os.fsencode(path))[0]
    assert isinstance(begin, Begin)
    return begin


def test_journal_that_calls_its_transaction_a_path_removes_nothing(delivery: Delivery, tmp_path: Path) -> None:
    begin = replace(begun(delivery), transaction="../../../thesis/x")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/text").write_text("years of work")
    journal = create_journal(os.fsencode(control(delivery) / "journal"), begin, Disk())
    journal.append_durably(End(1))
    journal.close()
    before = snapshot(tmp_path / "thesis")
    with pytest.raises(JournalDamagedError):
        delivery.apply()
    with pytest.raises(JournalDamagedError):
        roll_back(delivery)
    assert snapshot(tmp_path / "thesis") == before


def test_journal_whose_member_is_a_path_moves_nothing_out(delivery: Delivery, tmp_path: Path) -> None:
    home = control(delivery) / "home/.ssh"
    home.mkdir(parents=True)
    (tmp_path / "home").mkdir()
    begin = replace(begun(delivery), member=b"../../../home/.ssh")
    journal = create_journal(os.fsencode(control(delivery) / "journal"), begin, Disk())
    journal.append_durably(Commit(home.stat().st_ino, had_manifests=True, had_tickets=()))
    journal.close()
    with pytest.raises(JournalDamagedError):
        delivery.apply()
    assert list((tmp_path / "home").iterdir()) == []


def test_journal_that_renames_what_is_elsewhere_takes_nothing_away(delivery: Delivery, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    begin = replace(begun(delivery), publishing=Publishing.RENAME, renamed_from=b"../thesis")
    journal = create_journal(os.fsencode(control(delivery) / "journal"), begin, Disk())
    journal.append_durably(Commit(1, had_manifests=False, had_tickets=()))
    journal.append_durably(Published())
    journal.close()
    with pytest.raises(JournalDamagedError):
        delivery.apply()
    assert list((tmp_path / "thesis").iterdir()) == []


def test_manifest_of_another_member_rolls_back_nothing(delivery: Delivery) -> None:
    delivery.make(Mode.COPY, append=Append.MEMBER)
    one, two = sorted((control(delivery) / "manifests").iterdir())
    two.write_bytes(one.read_bytes())
    before = snapshot(delivery.path)
    with pytest.raises(CannotUndoError) as caught:
        roll_back(delivery)
    assert [problem.code for problem in caught.value.problems] == [Code.CHANGED_SINCE, Code.MANIFEST_DAMAGED]
    assert snapshot(delivery.path) == before
    assert [problem.code for problem in delivery.problems()].count(Code.MANIFEST_DAMAGED) == 1
