"""After a power cut at any moment the package is the old or the new one, and the same command finishes.

The states that a cut may leave come from `power_loss`. Kills alone prove little: a program that never syncs survives
all of them. That the model would notice missing and misplaced syncs is tested by leaving them out.
"""

import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from qa2pack.executor.transaction.journal import JournalError
from qa2pack.executor.transaction.paths import staging_path
from qa2pack.executor.transaction.published_tree import UnknownTreeError
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.problem import Refused
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped, WatchedDisk
from support.outcomes import (
    Laid,
    Layouts,
    check_goes_back,
    check_goes_on,
    check_rollback_is_finished,
    check_rollback_is_visible,
    check_visible,
)
from support.power_loss import Picture, Pool, RecordingDisk, Tape, crash_states, take_picture
from support.worlds import (
    CHOSEN_WITH_ROLLBACK,
    SCENARIOS,
    SEED,
    WITH_ROLLBACK,
    Change,
    Scenario,
    scratch_root,
    some_calls,
)

CHOSEN = (
    Scenario(Change.NEW, Mode.COPY),
    Scenario(Change.REPLACE, Mode.COPY),
    Scenario(Change.REPLACE, Mode.COPY, may_exchange=False, keeps_previous=True),
    Scenario(Change.MEMBER, Mode.HARD),
    Scenario(Change.GROUP, Mode.MOVE),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False),
    Scenario(Change.REBUILD, Mode.HARD, keeps_previous=True, is_auto=True),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
    Scenario(Change.NEW_BUNDLES, Mode.COPY),
)
STRIDE = 15  # of the calls before the sync, in the short version


class Cuts:
    """A recorded apply, and the states that power cuts in it leave, one after the other in the place of the world."""

    def __init__(self, laid: Laid, tape: Tape, pool: Pool) -> None:
        self.laid = laid
        self.tape = tape
        self._pool = pool
        self._tried: set[tuple[tuple[int, int], bool]] = set()

    def states(self, cut: int, *, random_count: int, single_count: int) -> Iterator[Picture]:
        """Yield the states that a cut after so many calls leaves; the same ones every time, but for the seed."""
        rng = random.Random(f"{self.laid.world.scenario} {cut} {SEED}")
        return crash_states(self.tape.pending(cut), rng, random_count=random_count, single_count=single_count)

    def is_new(self, state: Picture, *, is_other_way: bool) -> bool:
        """Tell whether this was not asked before: cuts one call apart leave many of the same states."""
        asked = (state.key(), is_other_way)
        is_new = asked not in self._tried
        self._tried.add(asked)
        return is_new

    def make(self, state: Picture) -> None:
        """Make the world what the state says."""
        self.laid.world.clear()
        self._pool.make(self.laid.world.root, state)


def record(laid: Laid, disk_type: type[RecordingDisk] = RecordingDisk) -> Cuts:
    """Apply once, recorded."""
    return _recorded(laid, laid.world.apply, disk_type)


def record_rollback(laid: Laid, disk_type: type[RecordingDisk] = RecordingDisk) -> Cuts:
    """Apply, and roll the finished transaction back, recorded."""
    laid.world.apply(WatchedDisk(laid.splits))
    return _recorded(laid, laid.world.roll_back, disk_type)


def _recorded(laid: Laid, run: Callable[[RecordingDisk], object], disk_type: type[RecordingDisk]) -> Cuts:
    world = laid.world
    left_out = frozenset({"saved", "pool"} | (set() if world.scenario.mode is Mode.MOVE else {"origins"}))
    pool = Pool(world.root / "pool", world.root, take_picture(world.root, frozenset({"saved"})))
    disk = disk_type(world.root, left_out, laid.splits)
    run(disk)
    return Cuts(laid, disk.tape, pool)


@pytest.fixture
def layouts() -> Iterator[Layouts]:
    """Worlds of one test."""
    with scratch_root() as root:
        yield Layouts(root, is_signed=True)


def survive_cuts(cuts: Cuts, places: Iterable[int], *, random_count: int, single_count: int) -> int:
    """Recover from every state, every third by rolling back; return how many there were.

    What was tried after another cut counts, and is not tried again.
    """
    states = 0
    for cut in places:
        for state in cuts.states(cut, random_count=random_count, single_count=single_count):
            goes_back = states % 3 == 2
            states += 1
            if not cuts.is_new(state, is_other_way=goes_back):
                continue
            cuts.make(state)
            check_visible(cuts.laid)
            (check_goes_back if goes_back else check_goes_on)(cuts.laid, boot="another")
    return states


def survive_cuts_in_rollback(cuts: Cuts, places: Iterable[int], *, random_count: int, single_count: int) -> int:
    """Recover from every state, every third by applying, the others by rolling back; return how many there were."""
    states = 0
    for cut in places:
        for state in cuts.states(cut, random_count=random_count, single_count=single_count):
            applies = states % 3 == 2
            states += 1
            if not cuts.is_new(state, is_other_way=applies):
                continue
            cuts.make(state)
            check_rollback_is_visible(cuts.laid)
            check_rollback_is_finished(cuts.laid, applies=applies)
    return states


def some(tape: Tape) -> list[int]:
    """Return the numbers of calls after which to cut: from the sync on but for those that repeat, and some before."""
    sync = tape.calls.index("syncfs")
    return [
        *range(SEED % STRIDE, sync, STRIDE),
        *(at for at in some_calls(tape.calls) if at >= sync),
        len(tape.calls),
    ]


