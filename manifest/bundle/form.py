"""Form of a bundle: which one a path names, and the largest size that a bundle of given entries can have. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.gzip_format import BLOCK_BYTES, largest_gzip_bytes
from qa2pack.manifest.bundle.tar_header import BLOCK_BYTES as TAR_BLOCK_BYTES
from qa2pack.manifest.bundle.tar_header import END_BLOCKS, RECORD_BLOCKS, header_bytes, padded

_RECORD_BYTES = RECORD_BLOCKS * TAR_BLOCK_BYTES


class Form(StrEnum):
    """What a bundle is: a tar, a compressed tar, or one compressed file."""

    TAR = "tar"
    TGZ = "tgz"
    GZ = "gz"


_FORMS = {".tar.gz": Form.TGZ, ".tgz": Form.TGZ, ".tar": Form.TAR, ".gz": Form.GZ}  # .tar.gz before .gz
SUFFIXES = tuple(_FORMS)


def form_of(path: bytes) -> Form | None:
    """Return the form that the suffix of a path names, or None."""
    return next((form for suffix, form in _FORMS.items() if path.endswith(suffix.encode())), None)


def largest_bytes(form: Form, entries: Iterable[BundleEntry], *, block_bytes: int = BLOCK_BYTES) -> int:
    """Return an upper bound of the size of a bundle; the size itself for a tar.

    It holds for every encoder and level, because a block that does not become smaller is stored.

    Args:
        block_bytes: of the blocks that are compressed each by itself.
    """
    match form:
        case Form.TAR:
            return _tar_bytes(entries)
        case Form.TGZ:
            return largest_gzip_bytes(_tar_bytes(entries), block_bytes=block_bytes)
        case Form.GZ:
            return largest_gzip_bytes(sum(entry.size for entry in entries), block_bytes=block_bytes)


def _tar_bytes(entries: Iterable[BundleEntry]) -> int:
    total = sum(_entry_bytes(entry) for entry in entries) + END_BLOCKS * TAR_BLOCK_BYTES
    return -(-total // _RECORD_BYTES) * _RECORD_BYTES


def _entry_bytes(entry: BundleEntry) -> int:
    if entry.is_folder:
        return header_bytes(entry.path + b"/")
    return header_bytes(entry.path, entry.size) + padded(entry.size)
