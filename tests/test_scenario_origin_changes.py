"""An origin that changes while it is planned or applied: refused and named, or wholly the old or the new content.

A change during an apply is made by a disk just before one of its calls, so it falls between any two of them. What is
never allowed: a package that verifies although a file in it is not as its manifest says, or mixes old and new.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from qa2pack.executor.errors import OriginChangedError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.problem import Code, Problem, Refused
from support.faulty_disk import CountingDisk
from support.origin_changes import CHANGES, NEW, OLD, PACKAGED, WHOLE, ChangingDisk, image_of, put_back, rewrite
from support.outcomes import Laid, Layouts
from support.worlds import Change, Scenario, scratch_root

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_STRIDE = 5  # of the calls, in the short version


class ChangingEngine(InlineEngine):
    """An engine on which something happens before one batch, or after the last."""

    def __init__(self, at: int, happening: Callable[[], None]) -> None:
        """Let it happen before batch number `at`."""
        self._at = at
        self._happening = happening

    def run(self, work: Callable[[Batch], Result], batches: deque[Batch]) -> Iterator[Result]:
        """Run the batches."""

        def changing(batch: Batch) -> Result:
            if self._at == 0:
                self._happening()
            self._at -= 1
            return work(batch)

        return super().run(changing, batches)


@pytest.fixture
def layouts() -> Iterator[Layouts]:
    """Worlds of one test."""
    with scratch_root() as root:
        yield Layouts(root)


def apply_while_it_changes(laid: Laid, change: Callable[[Path], None], at: int) -> tuple[Problem, ...]:
    """Apply and let the image change before call number `at`; return the problems if that is refused."""
    try:
        laid.world.apply(ChangingDisk(at, lambda: change(image_of(laid)), laid.splits))
    except (OriginChangedError, Refused) as refusal:
        return refusal.problems
    return ()


def check_outcome(laid: Laid, problems: Iterable[Problem]) -> None:
    """Compare the package with what the outcome says of it."""
    if problems:
        assert {(problem.code, problem.path) for problem in problems} == {
            (Code.ORIGIN_CHANGED, os.fsencode(image_of(laid)))
        }
        assert laid.world.visible() == laid.before.package
        return
    content = Path(os.fsdecode(laid.world.package.path + b"/" + PACKAGED)).read_bytes()
    assert content in WHOLE
    # A hard link shows what is written into the origin in place later on; verifying says so.
    assert [problem.path for problem in laid.world.problems()] == ([] if content == OLD else [PACKAGED])


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_origin_changes_during_apply(layouts: Layouts, mode: Mode, change: Callable[[Path], None]) -> None:
    laid = layouts.get(Scenario(Change.NEW, mode))
    mtime_ns = image_of(laid).stat().st_mtime_ns
    outcomes = set()
    for at in range(0, len(laid.calls), _STRIDE):
        problems = apply_while_it_changes(laid, change, at)
        check_outcome(laid, problems)
        outcomes.add(bool(problems))
        put_back(laid, mtime_ns)
    assert outcomes == {True, False}, "early changes are refused, late ones do not matter"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_origin_changes_during_plan(layouts: Layouts, mode: Mode, change: Callable[[Path], None]) -> None:
    laid = layouts.get(Scenario(Change.NEW, mode))
    world, mtime_ns = laid.world, image_of(laid).stat().st_mtime_ns
    for at in (0, 1, 2, 4, 7, 11):
        try:
            world.plan("now", Change.NEW, engine=ChangingEngine(at, lambda: change(image_of(laid))))
            world.apply()
        except (OriginChangedError, Refused) as refusal:
            assert {problem.path for problem in refusal.problems} == {os.fsencode(image_of(laid))}
            assert world.visible() == laid.before.package
        else:
            path = Path(os.fsdecode(world.package.path + b"/" + PACKAGED))
            assert not path.exists() or path.read_bytes() in WHOLE
            assert world.problems() == []
        put_back(laid, mtime_ns)


def test_new_plan_after_a_change_takes_what_is_staged(layouts: Layouts) -> None:
    laid = layouts.get(Scenario(Change.NEW, Mode.COPY))
    world = laid.world
    rewrite(image_of(laid))
    with pytest.raises(OriginChangedError):
        world.apply()
    world.plan("now", Change.NEW)
    disk = CountingDisk(laid.splits)
    world.apply(disk)
    assert disk.calls.count("create") <= laid.calls.count("create") - 15
    assert (Path(os.fsdecode(world.package.path)) / os.fsdecode(PACKAGED)).read_bytes() == NEW
    assert world.problems() == []
