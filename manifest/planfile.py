"""Writing plans and manifests from what was gathered, and opening them again."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from qa2pack.manifest.header import Header, Notes, StreamKind, header_to_wire, notes_to_wire, read_header, read_notes
from qa2pack.manifest.path import shown
from qa2pack.manifest.stream import Stream, StreamError, StreamWriter, open_stream


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
