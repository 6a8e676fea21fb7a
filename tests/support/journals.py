"""Every kind of record of a journal, and the frames of a journal as bytes, parsed without the program itself."""

import struct
from collections.abc import Iterator

import xxhash

from qa2pack.executor.transaction.journal_records import (
    Begin,
    Commit,
    Discard,
    End,
    Published,
    Publishing,
    Record,
    Resume,
    RollBack,
    Staged,
    Stale,
    SyncFailed,
)

FRAME = struct.Struct("<IQ")
BEGIN = Begin(
    transaction="20261123T020000-abcdef01",
    plan=b"p" * 16,
    publishing=Publishing.EXCHANGE,
    member=b"group_ouss_id/member_ouss_id",
    keeps_previous=True,
    file_count=3,
    byte_count=2**40,
    boot="b",
    host="here",
    user="reducer",
    pid=7,
    at_ns=10**18,
)
REST: list[Record] = [
    Staged(2, 5),
    Resume("b2", "there", "other", 8, 10**18 + 1),
    Stale(4),
    SyncFailed(),
    Commit(root_inode=12, had_manifests=True, had_tickets=(b"zip",)),
    Published(),
    Discard(),
    RollBack(10**18 + 2),
    End(10**18 + 3),
]


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
