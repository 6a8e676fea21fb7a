"""Taking stock of a shelf: which packages came, went, were moved or changed since the last time.

Manifests are read only where their sizes, times or inodes are other ones than the catalogue has.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from qa2pack.executor.stop_signals import Stop
from qa2pack.executor.transaction.history import read_history
from qa2pack.executor.transaction.journal_records import Publishing
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.audit.catalogue import Catalogue
from qa2pack.pack.audit.facts import facts_of, look_of
from qa2pack.pack.audit.shelved import Shelved
from qa2pack.pack.audit.walk import unreadable, walk_packages


class ChangeKind(StrEnum):
    """What became of a package since the last run; RETURNED: it was gone."""

    NEW = "new"
    MOVED = "moved"
    CHANGED = "changed"
    RETURNED = "returned"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """A package that is not where or what it was.

    Attributes:
        was: its path before, if it was moved; else empty.
    """

    kind: ChangeKind
    path: bytes
    was: bytes = b""


@dataclass(frozen=True, slots=True)
class Stock:
    """What was found.

    Attributes:
        unsearched: folders that could not be searched.
        is_whole: the walk came to its end; it was not stopped.
    """

    changes: tuple[Change, ...]
    unsearched: tuple[Problem, ...]
    is_whole: bool


def failed_folders(unsearched: Iterable[Problem]) -> list[Problem]:
    """Return the folders that could not be searched for another reason than that they belong to others."""
    return [problem for problem in unsearched if problem.code is not Code.ACCESS_DENIED]


def take_stock(catalogue: Catalogue, roots: tuple[bytes, ...], now_ns: int, stop: Stop) -> Stock:
    """Walk the roots and bring the catalogue up to date.

    A package counts as gone only where its manifests are seen not to be there: one in a folder that cannot be
    searched is not gone. Nothing counts as gone if the walk was stopped.
    """
    changes: list[Change] = []
    unsearched: list[Problem] = []
    for root in roots:
        for path in walk_packages(root, unsearched.append):
            if stop.is_requested:
                return Stock(tuple(changes), tuple(unsearched), is_whole=False)
            try:
                changes += _seen(catalogue, path, now_ns)
            except OSError as error:  # it stays as it is known
                unsearched.append(unreadable(Package(path).manifests, error))
    for shelved in catalogue.unseen(now_ns):
        if shelved.gone_ns is None and _is_gone(shelved.path):
            catalogue.lose(shelved.number, now_ns)
            changes.append(Change(ChangeKind.GONE, shelved.path))
    return Stock(tuple(changes), tuple(unsearched), is_whole=True)


def _seen(catalogue: Catalogue, path: bytes, now_ns: int) -> Iterator[Change]:
    """Note a package that the walk found, and yield what is new about it."""
    looked = look_of(Package(path))
    if not looked:
        return
    known = catalogue.at(path)
    if known is None:
        yield _came(catalogue, path, looked, now_ns)
        return
    catalogue.see(known.number, path, now_ns)
    if known.gone_ns is not None:
        yield Change(ChangeKind.RETURNED, path)
    if known.looked != looked:
        facts = facts_of(Package(path))
        catalogue.update(known, looked, facts)
        if facts.identity != known.identity:
            yield Change(ChangeKind.CHANGED, path)


def _came(catalogue: Catalogue, path: bytes, looked: bytes, now_ns: int) -> Change:
    """Enter a package at a path that the catalogue does not know: a new one, a copy, or one that was moved."""
    facts = facts_of(Package(path))
    others = [*catalogue.unseen_with(facts.identity, now_ns), *_former(catalogue, path)]
    moved = next((each for each in others if _is_gone(each.path)), None)
    if moved is None:
        catalogue.add(path, looked, facts, now_ns)
        return Change(ChangeKind.NEW, path)
    catalogue.see(moved.number, path, now_ns)
    catalogue.update(moved, looked, facts)
    return Change(ChangeKind.MOVED, path, moved.path)


def _former(catalogue: Catalogue, path: bytes) -> Iterator[Shelved]:
    """Yield what the catalogue knows at the paths that the package had before it got another project code.

    Its manifests have the code, so they are other ones, but its journals know each path.
    """
    for each in read_history(Package(path)).finished:
        if each.publishing is Publishing.RENAME and (known := catalogue.at(each.origin)):
            yield known


def _is_gone(path: bytes) -> bool:
    try:
        return not look_of(Package(path))
    except OSError:
        return False
