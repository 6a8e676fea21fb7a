"""Extracted files of a plan: those that are taken out of bundles of the origin, as the reading of these found them.

Their records have the path of the bundle and that in it, joined, as source, and no inode and ctime.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from qa2pack.manifest.actions import Action, Mode, action_for
from qa2pack.manifest.format.header import OpenedBundle
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.path import join
from qa2pack.manifest.scan.batches import ScanOptions, ScanResult
from qa2pack.manifest.scan.link_and_owner_checks import path_problems

if TYPE_CHECKING:
    from qa2pack.manifest.scan.origin_bundle import InnerFile, OriginBundle


def insides_of(bundles: "Iterable[OriginBundle]") -> dict[bytes, tuple[Node, ...]]:
    """Return the files in the bundles as nodes, by the source of the bundle."""
    return {
        bundle.source: tuple(
            Node(file.path, Kind.FILE, file.size, join(bundle.source, file.path)) for file in bundle.files
        )
        for bundle in bundles
    }


def opened_of(items: Iterable[Item], bundles: "Mapping[bytes, OriginBundle]") -> tuple[OpenedBundle, ...]:
    """Return the bundles that some of the items are taken out of, sorted by source."""
    sizes = {source: _sizes(bundle) for source, bundle in bundles.items()}
    taken: defaultdict[bytes, list[int]] = defaultdict(list)
    for item in items:
        if item.taken_from:
            taken[item.taken_from].append(sizes[item.taken_from][item.source])
    return tuple(
        OpenedBundle(
            source,
            size=state.size,
            mtime_ns=state.mtime_ns,
            file_count=len(taken[source]),
            byte_count=sum(taken[source]),
            inode=state.inode,
            ctime_ns=state.ctime_ns,
        )
        for source in sorted(taken)
        if (state := bundles[source].state)
    )


def _sizes(bundle: "OriginBundle") -> dict[bytes, int]:
    return {join(bundle.source, file.path): file.size for file in bundle.files}


def extracted_files(
    items: Iterable[Item],
    bundles: "Mapping[bytes, OriginBundle]",
    options: ScanOptions,
    mode: Mode,
    in_tickets: Container[bytes],
) -> ScanResult:
    """Return what a scan would find of the items that are taken out of bundles.

    Args:
        in_tickets: the folders of the member whose files go into the ticket files.
    """
    result = ScanResult()
    taken = sorted((item for item in items if item.taken_from), key=lambda item: item.path.rpartition(b"/"))
    found = {join(source, file.path): file for source, bundle in bundles.items() for file in bundle.files}
    for folder, group in groupby(taken, key=lambda item: item.path.rpartition(b"/")[0]):
        some = list(group)
        is_placeholder = action_for(mode, in_tickets=some[0].folder in in_tickets) is Action.DUMMY
        action = Action.DUMMY if is_placeholder else Action.EXTRACT
        record = _record(folder, [(item, found[item.source]) for item in some], action)
        result.blobs.append((folder, encode_record(record)))
        result.warnings.extend(options.names.warnings(folder, record.names))
        result.problems.extend(path_problems(options.member, folder, record.names))
        result.count(folder, len(some), sum(record.sizes))
        result.new_files += len(some)
        result.new_bytes += 0 if is_placeholder else sum(record.sizes)
    return result


def _record(folder: bytes, rows: "list[tuple[Item, InnerFile]]", action: Action) -> FolderRecord:
    files = [file for _, file in rows]
    return FolderRecord(
        path=folder,
        names=[item.path.rpartition(b"/")[2] for item, _ in rows],
        sizes=[file.size for file in files],
        mtimes=[file.mtime_ns for file in files],
        modes=[file.mode for file in files],
        actions=bytes([action]) * len(rows),
        digests=b"".join(file.digest for file in files),
        source_names=[item.source for item, _ in rows],
        inodes=[0] * len(rows),
        ctimes=[0] * len(rows),
    )
