"""What reports are tested with: a picture made by hand, and a name that does harm where it is not escaped."""

import struct
import zlib

EVIL = b"\"><img src=http x onerror=alert(1)><script>alert(2)<&'.txt"


def png(side: int = 8) -> bytes:
    """Return a black picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    lines = zlib.compress(bytes(side * (side + 1)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
