"""Checks of the member: what its receivers want of names and numbers of files, as the layout says.

Pure: files that list names are read by the caller. Files and folders inside packaged trees are not looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import assert_never

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.check import Check, Count, Listed, Names, PathCheck, Say
from qa2pack.manifest.path import join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem

_MOST_NAMES = 4
_MOST_MISSING = 10


@dataclass(frozen=True, slots=True)
class Found:
    """What one check found; paths are relative to the member, which itself is `.`."""

    check: PathCheck
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Faults:
    """What the checks found, apart by what they say."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def path_checks(checks: Iterable[Check]) -> tuple[PathCheck, ...]:
    """Return the checks of the member that its paths and lists decide; the scan looks at names inside trees."""
    return tuple(
        check
        for check in checks
        if isinstance(check, Count | Listed) or (isinstance(check, Names) and not check.is_inside)
    )


def member_faults(checks: Iterable[Check], paths: Iterable[bytes], read: Callable[[bytes], bytes]) -> Faults:
    """Compare the paths of what is packaged with the checks; the arguments are those of `found_by_checks`."""
    found = found_by_checks(path_checks(checks), paths, read)
    faults = {say: [problem for each in found if each.check.say is say for problem in each.problems] for say in Say}
    return Faults(tuple(faults[Say.REFUSE]), tuple(faults[Say.WARN]))


def found_by_checks(
    checks: Iterable[PathCheck], paths: Iterable[bytes], read: Callable[[bytes], bytes]
) -> tuple[Found, ...]:
    """Return what each check finds, in their order.

    Args:
        paths: in the member, of all files and whole trees.
        read: returns what a file, by its path in the member, will hold; raises an OSError if it cannot be read.
    """
    known = sorted(paths, key=sort_key)
    return tuple(Found(check, tuple(_found(check, known, read))) for check in checks)


def _found(check: PathCheck, paths: Sequence[bytes], read: Callable[[bytes], bytes]) -> Iterator[Problem]:
    match check:
        case Count():
            return _counted(check, paths)
        case Names():
            return _named(check, paths)
        case Listed():
            return _listed(check, paths, read)
        case never:
            assert_never(never)


def _counted(check: Count, paths: Sequence[bytes]) -> Iterator[Problem]:
    inside = join(check.folder, b"")
    names = dict.fromkeys(path[len(inside) :].partition(b"/")[0] for path in paths if path.startswith(inside))
    fitting = [name for name in names if check.names.fits(name)]
    if not check.most:
        yield from (Problem(_code(check), join(check.folder, name), check.what) for name in fitting)
    elif not check.least <= len(fitting) <= check.most:
        more = f" and {len(fitting) - _MOST_NAMES} more" if len(fitting) > _MOST_NAMES else ""
        found = ", ".join(map(shown, fitting[:_MOST_NAMES])) + more or "none"
        yield Problem(_code(check), check.folder or b".", expected=check.what, found=found)


def _named(check: Names, paths: Sequence[bytes]) -> Iterator[Problem]:
    for path in _with_folders(paths):
        name = path.rpartition(b"/")[2]
        if not check.is_met_by(name) and path not in check.but:
            yield Problem(_code(check), path, check.what, check.found_in(name))


def _with_folders(paths: Sequence[bytes]) -> Iterable[bytes]:
    """Return the paths, each behind the folders in which it lies."""
    found: dict[bytes, None] = {}
    for path in paths:
        above = []
        folder = path.rpartition(b"/")[0]
        while folder and folder not in found:
            above.append(folder)
            folder = folder.rpartition(b"/")[0]
        found |= dict.fromkeys((*reversed(above), path))
    return found


def _listed(check: Listed, paths: Sequence[bytes], read: Callable[[bytes], bytes]) -> Iterator[Problem]:
    from qa2pack.manifest.layout.listed_names import ListError, listed_names

    for path in filter(check.is_list, paths):
        try:
            names = listed_names(read(path), check.elements, check.attribute)
        except (OSError, ListError) as error:
            reason = getattr(error, "strerror", None) or error
            yield Problem(_code(check), path, expected=check.what, found=f"no list of names: {reason}")
            continue
        there = {name for folder, _, name in _parted(paths) if not check.folder or folder == check.folder}
        missing = [name for name in names if name not in there]
        for name in missing[:_MOST_MISSING]:
            yield Problem(_code(check), path, expected=check.what, found=f"no {shown(join(check.folder, name))}")
        if len(missing) > _MOST_MISSING:
            more = f"{len(missing) - _MOST_MISSING:,} more names of files that are not there"
            yield Problem(_code(check), path, expected=check.what, found=more)


def _parted(paths: Iterable[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (path.rpartition(b"/") for path in paths)


def _code(check: PathCheck) -> Code:
    if check.say is Say.REFUSE:
        return Code.CHECK_FAILED
    return check.code if isinstance(check, Names) else Code.W_CHECK
