"""Last copies: files that only the package has, after a move; a package that replaces it must take them over."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.diff import have_same_files, paired_folders
from qa2pack.manifest.file_state import WRITTEN, untouched_of
from qa2pack.manifest.format.files import Described, unusable_manifest
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_actions
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_link, real_path, resolved, status_of
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.going_trees import GoingTrees
from qa2pack.manifest.plan.origin_files import OriginFiles
from qa2pack.manifest.plan.packaged_file import LOOK_BYTES, PackagedFile, Reading
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy

_ONLY_HERE = frozenset((Action.MOVE, Action.CARRY))


@dataclass(frozen=True, slots=True)
class LastCopy:
    """A file that was moved into the package and may be the last copy.

    Attributes:
        digest: digest of its content, NO_DIGEST if that is not known.
        origin: the origin that it came from; empty if it is not known, because the member was adopted.
        link: its path there; a symlink there leads to it, unless it was removed.
    """

    file: bytes
    digest: bytes
    origin: bytes
    link: bytes

    @property
    def is_linked(self) -> bool:
        """Return whether the symlink at its origin still leads to it."""
        return is_link(self.link) and resolved(self.link) == self.file

    @property
    def problem(self) -> Problem:
        """The problem of a plan that would lose it."""
        code = Code.ONLY_COPY if self.origin else Code.NOT_TAKEN_OVER
        return Problem(code, self.file, found=os.fsdecode(self.origin))


def lost_files(destination: Destination, request: PlanRequest, spool: RecordSpool) -> Iterator[LastCopy]:
    """Yield the last copies that would be lost by replacing the package.

    A file is safe if the new member takes it over. Where no symlink of the origin leads to it any more, it is enough
    that another file of the plan has its content; where one does, that symlink would dangle.

    The origin of the files of an adopted member is not known: they count as last copies too, unless `force`.

    Args:
        spool: the records of the new member.
    """
    if not destination.going:
        return
    left = list(_not_taken_over(destination, request, spool))
    wanted = {moved.digest for moved in left if moved.digest != NO_DIGEST and not moved.is_linked}
    known = _known_digests((blob for _, blob in spool.sorted_blobs()), wanted)
    for moved in left:
        if moved.digest not in known or moved.is_linked:
            yield moved


def remedies_at(origin: bytes, lost: Sequence[LastCopy]) -> tuple[Remedy, ...]:
    """Return what to do where all were moved from the origin that is planned; none for what their codes say."""
    if any(moved.origin != origin for moved in lost):
        return ()
    are_linked = {moved.is_linked for moved in lost}
    return tuple(remedy for is_linked, remedy in _AT_ORIGIN.items() if is_linked in are_linked)


_AT_ORIGIN = {
    False: Remedy(
        "They were moved from this origin, which has other files in their place now, or none: a program that saves a "
        "file may put a new one in place of a symlink. If that is right, move the old ones out of the package, then "
        "plan again:",
        ("pack plan ORIGIN PACKAGE --mode MODE",),
    ),
    True: Remedy(
        "They were moved from this origin, where symlinks lead to them, and the plan leaves these out. Plan them "
        "too, with other --exclude, --include or layout; or put each in the place of its symlink."
    ),
}


def last_copies(destination: Destination, spool: RecordSpool, sources: Iterable[bytes] = ()) -> Iterator[Problem]:
    """Yield one warning for all files that are gone from the origin and are lost with the package.

    Losing them may be intended, so it is not refused; but it must not happen silently.

    Args:
        spool: the records of the new member.
        sources: encoded records of the files that its tables are split of, and its bundles made.
    """
    doubtful: list[tuple[bytes, PackagedFile]] = []
    going = GoingTrees(map(destination.package.member, destination.going))
    for path in destination.going_manifests:
        manifest = _opened(path, destination)
        member, files = folder_of(manifest.header.member), OriginFiles(manifest, going)
        doubtful += [
            (join(member, file.path), file) for file in files.doubtful_of(_not_scanned_again(manifest, spool))
        ]
        doubtful += [(join(member, path), file) for path, some in files.doubtful_in_made() for file in some]
    wanted = {file.digest for _, file in doubtful} - {NO_DIGEST}
    known = _known_digests(chain((blob for _, blob in spool.sorted_blobs()), sources), wanted)
    # Not all are read, since that would only delay a warning.
    reading = Reading(LOOK_BYTES, beyond=PackagedFile.is_written)
    left = [path for path, file in doubtful if file.digest not in known and not reading.finds_at_origin(file)]
    if left:
        yield Problem(Code.W_LAST_COPY, min(left), found=counted(len(left), "file"))


def _not_scanned_again(manifest: Described, spool: RecordSpool) -> Iterator[FolderRecord]:
    """Yield the old folders that differ in the new member; the scan has read the sources of the others."""
    old = map(decode_record, manifest.stream.blobs())
    new = (decode_record(blob) for _, blob in spool.sorted_blobs())
    for before, after in paired_folders(old, new):
        if before is not None and (after is None or not have_same_files(before, after)):
            yield before


def _not_taken_over(destination: Destination, request: PlanRequest, spool: RecordSpool) -> Iterator[LastCopy]:
    """Yield the moved files whose inodes the new member does not have."""
    taken: set[int] | None = None
    package = real_path(destination.package.path)
    for path in destination.going_manifests:
        manifest = _opened(path, destination)
        if manifest.header.is_adopted and request.force:
            continue
        for inode, moved in _moved_files(manifest, package):
            taken = _inodes_taken_over(spool) if taken is None else taken
            if inode not in taken:
                yield moved


def _inodes_taken_over(spool: RecordSpool) -> set[int]:
    return {
        record.inodes[index]
        for _, blob in spool.sorted_blobs()
        for record in (decode_record(blob),)
        for index, action in enumerate(record.actions)
        if action == Action.CARRY
    }


def _known_digests(blobs: Iterable[bytes], wanted: set[bytes]) -> set[bytes]:
    """Return the wanted digests that these records have; memory holds only these."""
    if not wanted:
        return set()
    return {
        record.digest(index)
        for record in map(decode_record, blobs)
        for index in range(len(record.names))
        if record.digest(index) in wanted
    }


def _opened(path: bytes, destination: Destination) -> Described:
    try:
        return destination.opened.manifest(path)
    except StreamError as error:
        raise Refused(unusable_manifest(error, path)) from error


def _moved_files(manifest: Described, package: bytes) -> Iterator[tuple[int, LastCopy]]:
    """Yield the moved files that still exist in the package, with their inodes."""
    header = manifest.header
    origin = b"" if header.is_adopted else header.origin
    member = Package(package).member(header.member)
    for blob in manifest.stream.blobs():
        if _ONLY_HERE.isdisjoint(record_actions(blob)):
            continue
        record = decode_record(blob)
        for index, action in enumerate(record.actions):
            source = record.source_path(index)
            if action not in _ONLY_HERE or _is_elsewhere(source, package):
                continue
            file = join(member, join(record.path, record.names[index]))
            status = status_of(file)
            if status is None:
                continue
            is_same = untouched_of(status)[WRITTEN] == record.untouched(index)[WRITTEN]
            # If it was changed since, its present content is nowhere else, whatever digest it had.
            digest = record.digest(index) if is_same else NO_DIGEST
            yield status.st_ino, LastCopy(file, digest, origin, os.path.join(header.origin, source))


def _is_elsewhere(source: bytes, package: bytes) -> bool:
    """Return whether a source is outside the origin, where a move leaves it unchanged."""
    return source.startswith(b"/") and not is_within(source, package)
