"""The gzip format (RFC 1951, RFC 1952): one member, made of blocks that are compressed each by itself. Pure.

Every block ends at a whole byte and refers to at most `DICTIONARY_BYTES` before it, so blocks can be compressed side
by side, as pigz does it, and a block that an encoder would make larger is stored instead.
"""

BLOCK_BYTES = 256 << 10
DICTIONARY_BYTES = 32 << 10
LEVELS = range(1, 10)
USUAL_LEVEL = 6  # that of gzip and pigz; plans and manifests without a level mean this one

# No name and no time, so that equal content makes equal bytes; system 3 is Unix.
HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
_LAST_BLOCK = b"\x03\0"  # an empty one: every other block is made before it is known to be the last with content
_TRAILER_BYTES = 8
_STORED_BYTES = 0xFFFF  # most content of one stored block
_STORED_HEADER_BYTES = 5


def end_of_member(checksum: int, size: int) -> bytes:
    """Return what follows the last block with content: CRC-32 and size of all that was compressed."""
    return _LAST_BLOCK + checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def stored(block: bytes) -> bytes:
    """Return a block as it is, in the form of stored deflate blocks."""
    starts = range(0, len(block), _STORED_BYTES)
    return b"".join(_stored_one(block[start : start + _STORED_BYTES]) for start in starts)


def stored_bytes(size: int) -> int:
    """Return the length of `stored` of a block of this size."""
    return size + -(-size // _STORED_BYTES) * _STORED_HEADER_BYTES


def largest_gzip_bytes(size: int, *, block_bytes: int = BLOCK_BYTES) -> int:
    """Return the size of the file if no block becomes smaller: what it can be at most."""
    blocks, rest = divmod(size, block_bytes)
    content = blocks * stored_bytes(block_bytes) + stored_bytes(rest)
    return len(HEADER) + content + len(_LAST_BLOCK) + _TRAILER_BYTES


def _stored_one(piece: bytes) -> bytes:
    size = len(piece)
    return b"\0" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + piece
