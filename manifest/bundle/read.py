"""Reading a bundle: its entries with their contents, in order, in one pass.

Nothing is unpacked to a disk. Content is handed out as far as it can be decoded, so that the files before a damage
can be compared. Whatever the bytes are, memory stays bounded, paths stay inside and the only error is BundleError.
"""

import re
import tarfile
import zlib
from collections.abc import Callable, Iterator

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES, padded
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.path import UnsafePathError, check_relative, shown

_READ_BYTES = 1 << 20
_SECOND_NS = 1_000_000_000
_GZIP = 31  # of zlib: header and checksum of gzip
_CUT_SHORT = "it is cut short"
_NO_ENTRY = "what follows is no entry of a tar"

# Of one entry: what does not fit into its header, as a long name; far more than any path takes.
_MOST_FACTS_BYTES = 1 << 20
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_FACTS = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX_LENGTH = re.compile(rb"(\d{1,7}) ")
_WHOLE_SECONDS = re.compile(rb"(-?\d{1,12})(\.\d*)?")
_BYTES = re.compile(rb"\d{1,18}")


class BundleError(ValueError):
    """What is read is no such bundle, or a damaged one; str() says how."""


def read_bundle(read: Callable[[int], bytes], form: Form) -> Iterator[tuple[BundleEntry, Iterator[bytes]]]:
    """Yield the entries of a bundle with their contents, each of which is to be taken before the next entry.

    Of a `.gz` it is one entry without a path, of size -1. The checksum is compared at the end.

    Args:
        read: returns up to so many bytes; none at the end.

    Raises:
        BundleError: it is damaged, or has an entry that is no file or folder inside it; what was handed out before
            is whole.
    """
    plain = _Plain(read, is_compressed=form is not Form.TAR)
    if form is Form.GZ:
        yield BundleEntry(b"", -1, 0, 0), iter(lambda: plain.read(_READ_BYTES), b"")
        return
    while (entry := _next_entry(plain)) is not None:
        if not entry.path:
            continue
        content = _Content(plain, entry.size)
        yield entry, iter(content)
        for _ in content:
            pass  # what was not taken
    while block := plain.read(_READ_BYTES):
        if block.strip(b"\0"):
            raise BundleError(_NO_ENTRY)


def read_bundle_file(fd: int, form: Form) -> Iterator[tuple[BundleEntry, Iterator[bytes]]]:
    """Yield what is in a bundle that is open, as `read_bundle`, counted and at the rate that is allowed.

    Raises:
        BundleError: as `read_bundle`.
        OSError: it cannot be read.
    """
    blocks = blocks_of(fd)
    return read_bundle(lambda _: bytes(next(blocks, b"")), form)


class _Content:
    """The bytes of one file of a tar; its padding goes with the last of them."""

    def __init__(self, plain: "_Plain", size: int) -> None:
        self._plain = plain
        self._left = size

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            block = self._plain.read(min(self._left, _READ_BYTES))
            if not block:
                raise BundleError(_CUT_SHORT)
            self._left -= len(block)
            if not self._left:
                self._plain.read_all(padded(len(block)) - len(block))
            yield block


@dataclass(slots=True)
class _Facts:
    """What the headers before that of an entry say of it; None where they say nothing."""

    path: bytes | None = None
    size: int | None = None
    mtime: int | None = None


def _next_entry(plain: "_Plain") -> BundleEntry | None:
    """Return the next entry of a tar; None at its end, which is two blocks of zeros."""
    facts, left = _Facts(), _MOST_FACTS_BYTES
    while True:
        block = plain.read_all(BLOCK_BYTES)
        if not block.strip(b"\0"):
            if plain.read_all(BLOCK_BYTES).strip(b"\0") or left < _MOST_FACTS_BYTES:
                raise BundleError(_NO_ENTRY)
            return None
        header = _header(block)
        if header.type not in _FACTS:
            return _entry(header, facts)
        left -= BLOCK_BYTES + header.size
        if left < 0:
            raise BundleError("an entry has a name or other facts of more than a MiB")
        _learn(facts, header.type, plain.read_all(padded(header.size))[: header.size])


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise BundleError(f"{_NO_ENTRY}: {error}") from error
    if header.size < 0:
        raise BundleError("an entry has a size below 0")
    return header


