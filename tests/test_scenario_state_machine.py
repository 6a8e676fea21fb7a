"""Any sequence of planning, applying, stopping, going on, rolling back and verifying, against a dictionary.

The model of a package is a dictionary from its members to the reduction that each one was made of, and whether it
holds placeholders. Whatever was done before, the disk shows that dictionary, or the one that the unfinished
transaction leads to, and nothing else.
"""

import os
import re
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.path import join
from support.faulty_disk import Fault, FaultyDisk, Stopped, WatchedDisk
from support.histories import settings_of
from support.reductions import write_reduction
from support.worlds import Change, Scenario, World, scratch_root

Model = dict[str, tuple[str, bool]]

_ORIGINS = ("before", "now")
_GROWING = (Change.NEW, Change.REPLACE, Change.MEMBER, Change.GROUP)
_MODES = (Mode.FAKE, Mode.COPY, Mode.HARD)
_NUMBER = re.compile(r"\d+$")


def grown(model: Model, change: Change, made_of: tuple[str, bool]) -> Model:
    """Return the model with the member that the change brings."""
    if change in (Change.NEW, Change.REPLACE) or not model:
        return {"group_ouss_id/member_ouss_id": made_of}
    group = max((name.split("/")[0] for name in model), key=_number)
    if change is Change.GROUP:
        return model | {f"group_ouss_id{_number(group) + 1}/member_ouss_id": made_of}
    member = max(_number(name) for name in model if name.startswith(f"{group}/"))
    return model | {f"{group}/member_ouss_id{member + 1}": made_of}


def _number(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found[0]) if found else 1


