"""An origin that changes while its tables are split, or its files are moved: refused, or nothing is lost or mixed.

The change falls just before a call of the apply, as in `test_scenario_origin_changes`. A table is split from copies
of some files and links to, or copies of, the others: of both kinds one changes here. A moved file becomes a link only
while it is what was packaged; whatever else is there is left alone and reported, also what comes to the name between
looking at it and giving it to the link.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qa2pack.executor.apply import Applied
from qa2pack.executor.errors import OriginChangedError
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.problem import Code, Problem, Refused
from support.faulty_disk import CountingDisk, SplitMemory, Stopped
from support.origin_changes import (
    CHANGES,
    OLD,
    PACKAGED,
    WHOLE,
    ChangingDisk,
    become_a_folder,
    become_a_link,
    delete,
    image_of,
    put_back,
    replace_file,
    truncate,
)
from support.outcomes import Laid, Layouts
from support.worlds import Change, Scenario, scratch_root

_MOVE_STRIDE, _SPLIT_STRIDE = 7, 15
LEAVING = (replace_file, delete, become_a_link, become_a_folder)  # the planned inode is not at the name any more


@pytest.fixture
def layouts() -> Iterator[Layouts]:
    """Worlds of one test."""
    with scratch_root() as root:
        yield Layouts(root)


# --- split


def flip(path: Path) -> None:
    """Turn the last bit in place and set the time back."""
    status = path.stat()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip_aside(path: Path) -> None:
    """Put another file, of the same size and time, in its place."""
    status = path.stat()
    other = path.with_suffix(".new")
    data = path.read_bytes()
    other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def file_of_table(laid: Laid, *, is_written: bool) -> Path:
    """Return a file of the origin's table that the split writes again, or one that it leaves as it is."""
    plan = open_plan(laid.world.package.plan)
    task = plan.notes.splits[0]
    before = decode_record(task.before)
    written = max(range(len(before.names)), key=lambda index: before.sizes[index])
    if is_written:
        return Path(os.fsdecode(os.path.join(plan.header.origin, before.source_path(written))))
    blob = plan.stream.find(task.path)
    assert blob is not None
    record = decode_record(blob)
    kept = [index for index, action in enumerate(record.actions) if action != Action.SPLIT and record.sizes[index]]
    return Path(os.fsdecode(os.path.join(plan.header.origin, record.source_path(kept[-1]))))


def bring_back(laid: Laid, path: Path, data: bytes, mtime_ns: int) -> None:
    """Make world and file what they were; the file is the planned inode again."""
    path.unlink(missing_ok=True)
    os.link(laid.world.saved / path.relative_to(laid.world.root), path)
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    laid.world.bring_back()


@pytest.mark.parametrize("change", [flip, flip_aside, truncate, delete, become_a_link], ids=lambda c: c.__name__)
@pytest.mark.parametrize("is_written", [True, False], ids=["written", "kept"])
@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_table_changes_while_it_is_split(
    layouts: Layouts, mode: Mode, is_written: bool, change: Callable[[Path], None]
) -> None:
    laid = layouts.get(Scenario(Change.NEW, mode))
    path = file_of_table(laid, is_written=is_written)
    data, mtime_ns = path.read_bytes(), path.stat().st_mtime_ns
    assert data
    splits = [number for number, call in enumerate(laid.calls) if call == "split_table"]
    outcomes = set()
    for at in sorted({*range(0, laid.sync, _SPLIT_STRIDE), *splits, len(laid.calls) - 1}):
        problems = apply_while(laid, lambda: change(path), at)[0]
        outcomes.add(bool(problems))
        if problems:
            assert {(problem.code, problem.path) for problem in problems} == {
                (Code.ORIGIN_CHANGED, os.fsencode(path))
            }
            assert laid.world.visible() == laid.before.package
        elif mode is Mode.COPY or is_written:
            assert laid.world.problems() == []
            assert contents_of(laid.world.visible()) == contents_of(laid.after.package)
        else:  # a hard link shows what is written into the origin in place later on; verifying says so
            assert {os.path.basename(each.path) for each in laid.world.problems()} <= {os.fsencode(path.name)}
        bring_back(laid, path, data, mtime_ns)
    assert outcomes == {True, False}, "early changes are refused, late ones do not matter"


def contents_of(tree: dict[bytes, tuple[object, ...]]) -> dict[bytes, object]:
    """Return kind and content of everything, without times and inodes; README tells when it was planned."""
    return {path: (value[0], value[3] if value[0] == "file" else "") for path, value in tree.items()}


def apply_while(laid: Laid, happening: Callable[[], None], at: int) -> tuple[tuple[Problem, ...], Applied | None]:
    """Apply and let something happen before call number `at`; return the problems if that is refused."""
    try:
        return (), laid.world.apply(ChangingDisk(at, happening, laid.splits))
    except (OriginChangedError, Refused) as refusal:
        return refusal.problems, None


