"""Adopt members: write manifests for members that another program made, or that lost their control folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append, folder_of
from qa2pack.manifest.alma.package import README, DestinationKind, Package, PackageState
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.header import Header, Notes, StreamKind, Total
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.fs.control_file import LARGE_BYTES, read_control
from qa2pack.manifest.layout.found_texts import found_texts
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.layout.recorded_checks import rows_of
from qa2pack.manifest.layout.roles import adopted_names
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.scan.lock_rows import with_row_count


def adopt_members(
    package: Package,
    state: PackageState,
    *,
    engine: Engine,
    progress: Progress,
    now_ns: int,
    make_folder: Callable[[], None] = lambda: None,
    layout: str = "",
) -> Iterator[bytes]:
    """Scan every member without a manifest and write one; yield each member when its manifest is written.

    Nothing is written before all are scanned. From then on, the content that is on disk now counts as correct.

    Args:
        make_folder: makes the folder of the manifests, before the first is written; without it there must be one.
        layout: name or absolute path of their layout, which the manifests remember; empty where none is known.

    Raises:
        Refused: the destination is not a package, there is no such layout, or a member holds something that a package
            may not hold.
    """
    known = load_layout(layout) if layout else None
    if state.standing is not DestinationKind.PACKAGE:
        raise Refused(Problem(Code.NOT_A_PACKAGE, package.path))
    with ExitStack() as stack:
        scanned: dict[bytes, Gathered] = {}
        for member in state.without_manifest:
            names = known.name_rules if known else adopted_names()
            scanned[member] = _scan(package, member, names, engine=engine, progress=progress)
            stack.callback(scanned[member].spool.close)
        if problems := [problem for gathered in scanned.values() for problem in gathered.problems]:
            raise Refused(*problems)
        make_folder()
        for member, gathered in scanned.items():
            totals = tuple(Total(shown(role), *count) for role, count in sorted(gathered.counts.items()))
            notes = Notes(totals=totals, warnings=tuple(gathered.warnings))
            header = _header(package, member, now_ns)
            if known:
                texts = found_texts(known, _paths(gathered.spool), os.listdir(package.parent))
                header = _with_layout(header, known, layout, texts)
                notes = replace(notes, trees=tuple(_tables(gathered.spool)) if header.checks else ())
            folder = package.member(member)
            blobs = ((path, with_row_count(blob, folder)) for path, blob in gathered.spool.sorted_blobs())
            save_durably(package.manifest(member), header, notes, blobs)
            yield member


def _scan(package: Package, member: bytes, names: NameRules, *, engine: Engine, progress: Progress) -> Gathered:
    options = ScanOptions(root=package.path, action=Action.CARRY, follows_links=False, names=names)
    batch = SubtreeBatch(options, (Subtree(folder_of(member), b""),))
    return gather([batch], phase=f"adopt {member.decode()}", engine=engine, progress=progress)


def _header(package: Package, member: bytes, now_ns: int) -> Header:
    return Header(
        kind=StreamKind.MANIFEST,
        project=package.project,
        member=member,
        mode=Mode.COPY,
        append=Append.NOTHING,
        origin=package.path,
        scanned_ns=now_ns,
        layout="",
        may_leave=False,
        standing=DestinationKind.PACKAGE,
        base=(),
        readme=_readme(package, member),
        host="",
        user="",
        program="",
        is_adopted=True,
    )


def _with_layout(header: Header, layout: Layout, name: str, texts: tuple[bytes, ...]) -> Header:
    """Return the header of a member of a known layout."""
    return replace(
        header,
        layout=name,
        roles=layout.roles,
        checks=rows_of(layout),
        readme=header.readme if layout.has_readme else b"",
        found_texts=texts,
    )


def _tables(spool: RecordSpool) -> Iterator[bytes]:
    """Yield the folders of tables, the only ones that were surely packaged as a whole."""
    table: bytes | None = None  # records are sorted: what is in a table follows it
    for record in _records(spool):
        is_inside = table is not None and is_within(record.path, table)
        if record.path and not is_inside and b"table.dat" in record.names:
            table = record.path
            yield table


def _paths(spool: RecordSpool) -> Iterator[bytes]:
    return (join(record.path, name) for record in _records(spool) for name in record.names)


def _records(spool: RecordSpool) -> Iterator[FolderRecord]:
    return (decode_record(blob) for _, blob in spool.sorted_blobs())


def _readme(package: Package, member: bytes) -> bytes:
    try:
        return read_control(join(package.member(member), README), limit_bytes=LARGE_BYTES)
    except FileNotFoundError:
        return b""
