"""The daily work where something could be lost: what is said before, and what comes back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from support.commands import Ran, run_here
from support.in_process import Delivery, make_reduction, write

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


def test_file_that_comes_while_staging_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, typed: Typing, delivery: Delivery
) -> None:
    package(typed, delivery, "copy")
    assert typed("plan", delivery.origin, delivery.path, "--mode", "copy").code == 0
    mine = delivery.member / "qa/notes"
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.executor.apply.check_plan", lambda *_: mine.write_text("mine"))
        refused = typed("apply", delivery.path)
    assert refused.code == 1
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
