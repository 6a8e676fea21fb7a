"""The state file of an unfinished delivery: which chunks are finished. Encoding and decoding. Pure.

A chunk counts as finished if the state lists it and its size and checksum match; a file of its name proves nothing.
The fingerprint ties the state to one content of the package and one set of options. The state has a checksum of its
own: what it says of a chunk is written into the sidecar and beside the chunk, and is not computed again.
"""

import json

import xxhash

from qa2pack.manifest.dataclass import asdict, dataclass
from qa2pack.manifest.format.wire import read_value

_FORMAT = 2
_CHECKSUM = "xxh128"
MOST_BYTES = 16 << 20  # some 50,000 chunks; its reader takes twenty times as much memory


@dataclass(frozen=True, slots=True)
class FinishedChunk:
    """A chunk that was written completely.

    Attributes:
        number: index of the chunk, from 0.
        xxh128: of the whole tar, hexadecimal.
        checksums: name and hexadecimal digest.
        stored: the checksum that a store tells of it; empty if it tells none, and for a file of this machine.
    """

    number: int
    byte_count: int
    xxh128: str
    checksums: tuple[tuple[str, str], ...]
    stored: str = ""


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """The newest version of an object before the one that is delivered.

    Attributes:
        version: its number.
        sha512: of its inventory, hexadecimal.
    """

    version: int
    sha512: str


@dataclass(frozen=True, slots=True)
class State:
    """The finished chunks of the delivery with this fingerprint.

    Attributes:
        earlier: by number of the chunk, the version of an object to which one is added.
    """

    fingerprint: str
    chunks: tuple[FinishedChunk, ...] = ()
    earlier: tuple[tuple[int, EarlierVersion], ...] = ()


def encode_state(state: State) -> bytes:
    """Return the state as JSON, chunks sorted by number."""
    rows = [asdict(chunk) for chunk in sorted(state.chunks, key=lambda chunk: chunk.number)]
    earlier = [(number, asdict(version)) for number, version in state.earlier]
    wire = {"format": _FORMAT, "fingerprint": state.fingerprint, "chunks": rows}
    wire |= {"earlier": earlier} if earlier else {}
    return (json.dumps(wire | {_CHECKSUM: _checksum(wire)}, indent=1) + "\n").encode()


def decode_state(text: bytes) -> State | None:
    """Return the state; None if this program does not understand the text, or the text is damaged."""
    try:
        wire = json.loads(text)
        if wire.pop(_CHECKSUM) != _checksum(wire) or wire["format"] != _FORMAT:
            return None
        return read_value(State, {name: value for name, value in wire.items() if name != "format"})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # the last: nested beyond all measure
        return None


def _checksum(wire: dict[str, object]) -> str:
    """Return the checksum of all that is in the file beside it."""
    return xxhash.xxh3_128_hexdigest(json.dumps(wire, sort_keys=True).encode())
