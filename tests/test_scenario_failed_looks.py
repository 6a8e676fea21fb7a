"""One failing look at the disk, at every place: it is reported, and the same command then does what it always does.

A look is a `stat` or `lstat` of something in the control folder, or of the package itself. Taken for absence, the
error would let the kept package be removed, or a step of publishing be left out without a word.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from support.faulty_disk import SplitMemory, WatchedDisk
from support.worlds import Change, Scenario, State, World, make_world, scratch_root

SCENARIOS = (
    Scenario(Change.NEW, Mode.COPY),
    Scenario(Change.MEMBER, Mode.MOVE),
    Scenario(Change.REPLACE, Mode.HARD, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False, keeps_previous=True),
    Scenario(Change.REMOVE_MEMBER, Mode.HARD, keeps_previous=True, is_auto=True),
    Scenario(Change.REBUILD, Mode.MOVE, keeps_previous=True, is_auto=True),
)


class _Looks:
    """Counts looks below a path, and lets one of them fail."""

    def __init__(self, world: World, at: int) -> None:
        self._prefixes = (world.package.path, world.package.control)
        self._at = at
        self.done = 0

    def around(self, real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def look(path: object, *args: object, **options: object) -> os.stat_result:
            if isinstance(path, bytes) and path.startswith(self._prefixes):
                self.done += 1
                if self.done - 1 == self._at:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return real(path, *args, **options)

        return look


@contextmanager
def failing_look(world: World, at: int) -> Iterator[_Looks]:
    looks = _Looks(world, at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "lstat", looks.around(os.lstat))
        patch.setattr(os, "stat", looks.around(os.stat))
        yield looks


@pytest.fixture
def root() -> Iterator[Path]:
    with scratch_root() as folder:
        yield folder


def check_every_look(world: World, prepare: Callable[[], object], run: Callable[[], object]) -> None:
    prepare()
    run()
    expected = world.state()
    for at in count():
        world.bring_back()
        prepare()
        is_done, has_failed = outcome(world, run, at)
        if not has_failed:
            assert at > 0
            return
        if not is_done:
            run()
        assert reported(world.state()) == reported(expected), f"look {at}"


def outcome(world: World, run: Callable[[], object], at: int) -> tuple[bool, bool]:
    """Return whether it ended well, and whether a look failed."""
    with failing_look(world, at) as looks:
        try:
            run()
        except OSError as error:
            assert error.errno == errno.EIO
            return False, True
    return True, looks.done > at


def reported(state: State) -> tuple[object, ...]:
    return state.package, state.tickets, state.origins, state.control, state.kept_count, state.has_plan


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_failed_look_in_apply_is_reported_and_made_good(root: Path, scenario: Scenario) -> None:
    world, disk = make_world(root, scenario), WatchedDisk(SplitMemory())
    check_every_look(world, lambda: None, lambda: world.apply(disk))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_failed_look_in_rollback_is_reported_and_made_good(root: Path, scenario: Scenario) -> None:
    world, disk = make_world(root, scenario), WatchedDisk(SplitMemory())
    check_every_look(world, lambda: world.apply(disk), world.roll_back)