@pytest.mark.parametrize("scenario", CHOSEN, ids=str)
def test_power_cut(layouts: Layouts, scenario: Scenario) -> None:
    cuts = record(layouts.get(scenario))
    assert survive_cuts(cuts, some(cuts.tape), random_count=2, single_count=2) > len(some(cuts.tape))


@pytest.mark.torture
@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_power_cut_after_every_call(layouts: Layouts, scenario: Scenario, turn: int) -> None:
    cuts = record(layouts.get(scenario))
    places = range(turn, len(cuts.tape.calls) + 1, 3)
    assert survive_cuts(cuts, places, random_count=12, single_count=12) > len(places)


@pytest.mark.parametrize("scenario", CHOSEN_WITH_ROLLBACK, ids=str)
def test_power_cut_in_a_rollback_of_a_finished_apply(layouts: Layouts, scenario: Scenario) -> None:
    cuts = record_rollback(layouts.get(scenario))
    places = [*some_calls(cuts.tape.calls), len(cuts.tape.calls)]
    assert survive_cuts_in_rollback(cuts, places, random_count=1, single_count=1) > len(places)


@pytest.mark.torture
@pytest.mark.parametrize("scenario", WITH_ROLLBACK, ids=str)
def test_power_cut_after_every_call_of_a_rollback_of_a_finished_apply(layouts: Layouts, scenario: Scenario) -> None:
    cuts = record_rollback(layouts.get(scenario))
    places = range(len(cuts.tape.calls) + 1)
    assert survive_cuts_in_rollback(cuts, places, random_count=12, single_count=12) > len(places)


def test_staging_that_a_power_cut_took_from_an_older_program_is_made_again(layouts: Layouts) -> None:
    laid = layouts.get(Scenario(Change.NEW, Mode.COPY))
    world = laid.world
    world.apply(WatchedDisk(laid.splits))
    disk = CountingDisk()
    world.roll_back(disk)
    world.bring_back()
    world.apply(WatchedDisk(laid.splits))
    with pytest.raises(Stopped):
        world.roll_back(FaultyDisk(Fault.STOP_AFTER, disk.calls.index("rename")))
    assert world.visible() == {}
    shutil.rmtree(staging_path(world.package))
    check_rollback_is_finished(laid, applies=False)


class NoSyncBeforeCommit(RecordingDisk):
    """A disk on which the sync before the commit does nothing."""

    def syncing(self, name: str, *args: Any) -> int | None:
        """Forget the sync."""
        return None if name == "syncfs" else super().syncing(name, *args)


class SyncAfterCommit(RecordingDisk):
    """A disk on which the sync before the commit is over only one call after the commit is on the disk."""

    _committing: int | None = None

    def syncing(self, name: str, *args: Any) -> int | None:
        """Put the sync off: after it come the record of the commit and its fsync."""
        if name == "syncfs":
            self._committing = len(self.tape.calls)
            return None
        is_over = self._committing is not None and len(self.tape.calls) == self._committing + 3
        return 0 if is_over else super().syncing(name, *args)


class NoSyncOfFolders(RecordingDisk):
    """A disk that never syncs a folder, as a program that knows of files only."""

    def syncing(self, name: str, *args: Any) -> int | None:
        """Forget syncs of folders."""
        inode = super().syncing(name, *args)
        return None if inode and self.tape.pictures[-1].is_folder(inode) else inode


class NoSyncOfJournal(RecordingDisk):
    """A disk that never syncs a file."""

    def syncing(self, name: str, *args: Any) -> int | None:
        """Forget syncs of files."""
        inode = super().syncing(name, *args)
        return None if inode and not self.tape.pictures[-1].is_folder(inode) else inode


class NoSyncOfPublishing(RecordingDisk):
    """A disk that syncs no folder between the rename that publishes and the journal's next record."""

    _is_publishing = False

    def syncing(self, name: str, *args: Any) -> int | None:
        """Forget syncs of folders in that time; a staged tree is renamed only after the sync before the commit."""
        inode = super().syncing(name, *args)
        if name in ("rename", "exchange") and "syncfs" in self.tape.calls:
            self._is_publishing = True
        elif name == "append":
            self._is_publishing = False
        is_lost = self._is_publishing and inode and self.tape.pictures[-1].is_folder(inode)
        return None if is_lost else inode


@pytest.mark.parametrize(
    ("disk_type", "scenario"),
    [
        (NoSyncBeforeCommit, Scenario(Change.REPLACE, Mode.COPY)),
        (SyncAfterCommit, Scenario(Change.REPLACE, Mode.COPY)),
        (NoSyncOfFolders, Scenario(Change.REPLACE, Mode.COPY)),
        (NoSyncOfJournal, Scenario(Change.REPLACE, Mode.COPY)),
        (NoSyncOfPublishing, Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False)),
        (NoSyncOfPublishing, Scenario(Change.GROUP, Mode.MOVE)),
    ],
)
def test_missing_sync_is_noticed(layouts: Layouts, disk_type: type[RecordingDisk], scenario: Scenario) -> None:
    assert scenario in CHOSEN, "with all syncs nothing is found wrong"
    cuts = record(layouts.get(scenario), disk_type)
    with pytest.raises((AssertionError, OSError, Refused, JournalError, StreamError, UnknownTreeError)):
        survive_cuts(cuts, some(cuts.tape), random_count=2, single_count=2)
