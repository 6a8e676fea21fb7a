"""Deliveries in a folder for the report, from their sidecars; no tar is read."""

import os

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.signature.signature import Verifier
from qa2pack.pack.jobs.signed_sidecar import signed_sidecar
from qa2pack.pack.views.signatures import signature_words
from qa2pack.tarsplit.check import find_sidecars
from qa2pack.tarsplit.sidecar import ChunkRow, Sidecar, open_sidecar


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a delivery; the note says what is wrong with it, as far as seen without reading it."""

    name: str
    byte_count: int
    file_count: int
    checksums: tuple[tuple[str, str], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery with its tars in order.

    Attributes:
        signature: who signed its sidecar, in words; empty where nothing is said of that.
    """

    day: str
    folder: str
    chunks: tuple[Chunk, ...]
    signature: str = ""

    @property
    def byte_count(self) -> int:
        """Bytes of all tars."""
        return sum(chunk.byte_count for chunk in self.chunks)


def deliveries_in(folder: bytes, project: bytes, verifier: Verifier) -> tuple[Delivery, ...]:
    """Return the deliveries of this project, sorted by name; sidecars that cannot be read are skipped."""
    found = []
    try:
        names = find_sidecars(folder)
    except OSError:
        return ()
    for name in names:
        if not name.startswith(project + b"_"):
            continue
        try:
            signature, read_from = verifier.look_at(join(folder, name))
            sidecar = open_sidecar(join(folder, name), read_from=read_from)
        except (StreamError, OSError):
            continue
        if sidecar.header.project == project:
            words = signature_words(signed_sidecar(sidecar, signature), verifier.trust)
            found.append(_delivery(sidecar, folder, words))
    return tuple(found)


def _delivery(sidecar: Sidecar, folder: bytes, signature: str) -> Delivery:
    chunks = tuple(_chunk(row, folder) for row in sidecar.chunks)
    return Delivery(shown(sidecar.header.day), shown(os.path.abspath(folder)), chunks, signature)


def _chunk(row: ChunkRow, folder: bytes) -> Chunk:
    checksums = tuple((shown(name), shown(digest)) for name, digest in row.checksums)
    note = _note(join(folder, row.name), row.byte_count)
    return Chunk(shown(row.name), row.byte_count, row.file_count, checksums, note)


def _note(path: bytes, size: int) -> str:
    try:
        found = os.stat(path).st_size
    except OSError:
        return "not in the folder"
    return "" if found == size else f"has {found:,} bytes"
