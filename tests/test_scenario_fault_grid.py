"""Every mutating call of every scenario, and every fault on it: nothing between old and new is ever seen or left.

After each fault the package is looked at; then the same command goes on, or the transaction is rolled back, and the
whole world (package, tickets, origin, signed manifests) is compared with one in which nothing went wrong. The long
version, `make torture`, tries every fault on every call, lets casacore split every table, and stops recovery itself:
after some first stops at every call of it, after every first stop at some calls. The short one tries a stop and an
error on the calls from the sync before the commit on, and on some of those before it. Of calls that do the same as
their neighbours for another file it tries some; scenarios that make the same calls from the sync on share them. After
a fault it goes on and back in turn.

An error is tried on every third of the calls that are stopped before, which are others in the next scenario: what it
leaves is what a stop leaves there and what the handlers do, which are few and the same for all calls and scenarios.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.transaction.paths import probe_paths
from qa2pack.manifest.actions import Mode
from support.faulty_disk import ERRORS, CountingDisk, Fault, FaultyDisk, Stopped, WatchedDisk
from support.outcomes import (
    Laid,
    Layouts,
    check_goes_back,
    check_goes_on,
    check_goes_on_either_way,
    check_rollback_is_finished,
    check_rollback_is_visible,
    check_visible,
)
from support.worlds import (
    CHOSEN_WITH_ROLLBACK,
    SCENARIOS,
    SEED,
    SHORT,
    STRIDE,
    WITH_ROLLBACK,
    Change,
    Scenario,
    scratch_root,
    sharing,
    some_calls,
)

RECOVERIES = (check_goes_on, check_goes_back)
HALF_DONE = ("append", "split_table", "write")
# Every pair of two stops, in all scenarios, would take half a day.
APART = 16  # calls between first stops after which recovery is stopped at every call of it
NEIGHBOURS = 7  # first stops that share the calls of a recovery between them


@pytest.fixture(scope="module")
def layouts() -> Iterator[Layouts]:
    """Worlds that are gone when the tests of this module are done."""
    with scratch_root() as root:
        yield Layouts(root, is_signed=True)


def fail_once(laid: Laid, fault: Fault, at: int, run: Callable[[FaultyDisk], object] | None = None) -> bool:
    """Apply, or do `run`, with the fault at one call; False if it made fewer. What is seen then is old or new."""
    disk = FaultyDisk(fault, at, laid.splits)
    try:
        (run or laid.world.apply)(disk)
    except Stopped:
        pass
    except OSError as error:
        assert error.errno == fault.value, "the fault itself is reported, and nothing else"
    check_visible(laid)
    return disk.has_failed


def survive(laid: Laid, fault: Fault, places: Iterable[int]) -> None:
    """Let the fault happen at each of the places, and recover both ways."""
    for at in places:
        for recover in RECOVERIES:
            survive_once(laid, fault, at, recover)


def survive_once(laid: Laid, fault: Fault, at: int, recover: Callable[[Laid], None]) -> None:
    """Let the fault happen at one call, and recover."""
    assert fail_once(laid, fault, at), f"there is no call {at}"
    recover(laid)
    laid.world.bring_back()


def survive_second_stops(laid: Laid, first: Iterable[int], *, stride: int) -> None:
    """Stop, stop what goes on or back at every `stride`-th call of it, and recover."""
    for at in first:
        for recover in (go_on, go_back):
            survive_second_stop(laid, at, recover, stride=stride)


def survive_second_stop(laid: Laid, at: int, recover: Callable[[Laid, FaultyDisk], None], *, stride: int) -> None:
    """Stop at one call, stop what recovers at every `stride`-th call of it, and recover from that."""
    is_reached = True
    for second in count(at % stride, stride):
        if not is_reached:
            break
        fail_once(laid, Fault.STOP_BEFORE, at)
        is_reached = fail_once(laid, Fault.STOP_BEFORE, second, run=partial(recover, laid))
        check = (check_goes_on_either_way, check_goes_back)[second // stride % 2]
        check(laid)
        laid.world.bring_back()


def go_on(laid: Laid, disk: FaultyDisk) -> None:
    """Apply, if there is anything to go on with."""
    if laid.world.has_begun or laid.world.state().has_plan:
        laid.world.apply(disk)


def go_back(laid: Laid, disk: FaultyDisk) -> None:
    """Roll back what has begun, if that is possible."""
    if laid.world.has_begun:
        with suppress(CannotUndoError):
            laid.world.roll_back(disk)


def some(laid: Laid) -> list[int]:
    """Return some of the calls before the sync, and the scenario's share of those from it on."""
    return [*some_early(laid), *some_late(laid)]


