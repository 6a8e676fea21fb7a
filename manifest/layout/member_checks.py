"""Checks of the member: what its receivers want of names and numbers of files, as the layout says.

Pure. Files and folders inside packaged trees are not looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from qa2pack.manifest.layout.check import Check, Count, Names, Say
from qa2pack.manifest.path import join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem

_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class Faults:
    """What the checks found; paths are relative to the member."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def member_faults(checks: Iterable[Check], paths: Iterable[bytes]) -> Faults:
    """Compare the paths of what is packaged with the checks."""
    known = sorted(paths, key=sort_key)
    found: dict[Say, list[Problem]] = {Say.WARN: [], Say.REFUSE: []}
    for check in checks:
        if isinstance(check, Count):
            found[check.say] += _counted(check, known)
        elif isinstance(check, Names):
            found[check.say] += _named(check, known)
    return Faults(tuple(found[Say.REFUSE]), tuple(found[Say.WARN]))


def _counted(check: Count, paths: Sequence[bytes]) -> Iterator[Problem]:
    names = [name for folder, _, name in (path.rpartition(b"/") for path in paths) if folder == check.folder]
    if not check.folder:
        names = list(dict.fromkeys(path.partition(b"/")[0] for path in paths))
    fitting = [name for name in names if check.names.fits(name)]
    if not check.most:
        yield from (Problem(_code(check), join(check.folder, name), check.what) for name in fitting)
    elif not check.least <= len(fitting) <= check.most:
        more = f" and {len(fitting) - _MOST_NAMES} more" if len(fitting) > _MOST_NAMES else ""
        found = ", ".join(map(shown, fitting[:_MOST_NAMES])) + more or "none"
        yield Problem(_code(check), check.folder, expected=check.what, found=found)


def _named(check: Names, paths: Sequence[bytes]) -> Iterator[Problem]:
    for path in paths:
        name = path.rpartition(b"/")[2]
        letters = set(name.decode("utf-8", "surrogateescape"))
        if len(name) > check.longest or (check.letters and not letters <= check.letters):
            yield Problem(_code(check), path, expected=check.what)


def _code(check: Count | Names) -> Code:
    return Code.CHECK_FAILED if check.say is Say.REFUSE else Code.W_CHECK
