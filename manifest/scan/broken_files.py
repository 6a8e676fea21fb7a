"""Broken files: warns of files that are empty or damaged although their name says FITS, archive or compressed data.

They are packaged as they are, because the origin is what it is; but a product of no bytes, or one whose transfer
broke off, is what a reducer wants to hear of before the archive does. What costs nothing is looked at: the size, the
first bytes of what is compressed, gzip to its end where it is small, and whether a FITS file has the length that its
headers say (see `manifest.scan.fits_length`). It is no check of the format: a file of which nothing is said may still
be damaged further in.

Unpacking FITS takes 10 s of CPU time per GB of gzip, hashing 0.2 s, so larger gzip files are not unpacked. But tars
and FITS files consist of blocks, and the last bytes of a gzip file are its length: those of one that breaks off are
any number, of which one in 512 can be that of a tar. Only where they cannot be a length the file is unpacked.
"""

import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence

from qa2pack.manifest.actions import Action
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.scan.fits_length import fits_fault
from qa2pack.manifest.scan.link_and_owner_checks import FileStates

GZIP_BYTES = 4 << 20  # unpacked in less than 0.05 s
_UNPACKED_BYTES = 64 << 20
_DOUBTFUL_BYTES = 1 << 30  # of a larger file with a doubtful end
_RATIO = 1032  # the most that deflate compresses
_BLOCKS = {(b".tgz", b".tar.gz"): 512, (b".fits.gz", b".fit.gz"): 2880}
_PIECE_BYTES = 1 << 20
_FIRST_BYTES = 256  # of a member that are unpacked at once; then twice as many each time: it may end in any of them
_MEMBER_BYTES = 1 << 10  # unpacked in the time that it takes to begin a member

# The empty member that ends what bgzip writes: SAM format specification, 4.1.2.
_END_OF_BGZIP = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

_FITS = (b".fits", b".fit")
_GZIP = (b".gz", b".tgz")
_STARTS = {
    _GZIP: (b"\x1f\x8b",),
    (b".bz2", b".tbz2", b".tbz"): (b"BZh",),
    (b".xz", b".txz"): (b"\xfd7zXZ\0",),
    (b".zst",): (b"\x28\xb5\x2f\xfd",),
    (b".zip",): (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"),
}
_CHECKED = (*_FITS, *(suffix for suffixes in _STARTS for suffix in suffixes))
_ANY_CHECKED = re.compile(rb"(?:%s)\0" % b"|".join(map(re.escape, _CHECKED)), re.IGNORECASE)
# Only their size is looked at: there are tens of thousands of plots, and opening each again would be felt.
_NEVER_EMPTY = (
    *_CHECKED,
    b".tar",
    b".png",
    b".jpg",
    b".jpeg",
    b".gif",
    b".pdf",
    b".ps",
    b".eps",
    b".html",
)


def unsound_files(files: FileStates, *, is_reading: bool) -> Iterator[Problem]:
    """Yield a warning for each file whose content does not match its name.

    Files that the package has already are skipped: they were reported when they were packaged.

    Args:
        is_reading: check contents too, not only sizes.
    """
    if 0 not in files.states.sizes and not (is_reading and _has_checked(files.sources)):
        return  # as most folders: one search instead of a look at each name
    columns = zip(files.sources, files.actions, files.states.sizes, strict=True)
    read: list[tuple[bytes, int]] = []
    for source, action, size in columns:
        name = source.lower()
        if not name.endswith(_NEVER_EMPTY) or action == Action.CARRY:
            continue
        if size == 0:
            yield Problem(Code.W_EMPTY, os.path.join(files.root, source))
        elif is_reading and name.endswith(_CHECKED):
            read.append((os.path.join(files.root, source), size))
    for (path, _), fault in zip(read, each(_fault, read), strict=True):
        if fault:
            yield Problem(Code.W_BROKEN, path, found=fault)


def _has_checked(sources: Sequence[bytes]) -> bool:
    """Return whether the content of any of the files is checked."""
    return _ANY_CHECKED.search(b"\0".join((*sources, b""))) is not None


def _fault(file: tuple[bytes, int]) -> str:
    """Say what is wrong with a file of that size; nothing where it cannot be read, which whoever hashes it tells."""
    path, size = file
    name = path.lower()
    try:
        with opened_file(path) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            if name.endswith(_FITS):
                return fits_fault(fd, size)
            starts = next(starts for suffixes, starts in _STARTS.items() if name.endswith(suffixes))
            if not os.pread(fd, max(map(len, starts)), 0).startswith(starts):
                return "other first bytes than such a file has"
            return _gzip_fault(fd, name, size) if name.endswith(_GZIP) else ""
    except OSError:
        return ""


def _gzip_fault(fd: int, name: bytes, size: int) -> str:
    if size <= GZIP_BYTES:
        return _unpacking_fault(fd, _UNPACKED_BYTES) or ""
    if _ends_with_a_length(fd, name, size):
        return ""
    fault = _unpacking_fault(fd, _DOUBTFUL_BYTES)
    return "compressed data that seem to break off" if fault is None else fault


def _ends_with_a_length(fd: int, name: bytes, size: int) -> bool:
    """Return whether a gzip file may end with the length, modulo 4 GiB, of what its name says; zeros are doubtful."""
    if os.pread(fd, len(_END_OF_BGZIP), size - len(_END_OF_BGZIP)) == _END_OF_BGZIP:
        return True  # the length in it is its own, of nothing
    block = next((block for suffixes, block in _BLOCKS.items() if name.endswith(suffixes)), 1)
    length = int.from_bytes(os.pread(fd, 4, size - 4), "little")
    return length > 0 and any((length + more) % block == 0 for more in range(0, _RATIO * size, 1 << 32))


def _unpacking_fault(fd: int, limit_bytes: int) -> str | None:
    """Decompress a gzip file with its checksums and return what is wrong; None where the limit ends that."""
    data, at, unpacked_bytes = os.read(fd, _PIECE_BYTES), 0, 0
    while data.startswith(_STARTS[_GZIP], at):  # concatenated members are one file; what follows the last is padding
        unpacking, most_bytes = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), _FIRST_BYTES
        unpacked_bytes += _MEMBER_BYTES
        while not unpacking.eof:
            if at == len(data):
                data, at = os.read(fd, _PIECE_BYTES), 0
            if not data:
                return "compressed data that break off"
            piece = memoryview(data)[at : at + most_bytes]  # what follows the member in it is copied, each time
            try:
                unpacked_bytes += len(unpacking.decompress(piece, _PIECE_BYTES))
            except zlib.error:
                return "compressed data that are damaged"
            at += len(piece) - len(unpacking.unconsumed_tail) - len(unpacking.unused_data)
            most_bytes = min(2 * most_bytes, _PIECE_BYTES)
            if unpacked_bytes > limit_bytes:
                return None
        if len(data) - at < len(_STARTS[_GZIP][0]):
            data, at = data[at:] + os.read(fd, _PIECE_BYTES), 0
    return ""
