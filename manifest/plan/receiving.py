"""Receiving: a plan that adds the members of a delivery to a package, and what their manifests say.

What is received has no records in the plan: all entries are in the manifest of the delivery, whose digest is in the
plan. The plan has records of what a member keeps that gets more files (see `manifest.plan.carried`). A member gets
a manifest as one that was adopted, because where its files came from is not known here; but the digests are those of
the delivery. The functions below say what a manifest has; the executor uses them, too. Reads no file of a delivery.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.member_ids import Append, folder_of, is_of_cycle0
from qa2pack.manifest.alma.package import (
    README,
    DestinationKind,
    Package,
    PackageState,
    check_others_not_lost,
)
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import ArrivedIn, Header, Notes, ReceivedDelivery, StreamKind, Total
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.fs.presence import is_folder, real_path
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.tree import adds_folder
from qa2pack.manifest.path import folders_above, is_address, is_within, join, shown
from qa2pack.manifest.plan.destination import Destination, writing_problems
from qa2pack.manifest.plan.extra_files import foreign_remedies
from qa2pack.manifest.plan.obstacles import enclosing_package
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, refuse_any
from qa2pack.manifest.role import role_of
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.table_lock import is_table_lock

if TYPE_CHECKING:
    from qa2pack.manifest.format.check_row import CheckRow
    from qa2pack.manifest.layout.rules import Layout
    from qa2pack.manifest.plan.carried import Selecting

# Of a tree other than that of Cycle 0 no layout can be guessed; this one says the least of it.
_UNKNOWN_TREE = "as-is"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a delivery adds to a package.

    Attributes:
        sidecar: absolute path of the manifest of the delivery.
        digest: of that manifest.
        members: those that are added, sorted; at least one.
        arrived_in: what it says of itself.
        layout: their layout, by name or absolute path; empty where it is not known.
        selecting: what the delivery has of a member that is replaced; None: all of it.
        is_replacing: a member is replaced also where it has other content, or files that were changed by hand.
        one_by_one: what to do where the members cannot be received at once.
    """

    sidecar: bytes
    digest: bytes
    members: tuple[bytes, ...]
    arrived_in: ArrivedIn
    layout: str = ""
    selecting: "Selecting | None" = None
    is_replacing: bool = False
    one_by_one: tuple[Remedy, ...] = ()


def check_place(package: Package, opened: OpenedFiles) -> None:
    """Refuse a place where nothing can be received, before anything is made there."""
    if (around := enclosing_package(package)) is not None:
        raise Refused(Problem(Code.INSIDE_PACKAGE, package.path, found=os.fsdecode(around)))
    if not is_folder(package.parent):
        raise Refused(Problem(Code.DESTINATION_MISSING, package.parent))
    check_control(package.control)
    refuse_any(tuple(writing_problems(package, opened, force=False)))


def plan_receiving(
    arrival: Arrival,
    destination: Destination,
    records: Iterable[FolderRecord],
    opened: OpenedFiles,
    *,
    program: str,
    now_ns: int,
) -> Plan:
    """Plan to add members of a delivery to a package, or to put one in the place of that which is there.

    Args:
        destination: the package as it is; its member is chosen here.
        records: of the members that are added, paths relative to the package.
        now_ns: the time of the plan, ns since the epoch.

    Raises:
        Refused: the package has something else in it, has lost another member, or cannot get these members at once;
            they are not of the layout; or what is in the place of one would be lost.
    """
    destination = _with_members(arrival, destination, opened)
    check_others_not_lost(destination.state, destination.member)
    earlier = _earlier(destination)
    if earlier and earlier.header.is_adopted and not arrival.layout and earlier.header.layout != _UNKNOWN_TREE:
        arrival = replace(arrival, layout=earlier.header.layout)
    layout = _layout(arrival)
    if strange := [member for member in arrival.members if layout and not layout.tree.has(member)]:
        text = layout.tree.text if layout else ""
        raise Refused(Problem(Code.OTHER_TREE, folder_of(strange[0]), text or "the package itself"))
    if earlier:
        before = earlier.header.arrived_in
        if arrival.selecting and before and arrival.arrived_in.is_older_than(before):  # sets may come in any order
            arrival = replace(arrival, arrived_in=before)
        return _plan_in_place(arrival, destination, earlier, layout, records, program=program, now_ns=now_ns)
    contents = contents_of(records, arrival.members)
    header = _header(arrival, destination, layout, contents, program=program, now_ns=now_ns)
    notes = Notes(totals=contents.totals, new_files=contents.file_count, new_bytes=contents.byte_count)
    return Plan(header, notes, destination, Gathered())


def _earlier(destination: Destination) -> Described | None:
    """Return the manifest of the member that is replaced, if one is."""
    if destination.append is not Append.REPLACE:
        return None
    return destination.opened.manifest_of(destination.member, destination.package.manifest(destination.member))