# --- move


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_file_changes_while_it_is_moved(layouts: Layouts, change: Callable[[Path], None]) -> None:
    laid = layouts.get(Scenario(Change.NEW, Mode.MOVE))
    image, mtime_ns = image_of(laid), image_of(laid).stat().st_mtime_ns
    outcomes = set()
    places = {*range(0, laid.sync, _MOVE_STRIDE), *range(laid.sync, len(laid.calls), 3), len(laid.calls) - 1}
    instant = calls_on(laid, image)
    assert [laid.calls[at] for at in sorted(instant)] == ["symlink", "exchange", "unlink"]
    for at in sorted({*places, *instant, min(instant) - 1, max(instant) + 1}):
        changed: list[tuple[str, bytes]] = []
        problems, applied = apply_while(laid, partial(change_and_look, change, image, changed), at)
        outcomes.add(bool(problems))
        if problems:
            assert {(problem.code, problem.path) for problem in problems} == {
                (Code.ORIGIN_CHANGED, os.fsencode(image))
            }
            assert laid.world.visible() == laid.before.package
            assert seen_at(image) == changed[0]
        else:
            assert applied is not None
            check_moved(laid, applied, changed[0])
            if at == min(instant) + 1 and change in LEAVING:
                assert {problem.path for problem in applied.left_alone} == {os.fsencode(image)}
            assert list(image.parent.glob(".qa2pack*")) == []
        put_back(laid, mtime_ns)
    assert outcomes == {True, False}, "early changes are refused, late ones are left alone"


class NamingDisk(CountingDisk):
    """Notes at which calls a name of the origin is replaced by a link."""

    def __init__(self, name: bytes, splits: SplitMemory | None) -> None:
        super().__init__(splits)
        self._name = name
        self.instant: set[int] = set()

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call."""
        if name == "symlink" and args[0].endswith(b"/" + self._name):
            self.instant = {len(self.calls), len(self.calls) + 1, len(self.calls) + 2}
        return super().around(name, call, *args, **options)


def calls_on(laid: Laid, path: Path) -> set[int]:
    """Return the numbers of the calls that put a link in the place of a file: prepare, exchange, remove the file."""
    disk = NamingDisk(os.fsencode(path.name), laid.splits)
    laid.world.apply(disk)
    laid.world.bring_back()
    return disk.instant


def change_and_look(change: Callable[[Path], None], path: Path, seen: list[tuple[str, bytes]]) -> None:
    """Change a file and note what stands there then."""
    change(path)
    seen.append(seen_at(path))


def seen_at(path: Path) -> tuple[str, bytes]:
    """Return what stands at a path and what is read there."""
    if path.is_dir():
        return ("folder", b"")
    if not os.path.lexists(path):
        return ("nothing", b"")
    return ("link" if path.is_symlink() else "file", path.read_bytes())


def check_moved(laid: Laid, applied: Applied, changed: tuple[str, bytes]) -> None:
    """Compare package and origin after an apply that was not refused: nothing that was written is lost."""
    image, packaged = image_of(laid), Path(os.fsdecode(laid.world.package.path + b"/" + PACKAGED))
    content = packaged.read_bytes()
    assert content in WHOLE
    assert [problem.path for problem in laid.world.problems()] == ([] if content == OLD else [PACKAGED])
    is_moved = image.is_symlink() and image.resolve() == packaged.resolve()
    if is_moved:  # then what was written went into the one file that there is
        assert applied.left_alone == () or changed[0] != "file"
        assert content == changed[1] or changed[0] == "link"
    else:
        assert seen_at(image) == changed


class StoppingWhileChanging(ChangingDisk):
    """Something happens before one call, and the program is stopped some calls later."""

    def __init__(self, at: int, happening: Callable[[], None], splits: SplitMemory | None, *, later: int) -> None:
        super().__init__(at, happening, splits)
        self._left = at + later

    def around(self, name: str, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        """Do the call, or stop in its place."""
        if self._left <= 0:
            raise Stopped
        self._left -= 1
        return super().around(name, call, *args, **options)


@pytest.mark.parametrize("later", [1, 2, 3])
@pytest.mark.parametrize("change", LEAVING, ids=lambda change: change.__name__)
@pytest.mark.parametrize("is_rolled_back", [False, True], ids=["apply", "rollback"])
def test_what_came_at_that_instant_outlives_a_stop(
    layouts: Layouts, is_rolled_back: bool, change: Callable[[Path], None], later: int
) -> None:
    """It came out of the exchange and the program was stopped before, in or after putting it back."""
    laid = layouts.get(Scenario(Change.NEW, Mode.MOVE))
    image, seen = image_of(laid), list[tuple[str, bytes]]()
    at = min(calls_on(laid, image)) + 1
    with pytest.raises(Stopped):
        laid.world.apply(
            StoppingWhileChanging(at, partial(change_and_look, change, image, seen), laid.splits, later=later)
        )
    if is_rolled_back:
        assert laid.world.can_roll_back() is (change is delete)
    if not is_rolled_back or change is not delete:
        applied = laid.world.apply()
        assert {problem.path for problem in applied.left_alone} == {os.fsencode(image)}
        assert seen_at(image) == seen[0]
        assert Path(os.fsdecode(laid.world.package.path + b"/" + PACKAGED)).read_bytes() == OLD
    assert list(image.parent.glob(".qa2pack*")) == []
