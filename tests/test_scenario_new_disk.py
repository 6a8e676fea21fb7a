"""A disk that is copied to a new one between a stop and what goes on: no inode number is what it was.

Where the new tree is, is then known by what it holds. Taken for the old one, it would be exchanged back, and the
links of a moved origin would lead to what was there before.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.paths import staging_path, transaction_paths
from qa2pack.executor.transaction.published_tree import UnknownTreeError, is_published
from qa2pack.executor.transaction.recovery import Phase, begin_of
from qa2pack.manifest.actions import Mode
from support.commands import run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, PublishStoppingDisk, Stopped
from support.in_process import Delivery
from support.outcomes import Laid, Layouts, check_goes_back, check_goes_on
from support.worlds import Change, Scenario, scratch_root, some_calls

Capsys = pytest.CaptureFixture[str]
BOTH = (False, True)
SCENARIOS = (
    *(Scenario(change, Mode.MOVE) for change in Change),
    *(Scenario(Change.REPLACE, mode) for mode in (Mode.HARD, Mode.COPY, Mode.FAKE)),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.MOVE, is_alike=True),
)
STRIDE = 5  # of the calls long after the commit, each of which does the same as its neighbours
BEGUN = {Phase.COMMITTED, Phase.PUBLISHED, Phase.DISCARDING, Phase.ROLLING_BACK}


@pytest.fixture(scope="module")
def layouts() -> Iterator[Layouts]:
    with scratch_root() as root:
        yield Layouts(root)


@contextmanager
def new_disk(root: Path, way: str = "-a") -> Iterator[None]:
    """Let a copy stand in the place of the folder, with the links between its files unless `cp` has another way."""
    original = root.with_name(f"{root.name}-original")
    root.rename(original)
    try:
        subprocess.run(["cp", way, original, root], check=True)
        yield
    finally:
        shutil.rmtree(root)
        original.rename(root)


def stop(laid: Laid, at: int, run: Callable[[Disk], object]) -> bool:
    """Run until the call, and stop before it; False if there are fewer calls."""
    disk = FaultyDisk(Fault.STOP_BEFORE, at, laid.splits)
    with suppress(Stopped):
        run(disk)
    return disk.has_failed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_stopped_apply_goes_on_or_back_on_a_new_disk(layouts: Layouts, scenario: Scenario) -> None:
    """The two take turns, and begin with the other one in the next scenario."""
    laid = layouts.get(scenario, knows_inodes=False)
    places = (*range(laid.sync + 1, laid.sync + 9), *range(laid.sync + 9, len(laid.calls), STRIDE))
    for number, at in enumerate(places, SCENARIOS.index(scenario)):
        assert stop(laid, at, laid.world.apply)
        if laid.world.phase in BEGUN:
            with new_disk(laid.world.root):
                (check_goes_on, check_goes_back)[number % 2](laid)
        laid.world.bring_back()


@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one.mode is Mode.MOVE], ids=str)
def test_stopped_rollback_goes_on_on_a_new_disk(layouts: Layouts, scenario: Scenario) -> None:
    laid = layouts.get(scenario, knows_inodes=False)
    committed = laid.sync + 2
    while True:
        stop(laid, committed, laid.world.apply)
        if laid.world.phase is Phase.PUBLISHED:
            break
        laid.world.bring_back()
        committed += 1
    disk = CountingDisk()
    laid.world.roll_back(disk)
    for at in some_calls(disk.calls):
        laid.world.bring_back()
        stop(laid, committed, laid.world.apply)
        assert stop(laid, at, laid.world.roll_back)
        if laid.world.has_begun:
            with new_disk(laid.world.root):
                check_goes_back(laid)


def published_replace(layouts: Layouts, *, is_alike: bool = False) -> Laid:
    """Return a world in which the trees were exchanged, and nothing says so."""
    laid = layouts.get(Scenario(Change.REPLACE, Mode.MOVE, is_alike=is_alike), knows_inodes=False)
    at = laid.calls.index("exchange", laid.sync) + 1
    assert stop(laid, at, laid.world.apply)
    assert laid.world.phase is Phase.COMMITTED
    return laid


@pytest.mark.parametrize("command", ["apply", "roll_back"])
def test_nothing_is_decided_where_neither_tree_is_known(layouts: Layouts, command: str) -> None:
    laid = published_replace(layouts)
    world = laid.world
    (readme,) = Path(world.root, "2011.0.00229.S").rglob("README*")
    with new_disk(world.root):
        readme.write_text("another")
        before = world.state()
        with pytest.raises(UnknownTreeError, match="tree-unknown"):
            getattr(world, command)()
        assert world.state() == before
    world.bring_back()


def contents(*roots: Path) -> list[dict[str, bytes]]:
    return [
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in roots
    ]


@pytest.mark.parametrize(
    ("mode", "is_published", "may_exchange", "command"),
    [
        *((Mode.COPY, is_published, True, command) for is_published in BOTH for command in ("apply", "rollback")),
        (Mode.HARD, True, True, "apply"),
        (Mode.HARD, True, True, "rollback"),
        (Mode.COPY, False, False, "rollback"),  # an apply takes the old package for one that was changed since
    ],
)
def test_either_of_two_trees_with_all_the_same_content_will_do_on_a_disk_that_was_copied_without_times(
    delivery: Delivery, capsys: Capsys, mode: Mode, is_published: bool, may_exchange: bool, command: str
) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(mode)
    with pytest.raises(Stopped):
        delivery.apply(PublishStoppingDisk(delivery.package.path, may_exchange=may_exchange))
    if is_published:
        Disk().exchange(staging_path(delivery.package) + b"/tree", delivery.package.path)
    before = contents(delivery.path, delivery.origin)
    with new_disk(delivery.path.parent, "-r"):
        ran = run_here(capsys, command, delivery.path)
        assert (ran.code, delivery.problems()) == (0, []), ran.err
        assert contents(delivery.path, delivery.origin) == before
        assert not Path(os.fsdecode(staging_path(delivery.package))).exists()


def test_old_tree_that_has_the_number_of_the_new_one_is_not_taken_for_it(
    layouts: Layouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = published_replace(layouts)
    old = transaction_paths(laid.world.package, begin_of(laid.world.records)).root
    number = os.lstat(old).st_ino
    monkeypatch.setattr(
        "qa2pack.executor.transaction.published_tree.is_published",
        lambda places, commit, **options: is_published(places, replace(commit, root_inode=number), **options),
    )
    check_goes_on(laid)
    laid.world.bring_back()


@pytest.mark.parametrize("check", [check_goes_on, check_goes_back])
def test_trees_that_seem_alike_are_read_where_the_new_disk_gives_a_false_hint(
    layouts: Layouts, monkeypatch: pytest.MonkeyPatch, check: Callable[[Laid], None]
) -> None:
    laid = published_replace(layouts, is_alike=True)
    places = transaction_paths(laid.world.package, begin_of(laid.world.records))
    for module in ("transaction.published_tree", "rollback_checks"):
        monkeypatch.setattr(
            f"qa2pack.executor.{module}.is_published",
            lambda places, commit, **options: (
                is_published(places, replace(commit, root_inode=os.lstat(places.root).st_ino), **options)
                if os.path.lexists(places.root)
                else is_published(places, commit, **options)
            ),
        )
    for root in (places.root, places.target):
        os.utime(root, (1, 1))
    check(laid)
    laid.world.bring_back()