class PackageMachine(RuleBasedStateMachine):
    """One package and what happens to it."""

    reductions: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        root = self._stack.enter_context(scratch_root())
        self.world = World(root, Scenario(Change.NEW, Mode.COPY))
        self.model: Model = {}
        self.planned: Model | None = None  # what the waiting plan, or the unfinished transaction, leads to
        self.history: list[Model] = []  # what was before each finished transaction

    def teardown(self) -> None:
        """Remove the world."""
        self._stack.close()

    @initialize()
    def make_origins(self) -> None:
        """Make two reductions."""
        shutil.copytree(self.reductions, self.world.origins)

    @precondition(lambda self: not self.world.has_begun)
    @rule(origin=st.sampled_from(_ORIGINS), change=st.sampled_from(_GROWING), mode=st.sampled_from(_MODES))
    def plan(self, origin: str, change: Change, mode: Mode) -> None:
        """Let a plan wait in the place of any other."""
        self.world.plan(origin, change, mode=mode)
        self.planned = grown(self.model, change, ("", True) if mode is Mode.FAKE else (origin, False))

    @precondition(lambda self: self.model and not self.world.has_begun)
    @rule(origin=st.sampled_from(_ORIGINS), mode=st.sampled_from(_MODES), data=st.data())
    def plan_to_replace(self, origin: str, mode: Mode, data: st.DataObject) -> None:
        """Let a plan wait that replaces one of the members."""
        member = data.draw(st.sampled_from(sorted(self.model)))
        self.world.plan(origin, Change.REPLACE_MEMBER, mode=mode, replaced=member.encode())
        self.planned = self.model | {member: ("", True) if mode is Mode.FAKE else (origin, False)}

    @precondition(lambda self: len(self.model) > 1 and not self.world.has_begun)
    @rule(data=st.data())
    def plan_to_remove(self, data: st.DataObject) -> None:
        """Let a plan wait that removes one of the members."""
        member = data.draw(st.sampled_from(sorted(self.model)))
        self.world.plan("before", Change.REMOVE_MEMBER, replaced=member.encode())
        self.planned = {name: made_of for name, made_of in self.model.items() if name != member}

    @precondition(lambda self: self.model and self.planned is None and not self.world.has_begun)
    @rule(at=st.integers(0, 200), keeps=st.booleans(), goes_on=st.booleans())
    def rename(self, at: int, keeps: bool, goes_on: bool) -> None:
        """Give the package its other name, stop at some call, and go on or back to the end."""
        world, old = self.world, self.world.package
        world.scenario = Scenario(Change.NEW, Mode.COPY, keeps_previous=keeps)
        world.plan_rename()
        with suppress(Stopped):
            world.apply(FaultyDisk(Fault.STOP_BEFORE, at))
        assert self.shown_at(old) == self.model or self.shown_at(world.package) == self.model
        if world.has_begun and not goes_on:
            world.can_roll_back()
        if world.has_begun or (goes_on and world.state().has_plan):
            world.apply()
        if self.shown_at(world.package):
            self.history.append(self.model)
        else:
            world.package = old
        world.old_package = None

    @precondition(lambda self: self.planned is not None or self.world.has_begun)
    @rule()
    def apply(self) -> None:
        """Apply, or finish what was stopped, also if that was rolling back."""
        self._took_effect(is_rolled_back=self.world.apply(WatchedDisk()).is_rolled_back)

    @precondition(lambda self: self.planned is not None)
    @rule(at=st.integers(0, 260), fault=st.sampled_from((Fault.STOP_BEFORE, Fault.STOP_HALFWAY, Fault.ENOSPC)))
    def apply_and_fail(self, at: int, fault: Fault) -> None:
        """Apply, or go on, and stop or fail at some call."""
        try:
            applied = self.world.apply(FaultyDisk(fault, at))
        except (Stopped, OSError):
            self._notice_end()
        else:
            self._took_effect(is_rolled_back=applied.is_rolled_back)

    @precondition(lambda self: self.world.has_begun or self.history)
    @rule()
    def roll_back(self) -> None:
        """Roll back what was begun or ended last, or be refused."""
        has_begun = self.world.has_begun
        before = self.shown()
        try:
            rolled_back = self.world.roll_back()
        except CannotUndoError:
            assert self.shown() == before
            self._notice_end()
            return
        if rolled_back.renamed_from:
            self.world.package = Package(join(self.world.package.parent, rolled_back.renamed_from))
        if rolled_back.was_finished or not has_begun:
            self._roll_back_last()

    @precondition(lambda self: self.world.has_begun)
    @rule(at=st.integers(0, 120))
    def roll_back_and_stop(self, at: int) -> None:
        """Roll back what was begun, or has ended but for its journal, and stop at some call."""
        was_ended = self.world.phase is Phase.ENDED
        try:
            rolled_back = self.world.roll_back(FaultyDisk(Fault.STOP_BEFORE, at))
        except (Stopped, CannotUndoError):
            if was_ended and self.world.phase is Phase.ROLLING_BACK:
                self.planned, self.model = self.model, self.history.pop()
            elif was_ended and not self.world.has_begun and self.shown() != self.model:
                self._roll_back_last()
            else:
                self._notice_end()
        else:
            if rolled_back.was_finished:
                self._roll_back_last()

    @precondition(lambda self: not self.world.has_begun)
    @rule()
    def verify(self) -> None:
        """Verify: nothing is wrong with any package, or there is none."""
        problems = self.world.problems() if self.model else []
        assert problems == []

    @invariant()
    def is_old_or_new(self) -> None:
        """Compare the disk with the dictionaries."""
        if self.world.has_begun and self.planned is not None:
            assert self.shown() in (self.model, self.planned)
        else:
            assert self.shown() == self.model

    def shown(self) -> Model:
        """Return what the package on the disk is made of."""
        return self.shown_at(self.world.package)

    def shown_at(self, package: Package) -> Model:
        """Return what the package of this name is made of."""
        goal = Path(os.fsdecode(package.path)) / "sg_ouss_id"
        images = goal.glob("group*/member*/product/image.fits")
        return {str(image.parent.parent.relative_to(goal)): _made_of(image) for image in images}

    def _took_effect(self, *, is_rolled_back: bool) -> None:
        if not is_rolled_back and self.planned is not None:
            self.history.append(self.model)
            self.model, self.planned = self.planned, None

    def _notice_end(self) -> None:
        """Take note if the transaction came to its end although it was stopped."""
        has_ended = not self.world.has_begun and not self.world.state().has_plan
        if has_ended or self.world.phase is Phase.ENDED:
            self._took_effect(is_rolled_back=False)

    def _roll_back_last(self) -> None:
        self.model = self.history.pop()
        self.planned = None  # a plan that waited was made for the package as it was


def _made_of(image: Path) -> tuple[str, bool]:
    """Tell what a member was made of by its image; placeholders all look the same."""
    text = image.read_text()
    if not text:
        return ("", True)
    return ("now" if "the new one" in text else "before", False)


@pytest.fixture(scope="module", autouse=True)
def reductions(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the two reductions that every package of this module is made of."""
    PackageMachine.reductions = tmp_path_factory.mktemp("reductions")
    for name, text in (("before", "before"), ("now", "the new one")):
        write_reduction(PackageMachine.reductions / name, text=text)


def test_any_sequence() -> None:
    run_state_machine_as_test(PackageMachine, settings=settings_of(max_examples=20, stateful_step_count=15))


@pytest.mark.torture
def test_any_long_sequence() -> None:
    run_state_machine_as_test(PackageMachine, settings=settings_of(max_examples=600, stateful_step_count=40))
