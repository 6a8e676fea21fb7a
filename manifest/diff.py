"""Diff of two members: merges two sorted streams of folder records, holding one folder of each in memory."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TypeVar

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import NO_DIGEST, Entry, FolderRecord
from qa2pack.manifest.path import sort_key
from qa2pack.manifest.table_lock import is_table_lock

Row = TypeVar("Row")


class Kind(StrEnum):
    """How a path changed from the old member to the new one."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one file; a size is None where the file does not exist."""

    path: bytes
    kind: Kind
    old_size: int | None
    new_size: int | None


def diff_members(old: Iterable[FolderRecord], new: Iterable[FolderRecord]) -> Iterator[Change]:
    """Yield a change for every file of either member, sorted by folder, then by name; both inputs must be sorted."""
    for before, after in paired_folders(old, new):
        yield from diff_folder(before, after)


def paired_folders(
    old: Iterable[FolderRecord], new: Iterable[FolderRecord]
) -> Iterator[tuple[FolderRecord | None, FolderRecord | None]]:
    """Pair the records of two members by folder; None where a member does not have the folder."""
    return _merged(((sort_key(r.path), r) for r in old), ((sort_key(r.path), r) for r in new))


def diff_folder(old: FolderRecord | None, new: FolderRecord | None) -> Iterator[Change]:
    """Yield a change for every file of one folder, sorted by name."""
    for before, after in _merged(_rows(old), _rows(new)):
        if before:
            yield Change(before.path, _kind(before, after), before.size, after.size if after else None)
        elif after:
            yield Change(after.path, Kind.ADDED, None, after.size)


def count_changes(old: FolderRecord | None, new: FolderRecord | None, counts: dict[Kind, int]) -> None:
    """Add the changes of one folder's files to the counts; fast where nothing differs, which is the usual case."""
    if old is not None and new is not None and have_same_files(old, new):
        counts[Kind.UNCHANGED] += len(new.names)
        return
    for change in diff_folder(old, new):
        counts[change.kind] += 1


def have_same_files(old: FolderRecord, new: FolderRecord) -> bool:
    """Return whether two folders surely hold the same files; False also where each file must be compared."""
    return (
        old.names == new.names
        and old.digests == new.digests
        and old.sizes == new.sizes
        and (old.actions == new.actions or Action.DUMMY not in (*old.actions, *new.actions))
        and (NO_DIGEST not in new.digests or old.mtimes == new.mtimes)
    )


def _rows(record: FolderRecord | None) -> Iterator[tuple[bytes, Entry]]:
    return ((entry.path, entry) for entry in record.entries()) if record else iter(())


def _kind(before: Entry, after: Entry | None) -> Kind:
    if after is None:
        return Kind.REMOVED
    return Kind.UNCHANGED if _is_same(before, after) else Kind.CHANGED


def _is_same(old: Entry, new: Entry) -> bool:
    """Return whether two files have the same content; compare mtimes where a digest is not known yet."""
    if (old.action is Action.DUMMY) is not (new.action is Action.DUMMY):
        return False
    if is_table_lock(old.path):
        return True
    if old.size != new.size:
        return False
    if NO_DIGEST in (old.digest, new.digest):
        return old.state.written == new.state.written
    return old.digest == new.digest


def _merged(
    old: Iterable[tuple[bytes, Row]], new: Iterable[tuple[bytes, Row]]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Pair the rows of two sorted sequences by key; None where a sequence does not have the key."""
    olds, news = iter(old), iter(new)
    before, after = next(olds, None), next(news, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None
            yield before[1], None
            before = next(olds, None)
        elif before is None or after[0] < before[0]:
            yield None, after[1]
            after = next(news, None)
        else:
            yield before[1], after[1]
            before, after = next(olds, None), next(news, None)