def _plan_in_place(
    arrival: Arrival,
    destination: Destination,
    earlier: Described,
    layout: "Layout | None",
    records: Iterable[FolderRecord],
    *,
    program: str,
    now_ns: int,
) -> Plan:
    """Plan to put a member of a delivery in the place of that which is there, of which files may be carried over."""
    # Slow to import, and rarely needed.
    from qa2pack.manifest.plan.carried import carried_records, each_name_once, keep_files, together

    gathered, member = Gathered(), destination.member
    try:
        kept = keep_files(destination, earlier, arrival.selecting, gathered.spool, is_replacing=arrival.is_replacing)
        carried = carried_records(earlier.stream.blobs(), (blob for _, blob in gathered.spool.sorted_blobs()))
        received = (received_record(record, member) for record in records if is_of_any(record.path, [member]))
        records = each_name_once(together(carried, received), destination.package.member(member))
        contents = contents_of(in_package(records, member), [member])
    except BaseException:
        gathered.spool.close()
        raise
    header = _header(arrival, destination, layout, contents, program=program, now_ns=now_ns)
    notes = Notes(
        totals=contents.totals,
        new_files=contents.file_count - kept.file_count,
        new_bytes=contents.byte_count - kept.byte_count,
        changed=kept.changed,
    )
    return Plan(header, notes, destination, gathered)


def in_package(records: Iterable[FolderRecord], member: bytes) -> Iterator[FolderRecord]:
    """Yield records of a member with paths relative to the package."""
    folder = folder_of(member)
    return (replace(record, path=join(folder, record.path) if record.path else folder) for record in records)


def _with_members(arrival: Arrival, destination: Destination, opened: OpenedFiles) -> Destination:
    state, members = destination.state, arrival.members
    if state.standing in (DestinationKind.ABSENT, DestinationKind.EMPTY):
        return replace(destination, member=members[0], append=Append.NOTHING)
    if state.standing is not DestinationKind.PACKAGE:
        paths = [join(destination.package.path, path) for path in state.unexpected[:20]] or [destination.package.path]
        problems = [Problem(Code.NOT_A_PACKAGE, path) for path in paths]
        raise Refused(*problems, remedies=foreign_remedies(destination.package, state, opened))
    if there := [member for member in members if member in state.members]:
        if len(members) > 1:
            raise _apart(arrival, there)
        return replace(destination, member=members[0], append=Append.REPLACE)
    _check_beside(members, destination.package, state)
    is_group = adds_folder(members[0], state.members)
    if len(members) > 1 and not (is_group and _is_one_folder(members, state)):
        raise _apart(arrival, members)
    return replace(destination, member=members[0], append=Append.GROUP if is_group else Append.MEMBER)


def _apart(arrival: Arrival, members: Iterable[bytes]) -> Refused:
    problems = (Problem(Code.MEMBERS_APART, folder_of(member)) for member in members)
    return Refused(*problems, remedies=arrival.one_by_one)


def _check_beside(members: Iterable[bytes], package: Package, state: PackageState) -> None:
    """Refuse a member within another one."""
    for member in members:
        for other in state.members:
            if is_within(folder_of(member), folder_of(other)) or is_within(folder_of(other), folder_of(member)):
                raise Refused(Problem(Code.OTHER_TREE, package.member(other), found=shown(member)))


def _is_one_folder(members: Iterable[bytes], state: PackageState) -> bool:
    """Return whether all lie below one folder that the package does not have, so that one rename adds them."""
    there = folders_above(map(folder_of, state.members))
    tops = [next(above for above in folders_above([folder_of(m)]) if above not in there) for m in members]
    return len(set(tops)) == 1


def _layout(arrival: Arrival) -> "Layout | None":
    return load_layout(arrival.layout) if arrival.layout else None


@dataclass(frozen=True, slots=True)
class Contents:
    """What some members of a delivery hold.

    Attributes:
        tables: folders of tables, relative to the package.
        mode: COPY if nothing is a placeholder.
    """

    totals: tuple[Total, ...]
    tables: tuple[bytes, ...]
    mode: Mode

    @property
    def file_count(self) -> int:
        """Number of files."""
        return sum(total.file_count for total in self.totals)

    @property
    def byte_count(self) -> int:
        """Their bytes."""
        return sum(total.byte_count for total in self.totals)


def contents_of(records: Iterable[FolderRecord], members: Iterable[bytes]) -> Contents:
    """Return what the members hold.

    Args:
        records: of these members and the folders above them, paths relative to the package, in path order.
    """
    folders = sorted(map(folder_of, members), key=len, reverse=True)
    sums: dict[bytes, tuple[int, int]] = {}
    tables: list[bytes] = []
    placeholders = is_readme_empty = False
    for record in records:
        member = next((folder for folder in folders if not folder or is_within(record.path, folder)), None)
        if member is None:
            continue
        inside = _inside(record.path, member)
        role = role_of(inside, is_folder=True)
        files, size = sums.get(role, (0, 0))
        if record.names:
            sums[role] = files + len(record.names), size + sum(record.sizes)
        if inside and b"table.dat" in record.names and not (tables and is_within(record.path, tables[-1])):
            tables.append(record.path)
        found = [record.names[index] for index in _placeholders(record)]
        placeholders = placeholders or bool(found)
        is_readme_empty = is_readme_empty or (not inside and README in found)
    mode = Mode.COPY if not placeholders else Mode.FAKE if is_readme_empty else Mode.TICKET
    totals = tuple(Total(shown(role), *sums[role]) for role in sorted(sums))
    return Contents(totals, tuple(tables), mode)


