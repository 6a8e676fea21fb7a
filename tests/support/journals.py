"""The frames of a journal as bytes, told apart without the program that wrote them."""

import struct
from collections.abc import Iterator

import xxhash

FRAME = struct.Struct("<IQ")


def framed(payload: bytes) -> bytes:
    """Return the frame that holds the payload."""
    return FRAME.pack(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def sound_payloads(data: bytes) -> Iterator[bytes]:
    """Yield what the frames hold, up to the first that is not sound."""
    start = 0
    while start + FRAME.size <= len(data):
        length, _ = FRAME.unpack_from(data, start)
        payload = data[start + FRAME.size : start + FRAME.size + length]
        if data[start : start + FRAME.size + length] != framed(payload):
            return
        yield payload
        start += FRAME.size + length


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Return where each sound frame begins and ends."""
    spans, start = [], 0
    for payload in sound_payloads(data):
        spans.append((start, start + FRAME.size + len(payload)))
        start = spans[-1][1]
    return spans
