"""The contents of a delivery: folder records of the chosen members, with paths and metadata as in the tars.

One stream in path order, paths relative to the package. Of each file it keeps path, size, mtime in whole seconds,
normalised mode and digest. Source, inode and ctime are left out, so the stream is the same on any machine. Only reads
manifests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import dated, folder_of, named_so
from qa2pack.manifest.alma.package import README, Package, PackageState, check_delivered
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord, with_digests
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.digest import digest_of_bytes
from qa2pack.manifest.path import folders_above, join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.quantity import Name
from qa2pack.manifest.table_lock import is_table_lock

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Delivered:
    """A member of the package, with its path in the tar.

    Attributes:
        path: in the tar, relative to the package.
        source: on disk, relative to the package.
        readme: text of its README in the tar, if that differs from the one on disk.
    """

    path: bytes
    source: bytes
    manifest: Described
    readme: bytes | None = None

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


def delivered_records(members: Sequence[Delivered]) -> Iterator[FolderRecord]:
    """Yield the folder records of the delivery in path order, the package's own folder first.

    Raises:
        ValueError: a record is damaged.
    """
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
