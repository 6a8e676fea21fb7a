"""One failing look at the disk, at every place: it is reported, and the same command then does what it always does.

A look is a `stat` or `lstat` of something in the control folder, or of the package itself, the listing of a folder,
or an `open` to read. Taken for absence, the error would let the kept package be removed, or a step of publishing be
left out without a word.

Looks that the same lines of the program make, for one file after the other, are of one kind. Of each kind the first
and the last fail in the first scenario that has it, and in later ones the first, every third kind in turn; in `make
torture` all fail. Of listings and opens, nearly all of which end the command, only the lines next to them count, and
the first of a kind fails, in three scenarios.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from types import FrameType
from typing import TypeVar

import pytest

from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Refused
from support.faulty_disk import SplitMemory, WatchedDisk
from support.worlds import Change, Scenario, State, World, make_world, scratch_root

Result = TypeVar("Result")
Kind = tuple[tuple[str, int], ...]  # file and line of the callers of a look, from the innermost outwards
_NEXT_LINES = 4

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
        self.kinds: list[Kind] = []  # of the looks that were done

    def places(self, known: set[Kind], turn: int) -> list[int]:
        """The numbers of the looks that are to fail; their kinds are added to those that are known."""
        first = {kind: at for at, kind in reversed([*enumerate(self.kinds)])}
        last = {kind: at for at, kind in enumerate(self.kinds) if len(kind) > _NEXT_LINES}
        new = first.keys() - known
        again = [at for kind, at in sorted(first.items(), key=itemgetter(1)) if kind in known][turn % 3 :: 3]
        known |= new
        return sorted({*again, *(at for ends in (first, last) for kind, at in ends.items() if kind in new)})

    def around(self, real: Callable[..., Result], lines: int | None = None) -> Callable[..., Result]:
        """Return a look that may fail; what counts of its caller are so many lines, else all."""

        def look(path: object, *args: object, **options: object) -> Result:
            if isinstance(path, bytes) and path.startswith(self._prefixes) and not _is_writing(*args):
                self.kinds.append(_lines_of_caller()[:lines])
                if len(self.kinds) - 1 == self._at:
                    raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return real(path, *args, **options)

        return look


def _is_writing(flags: object = 0, *_: object) -> bool:
    """Tell whether this opens a file to write, which is no look: other tests let it fail."""
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _lines_of_caller() -> Kind:
    """Return the lines of the program that are being run, from the look outwards."""
    frame: FrameType | None = sys._getframe(2)
    lines = []
    while frame and frame.f_code is not World.apply.__code__ and frame.f_code is not World.roll_back.__code__:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return tuple(lines)


@contextmanager
def failing_look(world: World, at: int, *, is_every: bool = False) -> Iterator[_Looks]:
    looks = _Looks(world, at)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("lstat", "stat"):
            patch.setattr(os, name, looks.around(getattr(os, name)))
        for name in ("listdir", "scandir", "open") if is_every or world.scenario in SCENARIOS[3:] else ():
            patch.setattr(os, name, looks.around(getattr(os, name), _NEXT_LINES))
        yield looks


def check_looks(
    world: World,
    prepare: Callable[[], object],
    run: Callable[[], object],
    places: Callable[[_Looks], Sequence[int]],
    *,
    is_every: bool = False,
) -> None:
    prepare()
    run()  # from here on tables are split from memory, with fewer looks
    world.bring_back()
    prepare()
    with failing_look(world, at=-1, is_every=is_every) as looks:
        run()
    expected = world.state()
    for at in places(looks):
        world.bring_back()
        prepare()
        if not ends_well(world, run, at, is_every=is_every) and not is_over(world, expected):
            run()
        assert reported(world.state()) == reported(expected), f"look {at}: {looks.kinds[at][:4]}"


def is_over(world: World, expected: State) -> bool:
    """Tell whether all was done when the look failed, as the last one may: another rollback would go further back."""
    return not os.path.exists(journal_path(world.package)) and reported(world.state()) == reported(expected)


def ends_well(world: World, run: Callable[[], object], at: int, *, is_every: bool) -> bool:
    """Run with a look that fails; tell whether it ended well; an error that is reported is the one that was made."""
    with failing_look(world, at, is_every=is_every) as looks:
        try:
            run()
        except OSError as error:
            assert error.errno == errno.EIO
            return False
        except (Refused, CannotUndoError) as error:
            assert Code.UNREADABLE in {problem.code for problem in error.problems}
            return False
    assert len(looks.kinds) > at
    return True


def reported(state: State) -> tuple[object, ...]:
    return state.package, state.tickets, state.origins, state.control, state.kept_count, state.has_plan


@pytest.mark.parametrize("is_rollback", [False, True], ids=["apply", "rollback"])
def test_failed_look_is_reported_and_made_good(*, is_rollback: bool) -> None:
    known: set[Kind] = set()
    for turn, scenario in enumerate(SCENARIOS):
        with scratch_root() as root:
            world, disk = make_world(root, scenario), WatchedDisk(SplitMemory())
            apply, places = partial(world.apply, disk), partial(_Looks.places, known=known, turn=turn)
            prepare, run = (apply, world.roll_back) if is_rollback else (lambda: None, apply)
            check_looks(world, prepare, run, places)
    assert len(known) > 50


@pytest.mark.torture
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_failed_look_is_reported_and_made_good(scenario: Scenario) -> None:
    with scratch_root() as root:
        world, disk = make_world(root, scenario), WatchedDisk(SplitMemory())
        apply = partial(world.apply, disk)
        for prepare, run in ((lambda: None, apply), (apply, world.roll_back)):
            check_looks(world, prepare, run, lambda looks: range(len(looks.kinds)), is_every=True)
