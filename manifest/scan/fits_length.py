"""Whether a FITS file is as long as its headers say: a transfer that broke off shows there, and no data are read.

Header and data of each unit fill whole blocks of 2880 bytes. Source: FITS Standard 4.0, sections 3.1, 3.3, 4.4.1 and
7.3.2 (the heap of a table follows the rows and is counted by PCOUNT).
"""

import math
import os
import re

from qa2pack.manifest.dataclass import dataclass

BLOCK_BYTES = 2880
CARD_BYTES = 80
FIRST_BYTES = b"SIMPLE  ="
_EXTENSION = b"XTENSION="
_HEADER_BLOCKS = 400  # far more than any header of CASA; what has more is not looked at
_UNITS = 100
_AXES = 999
_INTEGER = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT)\s*=\s*([+-]?\d+)\s*(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class _Header:
    """What of a header tells how long the data are.

    Attributes:
        byte_count: of the header itself.
    """

    values: dict[bytes, int]
    is_random_groups: bool
    byte_count: int

    @property
    def data_bytes(self) -> int:
        """The bytes of the data with what fills their last block."""
        axis_count = min(self.values.get(b"NAXIS", 0), _AXES)
        axes = [self.values.get(b"NAXIS%d" % axis, 0) for axis in range(1, axis_count + 1)]
        if self.is_random_groups:
            axes = axes[1:]
        elements = math.prod(axes) if axes else 0
        groups = self.values.get(b"GCOUNT", 1) * (self.values.get(b"PCOUNT", 0) + elements) if axes else 0
        count = abs(self.values.get(b"BITPIX", 8)) // 8 * max(groups, 0)
        return count + -count % BLOCK_BYTES


def fits_fault(fd: int, size: int) -> str:
    """Say what is wrong with a file that calls itself FITS; empty if nothing is, or it is not known.

    Of other first bytes only those are reported that a failed transfer leaves: an error page, or nothing but zeros.

    Args:
        size: of the file, bytes.
    """
    first = os.pread(fd, BLOCK_BYTES, 0)
    if not first.startswith(FIRST_BYTES):
        return "other first bytes than such a file has" if first.startswith(b"<") or not any(first) else ""
    position = 0
    for _ in range(_UNITS):
        header = _read_header(fd, position)
        if header is None:
            is_long = size - position >= _HEADER_BLOCKS * BLOCK_BYTES
            return "" if is_long else "a FITS header that breaks off"
        position += header.byte_count + header.data_bytes
        if position > size:
            return f"FITS data that break off: {position - size:,} bytes are missing"
        if not os.pread(fd, len(_EXTENSION), position).startswith(_EXTENSION):
            return f"{size % BLOCK_BYTES:,} bytes behind the last whole block of FITS" if size % BLOCK_BYTES else ""
    return ""


def _read_header(fd: int, position: int) -> _Header | None:
    """Return the header at the position; None if it has no end, or none that is near."""
    values: dict[bytes, int] = {}
    is_random_groups = False
    for number in range(_HEADER_BLOCKS):
        block = os.pread(fd, BLOCK_BYTES, position + number * BLOCK_BYTES)
        for start in range(0, len(block), CARD_BYTES):
            card = block[start : start + CARD_BYTES]
            if card.startswith(b"GROUPS  =") and card[10:30].strip() == b"T":
                is_random_groups = True
            elif found := _INTEGER.match(card):
                values.setdefault(found[1], int(found[2]))
            elif card.rstrip() == b"END" and len(block) == BLOCK_BYTES:
                return _Header(values, is_random_groups, (number + 1) * BLOCK_BYTES)
        if len(block) < BLOCK_BYTES:
            return None
    return None
