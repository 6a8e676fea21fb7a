"""Tar headers: ustar, with pax or GNU extensions for long paths and large sizes. Pure.

Plain ustar is used wherever possible, because every program reads it. Otherwise the extension that GNU tar, bsdtar
and Python were seen to read without a warning:

- a long ASCII path, which fits neither in the name field nor in prefix and name: a pax record;
- a long path with other bytes: a GNU long name. A pax path must be UTF-8, bsdtar warns if the locale cannot show it,
  and GNU tar warns about the pax record that would allow raw bytes;
- a size of 8 GiB or more: a pax record, or the GNU binary number beside a GNU long name.

The owner is root, times are whole seconds from 1970 on (GNU tar warns about earlier ones), so no header depends on
the user or the machine.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from zlib import adler32

BLOCK_BYTES = 512
END_BLOCKS = 2
RECORD_BLOCKS = 20  # a tar is written in records of 10240 bytes
_MAX_OCTAL = 0o77777777777
_NAME_BYTES = 100
_PREFIX_BYTES = 155
_PAX_NAME = b"././@PaxHeader"
_GNU_NAME = b"././@LongLink"
_FILE, _FOLDER, _PAX, _GNU_LONG = b"0", b"5", b"x", b"L"
FileRow = tuple[bytes, int, int, int]  # name, size, mtime in seconds, mode
_OWNER = b"0000000\0" * 2
_END = b"ustar\x0000" + b"root".ljust(32, b"\0") * 2 + b"0000000\0" * 2
_BEFORE_PREFIX_BYTES = 345
# The constant part of the header checksum: the end of the header, and eight blanks in place of the checksum itself.
_CONSTANT_SUM = sum(_END) + 8 * ord(" ")


class _PathForm(Enum):
    """How a path is stored."""

    PLAIN = 1  # in the fields name and prefix
    PAX = 2
    GNU = 3


def padded(size: int) -> int:
    """Return the size rounded up to whole blocks."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def file_header(path: bytes, *, size: int, mtime: int, mode: int) -> bytes:
    """Return the header of a file, with extension blocks; mtime in seconds."""
    return _header(path, size, mtime, mode, _FILE)


def have_single_blocks(folder: bytes, *, longest_name: int, largest_size: int) -> bool:
    """Return whether the header of every file in a folder is certainly one block, given the extremes of its files."""
    return len(folder) <= _PREFIX_BYTES and longest_name <= _NAME_BYTES and largest_size <= _MAX_OCTAL


def file_headers(folder: bytes, files: Iterable[FileRow]) -> Iterator[bytes]:
    """Yield the header of each file of one folder, as `file_header` does.

    The common parts are computed once, because a folder may hold millions of files.
    """
    before = folder + b"/"
    room = _NAME_BYTES - len(before)
    is_simple = len(folder) <= _PREFIX_BYTES
    constant = _CONSTANT_SUM + ord(_FILE) + (_byte_sum(folder) if is_simple else 0)
    tail, tail_with_prefix = _tail(_FILE, b""), _tail(_FILE, folder)
    for name, size, mtime, mode in files:
        if not (is_simple and len(name) <= _NAME_BYTES and size <= _MAX_OCTAL and 0 <= mtime <= _MAX_OCTAL):
            yield file_header(before + name, size=size, mtime=mtime, mode=mode)
            continue
        numbers = b"%07o\0%s%011o\0%011o\0" % (mode, _OWNER, size, mtime)
        total = constant + _byte_sum(name + numbers)
        if len(name) <= room:
            field = (before + name).ljust(_NAME_BYTES, b"\0")
            yield b"%s%s%06o\0 %s" % (field, numbers, total + ord("/"), tail)
        else:
            yield b"%s%s%06o\0 %s" % (name.ljust(_NAME_BYTES, b"\0"), numbers, total, tail_with_prefix)


