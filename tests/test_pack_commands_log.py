"""`pack log`: what the journals of finished transactions tell."""

import json
import os
import shutil

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.history import read_history
from qa2pack.executor.transaction.journal import create_journal
from qa2pack.executor.transaction.journal_records import Begin, End, Publishing, Resume
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


def file_journal(package: Package, *, run_count: int = 1, user: str = "reducer") -> None:
    """Leave the journal of a transaction that ended."""
    folder = os.path.join(package.control, b"finished")
    os.makedirs(folder, exist_ok=True)
    begin = Begin(
        "20120620T000000-00000000", b"", Publishing.MEMBER, b"g/m", False, 7, 70, "boot", "host", user, 1, 10**9
    )
    journal = create_journal(os.path.join(folder, b"t.journal"), begin, Disk())
    for _ in range(run_count - 1):
        journal.append(Resume("boot", "host", user, 2, 2 * 10**9))
    journal.append(End(91 * 10**9))
    journal.close()


def test_it_reports_when_who_mode_and_what(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    (one,) = read_history(delivery.package).finished
    lines = run_here(capsys, "log", delivery.path).out.splitlines()
    assert lines[0].endswith("  group_ouss_id/member_ouss_id")
    assert lines[1].startswith("  what   a new package: 15 files, ")
    assert lines[2:4] == ["  mode   copy", f"  from   {delivery.origin}"]
    assert lines[4].startswith(f"  by     {one.user} on {one.host}, in ")


def test_the_last_one_comes_first(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    delivery.make(Mode.HARD)
    delivery.make(Mode.HARD, append=Append.MEMBER)
    fields = json.loads(run_here(capsys, "log", delivery.path, "--json").out)
    reported = [(one["change"], one["mode"], one["member"]) for one in fields["transactions"]]
    assert reported == [
        ("member", "hard", "group_ouss_id/member_ouss_id2"),
        ("exchange", "hard", "group_ouss_id/member_ouss_id"),
        ("new", "fake", "group_ouss_id/member_ouss_id"),
    ]


def test_what_was_rolled_back_is_not_among_them(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.make(append=Append.MEMBER)
    run_here(capsys, "rollback", delivery.path)
    fields = json.loads(run_here(capsys, "log", delivery.path, "--json").out)
    assert [one["member"] for one in fields["transactions"]] == ["group_ouss_id/member_ouss_id"]


def test_an_apply_that_was_taken_up_again_reports_its_runs(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    file_journal(delivery.package, run_count=3)
    out = run_here(capsys, "log", delivery.path).out
    assert "by     reducer on host, in 3 runs, 1 min 30 s from the first to the last\n" in out


def test_a_journal_without_mode_and_origin_says_so(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    file_journal(delivery.package)
    out = run_here(capsys, "log", delivery.path).out
    assert "  mode   not known\n  from   not known\n" in out


def test_a_journal_that_cannot_be_read_hides_no_other(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    torn = os.path.join(delivery.package.control, b"finished", b"torn\x1b.journal")
    with open(torn, "wb") as file:
        file.write(b"\0" * 5)
    ran = run_here(capsys, "log", delivery.path)
    assert ran.code == Exit.DONE
    assert "The journal torn\\x1b.journal cannot be read" in ran.out
    assert "a new package" in ran.out


def test_names_in_a_journal_are_escaped(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    file_journal(delivery.package, user="a\x1b[31mb")
    assert "by     a\\x1b[31mb on host" in run_here(capsys, "log", delivery.path).out


def test_an_adopted_package_has_no_past(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    os.rename(delivery.package.control, delivery.package.control + b".gone")
    run_here(capsys, "adopt", delivery.path)
    out = run_here(capsys, "log", delivery.path).out
    assert out.startswith("No apply is on record: this program did not make the package, or the journals")


def test_journals_that_are_gone_are_no_apply_of_another_program(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(os.path.join(delivery.package.control, b"finished"))
    assert "or the journals\nin its control folder are gone.\n" in run_here(capsys, "log", delivery.path).out
    assert "no apply is on record." in run_here(capsys, "rollback", delivery.path).out
    assert delivery.problems() == []


def test_only_journal_that_cannot_be_read_is_an_apply_all_the_same(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    finished = os.path.join(delivery.package.control, b"finished")
    (name,) = os.listdir(finished)
    os.truncate(os.path.join(finished, name), 5)
    lines = run_here(capsys, "log", delivery.path).out.splitlines()
    assert lines[0].startswith(f"The journal {os.fsdecode(name)} cannot be read;")
    ran = run_here(capsys, "rollback", delivery.path)
    text = " ".join(ran.err.split())
    assert ran.code == Exit.FAILED
    assert "found one that is damaged: its first record cannot be read" in text
    assert f"Restore the journal from a backup, then: pack rollback {delivery.path} Without it" in text
    assert "pack adopt" not in text


def test_a_package_that_is_not_there_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    ran = run_here(capsys, "log", delivery.path)
    assert ran.code == Exit.FAILED
    assert "package-missing" in ran.err
