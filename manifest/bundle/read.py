"""Reading a bundle: its entries with their contents, in order, in one pass.

Nothing is unpacked to a disk. Content is handed out as far as it can be decoded, so that the files before a damage
can be compared; memory stays bounded whatever the bytes are.
"""

import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Self, cast

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form

_BLOCK_BYTES = 1 << 20
_SECOND_NS = 1_000_000_000
_GZIP = 31  # of zlib: header and checksum of gzip
# A name or another fact of an entry that does not fit into its header; far more than any path takes.
_LONGEST_FACTS_BYTES = 1 << 20
_FACTS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class BundleError(ValueError):
    """What is read is no such bundle, or a damaged one; str() says how."""


def read_bundle(read: Callable[[int], bytes], form: Form) -> Iterator[tuple[BundleEntry, Iterator[bytes]]]:
    """Yield the entries of a bundle with their contents, each of which is to be taken before the next entry.

    Of a `.gz` it is one entry without a path, of size -1. The checksum is compared at the end.

    Args:
        read: returns up to so many bytes; none at the end.

    Raises:
        BundleError: it is damaged, or has an entry that is no file or folder; what was handed out before is whole.
    """
    plain = _Plain(read, is_compressed=form is not Form.TAR)
    if form is Form.GZ:
        yield BundleEntry(b"", -1, 0, 0), iter(lambda: plain.read(_BLOCK_BYTES), b"")
        return
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", plain), mode="r|", tarinfo=_Member, errors="surrogateescape"
        ) as tar:
            for member in tar:
                yield _entry(member), _content(tar, member)
            rest = cast("IO[bytes]", tar.fileobj)
            while block := rest.read(_BLOCK_BYTES):
                if block.strip(b"\0"):
                    raise BundleError("what follows is no entry of a tar")
    except tarfile.TarError as error:
        raise BundleError(str(error)) from error


class _Member(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _FACTS and member.size > _LONGEST_FACTS_BYTES:
            raise BundleError("an entry has a name or other facts of more than a MiB")
        return member


def _entry(member: tarfile.TarInfo) -> BundleEntry:
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise BundleError(f"{member.name} is no plain file or folder")
    path = member.name.encode("utf-8", "surrogateescape")
    return BundleEntry(path, member.size, int(member.mtime) * _SECOND_NS, member.mode, member.isdir())


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(member)
    try:
        while block := file.read(_BLOCK_BYTES) if file else b"":
            yield block
    except tarfile.TarError as error:
        raise BundleError(str(error)) from error


class _Plain:
    """The bytes of a bundle, decompressed; a gzip file may have several members, as several programs make them."""

    def __init__(self, read: Callable[[int], bytes], *, is_compressed: bool) -> None:
        self._read = read
        self._decoder = zlib.decompressobj(_GZIP) if is_compressed else None
        self._packed = b""
        self._buffer = b""

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end."""
        while len(self._buffer) < count and (block := self._next()):
            self._buffer += block
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _next(self) -> bytes:
        """Return some more bytes, or none at the end."""
        if self._decoder is None:
            return self._read(_BLOCK_BYTES)
        while True:
            self._packed = self._packed or self._read(_BLOCK_BYTES)
            if self._decoder.eof:
                self._packed = self._packed.lstrip(b"\0")  # a gzip file may be padded
                if self._packed:
                    self._decoder = zlib.decompressobj(_GZIP)
                elif not (more := self._read(_BLOCK_BYTES)):
                    return b""
                else:
                    self._packed = more
                    continue
            if not self._packed:
                raise BundleError("it is cut short")
            try:
                data = self._decoder.decompress(self._packed, _BLOCK_BYTES)
            except zlib.error as error:
                raise BundleError(str(error)) from error
            self._packed = self._decoder.unused_data if self._decoder.eof else self._decoder.unconsumed_tail
            if data:
                return data
