"""What is known to be finished while a delivery is being written. Pure.

A chunk counts as finished when it stands in the state, has its size and gives the checksum recorded there; that a
file of its name exists proves nothing. The fingerprint ties the state to one package, cut in one way.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class FinishedChunk:
    """A chunk that was written whole.

    Attributes:
        number: its place, from 0.
        xxh128: of the whole tar, hexadecimal.
        checksums: name and hexadecimal digest.
    """

    number: int
    xxh128: str
    checksums: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is finished of the delivery with that fingerprint."""

    fingerprint: str
    chunks: tuple[FinishedChunk, ...] = ()


def encode_state(fingerprint: str, chunks: Iterable[FinishedChunk]) -> bytes:
    """Return the state as text, sorted."""
    rows = [asdict(chunk) for chunk in sorted(chunks, key=lambda chunk: chunk.number)]
    return (json.dumps({"format": _FORMAT, "fingerprint": fingerprint, "chunks": rows}, indent=1) + "\n").encode()


def decode_state(text: bytes) -> State | None:
    """Return the state; None if the text is none that this program understands."""
    try:
        wire = json.loads(text)
        if wire["format"] != _FORMAT:
            return None
        chunks = tuple(
            FinishedChunk(
                int(row["number"]), str(row["xxh128"]), tuple((str(name), str(sum)) for name, sum in row["checksums"])
            )
            for row in wire["chunks"]
        )
        return State(str(wire["fingerprint"]), chunks)
    except (ValueError, KeyError, TypeError):
        return None
