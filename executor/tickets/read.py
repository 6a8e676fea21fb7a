"""Ticket reader: reads the two ticket files entry by entry, as strictly as programs that unpack them. Read-only.

This program writes only regular files into them, each once, uncompressed, one after the other. Any other entry (link,
device, pipe, folder, other owner or permissions) is reported as a fault. Python reads a zip silently even if the two
headers of an entry differ, which is an error for unzip. So the headers of a zip are compared with those that this
program writes, or wrote with Python's own writer, which has no checksum behind a content.
"""

import copy
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO

import xxhash

from qa2pack.manifest.alma.package import TICKET_PERMISSIONS
from qa2pack.manifest.alma.ticket_file import DAMAGE, TAR_READ_BYTES, ZIP_READ_BYTES, reading_at_most
from qa2pack.manifest.bundle.zip_header import descriptor, end_of_directory
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import UnsafePathError, check_relative

UNREADABLE = DAMAGE
_BLOCK_BYTES = 1 << 20
_ZIP_ENTRY_BYTES, _ZIP_LENGTHS_AT, _ZIP_LENGTHS = 46, 28, struct.Struct("<3H")  # of name, extra fields and comment
_ZIP64 = b"\x01\x00"  # the extra field of sizes beyond 4 GiB
_UNIX = 3
_LATEST_VERSION = zipfile.ZIP64_VERSION  # format version that is needed to read what this program writes
_TEXT_NAME, _IS_BEHIND = 0x800, 0x8  # flags of a name that is UTF-8, and of a checksum behind the content
_TIME, _TIME_BYTES = b"UT", 9  # the extra field of the time of Unix
_PAX = {"path", "size"}  # what a name or a size that has no room in a header of a tar needs


@dataclass(frozen=True, slots=True)
class Archived:
    """A file in a ticket file.

    Attributes:
        fault: in words, what is wrong with the entry itself; empty if nothing is.
        digest: reads the content and returns its digest; may raise one of `UNREADABLE`.
    """

    name: bytes
    size: int
    fault: str
    digest: Callable[[], bytes]


def read_tar(file: IO[bytes]) -> Iterator[Archived]:
    """Yield the entries of an open tar; raises one of `UNREADABLE` if it is not a tar, or has trailing bytes."""
    size = os.fstat(file.fileno()).st_size
    if size % tarfile.RECORDSIZE:
        raise tarfile.ReadError("it is cut short, or has bytes behind its end")
    with tarfile.open(fileobj=reading_at_most(TAR_READ_BYTES, file), mode="r:", errors="surrogateescape") as archive:
        for info in archive:
            name = info.name.encode("utf-8", "surrogateescape")
            digest = lambda info=info: _digest_of(archive.extractfile(info))  # noqa: E731
            yield Archived(name, info.size, _fault_in_tar(name, info), digest)
        end = archive.offset  # after the last file
    # Two empty blocks end it, and more of them fill up the last record; readers stop at the first and see no more.
    records = -(-(end + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE)
    file.seek(end)
    if size != records * tarfile.RECORDSIZE or file.read(tarfile.RECORDSIZE + tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("it does not end where the archive ends")


def _fault_in_tar(name: bytes, info: tarfile.TarInfo) -> str:
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse() or info.pax_headers.keys() - _PAX:
        return "which is no plain file"
    is_of_root = (info.uid, info.gid, info.uname, info.gname) == (0, 0, "root", "root")
    return _fault_of(name, info.mode, is_own=is_of_root)


def read_zip(file: IO[bytes]) -> Iterator[Archived]:
    """Yield the entries of an open zip; raises one of `UNREADABLE` where it is none, or not as it is written."""
    with zipfile.ZipFile(reading_at_most(ZIP_READ_BYTES, file)) as archive:
        _check_headers(file, archive)
        for info in archive.infolist():
            name = info.filename.encode("utf-8", "surrogateescape")
            digest = lambda info=info: _digest_of(archive.open(info))  # noqa: E731
            yield Archived(name, info.file_size, _fault_in_zip(name, info), digest)


def _fault_in_zip(name: bytes, info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.create_system != _UNIX or not stat.S_ISREG(mode) or info.external_attr & 0xFFFF:
        return "which is no plain file"
    return _fault_of(name, stat.S_IMODE(mode))


def _fault_of(name: bytes, permissions: int, *, is_own: bool = True) -> str:
    try:
        check_relative(name)
    except UnsafePathError:
        return "which leads elsewhere"
    return (
        "" if is_own and permissions == TICKET_PERMISSIONS else "with an owner or permissions that are not as written"
    )


def _check_headers(file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Compare all headers with those that this program writes: contiguous entries, the directory, and the end."""
    place = 0
    for info in archive.infolist():
        is_plain = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        is_plain &= not info.flag_bits & ~(_TEXT_NAME | _IS_BEHIND) and not info.comment
        is_plain &= info.extra.removeprefix(_time_in(info))[:2] in (b"", _ZIP64)
        is_plain &= info.extract_version <= _LATEST_VERSION and not info.volume and not info.reserved
        if not is_plain or info.header_offset != place or (info.file_size == 0 and info.CRC):
            raise zipfile.BadZipFile(f"{info.filename} is not stored as this program stores it")
        header, behind = _around(info)
        file.seek(place)
        is_right = file.read(len(header)) == header
        file.seek(info.compress_size, os.SEEK_CUR)
        if not is_right or file.read(len(behind)) != behind:
            raise zipfile.BadZipFile(f"the two headers of {info.filename} differ")
        place += len(header) + info.compress_size + len(behind)
    infos = archive.infolist()
    is_large = any(info.extract_version == _LATEST_VERSION for info in infos)
    if is_large and not infos[0].flag_bits & _IS_BEHIND:  # by Python's own writer; zipfile checks its end
        return
    # Readers search the end backwards, and accept bytes around the archive as a program or a comment.
    file.seek(place)
    rest = reading_at_most(ZIP_READ_BYTES, file).read()
    size = _directory_bytes(rest, len(infos))
    if rest[size:] != end_of_directory(entry_count=len(infos), offset=place, size=size, large=is_large):
        raise zipfile.BadZipFile("it does not begin or end where the archive does")


def _around(info: zipfile.ZipInfo) -> tuple[bytes, bytes]:
    """Return what is before and behind the content of an entry of which the directory says this."""
    as_written = copy.copy(info)
    as_written.extra = _time_in(info)
    if not info.flag_bits & _IS_BEHIND:
        return as_written.FileHeader(), b""
    large = info.extract_version == _LATEST_VERSION
    return as_written.FileHeader(zip64=large), descriptor(info.CRC, info.file_size, large=large)


def _time_in(info: zipfile.ZipInfo) -> bytes:
    return info.extra[:_TIME_BYTES] if info.extra.startswith(_TIME) else b""


def _directory_bytes(rest: bytes, count: int) -> int:
    """Return the length of a zip's directory of so many entries; zipfile accepts a last one that exceeds it."""
    place = 0
    for _ in range(count):
        place += _ZIP_ENTRY_BYTES + sum(_ZIP_LENGTHS.unpack_from(rest, place + _ZIP_LENGTHS_AT))
    return place


def _digest_of(file: IO[bytes] | None) -> bytes:
    state = xxhash.xxh3_128()
    if file is not None:  # a folder or a link has no content
        with file:
            while block := file.read(_BLOCK_BYTES):
                state.update(block)
    return state.digest()
