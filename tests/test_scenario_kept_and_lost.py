"""The daily work where something could be lost: what is said before, and what comes back."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.in_process import Delivery, make_reduction, write
from support.origin_bytes import read_files

Capsys = pytest.CaptureFixture[str]
Typing = Callable[..., Ran]
MEMBER = "group_ouss_id/member_ouss_id"
SECOND = "group_ouss_id/member_ouss_id2"


@pytest.fixture
def typed(capsys: Capsys) -> Typing:
    """What a command that is typed prints."""
    return lambda *words: run_here(capsys, *words)


def package(typed: Typing, delivery: Delivery, mode: str = "hard", *options: str) -> None:
    assert typed("plan", delivery.origin, delivery.path, "--mode", mode, *options).code == 0
    assert typed("apply", delivery.path).code == 0


@pytest.mark.parametrize("mode", ["hard", "copy", "move", "ticket", "fake"])
def test_package_as_it_was_made_gives_no_warning_of_changes(typed: Typing, delivery: Delivery, mode: str) -> None:
    package(typed, delivery, mode)
    shown = typed("plan", delivery.origin, delivery.path, "--mode", mode)
    assert shown.code == 0
    assert Code.W_CHANGED_GOES not in shown.out
    assert Code.W_EXTRA_GOES not in shown.out


def test_file_changed_by_hand_is_warned_of_before_it_is_replaced(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery, "copy")
    script = delivery.member / "script/scriptForImaging.py"
    script.write_text("corrected by hand")
    again = ("plan", delivery.origin, delivery.path, "--mode", "copy")
    shown = typed(*again)
    assert shown.code == 0
    assert Code.W_CHANGED_GOES in shown.out
    assert str(script) in shown.out
    strict = typed(*again, "--strict")
    assert strict.code == 1
    assert Code.W_CHANGED_GOES in strict.err


def test_hard_link_that_is_linked_again_is_no_loss(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery)
    (delivery.origin / "scriptForImaging.py").write_text("went on with the work")
    shown = typed("plan", delivery.origin, delivery.path, "--mode", "hard")
    assert shown.code == 0
    assert Code.W_CHANGED_GOES not in shown.out
    (delivery.origin / "scriptForImaging.py").unlink()
    write(delivery.origin / "scriptForImaging.py", b"another")
    assert Code.W_CHANGED_GOES in typed("plan", delivery.origin, delivery.path, "--mode", "hard").out


@pytest.mark.parametrize("place", ["qa/notes", "notes", "../../../notes", "qa/known/notes"])
def test_file_that_comes_between_plan_and_apply_is_not_lost(typed: Typing, delivery: Delivery, place: str) -> None:
    package(typed, delivery)
    if "known" in place:
        write(delivery.member / "qa/known/before", b"known to the plan")
    assert typed("plan", delivery.origin, delivery.path, "--mode", "hard").code == 0
    mine = delivery.member / place
    mine.write_text("mine")
    refused = typed("apply", delivery.path)
    assert refused.code == 1
    assert Code.EXTRA_SINCE_PLAN in refused.err
    assert mine.name in refused.err
    assert mine.read_text() == "mine"
    assert Code.EXTRA_SINCE_PLAN in typed("status", delivery.path).out
    mine.unlink()
    assert typed("apply", delivery.path).code == 0
    assert delivery.problems() == []


@pytest.mark.parametrize("mode", ["copy", "hard"])
def test_file_that_is_changed_between_plan_and_apply_is_not_lost(
    typed: Typing, delivery: Delivery, mode: str
) -> None:
    package(typed, delivery, mode)
    assert typed("plan", delivery.origin, delivery.path, "--mode", mode).code == 0
    mine = delivery.member / "script/scriptForImaging.py"
    mine.unlink()  # the link to the origin, as an editor does
    mine.write_text("mine")
    refused = typed("apply", delivery.path)
    assert refused.code == 1
    assert Code.CHANGED_SINCE_PLAN in refused.err and mine.name in refused.err
    assert mine.read_text() == "mine"
    assert Code.W_CHANGED_GOES in typed("plan", delivery.origin, delivery.path, "--mode", mode).out
    assert typed("apply", delivery.path).code == 0
    assert delivery.problems() == []


def written_while_staging(monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, mine: Path) -> Ran:
    """Return what an apply prints while which somebody writes this file of the package; it is refused."""
    package(typed, delivery, "copy")
    assert typed("plan", delivery.origin, delivery.path, "--mode", "copy").code == 0
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.executor.apply.check_plan", lambda *_: mine.write_text("mine"))
        refused = typed("apply", delivery.path)
    assert refused.code == 1
    return refused


def test_file_that_is_changed_while_staging_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery
) -> None:
    mine = delivery.member / "script/scriptForImaging.py"
    refused = written_while_staging(monkeypatch, typed, delivery, mine)
    assert Code.CHANGED_SINCE_PLAN in refused.err
    assert mine.read_text() == "mine"


def test_file_that_comes_while_staging_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery
) -> None:
    mine = delivery.member / "qa/notes"
    refused = written_while_staging(monkeypatch, typed, delivery, mine)
    assert Code.EXTRA_SINCE_PLAN in refused.err
    assert "what is staged so far is kept" in refused.err
    mine.rename(delivery.origin / "notes")
    assert typed("apply", delivery.path).code == 0
    assert delivery.problems() == []


def test_file_that_the_plan_warned_of_goes(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery)
    (delivery.member / "qa/notes").write_text("mine")
    assert Code.W_EXTRA_GOES in typed("plan", delivery.origin, delivery.path, "--mode", "hard").out
    assert typed("apply", delivery.path).code == 0
    assert delivery.problems() == []


@pytest.fixture
def two_members(typed: Typing, delivery: Delivery, tmp_path: Path) -> tuple[Path, Path]:
    """A script of each of two members, of different origins."""
    package(typed, delivery)
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", seed=2), delivery.path)
    package(typed, other, "hard", "--append", "member")
    members = (delivery.member, delivery.member.with_name("member_ouss_id2"))
    first, second = (member / "script/scriptForImaging.py" for member in members)
    return first, second


def test_answer_of_several_repairs_says_that_only_the_last_is_rolled_back(
    typed: Typing, delivery: Delivery, two_members: tuple[Path, Path]
) -> None:
    for script in two_members:
        script.unlink()
    repaired = typed("repair", delivery.path)
    assert repaired.code == 0
    assert f"only the last repair can be rolled back: {SECOND}" in repaired.out
    rolled_back = typed("rollback", delivery.path)
    assert rolled_back.code == 3
    assert Code.TICKET_DAMAGED in rolled_back.out  # those that were written while the second script was missing
    assert f"made {SECOND}" in rolled_back.out
    assert "Only this member was rolled back; the others stay as they are." in rolled_back.out
    assert [script.exists() for script in two_members] == [True, False]


def test_answer_of_one_repair_does_not_speak_of_others(
    typed: Typing, delivery: Delivery, two_members: tuple[Path, Path]
) -> None:
    two_members[0].unlink()
    assert "only the last" not in typed("repair", delivery.path).out


def test_rollback_of_the_first_apply_says_that_the_package_is_gone(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery, "move")
    rolled_back = typed("rollback", delivery.path)
    assert rolled_back.code == 0
    assert f"{delivery.path} is gone again: there was no package before. The origin is as it was." in rolled_back.out
    assert not delivery.path.exists()
    package(typed, delivery)
    package(typed, delivery)
    again = typed("rollback", delivery.path)
    assert f"{delivery.path} is as it was before." in again.out
    assert "gone" not in again.out


@pytest.fixture
def changed_in_place(typed: Typing, delivery: Delivery, tmp_path: Path) -> tuple[Path, Path]:
    """A hard link that was changed in place, and a copy of the package that has the right content."""
    package(typed, delivery)
    copy = tmp_path / "backup"
    shutil.copytree(delivery.path, copy)
    script = delivery.member / "script/scriptForImaging.py"
    with script.open("r+b") as file:
        file.write(b"changed")
    return script, copy


def test_no_rollback_is_advised_that_would_lose_the_last_copy(
    typed: Typing, delivery: Delivery, changed_in_place: tuple[Path, Path]
) -> None:
    script, copy = changed_in_place
    repaired = typed("repair", delivery.path, "--from", copy)
    assert repaired.code == 0
    assert f"pack rollback {delivery.path}" not in repaired.out
    assert Code.ORIGIN_LOST in repaired.out
    assert str(delivery.origin / script.name) in repaired.out
    status = typed("status", delivery.path)
    assert Code.ORIGIN_LOST in status.out
    assert f"pack rollback {delivery.path}" not in status.out
    assert Code.ORIGIN_LOST in typed("rollback", delivery.path).err
    assert delivery.problems() == []


def test_apply_that_finishes_such_a_repair_does_not_advise_it_either(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, changed_in_place: tuple[Path, Path]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, 30))
        with pytest.raises(Stopped):
            typed("repair", delivery.path, "--from", changed_in_place[1])
    applied = typed("apply", delivery.path)
    assert applied.code == 0
    assert Code.ORIGIN_LOST in applied.out
    assert f"pack rollback {delivery.path}" not in applied.out


@pytest.mark.parametrize("mode", ["hard", "copy"])
def test_another_mtime_alone_does_not_keep_from_a_rollback(typed: Typing, delivery: Delivery, mode: str) -> None:
    package(typed, delivery, mode)
    script = delivery.member / "script/scriptForImaging.py"
    right = script.read_bytes()
    source = delivery.origin / script.name
    source.unlink()
    source.write_bytes(right)  # as a backup that does not bring times back
    script.unlink()
    repaired = typed("repair", delivery.path)
    assert repaired.code == 0
    os.utime(source, ns=(0, 0))
    assert f"pack rollback {delivery.path}" in typed("status", delivery.path).out
    assert typed("rollback", delivery.path).code == Exit.PROBLEMS  # what is missing again is told
    assert not script.exists()


@pytest.mark.parametrize("is_same_size", [True, False])
@pytest.mark.parametrize("is_exchanged", [True, False])
def test_repair_of_what_could_be_had_is_rolled_back(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, is_same_size: bool, is_exchanged: bool
) -> None:
    package(typed, delivery)
    monkeypatch.setattr("qa2pack.executor.apply.can_exchange", lambda *_: is_exchanged)
    script, listing, image = (
        delivery.member / name
        for name in ("script/scriptForImaging.py", "qa/X8c.checklist.txt", "product/calibrated_all.clean.fits")
    )
    for path in (script, listing):
        (delivery.origin / "X8c/checklist.txt" if path is listing else delivery.origin / path.name).unlink()
    _change(script, is_same_size)
    listing.unlink()
    right = image.read_bytes()
    image.unlink()
    image.write_bytes(b"x" * len(right) if is_same_size else b"damaged")
    repaired = typed("repair", delivery.path)
    assert repaired.code == 3
    assert image.read_bytes() == right
    assert f"pack rollback {delivery.path}" in repaired.out
    assert typed("rollback", delivery.path).code == Exit.PROBLEMS
    assert image.read_bytes() != right
    assert not listing.exists()


@pytest.mark.parametrize("is_exchanged", [True, False])
def test_rollback_of_a_partial_repair_goes_on_after_any_stop(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, is_exchanged: bool
) -> None:
    package(typed, delivery)
    monkeypatch.setattr("qa2pack.executor.apply.can_exchange", lambda *_: is_exchanged)
    lost = delivery.member / "script/scriptForImaging.py"
    had = [delivery.member / name for name in ("product/calibrated_all.clean.fits", "qa/X8c.checklist.txt")]
    (delivery.origin / lost.name).unlink()
    _change(lost, is_same_size=False)
    had[0].unlink()
    _change(had[1], is_same_size=True)
    damaged = read_files(delivery.path)
    assert typed("repair", delivery.path).code == 3
    repaired, at = read_files(delivery.path), 1
    while _rolled_back_with_a_stop(monkeypatch, typed, delivery, at):
        ended = typed("rollback", delivery.path)
        assert ended.code == Exit.PROBLEMS or Code.PLAN_WAITS in ended.err  # only the last sync was left to do
        assert read_files(delivery.path) == damaged
        assert typed("apply", delivery.path).code == 0
        assert read_files(delivery.path) == repaired
        at += 5  # of calls that mostly do as their neighbours do
    assert read_files(delivery.path) == damaged
    assert at > 20


def _rolled_back_with_a_stop(monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, at: int) -> bool:
    """Roll back with a stop before this call, and return whether there was one."""
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.rollback.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, at))
        try:
            assert typed("rollback", delivery.path).code == Exit.PROBLEMS
        except Stopped:
            return True
    return False


def _change(path: Path, is_same_size: bool) -> None:
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(b"y" * (size if is_same_size else size // 2))


def test_change_after_a_partial_repair_keeps_from_a_rollback(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery)
    script, image = (
        delivery.member / name for name in ("script/scriptForImaging.py", "product/calibrated_all.clean.fits")
    )
    (delivery.origin / script.name).unlink()
    _change(script, is_same_size=True)
    image.unlink()
    assert typed("repair", delivery.path).code == 3
    script.write_text("corrected by hand")
    assert Code.CHANGED_SINCE in typed("status", delivery.path).out
    assert Code.CHANGED_SINCE in typed("rollback", delivery.path).err
    assert script.read_text() == "corrected by hand"


def test_stopped_repair_goes_on(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery, two_members: tuple[Path, Path]
) -> None:
    right = [script.read_bytes() for script in two_members]
    for script in two_members:
        script.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, 30))
        with pytest.raises(Stopped):
            typed("repair", delivery.path)
    assert "interrupted" in typed("status", delivery.path).out
    repaired = typed("repair", delivery.path)
    assert repaired.code == 0
    assert f"Finished first: the change of {MEMBER} that was stopped" in repaired.out
    assert f"only the last repair can be rolled back: {SECOND}" in repaired.out
    assert [script.read_bytes() for script in two_members] == right
    assert delivery.problems() == []


def test_repair_does_not_finish_a_stopped_plan(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery
) -> None:
    package(typed, delivery)
    assert typed("plan", delivery.origin, delivery.path, "--mode", "hard").code == 0
    (delivery.member / "script/scriptForImaging.py").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, 30))
        with pytest.raises(Stopped):
            typed("apply", delivery.path)
    refused = typed("repair", delivery.path)
    assert refused.code == 1
    assert f"pack apply {delivery.path}" in refused.err
    assert not (delivery.member / "script/scriptForImaging.py").exists()


def _by_another_program(delivery: Delivery) -> Path:
    """Let the package lose its control folder, and return the path of that."""
    control = Path(os.fsdecode(delivery.package.control))
    shutil.rmtree(control)
    return control


@pytest.mark.parametrize("cause", ["strict", "member", "link"])
def test_refused_plan_does_not_adopt(
    typed: Typing, delivery: Delivery, two_members: tuple[Path, Path], cause: str
) -> None:
    control = _by_another_program(delivery)
    options = {
        "strict": ("--append", "member", "--strict", "--exclude", "*.fits"),
        "member": ("--replace-member", "member_ouss_id"),
        "link": ("--append", "member"),
    }[cause]
    if cause == "link":
        (two_members[1].parent / "link").symlink_to("/etc/hostname")
    refused = typed("plan", delivery.origin, delivery.path, "--mode", "hard", *options)
    assert refused.code == 1
    assert not control.exists()


def test_accepted_plan_adopts(typed: Typing, delivery: Delivery, two_members: tuple[Path, Path]) -> None:
    control = _by_another_program(delivery)
    assert typed("plan", delivery.origin, delivery.path, "--mode", "hard", "--append", "member").code == 0
    assert len(list((control / "manifests").iterdir())) == len(two_members)
    assert typed("apply", delivery.path).code == 0
    assert typed("verify", delivery.path).code == 0


def test_member_that_nobody_knows_is_replaced_only_if_that_is_forced(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery)
    control = _by_another_program(delivery)
    plan = ("plan", delivery.origin, delivery.path, "--mode", "hard", "--replace-member", "member_ouss_id")
    refused = typed(*plan)
    assert refused.code == 1
    assert Code.NOT_ADOPTED in refused.err
    assert not control.exists()
    assert typed(*plan, "--force").code == 0
    assert typed("apply", delivery.path).code == 0
    assert typed("verify", delivery.path).code == 0


def _old_name_again(refused: Ran) -> None:
    """Do what the refusal says."""
    moves = [line.split() for line in refused.err.splitlines() if line.strip().startswith("mv ")]
    assert len(moves) == 2
    for _, new, old in moves:
        os.rename(new, old)


@pytest.mark.parametrize(
    "words",
    [
        ("repair",),
        ("readme", "--set-field", "PI name=A. Person"),
        ("remove", "--member", "member_ouss_id2"),
    ],
)
def test_package_renamed_by_hand_gets_its_name_back(
    typed: Typing, delivery: Delivery, two_members: tuple[Path, Path], words: tuple[str, ...]
) -> None:
    verb, *options = words
    two_members[0].unlink()
    if verb != "repair":
        assert typed("repair", delivery.path).code == 0
    options += ["--member", "member_ouss_id"] if verb == "readme" else []
    renamed = delivery.path.with_name("2011.0.00230.S")
    delivery.path.rename(renamed)
    os.rename(delivery.package.control, f"{renamed}.pack")
    refused = typed(verb, renamed, *options)
    assert refused.code == 1
    assert Code.PACKAGE_RENAMED in refused.err
    assert not Path(f"{renamed}.pack/plan").exists()
    _old_name_again(refused)
    assert typed(verb, delivery.path, *options).code == 0
    assert typed("verify", delivery.path).code == 0


def test_plan_of_a_package_renamed_by_hand_is_applied_under_the_old_name(typed: Typing, delivery: Delivery) -> None:
    package(typed, delivery)
    assert typed("plan", delivery.origin, delivery.path, "--mode", "hard").code == 0
    renamed = delivery.path.with_name("2011.0.00230.S")
    delivery.path.rename(renamed)
    os.rename(delivery.package.control, f"{renamed}.pack")
    assert Code.PACKAGE_RENAMED in typed("status", renamed).out
    refused = typed("apply", renamed)
    assert refused.code == 1
    _old_name_again(refused)
    assert typed("apply", delivery.path).code == 0
    assert typed("verify", delivery.path).code == 0
