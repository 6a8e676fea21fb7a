"""Generated records and totals of a plan: written files, parent folders, split results, files and bytes by role."""

from collections.abc import Iterable, Iterator, Mapping

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.format.header import Difference, Header, Total
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.path import shown, sort_key
from qa2pack.manifest.plan.table_files import SplitSources
from qa2pack.manifest.role import role_of
from qa2pack.manifest.scan.gathered import Gathered


def add_generated(
    gathered: Gathered,
    header: Header,
    items: tuple[Item, ...],
    splits: SplitSources,
    bundles: Iterable[FolderRecord],
    names: NameRules,
) -> None:
    """Add the records that are not scanned: parent folders, files that the program writes now, splits and bundles."""
    always = [role.folder for role in header.roles if role.is_always]
    written = tuple(Item(b"", file.path, is_tree=False) for file in header.written)
    for record in folder_records((*items, *written), always):
        gathered.spool.add(record.path, encode_record(record))
        gathered.warnings.extend(names.warnings(record.path, record.folders))
    for path, text in header.texts.items():
        folder, _, name = path.rpartition(b"/")
        gathered.warnings.extend(names.warnings(folder, [name]))
        if path not in header.late:
            _add_written(gathered, header, path, size=len(text), digest=digest_of_bytes(text))
    for path, blob in splits.results.items():
        gathered.spool.add(path, blob)
    for record in bundles:
        gathered.spool.add(record.path, encode_record(record))


def add_late(gathered: Gathered, header: Header, sizes: Mapping[bytes, int]) -> None:
    """Add the records of the files that are written last, with about the size that they will have."""
    for path, size in sizes.items():
        _add_written(gathered, header, path, size=size, digest=NO_DIGEST)


def _add_written(gathered: Gathered, header: Header, path: bytes, *, size: int, digest: bytes) -> None:
    folder, _, name = path.rpartition(b"/")
    is_placeholder = not _is_real(header, path)
    record = FolderRecord(
        path=folder,
        names=[name],
        sizes=[size],
        mtimes=[header.scanned_ns],
        modes=[0o644],
        actions=bytes([Action.DUMMY if is_placeholder else Action.WRITE]),
        digests=NO_DIGEST if is_placeholder else digest,
        inodes=[0],
        ctimes=[0],
    )
    gathered.spool.add(folder, encode_record(record))


def _is_real(header: Header, path: bytes) -> bool:
    """Return whether a file that the program writes gets its text; lists of placeholders would say what is not so."""
    if header.mode is Mode.TICKET:
        in_tickets = {role.folder for role in header.roles if role.in_tickets}
        return path not in header.late and (b"/" not in path or role_of(path) in in_tickets)
    return header.mode.has_content


def written_sizes(header: Header, late: Mapping[bytes, int]) -> dict[bytes, int]:
    """Return the sizes of all files that the program writes, by path; of late ones about that."""
    return {path: len(text) for path, text in header.texts.items()} | dict(late)


def sum_totals(
    gathered: Gathered, header: Header, splits: SplitSources, late: Mapping[bytes, int]
) -> tuple[Total, ...]:
    """Return files and bytes of the package by role.

    Args:
        late: about the sizes of the files that are written last.
    """
    counts = dict(gathered.counts)
    for path, task in splits.tasks.items():
        role = role_of(path, is_folder=True)
        files, size = counts.get(role, (0, 0))
        counts[role] = (files + len(task.spec.sizes), size + sum(size for _, size in task.spec.sizes))
    for path, byte_count in written_sizes(header, late).items():
        files, size = counts.get(role_of(path), (0, 0))
        counts[role_of(path)] = (files + 1, size + byte_count)
    return tuple(Total(shown(role), files, size) for role, (files, size) in sorted(counts.items()))


def count_new(
    gathered: Gathered,
    header: Header,
    splits: SplitSources,
    difference: Difference | None,
    late: Mapping[bytes, int],
) -> tuple[int, int]:
    """Return how many files and bytes are created, not linked or kept; table splits and late files included."""
    split_files = sum(len(task.spec.sizes) for task in splits.tasks.values())
    split_sizes = (size for task in splits.tasks.values() for _, size in task.spec.sizes)
    split_bytes = sum(split_sizes) if header.mode.has_content else 0
    kept_files, kept_bytes = (difference.kept, difference.kept_bytes) if difference else (0, 0)
    new_bytes = gathered.new_bytes + split_bytes - kept_bytes - sum(gathered.holes.values())
    late_bytes = sum(late.values()) if header.mode.has_content else 0
    return gathered.new_files + split_files + len(header.texts) - kept_files, new_bytes + late_bytes


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