def _entry(header: tarfile.TarInfo, facts: _Facts) -> BundleEntry:
    """Return what is said of an entry; the path is empty for the folder in which all is."""
    is_folder = header.isdir()
    path = header.name.encode("utf-8", "surrogateescape") if facts.path is None else facts.path
    if not is_folder and header.type not in _FILES:
        raise BundleError(f"{shown(path)} is no plain file or folder")
    size = header.size if facts.size is None else facts.size
    mtime = int(header.mtime) if facts.mtime is None else facts.mtime
    return BundleEntry(
        _inside(path, is_folder=is_folder), 0 if is_folder else size, mtime * _SECOND_NS, header.mode, is_folder
    )


def _inside(path: bytes, *, is_folder: bool) -> bytes:
    """Return the path as it is written elsewhere: without the `./` that tar writes of what is named so."""
    if is_folder and path in (b".", b"./"):
        return b""
    inside = path.removeprefix(b"./").removesuffix(b"/" if is_folder else b"")
    try:
        check_relative(inside)
    except UnsafePathError as error:
        raise BundleError(f"{shown(path)} is no path inside of it") from error
    if not inside:
        raise BundleError("an entry has no name")
    return inside


def _learn(facts: _Facts, kind: bytes, data: bytes) -> None:
    """Note what a header before that of an entry says."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        facts.path = data.partition(b"\0")[0]
    elif kind in _PAX:
        for key, value in _pax_records(data):
            if key == b"path":
                facts.path = value
            elif key == b"size":
                facts.size = int(_matched(_BYTES, key, value).group())
            elif key == b"mtime":
                facts.mtime = int(_matched(_WHOLE_SECONDS, key, value).group(1))
            elif key.startswith(b"GNU.sparse."):
                raise BundleError("it has a sparse file")
    elif kind == tarfile.XGLTYPE and any(key in (b"path", b"size", b"mtime") for key, _ in _pax_records(data)):
        raise BundleError("it has one path, size or time for all entries")  # a comment, as of git, says nothing


def _matched(pattern: re.Pattern[bytes], key: bytes, value: bytes) -> re.Match[bytes]:
    found = pattern.fullmatch(value)
    if found is None:
        raise BundleError(f"an entry has no {key.decode()} that can be read")
    return found


def _pax_records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each record `LENGTH KEY=VALUE\\n`, as POSIX describes them (pax, extended header)."""
    start = 0
    while start < len(data):
        length = _PAX_LENGTH.match(data, start)
        end = start + int(length.group(1)) if length else 0
        if length is None or not length.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            raise BundleError("an entry has facts that cannot be read")
        key, _, value = data[length.end() : end - 1].partition(b"=")
        yield key, value
        start = end


class _Plain:
    """The bytes of a bundle, decompressed; a gzip file may have several members, as several programs make them."""

    def __init__(self, read: Callable[[int], bytes], *, is_compressed: bool) -> None:
        self._read = read
        self._decoder = zlib.decompressobj(_GZIP) if is_compressed else None
        self._packed = b""
        self._ready = memoryview(b"")

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end or before a damage, which the next call tells."""
        parts: list[memoryview] = []
        while count:
            try:
                part = self._some(count)
            except BundleError:
                if parts:
                    break
                raise
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def read_all(self, count: int) -> bytes:
        """Return so many bytes."""
        data = self.read(count)
        if len(data) < count:
            self.read(1)  # tells the damage, if that is it
            raise BundleError(_CUT_SHORT)
        return data

    def _some(self, most: int) -> memoryview:
        if not self._ready:
            self._ready = memoryview(self._next())
        found, self._ready = self._ready[:most], self._ready[most:]
        return found

    def _next(self) -> bytes:
        """Return some more bytes, or none at the end."""
        if self._decoder is None:
            return self._read(_READ_BYTES)
        while True:
            self._packed = self._packed or self._read(_READ_BYTES)
            if self._decoder.eof:
                self._packed = self._packed.lstrip(b"\0")  # a gzip file may be padded
                if self._packed:
                    self._decoder = zlib.decompressobj(_GZIP)
                elif not (more := self._read(_READ_BYTES)):
                    return b""
                else:
                    self._packed = more
                    continue
            if not self._packed:
                raise BundleError(_CUT_SHORT)
            try:
                data = self._decoder.decompress(self._packed, _READ_BYTES)
            except zlib.error as error:
                raise BundleError(str(error)) from error
            self._packed = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            if data:
                return data
