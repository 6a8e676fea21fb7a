"""After a move the package is the only home of its files: nothing may replace it that does not take them over."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from manifest.destination import Destination
from manifest.ids import SCIENCE_GOAL, Append
from manifest.path import is_within, join
from manifest.planfile import Described, open_manifest
from manifest.problem import Code, PlanRefused, Problem
from manifest.record import NO_DIGEST, Action, FolderRecord, decode_record
from manifest.request import PlanRequest
from manifest.spool import RecordSpool
from manifest.stream import StreamError
from manifest.unusable import unusable_manifest

_ONLY_HERE = frozenset((Action.MOVE, Action.CARRY))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is safe when the package is replaced: the inodes taken over from it, and all content that the plan knows.

    Digests count for more than names do: content that the origin still has, or that another file takes over, is not
    lost.
    """

    inodes: set[int] = field(default_factory=set)
    digests: set[int] = field(default_factory=set)

    def add(self, record: FolderRecord) -> None:
        for index, action in enumerate(record.actions):
            if action == Action.CARRY:
                self.inodes.add(record.inodes[index])
            if record.digest(index) != NO_DIGEST:
                self.digests.add(_short(record.digest(index)))

    def has(self, file: bytes, digest: bytes) -> bool:
        try:
            return _short(digest) in self.digests or os.lstat(file).st_ino in self.inodes
        except FileNotFoundError:
            return True  # whoever took it away has it


def lost_files(destination: Destination, request: PlanRequest, spool: RecordSpool) -> Iterator[Problem]:
    """Yield the files that only the package has and that replacing it would lose.

    Nobody can say where the files of an adopted member came from: they count as the only ones too, but `is_forced`
    gives them up.

    Args:
        spool: the records of the new member.
    """
    if request.append is not Append.NOTHING:
        return
    kept: _Kept | None = None
    package = os.path.realpath(destination.package.path)
    for path in destination.state.manifests.values():
        manifest = _opened(path)
        if manifest.header.is_adopted and request.is_forced:
            continue
        for file, digest in _moved_files(manifest, package):
            kept = kept or _kept_by(spool)
            if not kept.has(file, digest):
                yield Problem(Code.ONLY_COPY, file, found=os.fsdecode(manifest.header.origin))


def _opened(path: bytes) -> Described:
    try:
        return open_manifest(path)
    except StreamError as error:
        raise PlanRefused(unusable_manifest(error, path)) from error


def _kept_by(spool: RecordSpool) -> _Kept:
    kept = _Kept()
    for _, blob in spool.sorted_blobs():
        kept.add(decode_record(blob))
    return kept


def _moved_files(manifest: Described, package: bytes) -> Iterator[tuple[bytes, bytes]]:
    member = b"/".join((package, SCIENCE_GOAL, manifest.header.member_path))
    for blob in manifest.stream.blobs():
        record = decode_record(blob)
        if not _ONLY_HERE.isdisjoint(record.actions):
            for index, action in enumerate(record.actions):
                if action in _ONLY_HERE and not _is_elsewhere(record.source_path(index), package):
                    yield join(member, join(record.path, record.names[index])), record.digest(index)


def _is_elsewhere(source: bytes, package: bytes) -> bool:
    """Tell whether a source lies outside the origin, where a move leaves it as it was."""
    return source.startswith(b"/") and not is_within(source, package)


def _short(digest: bytes) -> int:
    return int.from_bytes(digest[:8])
