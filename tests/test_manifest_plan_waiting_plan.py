"""A plan that waits is not replaced without a word, unless whoever made it plans the same origin again."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.problem import Code, Refused
from support.in_process import Delivery, make_reduction

REPLACED = Code.W_PLAN_REPLACED


def told(delivery: Delivery) -> list[tuple[bytes, str]]:
    warnings = delivery.plan().notes.warnings
    return [(problem.path, str(problem.found)) for problem in warnings if problem.code is REPLACED]


def test_planning_again_is_no_news(delivery: Delivery) -> None:
    delivery.plan()
    assert told(delivery) == []


def test_plan_of_another_origin_is_told(delivery: Delivery, tmp_path: Path) -> None:
    other = replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2))
    other.plan()
    ((path, found),) = told(delivery)
    assert path == os.fsencode(other.origin)
    assert found.startswith("your own of ")
    assert found.endswith(", mode hard")
    assert told(delivery) == []


def test_plan_of_somebody_else_is_told(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "colleague")
    delivery.plan()
    monkeypatch.setenv("LOGNAME", "reducer")
    ((path, found),) = told(delivery)
    assert path == os.fsencode(delivery.origin)
    assert found.startswith("that of colleague on ")


def test_plan_that_was_applied_waits_no_more(delivery: Delivery, tmp_path: Path) -> None:
    replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).make()
    assert told(delivery) == []


def test_damaged_plan_is_replaced_without_a_word(delivery: Delivery, tmp_path: Path) -> None:
    replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).plan()
    os.truncate(delivery.package.plan, 100)
    assert told(delivery) == []


def test_strict_plan_leaves_that_of_somebody_else(delivery: Delivery, tmp_path: Path) -> None:
    first = replace(delivery, origin=make_reduction(tmp_path / "sb2", seed=2)).plan()
    with pytest.raises(Refused) as caught:
        delivery.plan(is_strict=True)
    assert REPLACED in {problem.code for problem in caught.value.problems}
    assert open_plan(delivery.package.plan).stream.digest == first.stream.digest
