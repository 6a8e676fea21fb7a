"""What a plan replaces, and tells of it: members that go, files that become empty ones, another plan that waits."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.adopt import adopt_members
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from support.in_process import Delivery, make_reduction

FIRST = "group_ouss_id/member_ouss_id"
SECOND = "group_ouss_id/member_ouss_id2"


def reported(delivery: Delivery, mode: Mode = Mode.HARD, **choices: object) -> list[tuple[str, str]]:
    """Return what the plan tells of members that go or become empty: codes and members."""
    warnings = delivery.plan(mode, **choices).notes.warnings
    folder = os.fsencode(delivery.path / "sg_ouss_id") + b"/"
    return [
        (problem.code, os.fsdecode(problem.path.removeprefix(folder)))
        for problem in warnings
        if problem.code in (Code.W_MEMBER_GOES, Code.W_BECOMES_EMPTY)
    ]


def adopted(delivery: Delivery) -> None:
    """Adopt the package as if the old script had made it."""
    shutil.rmtree(os.fsdecode(delivery.package.control))
    os.makedirs(delivery.package.manifests)
    state = read_state(delivery.package)
    list(adopt_members(delivery.package, state, engine=InlineEngine(), progress=Silent(), now_ns=1))


@pytest.fixture
def other(delivery: Delivery, tmp_path: Path) -> Delivery:
    return replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2))


def test_forgotten_append_reports_the_member_that_goes(delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    assert reported(other) == [(Code.W_MEMBER_GOES, FIRST)]


def test_redoing_one_of_two_members_reports_the_other(delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    other.make(append=Append.MEMBER)
    assert reported(delivery) == [(Code.W_MEMBER_GOES, SECOND)]
    assert reported(other) == [(Code.W_MEMBER_GOES, FIRST)]


def test_member_whose_folder_is_missing_is_reported_as_well(delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    other.make(append=Append.MEMBER)
    shutil.rmtree(delivery.path / "sg_ouss_id" / SECOND)
    assert reported(delivery) == [(Code.W_MEMBER_GOES, SECOND)]
    assert reported(other) == [(Code.W_MEMBER_GOES, FIRST)]


def test_package_that_is_gone_is_reported_if_another_one_is_made(delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    shutil.rmtree(delivery.path)
    assert reported(delivery) == []
    assert reported(other) == [(Code.W_MEMBER_GOES, FIRST)]


def test_missing_member_with_a_damaged_manifest_is_reported(delivery: Delivery, other: Delivery) -> None:
    delivery.make()
    other.make(append=Append.MEMBER)
    shutil.rmtree(delivery.path / "sg_ouss_id" / SECOND)
    with open(delivery.package.manifest(SECOND.encode()), "wb") as manifest:
        manifest.write(b"no manifest")
    assert reported(delivery) == [(Code.W_MEMBER_GOES, SECOND)]


def test_appending_and_redoing_the_same_report_nothing(delivery: Delivery, other: Delivery) -> None:
    assert reported(delivery) == []
    delivery.make()
    assert reported(delivery) == []
    assert reported(other, Mode.FAKE, append=Append.MEMBER) == []


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.TICKET])
def test_empty_files_in_place_of_real_ones_are_reported(delivery: Delivery, mode: Mode) -> None:
    delivery.make(Mode.COPY)
    assert reported(delivery, mode) == [(Code.W_BECOMES_EMPTY, FIRST)]
    with pytest.raises(Refused) as caught:
        delivery.plan(mode, strict=True)
    assert Code.W_BECOMES_EMPTY in {problem.code for problem in caught.value.problems}


def test_empty_files_in_place_of_empty_ones_are_no_news(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    assert reported(delivery, Mode.TICKET) == []
    assert reported(delivery, Mode.HARD) == []


def test_moved_files_that_stay_do_not_become_empty(delivery: Delivery) -> None:
    delivery.make(Mode.MOVE)
    assert reported(delivery, Mode.FAKE) == []


def test_single_adopted_member_may_be_the_one_that_is_made_again(delivery: Delivery, other: Delivery) -> None:
    delivery.make(Mode.COPY)
    adopted(delivery)
    assert reported(delivery, force=True) == []
    assert reported(delivery, Mode.FAKE, force=True) == [(Code.W_BECOMES_EMPTY, FIRST)]
    other.make(append=Append.MEMBER)
    assert reported(other, force=True) == [(Code.W_MEMBER_GOES, FIRST)]


def test_member_without_manifest_has_files_with_content(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    assert reported(delivery, Mode.FAKE, force=True) == [(Code.W_BECOMES_EMPTY, FIRST)]


# --- files that somebody put into what is replaced


def extra_told(delivery: Delivery, **wishes: Any) -> list[tuple[bytes, str]]:
    warnings = delivery.made(Mode.COPY, **wishes).notes.warnings
    return [(problem.path, str(problem.found)) for problem in warnings if problem.code is Code.W_EXTRA_GOES]


def test_extra_files_of_all_that_goes_are_counted_together(delivery: Delivery, other: Delivery) -> None:
    delivery.make(Mode.COPY)
    other.make(Mode.COPY, append=Append.MEMBER)
    places = [delivery.path, *(delivery.path / "sg_ouss_id" / member / "qa" for member in (FIRST, SECOND))]
    for place in places:
        (place / "notes").write_text("mine")
    assert extra_told(delivery, force=True) == [(os.fsencode(delivery.path / "notes"), "3 files")]


def test_folder_of_the_package_that_cannot_be_read_does_not_stop_a_plan(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make(Mode.FAKE)
    real = os.open

    def stale(path: Any, *args: Any, **options: Any) -> int:
        if path == b"script":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", stale)
    assert extra_told(delivery) == []


# --- a plan that waits: not replaced without a word, unless whoever made it plans the same origin again


def reported_by_plans(delivery: Delivery) -> list[tuple[bytes, str]]:
    warnings = delivery.plan().notes.warnings
    return [(problem.path, str(problem.found)) for problem in warnings if problem.code is Code.W_PLAN_REPLACED]


def test_planning_again_is_no_news(delivery: Delivery) -> None:
    delivery.plan()
    assert reported_by_plans(delivery) == []


def test_plan_of_another_origin_is_reported(delivery: Delivery, tmp_path: Path) -> None:
    other = replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2))
    other.plan()
    ((path, found),) = reported_by_plans(delivery)
    assert path == os.fsencode(other.origin)
    assert found.startswith("your own of ")
    assert found.endswith(", mode hard")
    assert reported_by_plans(delivery) == []


def test_plan_of_somebody_else_is_reported(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "colleague")
    delivery.plan()
    monkeypatch.setenv("LOGNAME", "reducer")
    ((path, found),) = reported_by_plans(delivery)
    assert path == os.fsencode(delivery.origin)
    assert found.startswith("that of colleague on ")


def test_plan_that_was_applied_waits_no_more(delivery: Delivery, tmp_path: Path) -> None:
    replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).make()
    assert reported_by_plans(delivery) == []


def test_damaged_plan_is_replaced_without_a_word(delivery: Delivery, tmp_path: Path) -> None:
    replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).plan()
    os.truncate(delivery.package.plan, 100)
    assert reported_by_plans(delivery) == []


def test_strict_plan_leaves_that_of_somebody_else(delivery: Delivery, tmp_path: Path) -> None:
    first = replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).plan()
    with pytest.raises(Refused) as caught:
        delivery.plan(strict=True)
    assert Code.W_PLAN_REPLACED in {problem.code for problem in caught.value.problems}
    assert open_plan(delivery.package.plan).stream.digest == first.stream.digest
