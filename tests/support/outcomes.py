"""What must be true after anything went wrong: the world is compared with one in which nothing did.

A scenario is laid out once: its world is looked at before, applied undisturbed, looked at again, and brought back.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs.presence import is_there
from support.faulty_disk import CountingDisk, SplitMemory, WatchedDisk
from support.worlds import Change, Scenario, State, Tree, World, make_world


@dataclass(frozen=True, slots=True)
class Laid:
    """A world with what it was and what it becomes when nothing goes wrong.

    Attributes:
        contents: what is read where the origins' files are, or were, and is the same before and after.
        calls: the mutating calls of an undisturbed apply.
        splits: in place of casacore, if tables are split from memory.
    """

    world: World
    before: State
    after: State
    contents: dict[bytes, bytes]
    calls: tuple[str, ...]
    splits: SplitMemory | None

    @property
    def sync(self) -> int:
        """The number of the call that brings everything to the disk before the commit."""
        return self.calls.index("syncfs")


_SPLITS = SplitMemory()  # of all worlds: their tables are the same


class Layouts:
    """The worlds of the scenarios, each laid out when it is first asked for."""

    def __init__(self, root: Path, *, is_signed: bool = False) -> None:
        self._root = root
        self._is_signed = is_signed
        self._laid: dict[tuple[Scenario, bool, bool], Laid] = {}

    def get(self, scenario: Scenario, *, remembers_splits: bool = True, knows_inodes: bool = True) -> Laid:
        """Return the world of a scenario as it was when it was laid out."""
        key = (scenario, remembers_splits, knows_inodes)
        if key not in self._laid:
            root = self._root / str(len(self._laid))
            root.mkdir()
            splits = _SPLITS if remembers_splits else None
            world = make_world(root, scenario, knows_inodes=knows_inodes, splits=splits, is_signed=self._is_signed)
            self._laid[key] = _watch_undisturbed(world, splits)
        laid = self._laid[key]
        laid.world.bring_back()
        return laid


def _watch_undisturbed(world: World, splits: SplitMemory | None) -> Laid:
    before, contents = world.state(), world.origin_contents()
    disk = CountingDisk(splits)
    world.apply(disk)
    after = world.state()
    assert after != before
    if world.scenario.change is Change.REBUILD:  # the origin's link to the damaged file leads to a good one now
        contents = dict(contents.items() & world.origin_contents().items())
    assert world.problems() == []
    world.bring_back()
    assert world.state() == before
    return Laid(world, before, after, contents, tuple(disk.calls), splits)


def check_visible(laid: Laid) -> None:
    """Compare what a user sees with the old and the new package, and the origin with what it was."""
    world, seen = laid.world, laid.world.visible()
    if not world.is_committed:
        assert seen == laid.before.package
        assert world.tickets() == laid.before.tickets
        assert world.origin_files() == laid.before.origins
    elif not (world.scenario.is_away_for_a_moment and seen == world.scenario.away(laid.before.package)):
        assert seen in _whole(laid)
    _check_beside(laid)
    assert world.wrong_signatures() == []


def _whole(laid: Laid) -> tuple[Tree, ...]:
    """Return what may be seen: the old or the new package; of two names for a while both, each of them whole."""
    both = [laid.before.package | laid.after.package] if laid.world.scenario.change is Change.RENAME else []
    return (laid.before.package, laid.after.package, *both)


def _check_beside(laid: Laid) -> None:
    """Compare ticket files with the old and the new ones, and the origin with what it was."""
    world = laid.world
    for name, ticket in world.tickets().items():
        assert ticket in (laid.before.tickets.get(name), laid.after.tickets.get(name))
    if world.scenario.mode is Mode.MOVE:
        assert world.origin_contents().items() >= laid.contents.items()
    else:
        assert world.origin_files() == laid.before.origins


def check_goes_on(laid: Laid, boot: str | None = None) -> None:
    """Apply again, after a restart of the system if `boot` says so: all is as if nothing had happened."""
    if is_given_up(laid.world):
        check_is_before(laid)
        return
    if laid.world.has_begun or laid.world.state() != laid.after:
        laid.world.apply(WatchedDisk(laid.splits), boot=boot)
    assert laid.world.state() == laid.after
    assert laid.world.problems() == []
    assert not laid.world.has_begun


def check_goes_back(laid: Laid, boot: str | None = None) -> None:
    """Roll back: all is as if nothing had begun; where that is too late nothing is changed, and going on still works.

    Where nothing had begun in a package that was there before, rolling back is not asked for: it would roll back the
    transaction that made it.
    """
    world = laid.world
    has_begun, phase = world.has_begun or world.visible() != laid.before.package, world.phase
    if not (has_begun or world.scenario.change.is_new) or not world.can_roll_back():
        assert phase not in _CAN_ROLL_BACK
        check_goes_on(laid, boot)
        return
    assert not world.has_begun
    check_is_before(laid)


_CAN_ROLL_BACK = (Phase.STAGING, Phase.COMMITTED, Phase.PUBLISHED, Phase.ROLLING_BACK)


def check_is_before(laid: Laid) -> None:
    """Compare the world with what it was; only what older transactions had kept of older packages may be gone."""
    state = laid.world.state()
    has_plan = laid.before.has_plan and laid.world.scenario.change is not Change.RENAME  # no trace of the new name
    before = replace(laid.before, has_plan=has_plan)
    assert state == replace(before, kept_count=min(before.kept_count, state.kept_count))


def is_given_up(world: World) -> bool:
    """Tell whether a renaming was rolled back to its last steps, which leaves nothing to go on with."""
    is_left = not world.has_begun and not is_there(world.package.plan) and not is_there(world.package.path)
    return world.scenario.change is Change.RENAME and is_left


def check_goes_on_either_way(laid: Laid) -> None:
    """Apply again: that finishes what was begun, also if that was rolling back."""
    if laid.world.phase is not Phase.ROLLING_BACK:
        check_goes_on(laid)
        return
    assert laid.world.apply(WatchedDisk(laid.splits)).is_rolled_back
    assert not laid.world.has_begun
    check_is_before(laid)


def check_rollback_is_visible(laid: Laid) -> None:
    """Compare what is seen during the rollback of a finished transaction: all of the new package or of the old."""
    world, seen = laid.world, laid.world.visible()
    if not (world.scenario.is_away_for_a_moment and seen == world.scenario.away(laid.before.package)):
        assert seen in _whole(laid)
    _check_beside(laid)


def check_rollback_is_finished(laid: Laid, *, applies: bool) -> None:
    """Go on with the rollback of a finished transaction, by applying or by the same command: all is as before it.

    Where a rollback has not begun, applying leaves the new package; it is then rolled back.
    """
    world = laid.world
    # Rolled back, the plan waits again; packages may look alike.
    is_to_do = world.has_begun or not is_there(world.package.plan)
    is_to_do = is_to_do and not is_given_up(world)
    if applies and world.has_begun:
        was_begun = world.phase is Phase.ROLLING_BACK
        assert world.apply(WatchedDisk(laid.splits)).is_rolled_back is was_begun
        is_to_do = not was_begun
    if is_to_do:
        world.roll_back()
    assert not world.has_begun
    check_is_before(laid)