def folder_header(path: bytes, *, mtime: int, mode: int) -> bytes:
    """Return the header of a folder, with extension blocks; the path has no slash at its end."""
    return _header(path + b"/", 0, mtime, mode, _FOLDER)


def header_bytes(path: bytes, size: int = 0) -> int:
    """Return the length of a header without building it; the path of a folder ends in a slash."""
    form, _, _ = _placed(path)
    records = 0
    if form is _PathForm.GNU:
        records = BLOCK_BYTES + padded(len(path) + 1)
    elif form is _PathForm.PAX or size > _MAX_OCTAL:
        records = BLOCK_BYTES + padded(len(_pax_records(path, size, form)))
    return records + BLOCK_BYTES


def _header(path: bytes, size: int, mtime: int, mode: int, kind: bytes) -> bytes:
    form, prefix, name = _placed(path)
    if form is _PathForm.PLAIN and size <= _MAX_OCTAL and 0 <= mtime <= _MAX_OCTAL:
        return _block(name, prefix, b"%011o\0" % size, mtime, mode, kind)
    mtime = min(max(mtime, 0), _MAX_OCTAL)
    before = b""
    if form is _PathForm.GNU:
        before = _record_entry(_GNU_NAME, path + b"\0", _GNU_LONG)
    elif form is _PathForm.PAX or size > _MAX_OCTAL:
        before = _record_entry(_PAX_NAME, _pax_records(path, size, form), _PAX)
    return before + _block(name, prefix, _size_field(size, form), mtime, mode, kind)


def _placed(path: bytes) -> tuple[_PathForm, bytes, bytes]:
    """Return how the path is stored, and the fields prefix and name."""
    if len(path) <= _NAME_BYTES:
        return _PathForm.PLAIN, b"", path
    # The last slash at which the prefix fits; the slash at the end of a folder's path does not count.
    point = path.rfind(b"/", 1, min(_PREFIX_BYTES + 1, len(path) - 1))
    if point > 0 and len(path) - point - 1 <= _NAME_BYTES:
        return _PathForm.PLAIN, path[:point], path[point + 1 :]
    return _PathForm.PAX if path.isascii() else _PathForm.GNU, b"", path[:_NAME_BYTES]


def _block(name: bytes, prefix: bytes, size: bytes, mtime: int, mode: int, kind: bytes) -> bytes:
    numbers = b"%07o\0%s%s%011o\0" % (mode, _OWNER, size, mtime)
    total = _CONSTANT_SUM + ord(kind) + _byte_sum(name + prefix) + _byte_sum(numbers)
    return b"%s%s%06o\0 %s" % (name.ljust(_NAME_BYTES, b"\0"), numbers, total, _tail(kind, prefix))


def _tail(kind: bytes, prefix: bytes) -> bytes:
    """Return the part of a header after the checksum."""
    return kind.ljust(101, b"\0") + _END + prefix.ljust(BLOCK_BYTES - _BEFORE_PREFIX_BYTES, b"\0")


def _record_entry(name: bytes, content: bytes, kind: bytes) -> bytes:
    head = _block(name, b"", b"%011o\0" % len(content), 0, 0o644, kind)
    return head + content.ljust(padded(len(content)), b"\0")


def _size_field(size: int, form: _PathForm) -> bytes:
    if size <= _MAX_OCTAL:
        return b"%011o\0" % size
    # With a pax size record the field is ignored; with a GNU long name it holds GNU's binary number.
    return b"%011o\0" % 0 if form is not _PathForm.GNU else b"\x80" + size.to_bytes(11, "big")


def _pax_records(path: bytes, size: int, form: _PathForm) -> bytes:
    records = _pax_record(b"path", path) if form is _PathForm.PAX else b""
    return records + (_pax_record(b"size", b"%d" % size) if size > _MAX_OCTAL else b"")


def _pax_record(key: bytes, value: bytes) -> bytes:
    """Return `length key=value\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _byte_sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes: the lower half of Adler-32 (modulo 65521) minus its initial 1."""
    return (adler32(data) & 0xFFFF) - 1
