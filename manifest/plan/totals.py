"""Generated records and totals of a plan: README, parent folders of items, split results, files and bytes by role."""

import os
from collections.abc import Iterable, Iterator

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.format.header import Difference, Header, Total
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.path import sort_key
from qa2pack.manifest.plan.table_files import SplitSources
from qa2pack.manifest.scan.collect import Gathered


def add_generated(
    gathered: Gathered, header: Header, items: tuple[Item, ...], splits: SplitSources, names: NameRules
) -> None:
    """Add the records that are not scanned: parent folders of items, README, and split results."""
    always = [role.folder for role in header.roles if role.is_always]
    for record in folder_records(items, always):
        gathered.spool.add(record.path, encode_record(record))
        gathered.warnings.extend(names.warnings(record.path, record.folders))
    gathered.spool.add(b"", encode_record(_readme_record(header)))
    for path, blob in splits.results.items():
        gathered.spool.add(path, blob)


def _readme_record(header: Header) -> FolderRecord:
    is_placeholder = header.mode is Mode.FAKE
    return FolderRecord(
        path=b"",
        names=[README],
        sizes=[len(header.readme)],
        mtimes=[header.scanned_ns],
        modes=[0o644],
        actions=bytes([Action.DUMMY if is_placeholder else Action.WRITE]),
        digests=NO_DIGEST if is_placeholder else digest_of_bytes(header.readme),
        inodes=[0],
        ctimes=[0],
    )


def sum_totals(gathered: Gathered, header: Header, splits: SplitSources) -> tuple[Total, ...]:
    """Return files and bytes of the package by role."""
    counts = dict(gathered.counts)
    for path, task in splits.tasks.items():
        role = path.split(b"/", 1)[0]
        files, size = counts.get(role, (0, 0))
        counts[role] = (files + len(task.spec.sizes), size + sum(size for _, size in task.spec.sizes))
    files, size = counts.get(b"", (0, 0))
    counts[b""] = (files + 1, size + len(header.readme))
    return tuple(Total(os.fsdecode(role), files, size) for role, (files, size) in sorted(counts.items()))


def count_new(
    gathered: Gathered, header: Header, splits: SplitSources, difference: Difference | None
) -> tuple[int, int]:
    """Return how many files and bytes are created, not linked or kept; table splits included."""
    split_files = sum(len(task.spec.sizes) for task in splits.tasks.values())
    split_sizes = (size for task in splits.tasks.values() for _, size in task.spec.sizes)
    split_bytes = sum(split_sizes) if header.mode.has_content else 0
    kept_files, kept_bytes = (difference.kept, difference.kept_bytes) if difference else (0, 0)
    new_bytes = gathered.new_bytes + split_bytes - kept_bytes - sum(gathered.holes.values())
    return gathered.new_files + split_files + 1 - kept_files, new_bytes


def folder_records(items: Iterable[Item], always: Iterable[bytes] = ()) -> Iterator[FolderRecord]:
    """Yield a record without files for every parent folder of an item, with its subfolders.

    The member itself and the folders that are made always are included.
    """
    children: dict[bytes, set[bytes]] = {b"": set(always)}
    children |= {folder: set() for folder in children[b""]}
    for item in items:
        path = item.path if item.is_tree else item.path.rpartition(b"/")[0]
        while path:
            parent, _, name = path.rpartition(b"/")
            children.setdefault(parent, set()).add(name)
            if path != item.path:  # a tree's own record comes from its scan
                children.setdefault(path, set())
            path = parent
    for path in sorted(children, key=sort_key):
        yield FolderRecord(path=path, folders=sorted(children[path]))
