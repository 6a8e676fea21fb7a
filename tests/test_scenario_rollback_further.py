"""Rolling back one apply after the other: what older appends replaced is not kept any more, and made again."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.manifest.actions import Mode
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.reductions import write_reduction
from support.worlds import Change, Scenario, State, World, scratch_root

APPENDS = (Change.MEMBER, Change.GROUP)


@pytest.fixture
def world() -> Iterator[World]:
    """A world with one package and no plan."""
    with scratch_root() as root:
        world = World(root, Scenario(Change.NEW, Mode.FAKE))
        write_reduction(world.origins / "before", text="before")
        make(world, Change.NEW)
        yield world


def make(world: World, change: Change) -> None:
    world.plan("before", change)
    world.apply()


def seen(world: World) -> State:
    """Return what must be as it was; a plan waits after a rollback, and how much is kept is no matter."""
    return replace(world.state(), has_plan=False, kept_count=0)


@pytest.mark.parametrize("second", APPENDS)
@pytest.mark.parametrize("first", APPENDS)
def test_appends_are_rolled_back_one_after_the_other(world: World, first: Change, second: Change) -> None:
    states = []
    for change in (first, second, Change.MEMBER):
        states.append(seen(world))
        make(world, change)
    while states:
        world.roll_back()
        assert seen(world) == states.pop()
        assert world.problems() == []
    world.roll_back()
    assert (world.visible(), world.tickets()) == ({}, {})


def test_further_rollback_can_be_stopped(world: World) -> None:
    stop_further_rollbacks(world, count(0, 4))


@pytest.mark.torture
def test_further_rollback_can_be_stopped_at_any_call(world: World) -> None:
    stop_further_rollbacks(world, count())


def stop_further_rollbacks(world: World, places: Iterable[int]) -> None:
    before = seen(world)
    for at in places:
        make(world, Change.MEMBER)
        between = seen(world)
        make(world, Change.GROUP)
        world.roll_back()
        disk = FaultyDisk(Fault.STOP_BEFORE, at)
        with suppress(Stopped):
            world.roll_back(disk)
        assert world.has_begun or seen(world) in (between, before)
        if world.has_begun or seen(world) != before:
            world.roll_back()
        assert seen(world) == before
        assert world.problems() == []
        if not disk.has_failed:
            break
        assert not list(Path(os.fsdecode(world.package.control)).rglob("*.new"))


def test_further_rollback_is_refused_where_a_file_for_the_ticket_files_is_gone(world: World) -> None:
    make(world, Change.MEMBER)
    make(world, Change.MEMBER)
    world.roll_back()
    after = seen(world)
    (readme,) = Path(os.fsdecode(world.package.path)).glob("sg_ouss_id/*/member_ouss_id/README")
    readme.rename(readme.with_name("moved"))
    with pytest.raises(OSError, match="README"):
        world.roll_back()
    readme.with_name("moved").rename(readme)
    assert seen(world) == after


def test_further_rollback_is_refused_where_a_file_for_the_ticket_files_was_changed(world: World) -> None:
    make(world, Change.MEMBER)
    make(world, Change.MEMBER)
    world.roll_back()
    after = world.state()
    (readme,) = Path(os.fsdecode(world.package.path)).glob("sg_ouss_id/*/member_ouss_id/README")
    data, status = readme.read_bytes(), readme.stat()
    readme.write_text("written into since")
    with pytest.raises(CannotUndoError, match="ticket-lost"):
        world.roll_back()
    readme.write_bytes(data)
    os.utime(readme, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert world.state() == after
    world.roll_back()
    assert world.problems() == []


def test_ticket_files_that_were_not_there_do_not_come(world: World) -> None:
    for path in world.root.glob("*.ticket.*"):
        path.unlink()
    make(world, Change.MEMBER)
    make(world, Change.MEMBER)
    world.roll_back()
    world.roll_back()
    assert world.tickets() == {}


def test_replacement_that_was_not_kept_stays_whatever_was_rolled_back_after_it(world: World) -> None:
    make(world, Change.REPLACE)
    after = seen(world)
    make(world, Change.MEMBER)
    world.roll_back()
    with pytest.raises(CannotUndoError, match="previous-gone"):
        world.roll_back()
    assert seen(world) == after