def _placeholders(record: FolderRecord) -> list[int]:
    """Return the indexes of the placeholders: they are empty, and the delivery has no digest of them."""
    if NO_DIGEST not in record.digests:  # which nearly no folder has
        return []
    return [
        index
        for index, name in enumerate(record.names)
        if not record.sizes[index] and record.digest(index) == NO_DIGEST and not is_table_lock(name)
    ]


def _inside(path: bytes, folder: bytes) -> bytes:
    return path[len(folder) :].removeprefix(b"/")


def _header(
    arrival: Arrival,
    destination: Destination,
    layout: "Layout | None",
    contents: Contents,
    *,
    program: str,
    now_ns: int,
) -> Header:
    is_known = all(map(is_of_cycle0, arrival.members))
    return Header(
        kind=StreamKind.PLAN,
        project=destination.package.project,
        member=destination.member,
        mode=contents.mode,
        append=destination.append,
        origin=os.path.dirname(
            arrival.sidecar if is_address(os.fsdecode(arrival.sidecar)) else real_path(arrival.sidecar)
        ),
        scanned_ns=now_ns,
        layout=arrival.layout or ("" if is_known else _UNKNOWN_TREE),
        may_leave=False,
        standing=destination.state.standing,
        base=destination.base,
        readme=b"",
        host=os.uname().nodename,
        user=user_name(),
        program=program,
        is_adopted=True,
        roles=layout.roles if layout else (),
        checks=_checks_of(layout) if layout else (),
        received_from=ReceivedDelivery(arrival.sidecar, arrival.digest, arrival.members),
        arrived_in=arrival.arrived_in,
    )


def _checks_of(layout: "Layout") -> "tuple[CheckRow, ...]":
    from qa2pack.manifest.layout.recorded_checks import rows_of  # slow to import, and most deliveries have no layout

    return rows_of(layout)


def received_record(record: FolderRecord, member: bytes) -> FolderRecord:
    """Return the record of a folder of a member as its manifest has it; inodes and ctimes are 0, not known.

    Args:
        record: its path is relative to the package.
    """
    actions = bytearray([Action.CARRY]) * len(record.names)
    for index in _placeholders(record):
        actions[index] = Action.DUMMY
    path = _inside(record.path, folder_of(member))
    return replace(record, path=path, source=record.path, actions=bytes(actions))


def received_header(plan: Header, member: bytes, readme: bytes, found_texts: tuple[bytes, ...]) -> Header:
    """Return the header of the manifest of one member."""
    return replace(
        plan,
        kind=StreamKind.MANIFEST,
        member=member,
        readme=readme,
        found_texts=found_texts,
        received_from=None,
    )


def with_sets(
    header: Header, earlier: Header | None, rows: Sequence[DeliveryRow], all_rows: Sequence[DeliveryRow]
) -> Header:
    """Return the header of a member with the sets by which it was delivered, now and before.

    They are in the order in which they take their files, as far as it is known, so that the member can be delivered
    onward as it was.

    Args:
        earlier: of the member that gets these sets; None for a new one.
        rows: of this delivery; none: it is delivered as a whole.
        all_rows: all sets of the member; none: those of this delivery are all, or it is not known.
    """
    if not rows:
        return replace(header, delivery_sets=(), all_sets=())
    found = {row.name: row for row in (*(earlier.delivery_sets if earlier else ()), *rows)}
    all_rows = all_rows or (earlier.all_sets if earlier else ())
    known = [found.pop(row.name) for row in all_rows if row.name in found]
    header = replace(header, delivery_sets=(*known, *found.values()), all_sets=tuple(all_rows))
    return header if header.missing_sets else replace(header, all_sets=())


def received_notes(contents: Contents, header: Header) -> Notes:
    """Return the notes of the manifest of one member, of which these are the contents."""
    folder = folder_of(header.member)
    trees = tuple(_inside(table, folder) for table in contents.tables) if header.checks else ()
    return Notes(totals=contents.totals, trees=trees)


def is_of_any(path: bytes, members: Iterable[bytes]) -> bool:
    """Return whether a folder, its path relative to the package, is of one of the members."""
    return any(not folder or is_within(path, folder) for folder in map(folder_of, members))


def wanted_records(records: Iterable[FolderRecord], members: Collection[bytes]) -> Iterator[FolderRecord]:
    """Yield the records of some members, and of the folders above them with what leads to these members alone."""
    above = folders_above(map(folder_of, members))
    for record in records:
        if record.path in above:
            yield FolderRecord(path=record.path, folders=above[record.path])
        elif is_of_any(record.path, members):
            yield record
