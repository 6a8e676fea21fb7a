"""Framing of a chunk: what is in a container of a delivery beside the contents; written, checked and read by it.

All of it follows from the records of the delivery and from the contents. So a check makes the same bytes again and
compares; it takes no length and no name from what came from elsewhere.
"""

from collections.abc import Iterator
from typing import assert_never

from qa2pack.manifest.bundle.framing import Framing, tar_framing, zip_framing
from qa2pack.manifest.bundle.zip_header import ZipEntry, is_large
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, FOLDER_MODE, ChunkPart, Entry, Share, rows, shares
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.naming import in_tar


class ChunkFraming:
    """A framing of which the entries are those of records; asked for in their order, each once.

    Attributes:
        add: takes the next bytes of the content of a file.
        after_file: returns what is behind the content of a file of this size.
        end: yields what is behind the last entry, all before which has so many bytes.

    Args:
        folder_mtime: of all folders, in seconds.
    """

    def __init__(self, framing: Framing, project: bytes, folder_mtime: int) -> None:
        self._framing = framing
        self._project = project
        self._folder_mtime = folder_mtime
        self.add, self.after_file, self.end = framing.add, framing.after_file, framing.end

    def before_folder(self, record: FolderRecord) -> bytes:
        """Return the entry of a folder."""
        path = in_tar(self._project, record.path)
        return self._framing.before_folder(path, mtime=self._folder_mtime, mode=FOLDER_MODE)

    def before_files(self, share: Share) -> Iterator[bytes]:
        """Yield what is before the content of each file; the next one is asked for after `after_file`."""
        return self._framing.before_files(in_tar(self._project, share.record.path), rows(share))


def framing_of(made: Made, project: bytes, part: ChunkPart, *, folder_mtime: int) -> ChunkFraming:
    """Return the framing of a chunk.

    Args:
        folder_mtime: of all folders, in seconds.
    """

    def of(framing: Framing) -> ChunkFraming:
        return ChunkFraming(framing, project, folder_mtime)

    match made.form:
        case DeliveryForm.TAR | DeliveryForm.TGZ:
            return of(tar_framing())
        case DeliveryForm.ZIP:
            count = sum(end - start for start, end in (*part.folders, *part.files))
            again = lambda: _zip_entries(project, part, folder_mtime)  # noqa: E731
            return of(zip_framing(large=is_large(made.plain_bytes, count), again=again))
        case DeliveryForm.FILE:
            return of(Framing())
        case DeliveryForm.FOLDER | DeliveryForm.BAG | DeliveryForm.OCFL:
            raise ValueError("a tree is no container")
        case _:
            assert_never(made.form)


def entries(framing: ChunkFraming, part: ChunkPart) -> Iterator[Entry]:
    """Yield the entries of a chunk in their order; the next one is asked for when a file is done with."""
    for share in shares(part):
        if share.has_folder:
            yield framing.before_folder(share.record), share.record, FOLDER_ITSELF
        for index, header in zip(share.files, framing.before_files(share), strict=True):
            yield header, share.record, index


def _zip_entries(project: bytes, part: ChunkPart, folder_mtime: int) -> Iterator[ZipEntry]:
    for share in shares(part):
        before = in_tar(project, share.record.path) + b"/"
        if share.has_folder:
            yield ZipEntry(before, 0, folder_mtime, FOLDER_MODE)
        yield from (ZipEntry(before + name, *rest) for name, *rest in rows(share))
