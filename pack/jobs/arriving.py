"""Arriving members: what a package has of each member of a delivery, by its manifests. Reads no file of either.

A delivery of sets holds a part of a member. It is compared with that part of the member which these sets select, as
the sender would deliver it of the package; the rest is of other deliveries, and stays.
"""

from collections.abc import Iterator
from dataclasses import field, replace

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import Package, PackageState
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.diff import paired_folders
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.receiving import is_of_any
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.tarsplit.contents import choose_members, delivered_records
from qa2pack.tarsplit.sidecar import Sidecar


@dataclass(slots=True)
class Arriving:
    """The members of a delivery.

    Attributes:
        new: the package lacks them.
        same: it has all that is delivered of them, with the same content.
        partial: it has a part of what is delivered of them, and nothing else in its place; they were received in
            sets, or are now.
        other: it has other content in the place of what is delivered.
    """

    new: list[bytes] = field(default_factory=list)
    same: list[bytes] = field(default_factory=list)
    partial: list[bytes] = field(default_factory=list)
    other: list[bytes] = field(default_factory=list)


def arriving(
    sidecar: Sidecar, members: list[bytes], package: Package, state: PackageState, opened: OpenedFiles
) -> Arriving:
    """Return what the package has of these members of a delivery.

    Raises:
        Refused: it has one of them without a manifest.
    """
    unknown = [member for member in members if member in state.members and member not in state.manifests]
    if unknown:
        adopt = Remedy("Make its manifest, then give the same command again:", ("pack adopt PACKAGE",))
        problems = (Problem(Code.MANIFEST_MISSING, package.member(member)) for member in unknown)
        raise Refused(*problems, remedies=(adopt,))
    found = Arriving()
    for member in members:
        if member not in state.members:
            found.new.append(member)
        else:
            _list_of(found, sidecar, member, package, state, opened).append(member)
    return found


def _list_of(
    found: Arriving, sidecar: Sidecar, member: bytes, package: Package, state: PackageState, opened: OpenedFiles
) -> list[bytes]:
    """Return the list that a member of the package belongs into."""
    (there,) = choose_members(package, state, opened, wanted=member, allow_dummies=True)
    header, rows = there.manifest.header, sidecar.rows_of(folder_of(member))
    of_sets = replace(there, rows=rows, among=sidecar.all_rows_of(folder_of(member)))
    selected = (each for each in delivered_records([of_sets]) if is_of_any(each.path, [member]))
    is_partial = header.is_adopted and bool(rows or header.delivery_sets)  # those that are adopted on disk have none
    is_same = {row.name for row in rows}.isdisjoint(header.missing_sets)  # else the member gets to know of these
    for old, new in paired_folders(selected, _arriving_records(sidecar, member)):
        if old is None or new is None or _content(old) != _content(new):
            is_same = False
            is_partial = is_partial and _is_part(old, new)
            if not is_partial:
                return found.other
    return found.same if is_same else found.partial


def _arriving_records(sidecar: Sidecar, member: bytes) -> Iterator[FolderRecord]:
    folder, stream = folder_of(member), sidecar.stream
    records = map(decode_record, stream.blobs_from(folder) if folder else stream.blobs())
    return (record for record in records if is_of_any(record.path, [member]))


def _content(record: FolderRecord) -> tuple[object, ...]:
    return record.path, tuple(record.names), tuple(record.folders), tuple(record.sizes), record.digests


def _is_part(old: FolderRecord | None, new: FolderRecord | None) -> bool:
    """Return whether all that a folder of the package has is also in the folder that arrives."""
    if old is None:
        return True
    return new is not None and _files(old).items() <= _files(new).items() and {*old.folders} <= {*new.folders}


def _files(record: FolderRecord) -> dict[bytes, tuple[int, bytes]]:
    return {
        name: (size, record.digest(index))
        for index, (name, size) in enumerate(zip(record.names, record.sizes, strict=True))
    }
