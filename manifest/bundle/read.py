"""Reading a bundle: its entries with their contents, in order, in one pass."""

import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form

_BLOCK_BYTES = 1 << 20


class BundleError(ValueError):
    """What is read is no such bundle, or a damaged one; str() says how."""


def read_bundle(read: Callable[[int], bytes], form: Form) -> Iterator[tuple[BundleEntry, Iterator[bytes]]]:
    """Yield the entries of a bundle with their contents, each of which must be taken before the next entry.

    Of a `.gz` it is one entry without a path, of size -1.

    Args:
        read: returns up to so many bytes; none at the end.

    Raises:
        BundleError: it is damaged, or has an entry that is no file or folder; what was yielded before is whole.
    """
    plain = _Plain(read, is_compressed=form is not Form.TAR)
    if form is Form.GZ:
        yield BundleEntry(b"", -1, 0, 0), iter(lambda: plain.read(_BLOCK_BYTES), b"")
        return
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|", errors="surrogateescape") as tar:
            for member in tar:
                if not (member.isreg() or member.isdir()):
                    raise BundleError(f"{member.name} is no file or folder")
                path = member.name.encode("utf-8", "surrogateescape")
                entry = BundleEntry(path, member.size, int(member.mtime) * 10**9, member.mode, member.isdir())
                yield entry, _content(tar, member)
        while plain.read(_BLOCK_BYTES):
            pass  # the checksum is at the end
    except tarfile.TarError as error:
        raise BundleError(str(error)) from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    file = tar.extractfile(member)
    try:
        while block := file.read(_BLOCK_BYTES) if file else b"":
            yield block
    except tarfile.TarError as error:
        raise BundleError(str(error)) from error


class _Plain:
    """The bytes of a bundle, decompressed."""

    def __init__(self, read: Callable[[int], bytes], *, is_compressed: bool) -> None:
        self._read = read
        self._decoder = zlib.decompressobj(31) if is_compressed else None
        self._buffer = b""

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; fewer only at the end."""
        while len(self._buffer) < count:
            data = self._read(_BLOCK_BYTES)
            if not data:
                if self._decoder and not self._decoder.eof:
                    raise BundleError("it is cut short")
                break
            self._buffer += self._decompressed(data)
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found

    def _decompressed(self, data: bytes) -> bytes:
        if self._decoder is None:
            return data
        try:
            return self._decoder.decompress(data)
        except zlib.error as error:
            raise BundleError(str(error)) from error
