"""What somebody does to a package, or in its place, between a stop and a rollback: it is refused and loses nothing.

Each way to publish is stopped at each of its steps from the first visible one on. When what was done is taken back,
the same command does what it would have done at once.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.rollback_checks import kept_tree
from qa2pack.executor.transaction.journal_records import Commit
from qa2pack.executor.transaction.paths import TransactionPaths, transaction_paths
from qa2pack.executor.transaction.recovery import Phase, begin_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Refused
from support.commands import run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, ReplaceStoppingDisk, Stopped, StoppingDisk
from support.in_process import Delivery, write
from support.origin_bytes import roll_back
from support.outcomes import (
    Laid,
    Layouts,
    check_goes_back,
    check_goes_on,
    check_goes_on_either_way,
    check_is_before,
)
from support.worlds import Change, Scenario, scratch_root, some_calls

Capsys = pytest.CaptureFixture[str]
SCENARIOS = (
    *(Scenario(change, Mode.MOVE) for change in (Change.NEW, Change.GROUP, Change.REPLACE_MEMBER)),
    Scenario(Change.REPLACE, Mode.HARD, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.COPY, is_alike=True),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False, keeps_previous=True),
    Scenario(Change.REBUILD, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RECEIVED, Mode.COPY),
)
# What comes, or goes, is in a folder of the package.
IN_PACKAGE = (
    Scenario(Change.GROUP, Mode.MOVE),
    Scenario(Change.MEMBER, Mode.COPY),
    Scenario(Change.REPLACE_MEMBER, Mode.HARD, keeps_previous=True),
    Scenario(Change.REMOVE_MEMBER, Mode.COPY, keeps_previous=True),
)
WAYS_BACK = (Phase.COMMITTED, Phase.PUBLISHED, Phase.ROLLING_BACK)


@pytest.fixture(scope="module")
def layouts() -> Iterator[Layouts]:
    with scratch_root() as root:
        yield Layouts(root)


def paths_of(laid: Laid) -> TransactionPaths:
    return transaction_paths(laid.world.package, begin_of(laid.world.records))


def is_new_there(laid: Laid) -> bool:
    """Tell by its number whether the new tree is at its path."""
    (commit,) = (record for record in laid.world.records if isinstance(record, Commit))
    target = paths_of(laid).target
    return os.path.lexists(target) and os.lstat(target).st_ino == commit.root_inode


def stops(laid: Laid, *, needs_new: bool = True) -> Iterator[int]:
    """Stop before calls from the commit on, and yield where a rollback is possible and the new tree is there."""
    for at in some_of([laid.sync + at for at in some_calls(laid.calls[laid.sync :])]):
        with suppress(Stopped):
            laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, at, laid.splits))
        if laid.world.phase in WAYS_BACK and (is_new_there(laid) or not needs_new):
            yield at
        laid.world.bring_back()


def stopped_rollbacks(laid: Laid, *, needs_new: bool = True) -> Iterator[int]:
    """Stop rollbacks of an apply that was stopped when its package was published, and yield as `stops`."""
    at = published_at(laid)
    for second in some_of(_calls_of_rollback(laid, at)):
        for call, run in ((at, laid.world.apply), (second, laid.world.roll_back)):
            with suppress(Stopped):
                run(FaultyDisk(Fault.STOP_BEFORE, call, laid.splits))
        if laid.world.phase in WAYS_BACK and (is_new_there(laid) or not needs_new):
            yield second
        laid.world.bring_back()


def some_of(places: Sequence[int]) -> Sequence[int]:
    """Return a dozen of the calls, from the first to the last."""
    return places[:: max(1, len(places) // 12)]


def published_at(laid: Laid) -> int:
    """Return a call before which the package is published, and some of its files are moved if it moves any."""
    last = max(at for at, name in enumerate(laid.calls) if name == "append")
    places = [at for at in range(last - 1, laid.sync, -5) if _is_published_before(laid, at)]
    return places[0]


def _is_published_before(laid: Laid, at: int) -> bool:
    with suppress(Stopped):
        laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, at, laid.splits))
    is_published = laid.world.phase in WAYS_BACK and is_new_there(laid)
    laid.world.bring_back()
    return is_published


def _calls_of_rollback(laid: Laid, at: int) -> Sequence[int]:
    with suppress(Stopped):
        laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, at, laid.splits))
    disk = CountingDisk()
    laid.world.roll_back(disk)
    laid.world.bring_back()
    return some_calls(disk.calls)


def all_of(laid: Laid, *, but: Path) -> object:
    """Return all that is on the disk: `State` leaves out what was replaced and how far the journal came."""
    return {
        path: path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        for path in laid.world.root.rglob("*")
        if path.name != "lock" and {laid.world.saved, but}.isdisjoint(path.parents)
    }


def check_refused(laid: Laid, command: Callable[[], object], *codes: Code, may_sweep: bool = False) -> None:
    """Check that the command is refused and changes nothing, but for what a stop left beside names of the origin."""
    but = laid.world.origins if may_sweep else laid.world.saved
    before = all_of(laid, but=but)
    with pytest.raises(Refused) as caught:
        command()
    assert caught.value.problems[0].code in codes
    assert all_of(laid, but=but) == before


def has_links(folder: Path) -> bool:
    return any(path.is_symlink() for path in folder.rglob("*"))


@contextmanager
def moved_away(target: Path) -> Iterator[None]:
    away = target.with_name("away")
    target.rename(away)
    yield
    away.rename(target)


@contextmanager
def put_into(folder: Path) -> Iterator[None]:
    mine = folder / "mine"
    mine.write_text("mine")
    yield
    assert mine.read_text() == "mine"
    mine.unlink()


@contextmanager
def written_again(path: Path, aside: Path) -> Iterator[None]:
    path.rename(aside)
    path.write_bytes(b"x" * aside.stat().st_size)
    yield
    aside.replace(path)


@pytest.mark.parametrize("stopping", [stops, stopped_rollbacks])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_what_was_done_since_is_not_lost(
    layouts: Layouts, scenario: Scenario, stopping: Callable[[Laid], Iterator[int]]
) -> None:
    laid, count = layouts.get(scenario), 0
    for count, _ in enumerate(stopping(laid), 1):
        world, target = laid.world, Path(os.fsdecode(paths_of(laid).target))
        inside = next(path for path in sorted(target.rglob("*")) if path.is_dir())
        image = next(path for path in sorted(target.rglob("*.fits")) if path.stat().st_size)
        with moved_away(target):
            is_relied_on = scenario.change.can_keep or has_links(world.origins / "now")
            if is_relied_on or world.phase is not Phase.ROLLING_BACK:
                check_refused(laid, world.apply, Code.TREE_UNKNOWN, may_sweep=True)
            if scenario.change.can_keep or has_links(world.origins / "now"):  # the first may be a file again
                check_refused(laid, world.roll_back, Code.TREE_UNKNOWN)
        for change in (put_into(target), put_into(inside), written_again(image, world.root / "aside")):
            with change:
                check_refused(laid, world.roll_back, Code.CHANGED_SINCE, Code.TREE_UNKNOWN)
                if world.phase is Phase.ROLLING_BACK:
                    check_refused(laid, world.apply, Code.CHANGED_SINCE, Code.TREE_UNKNOWN)
        (check_goes_back, check_goes_on_either_way)[count % 2](laid)
    assert count


@pytest.mark.parametrize(
    ("scenario", "stopping"),
    # No new tree tells when a removal is published.
    [*((one, stops) for one in IN_PACKAGE), *((one, stopped_rollbacks) for one in IN_PACKAGE[:-1])],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_package_that_is_elsewhere_is_waited_for(
    layouts: Layouts, scenario: Scenario, stopping: Callable[..., Iterator[int]]
) -> None:
    laid, count = layouts.get(scenario), 0
    for count, _ in enumerate(stopping(laid, needs_new=False), 1):
        with moved_away(Path(os.fsdecode(laid.world.package.path))):
            is_removed = scenario.change.is_removing and laid.world.phase is Phase.PUBLISHED
            if not is_removed:  # else apply has no more to do in the package
                check_refused(laid, laid.world.apply, Code.TREE_UNKNOWN, may_sweep=True)
            check_refused(laid, laid.world.roll_back, Code.TREE_UNKNOWN)
        (check_goes_back, check_goes_on_either_way)[count % 2](laid)
    assert count


def test_another_file_does_not_go_back_to_the_origin(layouts: Layouts) -> None:
    """It has a further name, so it would not be lost with the package."""
    laid, count = layouts.get(Scenario(Change.NEW, Mode.MOVE)), 0
    for _ in stops(laid):
        image = next(Path(os.fsdecode(laid.world.package.path)).rglob("image.fits"))
        (origin,) = (laid.world.origins / "now").rglob("image.fits")
        aside, mine = laid.world.root / "aside", laid.world.root / "mine"
        image.rename(aside)
        mine.write_text("mine")
        image.hardlink_to(mine)
        if origin.is_symlink():
            check_refused(laid, laid.world.roll_back, Code.MOVED_LOST)
        mine.unlink()
        aside.replace(image)
        check_goes_back(laid)
        count += 1
    assert count


def waits_for_name(laid: Laid, name: bytes) -> bool:
    """Check that a rollback waits while something else has a name that was free; return whether it was."""
    if os.path.lexists(name):
        return False
    os.mkdir(name)
    check_refused(laid, laid.world.roll_back, Code.NAME_TAKEN)
    os.rmdir(name)
    check_goes_back(laid)
    return True


@pytest.mark.parametrize("change", [Change.REPLACE, Change.REMOVE_MEMBER])
def test_what_has_the_name_of_what_comes_back_keeps_it_where_it_is(layouts: Layouts, change: Change) -> None:
    """The old one was renamed into the control folder, and nothing has its name for a while, or for good."""
    laid, count = layouts.get(Scenario(change, Mode.COPY, may_exchange=False, keeps_previous=True)), 0
    for at in range(laid.sync + 1, laid.sync + 30):
        with suppress(Stopped):
            laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, at, laid.splits))
        if laid.world.phase in WAYS_BACK:
            count += waits_for_name(laid, paths_of(laid).target)
        laid.world.bring_back()
    assert count


def test_old_name_that_was_taken_keeps_a_renaming(layouts: Layouts) -> None:
    laid, count = layouts.get(Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True)), 0
    for _ in stops(laid):
        count += waits_for_name(laid, paths_of(laid).old_package.path)
    assert count


@pytest.fixture
def unpublished(delivery: Delivery) -> Delivery:
    """A new package that was stopped after its commit, before it got its name."""
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("rename"))
    return delivery


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_name_that_was_taken_before_the_package_got_it_is_told(
    capsys: Capsys, unpublished: Delivery, kind: str
) -> None:
    mine = unpublished.path
    mine.mkdir() if kind == "folder" else mine.write_text("mine")
    refused = run_here(capsys, "apply", mine)
    assert f"{Code.NAME_TAKEN}: " in refused.err
    assert f"Move it away, then:\n        pack apply {mine}" in refused.err
    mine.rename(mine.with_name("mine"))
    assert run_here(capsys, "apply", mine).code == 0
    assert unpublished.problems() == []


@pytest.mark.parametrize("is_published", [False, True])
def test_stopped_apply_does_not_go_on_under_another_name(
    capsys: Capsys, delivery: Delivery, *, is_published: bool
) -> None:
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]) if is_published else StoppingDisk("rename"))
    other = delivery.path.with_name("2011.0.00230.S")
    renamed = [(Path(f"{delivery.path}.pack"), Path(f"{other}.pack"))] + [(delivery.path, other)] * is_published
    for old, new in renamed:
        old.rename(new)
    refused = run_here(capsys, "apply", other)
    assert refused.code == 1
    assert f"{Code.PACKAGE_RENAMED}: " in refused.err
    assert f"\n        mv {other}.pack {delivery.path}.pack\n        pack apply {delivery.path}\n" in refused.err
    assert other.exists() is is_published
    for old, new in renamed:
        new.rename(old)
    assert run_here(capsys, "apply", delivery.path).code == 0
    assert delivery.problems() == []


def test_rollback_says_that_what_took_the_name_stays(capsys: Capsys, unpublished: Delivery) -> None:
    write(unpublished.path / "mine", b"mine")
    rolled_back = run_here(capsys, "rollback", unpublished.path)
    assert rolled_back.code == 0
    assert f"{unpublished.path} is not of that apply, and stays as it is" in rolled_back.out
    assert "gone" not in rolled_back.out
    assert (unpublished.path / "mine").read_bytes() == b"mine"


def test_new_package_that_was_removed_before_anything_relied_on_it_is_given_up(
    capsys: Capsys, unpublished: Delivery
) -> None:
    shutil.rmtree(os.fsdecode(unpublished.package.control + b"/staging"))
    assert f"{Code.TREE_UNKNOWN}: " in run_here(capsys, "apply", unpublished.path).err
    assert run_here(capsys, "rollback", unpublished.path).code == 0
    assert run_here(capsys, "apply", unpublished.path).code == 0, "the plan waits again"
    assert unpublished.problems() == []


def test_stopped_package_that_is_the_only_copy_stays(delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]))
    shutil.rmtree(delivery.origin)
    with pytest.raises(CannotUndoError, match=Code.ORIGIN_LOST):
        roll_back(delivery)
    delivery.apply()
    assert delivery.problems() == []


def test_changed_file_whose_names_are_all_in_the_package_stays(delivery: Delivery) -> None:
    script, twin = delivery.origin / "scriptForImaging.py", delivery.origin / "scriptForFluxCalibration.py"
    twin.hardlink_to(script)
    delivery.plan(Mode.HARD)
    with pytest.raises(Stopped):
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]))
    script.unlink()
    twin.unlink()
    packaged = delivery.member / "script" / script.name
    packaged.write_bytes(b"somebody's work")
    with pytest.raises(CannotUndoError, match=Code.CHANGED_SINCE):
        roll_back(delivery)
    assert packaged.read_bytes() == b"somebody's work"
    script.hardlink_to(packaged)
    twin.hardlink_to(packaged)
    roll_back(delivery)
    assert script.read_bytes() == b"somebody's work"


def test_package_that_was_kept_and_is_gone_is_told(layouts: Layouts) -> None:
    laid = layouts.get(Scenario(Change.REPLACE, Mode.HARD, keeps_previous=True))
    for _ in stops(laid):
        old = Path(os.fsdecode(kept_tree(paths_of(laid))))
        old.rename(laid.world.root / "away")
        check_refused(laid, laid.world.roll_back, Code.PREVIOUS_GONE)
        (laid.world.root / "away").rename(old)
        check_goes_on(laid)


@contextmanager
def folder_put_into(folder: Path) -> Iterator[None]:
    mine = folder / "mine"
    write(mine / "notes", b"mine")
    yield
    assert (mine / "notes").read_bytes() == b"mine"
    shutil.rmtree(mine)


@contextmanager
def member_put_beside(package: Path) -> Iterator[None]:
    mine = package / "sg_ouss_id/group_ouss_id9/member_ouss_id/product/notes"
    write(mine, b"mine")
    yield
    assert mine.read_bytes() == b"mine"
    shutil.rmtree(mine.parents[2])


def stops_before_the_old_goes(laid: Laid) -> Iterator[Path]:
    """Stop after the commit, and yield the package or member that is replaced while it is where people see it."""
    is_renamed = laid.world.scenario.change is Change.RENAME
    later = some_of([laid.sync + at for at in some_calls(laid.calls[laid.sync :])]) if is_renamed else ()
    for at in sorted({*range(laid.sync, laid.sync + 9), *later}):
        with suppress(Stopped):
            laid.world.apply(FaultyDisk(Fault.STOP_BEFORE, at, laid.splits))
        if laid.world.phase in (Phase.COMMITTED, Phase.PUBLISHED):
            old = Path(os.fsdecode(paths_of(laid).old_package.path if is_renamed else paths_of(laid).target))
            if old.is_dir() and (is_renamed or not is_new_there(laid)):
                yield old
        laid.world.bring_back()


GIVING_WAY = (
    *(scenario for scenario in SCENARIOS if scenario.change.can_keep),
    Scenario(Change.REPLACE_MEMBER, Mode.COPY, may_exchange=False),
    Scenario(Change.REMOVE_MEMBER, Mode.HARD),
    Scenario(Change.REMOVE_GROUP, Mode.COPY),
    Scenario(Change.REMOVE_BRANCH, Mode.HARD),
    Scenario(Change.RENAME, Mode.COPY),
)


@pytest.mark.parametrize("scenario", GIVING_WAY, ids=str)
def test_what_comes_into_what_is_replaced_after_the_commit_does_not_go_with_it(
    layouts: Layouts, scenario: Scenario
) -> None:
    laid, count = layouts.get(scenario), 0
    for count, old in enumerate(stops_before_the_old_goes(laid), 1):
        inside = next(path for path in sorted(old.rglob("*")) if path.is_dir())
        for change in (put_into(old), folder_put_into(inside)):
            with change:
                check_refused(laid, laid.world.apply, Code.EXTRA_SINCE_PLAN)
        if scenario.change in (Change.REPLACE, Change.RENAME):  # a folder with the name of a member
            with member_put_beside(old):
                check_refused(laid, laid.world.apply, Code.EXTRA_SINCE_PLAN)
        if scenario.change is not Change.REBUILD:
            image = next(path for path in sorted(old.rglob("*.fits")) if path.stat().st_size)
            with written_again(image, laid.world.root / "aside"):
                check_refused(laid, laid.world.apply, Code.CHANGED_SINCE_PLAN)
        if count % 2:
            with put_into(old), put_into(inside):
                laid.world.roll_back()
            check_is_before(laid)
        else:
            check_goes_on(laid)
    assert count > 1


def test_what_came_into_what_is_replaced_is_told_with_both_ways_out(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk("rename"), may_exchange=False)
    mine = write(delivery.member / "log/notes", b"mine")
    refused = run_here(capsys, "apply", delivery.path)
    assert refused.code == 1
    assert f"{Code.EXTRA_SINCE_PLAN}: " in refused.err
    assert f"then:\n        pack apply {delivery.path}" in refused.err
    assert f"\n        pack rollback {delivery.path}" in refused.err
    assert mine.read_bytes() == b"mine"
    assert run_here(capsys, "rollback", delivery.path).code == 0
    assert mine.read_bytes() == b"mine"
    delivery.plan(Mode.COPY)
    assert run_here(capsys, "apply", delivery.path).code == 0


def test_apply_whose_package_is_gone_for_good_can_be_given_up(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    with pytest.raises(Stopped):
        delivery.apply(ReplaceStoppingDisk(delivery.package.tickets[0]))
    shutil.rmtree(delivery.path)
    given_up = delivery.path.with_name(delivery.path.name + ".given-up")
    for verb in ("apply", "rollback"):
        assert f"\n        mv {delivery.path}.pack {given_up}\n" in run_here(capsys, verb, delivery.path).err
    Path(f"{delivery.path}.pack").rename(given_up)
    assert any((given_up / "staging/tree").rglob("README*")), "the package that was replaced"
    assert run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", "copy").code == 0
    assert run_here(capsys, "apply", delivery.path).code == 0
    assert delivery.problems() == []
