"""Zip headers: entries stored as they are, with the CRC-32 of each behind its content. Pure.

So a zip is written in one pass and without seeking; the sizes are known beforehand, and with them that of the whole.
ZIP64 is used for all entries or for none: which, tell the size of the zip and the number of its entries.

Names are bytes. Those that are UTF-8 beyond ASCII are marked so, others are left as they are. Times are those of
MS-DOS in UTC, from 1980 to 2107, and beside them those of Unix, up to 2038. No byte depends on the machine.

Source: APPNOTE.TXT 6.3.3 of PKWARE; proginfo/extrafld.txt of Info-ZIP for the time of Unix.
"""

import stat
import time
from struct import Struct

from qa2pack.manifest.dataclass import dataclass

_LOCAL = Struct("<4sHHHHHIIIHH")
_DESCRIPTOR, _DESCRIPTOR_64 = Struct("<4sIII"), Struct("<4sIQQ")
_CENTRAL = Struct("<4sHHHHHHIIIHHHHHII")
_END_64, _LOCATOR, _END = Struct("<4sQHHIIQQQQ"), Struct("<4sIQI"), Struct("<4sHHHHIIH")
# Extra fields: the time of Unix, sizes beside a local header, and sizes and offset in the directory.
_TIME, _SIZES_64, _PLACE_64 = Struct("<HHBi"), Struct("<HHQQ"), Struct("<HHQQQ")

_MOST_32, _MOST_16 = 0xFFFFFFFF, 0xFFFF  # these very numbers mean: as ZIP64 says
_UNIX = 3 << 8
_PLAIN_VERSION, _LARGE_VERSION = 20, 45
_IS_BEHIND, _IS_UTF8 = 1 << 3, 1 << 11
_DOS_FOLDER = 0x10
_FIRST_DATE, _LAST_DATE = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """What a zip says of a file or folder, apart from its content and its place.

    Attributes:
        name: the path, at most 64 KiB long; that of a folder ends in a slash.
        mtime: in seconds.
        mode: permission bits.
    """

    name: bytes
    size: int
    mtime: int
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith(b"/")


def is_large(byte_count: int, entry_count: int) -> bool:
    """Return whether a zip of this size, with so many entries, is one of ZIP64."""
    return byte_count >= _MOST_32 or entry_count >= _MOST_16


def zip_bytes(*, file_count: int, folder_count: int, name_bytes: int, content_bytes: int) -> int:
    """Return the exact size of a zip.

    Args:
        name_bytes: of all names together, folders with their slash.
        content_bytes: of all files together.
    """
    count = file_count + folder_count
    size = count * (_LOCAL.size + _CENTRAL.size + 2 * _TIME.size) + 2 * name_bytes
    size += file_count * _DESCRIPTOR.size + content_bytes + _END.size
    if is_large(size, count):
        size += file_count * (_SIZES_64.size + _DESCRIPTOR_64.size - _DESCRIPTOR.size)
        size += count * _PLACE_64.size + _END_64.size + _LOCATOR.size
    return size


def local_header(entry: ZipEntry, *, large: bool) -> bytes:
    """Return what is before the content; its sizes are behind it, too."""
    has_64 = large and not entry.is_folder
    extra = _time_field(entry) + (_SIZES_64.pack(1, _SIZES_64.size - 4, 0, 0) if has_64 else b"")
    size = _MOST_32 if has_64 else 0
    fields = *_common(entry, large=large), 0, size, size, len(entry.name), len(extra)
    return _LOCAL.pack(b"PK\3\4", *fields) + entry.name + extra


def descriptor(crc: int, size: int, *, large: bool) -> bytes:
    """Return what is behind the content of a file."""
    return (_DESCRIPTOR_64 if large else _DESCRIPTOR).pack(b"PK\7\b", crc, size, size)


def central_header(entry: ZipEntry, *, crc: int, offset: int, large: bool) -> bytes:
    """Return what the directory at the end says of an entry, whose local header is at this offset."""
    extra, size, place = _time_field(entry), entry.size, offset
    if large:
        extra += _PLACE_64.pack(1, _PLACE_64.size - 4, size, size, offset)
        size = place = _MOST_32
    kind, dos = (stat.S_IFDIR, _DOS_FOLDER) if entry.is_folder else (stat.S_IFREG, 0)
    fields = *_common(entry, large=large), crc, size, size, len(entry.name), len(extra)
    attributes = (kind | entry.mode) << 16 | dos
    made_by = _UNIX | _version(large=large)
    return _CENTRAL.pack(b"PK\1\2", made_by, *fields, 0, 0, 0, attributes, place) + entry.name + extra


def end_of_directory(*, entry_count: int, offset: int, size: int, large: bool) -> bytes:
    """Return the end of the zip.

    Args:
        offset, size: of the directory.
    """
    if not large:
        return _END.pack(b"PK\5\6", 0, 0, entry_count, entry_count, size, offset, 0)
    version = _LARGE_VERSION
    fields = _UNIX | version, version, 0, 0, entry_count, entry_count, size, offset
    end = _END_64.pack(b"PK\6\6", _END_64.size - 12, *fields)
    locator = _LOCATOR.pack(b"PK\6\7", 0, offset + size, 1)
    return end + locator + _END.pack(b"PK\5\6", 0, 0, _MOST_16, _MOST_16, _MOST_32, _MOST_32, 0)


def _common(entry: ZipEntry, *, large: bool) -> tuple[int, int, int, int, int]:
    """Return version needed, flags, method (stored), time and date."""
    year, month, day, hour, minute, second, *_ = min(max(time.gmtime(entry.mtime)[:6], _FIRST_DATE), _LAST_DATE)
    flags = 0 if entry.is_folder else _IS_BEHIND
    if not entry.name.isascii() and _is_utf8(entry.name):
        flags |= _IS_UTF8
    date = (year - 1980) << 9 | month << 5 | day
    return _version(large=large), flags, 0, hour << 11 | minute << 5 | second // 2, date


def _version(*, large: bool) -> int:
    return _LARGE_VERSION if large else _PLAIN_VERSION


def _time_field(entry: ZipEntry) -> bytes:
    return _TIME.pack(0x5455, _TIME.size - 4, 1, min(max(entry.mtime, 0), 0x7FFFFFFF))


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