def some_early(laid: Laid) -> range:
    """Return some of the calls before the sync; scenarios of one mode, which stage alike, have different ones."""
    return range((SCENARIOS.index(laid.world.scenario) + SEED) % STRIDE, laid.sync, STRIDE)


def some_late(laid: Laid) -> list[int]:
    """Return the scenario's share of the calls from the sync on, without those that repeat each other."""
    alike = sharing(laid.world.scenario)
    late = some_calls(laid.calls[laid.sync :])[alike.index(laid.world.scenario) :: len(alike)]
    return [laid.sync + at for at in late]


def follows_sync(laid: Laid, at: int) -> bool:
    """Tell whether a stop before the call finds what a stop one call before found: only a power cut tells a sync."""
    return laid.calls[at - 1] in ("fsync", "syncfs")


@pytest.mark.parametrize("scenario", [one for one in SHORT if sharing(one)[1:2] == (one,)], ids=str)
def test_scenarios_that_share_calls_make_the_same(layouts: Layouts, scenario: Scenario) -> None:
    made = {laid.calls[laid.sync :] for laid in map(layouts.get, sharing(scenario))}
    assert len(made) == 1


@pytest.mark.parametrize("scenario", SHORT, ids=str)
def test_stopped_before_a_call(layouts: Layouts, scenario: Scenario) -> None:
    """The ways to recover take turns, and begin with another one in the next scenario."""
    laid = layouts.get(scenario)
    late = [at for at in some_late(laid) if at == laid.sync or not follows_sync(laid, at)]
    for number, at in enumerate([*some_early(laid), *late], SHORT.index(scenario)):
        survive_once(laid, Fault.STOP_BEFORE, at, RECOVERIES[number % 2])


@pytest.mark.parametrize("scenario", SHORT, ids=str)
def test_stopped_in_the_middle_of_a_call(layouts: Layouts, scenario: Scenario) -> None:
    laid = layouts.get(scenario)
    half_done = [at for at in some(laid) if laid.calls[at] in HALF_DONE]
    for number, at in enumerate(half_done, SHORT.index(scenario)):
        survive_once(laid, Fault.STOP_HALFWAY, at, RECOVERIES[number % 2])


@pytest.mark.parametrize("scenario", SHORT, ids=str)
def test_call_fails(layouts: Layouts, scenario: Scenario) -> None:
    for turn, fault in enumerate(ERRORS):
        laid = layouts.get(scenario, knows_inodes=knows_inodes(scenario, fault))
        every_third = some(laid)[SHORT.index(scenario) % 3 :: 3]
        for number, at in enumerate(every_third[turn :: len(ERRORS)]):
            survive_once(laid, fault, at, RECOVERIES[number % 2])


@pytest.mark.parametrize("fault", ERRORS, ids=lambda fault: fault.name)
def test_failed_sync_ends_an_apply(layouts: Layouts, fault: Fault) -> None:
    laid = layouts.get(SCENARIOS[0], knows_inodes=knows_inodes(SCENARIOS[0], fault))
    with pytest.raises(OSError, match=os.strerror(fault.value)):
        laid.world.apply(FaultyDisk(fault, laid.sync, laid.splits))
    check_goes_on(laid)
    laid.world.bring_back()


@pytest.mark.parametrize("scenario", SHORT, ids=str)
def test_stopped_again_in_recovery(layouts: Layouts, scenario: Scenario) -> None:
    laid, alike = layouts.get(scenario), sharing(scenario)
    firsts = range(laid.sync - 20 + SEED % 19, len(laid.calls), 19)
    for number in range(alike.index(scenario), len(firsts), len(alike)):
        survive_second_stop(laid, firsts[number], (go_on, go_back)[number % 2], stride=23)


@pytest.mark.parametrize("recover", [check_goes_on, check_goes_back])
def test_probe_that_a_power_cut_brings_back_is_swept(layouts: Layouts, recover: Callable[[Laid], None]) -> None:
    laid = layouts.get(SCENARIOS[0])
    fail_once(laid, Fault.STOP_BEFORE, laid.sync)
    os.mkdir(probe_paths(laid.world.package)[0])
    recover(laid)
    laid.world.bring_back()


