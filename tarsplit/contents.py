"""The contents of a delivery: folder records of the chosen members, with paths and metadata as in the tars.

One stream in path order, paths relative to the package. Of each file it keeps path, size, mtime in whole seconds,
normalised mode and digest. Source, inode and ctime are left out, so the stream is the same on any machine. Only reads
manifests.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import dated, folder_of, named_so
from qa2pack.manifest.alma.package import README, Package, PackageState, check_delivered
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord, with_digests
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.path import folders_above, is_within, join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.quantity import Name
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.tarsplit.selection import Selection, SetShare

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Delivered:
    """A member of the package, with its path in the tar.

    Attributes:
        path: in the tar, relative to the package.
        source: on disk, relative to the package.
        readme: text of its README in the tar, if that differs from the one on disk.
        rows: the delivery sets of it, whose file names wait for numbers alone; none: all of it is delivered.
        among: all sets of it, of which these are some (see `Selection`).
    """

    path: bytes
    source: bytes
    manifest: Described
    readme: bytes | None = None
    rows: tuple[DeliveryRow, ...] = ()
    among: tuple[DeliveryRow, ...] = ()

    @property
    def readme_path(self) -> bytes:
        """Where README is in the tar, relative to the package."""
        return join(self.path, README)


def choose_members(
    package: Package,
    state: PackageState,
    opened: OpenedFiles,
    *,
    wanted: bytes = b"",
    label_day: str = "",
    allow_dummies: bool = False,
) -> list[Delivered]:
    """Return the members to deliver, in path order.

    Args:
        wanted: the name of a member, or its end where that is unique; empty for all.
        label_day: the date that is put into the members' names in the tar; empty: names stay.

    Raises:
        Refused: no such member, a member without a folder, without a manifest or made of placeholders, or two members
            with the same name in the tar.
        StreamError: a manifest is damaged.
    """
    check_delivered(state, wanted)
    names = named_so(state.members, wanted) if wanted else state.members
    _check_names(package, state, names, wanted)
    members = [_delivered(opened.manifest(package.manifest(name)), label_day) for name in names]
    for member in members:
        if not (member.manifest.header.mode.has_content or allow_dummies):
            mode = member.manifest.header.mode
            raise Refused(Problem(Code.PLACEHOLDERS, member.source, found=Name(mode, "the mode")))
    if len({member.path for member in members}) < len(members):
        raise Refused(Problem(Code.LABELS_MERGE, package.path))
    return sorted(members, key=lambda member: sort_key(member.path))


def folder_mtime(members: Sequence[Delivered]) -> int:
    """Return the mtime of all folders in the tar, in seconds: the scan time of the newest member."""
    return max(member.manifest.header.scanned_ns for member in members) // _SECOND


def all_sets_of(member: Delivered) -> tuple[DeliveryRow, ...]:
    """Return all sets of a member that have something of it, in order, if that are others than are delivered.

    A member that was received by some of its sets knows the others.
    """
    rows = member.manifest.header.all_sets
    if not rows and member.among:
        marked = _marked([replace(member, rows=member.among, among=())])
        found = {share.set for each in marked for share in each.shares}
        rows = tuple(row for number, row in enumerate(member.among) if number in found)
    names = {row.name for row in member.rows}
    return () if {row.name for row in rows} <= names else rows


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder of a delivery of sets.

    Attributes:
        record: its files and subfolders that are delivered.
        shares: what each set has of it; their indexes are counted over the sets of all members.
    """

    record: FolderRecord
    shares: Sequence[SetShare]


def delivered_records(members: Sequence[Delivered]) -> Iterator[FolderRecord]:
    """Yield the folder records of the delivery in path order, the package's own folder first.

    Raises:
        ValueError: a record is damaged.
    """
    if any(member.rows for member in members):
        return (each.record for each in selected_records(members))
    return _all_records(members)


def selected_records(
    members: Sequence[Delivered], left_out: Callable[[bytes], None] | None = None
) -> Iterator[Selected]:
    """Yield the folders of a delivery of sets, with what is selected in them; as `delivered_records`.

    All records are read twice: which folders are delivered is known only at the end.

    Args:
        left_out: is called with the path of each file that is in no set.
    """
    held = {each.record.path for each in _marked(members) if each.shares}
    above = folders_above(held)
    for each in _marked(members):
        record = each.record
        places = {index: place for place, index in enumerate(sorted({i for one in each.shares for i in one.files}))}
        if left_out and len(places) < len(record.names):
            for index, name in enumerate(record.names):
                if index not in places:
                    left_out(join(record.path, name))
        if record.path in held or record.path in above:
            chosen = replace(record.selected(list(places)), folders=above.get(record.path, ()))
            yield Selected(chosen, [replace(one, files=[places[i] for i in one.files]) for one in each.shares])


