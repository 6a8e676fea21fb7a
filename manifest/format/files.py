"""Writing plans and manifests from what was gathered, and opening them again."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from qa2pack.manifest.alma.package import Package, manifest_names
from qa2pack.manifest.format.header import (
    Header,
    Notes,
    StreamKind,
    header_to_wire,
    notes_to_wire,
    read_header,
    read_notes,
)
from qa2pack.manifest.format.record_codec import check_record
from qa2pack.manifest.format.stream import NewerFormatError, Stream, StreamError, StreamWriter, open_stream
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem


@dataclass(frozen=True, slots=True)
class Described:
    """An opened plan or manifest: the stream with its header and notes as values."""

    stream: Stream
    header: Header
    notes: Notes


def open_plan(path: bytes) -> Described:
    """Open a plan, all of it checked.

    Raises:
        StreamError: it is damaged, foreign, newer, or no plan.
        FileNotFoundError: there is none.
    """
    return _open(path, StreamKind.PLAN)


def open_manifest(path: bytes) -> Described:
    """Open a manifest, all of it checked; raises as `open_plan`."""
    return _open(path, StreamKind.MANIFEST)


def open_manifest_of(member: bytes, path: bytes) -> Described:
    """Open the manifest of a member given as `group/member`, all of it checked.

    What it names is changed or removed under its member's name, so one that stands at another's place is refused.

    Raises:
        StreamError: as `open_plan`, or it is of another member.
        FileNotFoundError: there is none.
    """
    manifest = open_manifest(path)
    if manifest.header.member_path != member:
        raise StreamError(path, f"is the manifest of another member, {shown(manifest.header.member_path)}")
    return manifest


def _open(path: bytes, kind: StreamKind) -> Described:
    stream = open_stream(path)
    return Described(stream, read_header(stream, kind), read_notes(stream))


def write_records(file: BinaryIO, header: Header, notes: Notes, blobs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a whole stream into an open file and return its digest; the records must come sorted."""
    writer = StreamWriter(file, header_to_wire(header))
    for path, blob in blobs:
        writer.folder(path, blob)
    return writer.close(notes_to_wire(notes))


def save_durably(path: bytes, header: Header, notes: Notes, blobs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a stream under a temporary name and put it in place of `path`, all of it on disk when this returns.

    The old file stays whole if anything fails.
    """
    temporary = path + b".new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # not opened: it may be of a run that was stopped, or a link or a pipe of somebody else
    with open(temporary, "xb") as file:
        digest = write_records(file, header, notes, blobs)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return digest


def unusable_manifest(error: StreamError, path: bytes | None = None) -> Problem:
    """Return the problem; its path is that of the file, unless another is given."""
    code = Code.MANIFEST_NEWER if isinstance(error, NewerFormatError) else Code.MANIFEST_DAMAGED
    return Problem(code, error.path if path is None else path, found=f"one that {error.reason}")


def files_with_bad_records(package: Package) -> Iterator[bytes]:
    """Yield the plans and manifests of a package with records that make no sense under a right checksum.

    For the words when such a record was met where its file was not known; a file that does not open is another fault.
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