def survive_in_rollback(laid: Laid, fault: Fault, places: Callable[[Sequence[str]], Iterable[int]]) -> None:
    """Let the fault happen at each of the places of rolling back a finished transaction, and go on in both ways."""
    world, counting = laid.world, CountingDisk()
    world.apply(WatchedDisk(laid.splits))
    world.roll_back(counting)
    for number, at in enumerate(places(counting.calls)):
        world.bring_back()
        world.apply(WatchedDisk(laid.splits))
        disk = FaultyDisk(fault, at)
        try:
            world.roll_back(disk)
        except Stopped:
            pass
        except OSError as error:
            assert error.errno == fault.value, "the fault itself is reported, and nothing else"
        assert disk.has_failed
        check_rollback_is_visible(laid)
        check_rollback_is_finished(laid, applies=number % 2 == 1)


@pytest.mark.parametrize("scenario", CHOSEN_WITH_ROLLBACK, ids=str)
def test_rollback_of_a_finished_apply_is_stopped(layouts: Layouts, scenario: Scenario) -> None:
    survive_in_rollback(layouts.get(scenario), Fault.STOP_BEFORE, some_calls)


@pytest.mark.parametrize("scenario", CHOSEN_WITH_ROLLBACK, ids=str)
def test_call_fails_in_a_rollback_of_a_finished_apply(layouts: Layouts, scenario: Scenario) -> None:
    for turn, fault in enumerate(ERRORS):
        laid = layouts.get(scenario, knows_inodes=knows_inodes(scenario, fault))
        survive_in_rollback(laid, fault, lambda calls, turn=turn: some_calls(calls)[turn :: len(ERRORS)])  # type: ignore[misc]


@pytest.mark.torture
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
@pytest.mark.parametrize("scenario", WITH_ROLLBACK, ids=str)
def test_every_fault_on_every_call_of_a_rollback(layouts: Layouts, scenario: Scenario, fault: Fault) -> None:
    laid = layouts.get(scenario, knows_inodes=knows_inodes(scenario, fault))
    survive_in_rollback(laid, fault, lambda calls: range(len(calls)))


class WithoutExchange(FaultyDisk):
    """A disk whose origin is on a file system that cannot exchange two names."""

    def exchange(self, one: bytes, other: bytes, *, dir_fd: int | None = None) -> None:
        """Refuse, in an origin."""
        if dir_fd is not None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        super().exchange(one, other)


@pytest.mark.parametrize("recover", [check_goes_on, check_goes_back])
def test_stopped_where_an_origin_cannot_exchange(layouts: Layouts, recover: Callable[[Laid], None]) -> None:
    laid = layouts.get(Scenario(Change.NEW, Mode.MOVE))
    for at in count(laid.calls.index("symlink"), 3):  # of two calls for each file: in turn the one and the other
        disk = WithoutExchange(Fault.STOP_BEFORE, at, laid.splits)
        with suppress(Stopped):
            laid.world.apply(disk)
        check_visible(laid)
        recover(laid)
        laid.world.bring_back()
        if not disk.has_failed:
            break
    assert {"symlink", "replace"} <= set(disk.calls)


@pytest.mark.torture
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_fault_on_every_call(layouts: Layouts, scenario: Scenario, fault: Fault) -> None:
    laid = layouts.get(scenario, remembers_splits=False, knows_inodes=knows_inodes(scenario, fault))
    survive(laid, fault, range(len(laid.calls)))


@pytest.mark.torture
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_stopped_again_at_every_call_of_a_recovery(layouts: Layouts, scenario: Scenario) -> None:
    laid = layouts.get(scenario)
    survive_second_stops(laid, range((SCENARIOS.index(scenario) + SEED) % APART, len(laid.calls), APART), stride=1)


@pytest.mark.torture
@pytest.mark.parametrize("turn", range(2))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_stopped_at_every_call_and_again_in_recovery(layouts: Layouts, scenario: Scenario, turn: int) -> None:
    """Stops one call apart have recoveries that are alike but for a call, and are stopped at calls one apart."""
    laid = layouts.get(scenario)
    survive_second_stops(laid, range(turn, len(laid.calls), 2), stride=NEIGHBOURS)


def knows_inodes(scenario: Scenario, fault: Fault) -> bool:
    """Tell whether a packaged file must be the origin's inode: across file systems a move copies."""
    return not (scenario.mode in (Mode.MOVE, Mode.TICKET) and fault is Fault.EXDEV)
