"""A journal that was damaged on the disk is never taken for one whose last record was being written.

Nothing is decided from it: whatever is asked for is refused and changes nothing at all. Only what stands behind the
last record that was on the disk may be lost, because without it everything comes out right as well.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.status import read_status
from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import JournalDamagedError
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.opened_files import OpenedFiles
from support.commands import run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped
from support.journals import frames_of
from support.outcomes import Laid, Layouts, check_goes_back, check_goes_on, check_goes_on_either_way
from support.worlds import Change, Scenario, Tree, World, scratch_root, tree_at

SCENARIOS = (
    Scenario(Change.NEW, Mode.COPY),
    Scenario(Change.REPLACE, Mode.HARD),
    Scenario(Change.REPLACE, Mode.COPY, may_exchange=False, keeps_previous=True),
    Scenario(Change.MEMBER, Mode.MOVE),
    Scenario(Change.REMOVE_MEMBER, Mode.HARD, keeps_previous=True),
    Scenario(Change.REBUILD, Mode.MOVE, keeps_previous=True, is_auto=True),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
)
Damage = Callable[[bytes, int, int], bytes]


def flip(data: bytes, start: int, end: int) -> bytes:
    """Turn one bit in the middle of a frame."""
    middle = (start + end) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def lengthen(data: bytes, start: int, end: int) -> bytes:
    """Turn a bit of the frame's length, so that where the next one begins is lost."""
    return data[: start + 1] + bytes([data[start + 1] ^ 16]) + data[start + 2 :]


def zero(data: bytes, start: int, end: int) -> bytes:
    """Fill a frame with zeros."""
    return data[:start] + bytes(end - start) + data[end:]


def cut_out(data: bytes, start: int, end: int) -> bytes:
    """Take a frame out."""
    return data[:start] + data[end:]


DAMAGES = (flip, lengthen, zero, cut_out)


@pytest.fixture(scope="module")
def layouts() -> Iterator[Layouts]:
    """Worlds that are gone when the tests of this module are done."""
    with scratch_root() as root:
        yield Layouts(root)


def stops(calls: list[str] | tuple[str, ...]) -> list[int]:
    """Return calls after which the journal says something new, or the disk is as the journal does not say yet."""
    chosen = {number + late for number, call in enumerate(calls) if call == "append" for late in (0, 3)}
    moving = {number for number, call in enumerate(calls) if call in ("exchange", "rename", "replace")}
    last = [number for number in sorted(chosen | moving) if number < len(calls)]
    return last[-16:]  # those before are all of staging


def stop_applying(laid: Laid, at: int) -> None:
    """Apply and stop after a call."""
    with pytest.raises(Stopped):
        laid.world.apply(FaultyDisk(Fault.STOP_AFTER, at, laid.splits))


def stop_rollback(laid: Laid, at: int) -> None:
    """Apply to just before its end, roll back and stop after a call."""
    stop_applying(laid, laid.calls.index("syncfs") + 6)
    with pytest.raises(Stopped):
        laid.world.roll_back(FaultyDisk(Fault.STOP_AFTER, at, laid.splits))


def calls_of_rollback(laid: Laid) -> list[str]:
    """Return the calls of rolling back what was stopped in publishing."""
    stop_applying(laid, laid.calls.index("syncfs") + 6)
    disk = CountingDisk(laid.splits)
    laid.world.roll_back(disk)
    laid.world.bring_back()
    return disk.calls


def everything(world: World) -> Tree:
    """Return all that is in the world but what the lock's file says of its holder."""
    lock = os.fsencode(f"{world.package.project.decode()}.pack/lock")
    return tree_at(world.root, {}, left_out=(lock, os.fsencode(world.saved.name)))


def without_journal(world: World) -> Tree:
    """Return everything but the journal: what damages to the journal do not change."""
    journal = os.path.relpath(journal_path(world.package), os.fsencode(world.root))
    return {path: value for path, value in everything(world).items() if path != journal}


def seen_journal(world: World) -> tuple[bytes, int, int]:
    """Return the content of the journal, its inode and its mtime."""
    path = Path(os.fsdecode(journal_path(world.package)))
    return path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns


