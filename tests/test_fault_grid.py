"""Every mutating call of every scenario, and every fault on it: nothing between old and new is ever seen or left.

After each fault the package is looked at; then the same command goes on, or the transaction is rolled back, and the
whole world (package, origin, manifests) is compared with one in which nothing went wrong. The long version,
`make torture`, tries every fault on every call, lets casacore split every table, and stops recovery itself at every
call of it; the short one tries every stop, one error on each call, and a sample of second stops.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from faulty_disk import ERRORS, CountingDisk, Fault, FaultyDisk, SplitMemory, Stopped, WatchedDisk
from manifest.request import Mode
from worlds import Change, Scenario, State, World, make_world, scratch_root

MODES = (Mode.FAKE, Mode.COPY, Mode.HARD, Mode.MOVE, Mode.TICKET)
SCENARIOS = (
    *(Scenario(change, mode) for change in Change for mode in MODES),
    *(Scenario(Change.REPLACE, mode, may_exchange=False) for mode in MODES),
    Scenario(Change.REPLACE, Mode.HARD, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.MOVE, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.COPY, may_exchange=False, keeps_previous=True),
)
STOPS = (Fault.STOP_BEFORE, Fault.STOP_HALFWAY, Fault.STOP_AFTER)
HALF_DONE = ("append", "split_table", "write")


@dataclass(frozen=True, slots=True)
class Laid:
    """A world with what it was and what it becomes when nothing goes wrong.

    Attributes:
        contents: what is read where the origins' files are, or were: the same before and after.
        calls: the mutating calls of an undisturbed apply.
    """

    world: World
    before: State
    after: State
    contents: dict[bytes, bytes]
    calls: tuple[str, ...]
    splits: SplitMemory | None

    @property
    def scenario(self) -> Scenario:
        """What is tried."""
        return self.world.scenario


@pytest.fixture(scope="module")
def lay() -> Iterator[Callable[..., Laid]]:
    """Return a function that lays out the world of a scenario, once."""
    laid: dict[tuple[Scenario, bool], Laid] = {}
    with scratch_root() as root:

        def get(scenario: Scenario, *, remembers_splits: bool = True) -> Laid:
            key = (scenario, remembers_splits)
            if key not in laid:
                place = root / f"{scenario}-{remembers_splits}"
                place.mkdir()
                laid[key] = _lay_out(place, scenario, SplitMemory() if remembers_splits else None)
            return laid[key]

        yield get


def _lay_out(root: object, scenario: Scenario, splits: SplitMemory | None) -> Laid:
    world = make_world(root, scenario)  # type: ignore[arg-type]
    before, contents = world.state(), world.origin_contents()
    disk = CountingDisk(splits)
    world.apply(disk)
    after = world.state()
    assert after != before
    assert world.problems() == []
    world.bring_back()
    assert world.state() == before
    return Laid(world, before, after, contents, tuple(disk.calls), splits)


def fail_once(laid: Laid, fault: Fault, at: int, *, run: Callable[..., object] | None = None) -> bool:
    """Apply (or do `run`) with the fault at one call; True if it was that far. What is seen is old or new."""
    disk = FaultyDisk(fault, at, laid.splits)
    try:
        (run or laid.world.apply)(disk)
    except Stopped:
        pass
    except OSError as error:
        assert error.errno == fault.value, "the fault itself is told, and no other"
    check_visible(laid)
    return disk.has_failed


def check_visible(laid: Laid) -> None:
    """Compare what a user sees with the old and the new package, and the origin with what it was."""
    world, seen = laid.world, laid.world.visible()
    if not world.is_committed:
        assert seen == laid.before.package
        assert world.tickets() == laid.before.tickets
        assert world.origin_files() == laid.before.origins
    elif not (laid.scenario.is_away_for_a_moment and seen == {}):
        assert seen in (laid.before.package, laid.after.package)
    for name, ticket in world.tickets().items():
        assert ticket in (laid.before.tickets.get(name), laid.after.tickets.get(name))
    if laid.scenario.mode is not Mode.MOVE:
        assert world.origin_files() == laid.before.origins
    assert world.origin_contents().items() >= laid.contents.items()


def check_goes_on(laid: Laid) -> None:
    """Apply again: all is as if nothing had happened."""
    if laid.world.has_staging or laid.world.state() != laid.after:
        laid.world.apply(WatchedDisk(laid.splits))
    assert laid.world.state() == laid.after
    assert laid.world.problems() == []
    assert not laid.world.has_staging


def check_goes_back(laid: Laid) -> None:
    """Roll back: all is as if nothing had begun; where that is too late nothing is changed, and going on still works.

    Where nothing had begun in a package that was there before, rolling back is not asked for: it would undo the
    transaction that made it.
    """
    has_begun = laid.world.has_staging or laid.world.visible() != laid.before.package
    if not (has_begun or laid.scenario.change is Change.NEW) or not laid.world.can_roll_back():
        check_goes_on(laid)
        laid.world.bring_back()
        return
    assert not laid.world.has_staging
    # What older transactions kept is gone when this one had come that far: only the last one can be undone.
    kept_count = min(laid.before.kept_count, laid.world.state().kept_count)
    assert laid.world.state() == replace(laid.before, kept_count=kept_count)


def survive(laid: Laid, fault: Fault, places: range | list[int]) -> None:
    """Let the fault happen at each of the places, and recover both ways."""
    for at in places:
        if not fail_once(laid, fault, at):
            raise AssertionError(f"there is no call {at}")
        check_goes_on(laid)
        laid.world.bring_back()
        fail_once(laid, fault, at)
        check_goes_back(laid)
        laid.world.bring_back()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_stopped_anywhere(lay: Callable[..., Laid], scenario: Scenario) -> None:
    laid = lay(scenario)
    survive(laid, Fault.STOP_BEFORE, range(len(laid.calls)))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_stopped_in_the_middle_of_a_call(lay: Callable[..., Laid], scenario: Scenario) -> None:
    laid = lay(scenario)
    survive(laid, Fault.STOP_HALFWAY, [at for at, name in enumerate(laid.calls) if name in HALF_DONE])


@pytest.mark.parametrize("turn", range(len(ERRORS)), ids=lambda turn: ERRORS[turn].name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_each_call_fails(lay: Callable[..., Laid], scenario: Scenario, turn: int) -> None:
    laid = lay(scenario)
    survive(laid, ERRORS[turn], range(turn, len(laid.calls), len(ERRORS)))