def _marked(members: Sequence[Delivered]) -> Iterator[Selected]:
    """Yield all folders of the members, with what each set has of them."""
    selections, first = {}, 0
    for each in members:
        selections[each.path] = Selection(each.rows, first, each.among)
        first += len(each.rows)
    member: bytes | None = None
    for record in _all_records(members):
        if record.path in selections:
            member = record.path
        elif member is None or (member and not is_within(record.path, member)):
            yield Selected(record, ())  # above the members
            continue
        folder = record.path[len(member) :].lstrip(b"/")
        yield Selected(record, tuple(selections[member].shares(folder, record.names)))


def _all_records(members: Sequence[Delivered]) -> Iterator[FolderRecord]:
    by_path = {member.path: member for member in members}
    above = folders_above(by_path)
    for path in sorted(above.keys() | by_path.keys(), key=sort_key):
        if path in above:
            yield FolderRecord(path=path, folders=above[path])
        else:
            yield from (
                _delivered_record(by_path[path], decode_record(blob))
                for blob in by_path[path].manifest.stream.blobs()
            )


def _check_names(package: Package, state: PackageState, names: Sequence[bytes], wanted: bytes) -> None:
    known = ", ".join(shown(member) for member in state.members)
    if not names and not wanted:
        raise Refused(Problem(Code.PACKAGE_MISSING, package.path))
    if len(names) != 1 and wanted:
        code = Code.MEMBER_AMBIGUOUS if names else Code.MEMBER_UNKNOWN
        raise Refused(Problem(code, wanted, f"one of {known}" if known else "none: the package has no member"))
    missing = [Problem(Code.MANIFEST_MISSING, name) for name in names if name not in state.manifests]
    if missing:
        raise Refused(*missing)


def _delivered(manifest: Described, label_day: str) -> Delivered:
    header = manifest.header
    source = folder_of(header.member)
    if not label_day:
        return Delivered(source, source, manifest)
    name = dated(header.member, label_day)
    if not name:
        raise Refused(Problem(Code.LABELS_MERGE, header.member))
    above, _, old = source.rpartition(b"/")
    return Delivered(join(above, name), source, manifest, _labelled_readme(header.readme, old, name))


def _labelled_readme(readme: bytes, old: bytes, new: bytes) -> bytes | None:
    """Return the README with the member renamed in its tree: receivers compare that tree with the names in the tar.

    The last matching line is changed, because the tree is at the end. None if no line matches.
    """
    before, line, after = readme.rpartition(b"|-- " + old + b"/\n")
    return before + line.replace(old, new) + after if line else None


def _delivered_record(member: Delivered, record: FolderRecord) -> FolderRecord:
    count = len(record.names)
    delivered = FolderRecord(
        path=join(member.path, record.path) if record.path else member.path,
        names=record.names,
        folders=record.folders,
        sizes=record.sizes,
        mtimes=[mtime - mtime % _SECOND if mtime > 0 else 0 for mtime in record.mtimes],
        modes=list(map({mode: _normal(mode) for mode in set(record.modes)}.__getitem__, record.modes)),
        actions=bytes([Action.COPY]) * count,
        digests=record.digests,
        inodes=[0] * count,
        ctimes=[0] * count,
    )
    # In place of the digest of a lock stands its number of rows: see `manifest.table_lock`.
    locks = [i for i, name in enumerate(record.names) if is_table_lock(name)]
    delivered = with_digests(delivered, dict.fromkeys(locks, NO_DIGEST)) if locks else delivered
    if Action.DUMMY in record.actions:
        delivered = _with_placeholders(
            delivered, [i for i, action in enumerate(record.actions) if action == Action.DUMMY]
        )
    if record.path or member.readme is None or README not in record.names:
        return delivered
    return _with_text(delivered, record.names.index(README), member.readme)


def _normal(mode: int) -> int:
    return 0o755 if mode & 0o111 else 0o644


def _with_placeholders(record: FolderRecord, indexes: Sequence[int]) -> FolderRecord:
    """Return the record with size 0 and no digest for these files: a record holds the size of the real file."""
    sizes = list(record.sizes)
    for index in indexes:
        sizes[index] = 0
    return with_digests(replace(record, sizes=sizes), dict.fromkeys(indexes, NO_DIGEST))


def _with_text(record: FolderRecord, index: int, text: bytes) -> FolderRecord:
    sizes = list(record.sizes)
    if not sizes[index]:
        return record  # a placeholder stays one
    sizes[index] = len(text)
    return with_digests(replace(record, sizes=sizes), {index: digest_of_bytes(text)})