def is_refused(world: World, rest: Tree) -> bool:
    """Tell whether each of the four is refused; if so, none of them has changed the journal or the rest."""
    journal = seen_journal(world)
    tries: tuple[Callable[[], object], ...] = (
        lambda: read_status(world.package, OpenedFiles()),
        lambda: world.records,
        world.apply,
        world.roll_back,
    )
    refusals = 0
    for attempt in tries[:2]:
        try:
            attempt()
        except JournalDamagedError:
            refusals += 1
    if not refusals:
        return False
    for attempt in tries[2:]:
        with pytest.raises(JournalDamagedError):
            attempt()
    assert refusals == 2
    assert seen_journal(world) == journal
    assert without_journal(world) == rest
    return True


def survive(laid: Laid, stop: Callable[[Laid, int], None], at: int) -> tuple[int, int]:
    """Damage each frame in each way after a stop; return how many were refused, and how many were right anyway."""
    world, journal = laid.world, Path(os.fsdecode(journal_path(laid.world.package)))
    refused = right = 0
    stop(laid, at)
    if not world.has_begun:
        world.bring_back()
        return 0, 0
    whole, rest = journal.read_bytes(), without_journal(world)
    for start, end in frames_of(whole):
        for damage in DAMAGES:
            if not world.has_begun:
                stop(laid, at)
                whole, rest = journal.read_bytes(), without_journal(world)
            journal.write_bytes(damage(whole, start, end))
            if is_refused(world, rest):
                refused += 1
                continue
            right += 1
            (check_goes_on_either_way, check_goes_back)[right % 2](laid)
            world.bring_back()
    world.bring_back()
    return refused, right


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_damage_while_applying_is_refused_or_does_not_matter(layouts: Layouts, scenario: Scenario) -> None:
    laid = layouts.get(scenario)
    counts = [survive(laid, stop_applying, at) for at in stops(laid.calls)]
    assert sum(refused for refused, _ in counts) > 100
    assert sum(right for _, right in counts) > 10


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_damage_during_a_rollback_is_refused_or_does_not_matter(layouts: Layouts, scenario: Scenario) -> None:
    laid = layouts.get(scenario)
    counts = [survive(laid, stop_rollback, at) for at in stops(calls_of_rollback(laid))]
    assert sum(refused for refused, _ in counts) > 30


def finished_journal(world: World) -> Path:
    """Return the journal of the transaction that ended last."""
    path = last_finished(world.package)
    assert path is not None
    return Path(os.fsdecode(path))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_journal_of_the_last_apply_lets_no_older_one_be_rolled_back(layouts: Layouts, damage: Damage) -> None:
    laid = layouts.get(Scenario(Change.MEMBER, Mode.COPY))
    world = laid.world
    world.apply()
    journal = finished_journal(world)
    whole = journal.read_bytes()
    spans = frames_of(whole)
    for start, end in spans[:-1]:
        journal.write_bytes(damage(whole, start, end))
        before = everything(world)
        with pytest.raises(CannotUndoError, match="journal-damaged"):
            world.roll_back()
        assert everything(world) == before
    journal.write_bytes(damage(whole, *spans[-1]))
    world.roll_back()
    assert world.state().package == laid.before.package


def test_ended_journal_without_its_end_is_refused(layouts: Layouts) -> None:
    world = layouts.get(Scenario(Change.NEW, Mode.COPY)).world
    world.apply()
    journal = finished_journal(world)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: frames_of(whole)[-2][0]])
    with pytest.raises(CannotUndoError, match="its end is missing"):
        world.roll_back()


@pytest.mark.parametrize("command", ["status", "verify", "apply", "rollback", "plan"])
def test_commands_say_what_is_damaged_and_what_to_do(
    layouts: Layouts, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    laid = layouts.get(Scenario(Change.REPLACE, Mode.COPY))
    stop_applying(laid, len(laid.calls) - 1 - laid.calls[::-1].index("exchange"))  # an earlier one is the probe's
    assert laid.world.phase is Phase.COMMITTED
    journal = Path(os.fsdecode(journal_path(laid.world.package)))
    journal.write_bytes(zero(journal.read_bytes(), *frames_of(journal.read_bytes())[-2]))
    before = everything(laid.world)
    package = os.fsdecode(laid.world.package.path)
    origin = [laid.world.origins / "now"] if command == "plan" else []
    ran = run_here(capsys, command, *origin, package)
    assert (ran.code, everything(laid.world)) == (1, before)
    assert "journal-damaged" in ran.err
    assert str(journal) in ran.err
    assert f"pack adopt {package}" in ran.err


def test_world_goes_on_when_nothing_is_damaged(layouts: Layouts) -> None:
    """The damage alone is what the other tests see."""
    laid = layouts.get(SCENARIOS[0])
    stop_applying(laid, stops(laid.calls)[0])
    check_goes_on(laid)
