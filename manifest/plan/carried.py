"""Carried files: what a member that gets files of a delivery keeps of those that it has.

A delivery of sets is a part of a member. The rest of the member came with other deliveries, and is hard-linked into
the new member: its records are those of the plan, and stay in the manifest as they were. Reads no content.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.diff import paired_folders
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord, merge_records
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.path import folders_above, join
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.extra_files import extra_remedies, paths_of
from qa2pack.manifest.plan.rebuild import own_records
from qa2pack.manifest.plan.replacement import hand_made
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy

# Of a folder of the member with these names: the indexes of what the delivery has, or would have, of its files; and
# whether it has the folder itself.
Selecting = Callable[[bytes, Sequence[bytes]], tuple[Collection[int], bool]]

_WHOLE = Remedy("Have the whole member delivered, and receive that with --replace")
_THEN = Remedy("Then give the same command again.")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a member.

    Attributes:
        file_count, byte_count: of the files that are carried over.
        changed: paths in the package of files that were changed by hand, and are replaced or carried over.
    """

    file_count: int
    byte_count: int
    changed: tuple[bytes, ...]


def keep_files(
    destination: Destination,
    manifest: Described,
    selecting: Selecting | None,
    spool: RecordSpool,
    *,
    is_replacing: bool,
) -> Kept:
    """Add the records of a plan for all files of a member that a delivery has nothing in the place of.

    Args:
        destination: of which the member is replaced.
        selecting: what the delivery has; None: all.
        is_replacing: also files that were changed by hand are replaced.

    Raises:
        Refused: somebody put files into the package that would go, or files are not as packaged.
    """
    package, header = destination.package, manifest.header
    member = package.member(header.member)
    if header.mode is Mode.MOVE:
        raise Refused(Problem(Code.ONLY_COPY, member, found=os.fsdecode(header.origin)))
    if selecting and not header.is_adopted:
        problem = Problem(
            Code.MEMBER_DIFFERS, member, "one that was received", f"one of {os.fsdecode(header.origin)}"
        )
        raise Refused(problem)
    made = hand_made(destination)
    if made.extra:
        remedies = extra_remedies(made.extra, package, destination.state, destination.opened)
        raise Refused(*made.extra, remedies=(*remedies, _THEN))
    problems = [] if is_replacing else list(_changed_in_delivery(manifest, member, selecting, made.changed))
    file_count = byte_count = 0
    if selecting:
        for record in _left(manifest, member, selecting, problems):
            spool.add(record.path, encode_record(record))
            file_count += len(record.names)
            byte_count += sum(record.sizes)
    if problems:
        raise Refused(*problems)
    return Kept(file_count, byte_count, paths_of(made.changed, package))


def _changed_in_delivery(
    manifest: Described, member: bytes, selecting: Selecting | None, changed: Sequence[Problem]
) -> Iterator[Problem]:
    """Yield the changed files in the place of which the delivery has something."""
    for problem in changed:
        folder, name = os.path.split(os.path.relpath(problem.path, member))
        if selecting is None or selecting(folder, [name])[0]:
            yield problem


def _left(
    manifest: Described, member: bytes, selecting: Selecting, problems: list[Problem]
) -> Iterator[FolderRecord]:
    """Yield the records of a plan for what the delivery does not have, and for the folders above.

    All records are read twice: which folders are left is known only at the end.
    """
    left = {record.path for record in map(decode_record, manifest.stream.blobs()) if _is_left(record, selecting)}
    above = folders_above(left)
    for record in own_records(manifest, manifest.header, member, problems):
        if record.path in left or record.path in above:
            taken, _ = selecting(record.path, record.names)
            kept = record.selected([index for index in range(len(record.names)) if index not in taken])
            yield replace(kept, folders=above.get(record.path, ()))


def _is_left(record: FolderRecord, selecting: Selecting) -> bool:
    taken, has_folder = selecting(record.path, record.names)
    is_empty = not (record.names or record.folders)
    return len(taken) < len(record.names) or (is_empty and not has_folder)


def carried_records(old: Iterable[bytes], planned: Iterable[bytes]) -> Iterator[FolderRecord]:
    """Yield the records of the manifest for what is carried over, as the old manifest has them.

    Args:
        planned: the records of the plan.
    """
    for before, after in paired_folders(map(decode_record, old), map(decode_record, planned)):
        if before is not None and after is not None:
            wanted = set(after.names)
            kept = before.selected([index for index, name in enumerate(before.names) if name in wanted])
            yield replace(kept, folders=after.folders)


def together(carried: Iterable[FolderRecord], received: Iterable[FolderRecord]) -> Iterator[FolderRecord]:
    """Yield the records of a member that has both, in path order; no file is in both."""
    for one, other in paired_folders(carried, received):
        if one is None or other is None:
            yield from filter(None, (one, other))
        else:
            yield merge_records([one, replace(other, device=one.device)])


def each_name_once(records: Iterable[FolderRecord], member: bytes) -> Iterator[FolderRecord]:
    """Yield the records; refuse a file that is carried over and received, or is where the other has a folder.

    Sets of one state of a member never make that; those of two states can, and a sidecar that somebody else wrote.

    Args:
        member: absolute path of it.
    """
    for record in records:
        names = Counter((*record.names, *record.folders))
        if twice := [name for name, count in names.items() if count > 1]:
            paths = (join(member, join(record.path, name)) for name in twice)
            problems = (Problem(Code.MEMBER_DIFFERS, path, found="one of another delivery set") for path in paths)
            raise Refused(*problems, remedies=(_WHOLE,))
        yield record
