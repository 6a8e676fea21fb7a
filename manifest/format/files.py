"""Plan and manifest files: write them durably, and open them with header and notes as values."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from qa2pack.manifest.alma.package import Package, manifest_names
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, Notes, StreamKind
from qa2pack.manifest.format.header_codec import header_to_wire, notes_to_wire, read_header, read_notes
from qa2pack.manifest.format.record_codec import check_record
from qa2pack.manifest.format.stream import Stream, StreamError, StreamWriter, open_stream
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.signature.names import signed_names


@dataclass(frozen=True, slots=True)
class Described:
    """An opened plan or manifest: the stream with its header and notes as values."""

    stream: Stream
    header: Header
    notes: Notes


def open_plan(path: bytes) -> Described:
    """Open a plan and check all of it.

    Raises:
        StreamError: it is damaged, foreign, newer, or not a plan.
        FileNotFoundError: there is no plan.
    """
    return _open(path, StreamKind.PLAN)


def open_manifest(path: bytes) -> Described:
    """Open a manifest and check all of it; raises as `open_plan`."""
    return _open(path, StreamKind.MANIFEST)


def open_manifest_of(member: bytes, path: bytes) -> Described:
    """Open the manifest of a member, and check all of it.

    The files that it names are changed or removed in the member's folder, so the manifest of another member is
    refused.

    Raises:
        StreamError: as `open_plan`, or it is the manifest of another member.
        FileNotFoundError: there is no manifest.
    """
    manifest = open_manifest(path)
    check_member(manifest, member)
    return manifest


def check_member(manifest: Described, member: bytes) -> None:
    """Refuse the manifest of another member with a StreamError."""
    if manifest.header.member != member:
        what = f"is the manifest of another member, {shown(manifest.header.member)}"
        raise StreamError(manifest.stream.path, what)


def _open(path: bytes, kind: StreamKind) -> Described:
    stream = open_stream(path)
    return Described(stream, read_header(stream, kind), read_notes(stream))


def write_records(file: BinaryIO, header: Header, notes: Notes, blobs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a whole stream into an open file and return its digest; the records must be sorted."""
    writer = StreamWriter(file, header_to_wire(header))
    for path, blob in blobs:
        writer.folder(path, blob)
    return writer.close(notes_to_wire(notes))


def save_durably(path: bytes, header: Header, notes: Notes, blobs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a stream under a temporary name and rename it over `path`; it is on disk when this returns.

    The old file stays whole if anything fails; its signature goes, so that it is never beside the new one.
    """
    temporary = path + b".new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # not opened: it may be from a stopped run, or a symlink or pipe of another user
    with open(temporary, "xb") as file:
        digest = write_records(file, header, notes, blobs)
        file.flush()
        os.fsync(file.fileno())
    for beside in signed_names(path):
        with suppress(FileNotFoundError):
            os.unlink(beside)
    os.replace(temporary, path)
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return digest


def unusable_manifest(error: StreamError, path: bytes | None = None) -> Problem:
    """Return the problem of a manifest that cannot be used; its path is the file, unless another is given."""
    return Problem(error.code, error.path if path is None else path, found=f"one that {error.reason}")


def files_with_bad_records(package: Package) -> Iterator[bytes]:
    """Yield the plans and manifests of a package that hold invalid records although their checksum is correct.

    Used for error messages where the file of such a record is not known. Files that do not open are passed over.
    """
    manifests = (join(package.manifests, name) for name in manifest_names(package))
    for path in (package.plan, package.last_plan, *manifests):
        try:
            for blob in open_stream(path).blobs():
                check_record(blob)
        except ValueError:
            yield path
        except (OSError, StreamError):
            continue
