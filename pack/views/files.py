"""List of files of a plan or manifest, as lines and JSON fields; one folder record at a time is in memory."""

from collections.abc import Iterable, Iterator

from qa2pack.manifest.format.record import NO_DIGEST, Entry, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import Stream
from qa2pack.manifest.path import shown
from qa2pack.pack.views.json_fields import Fields, path_fields


def records_of(stream: Stream, role: str = "") -> Iterator[FolderRecord]:
    """Yield the records in order, or only those of the folders of one role."""
    folder = role.encode()
    for blob in stream.blobs_from(folder) if role else stream.blobs():
        record = decode_record(blob)
        name = record.path.partition(b"/")[0]
        if not role or name == folder:
            yield record
        elif name > folder:
            return


def file_lines(records: Iterable[FolderRecord]) -> Iterator[str]:
    """Yield a line for each folder with files (path relative to the member), followed by a line for each file.

    Full paths of files would not fit into 80 columns.
    """
    for record in records:
        if record.path and record.names:
            yield f"  {shown(record.path)}/"
        for name, size in zip(record.names, record.sizes, strict=True):
            yield f"  {size:>15,}  {shown(name)}"


def file_fields(records: Iterable[FolderRecord]) -> Iterator[Fields]:
    """Yield an object per file."""
    for record in records:
        yield from map(entry_fields, record.entries())


def entry_fields(entry: Entry) -> Fields:
    """Return the file as an object; its path is relative to the member."""
    return {
        **path_fields("path", entry.path),
        "size": entry.size,
        "action": entry.action.name.lower(),
        "xxh128": digest_text(entry.digest),
    }


def digest_text(digest: bytes) -> str | None:
    """Return a digest in hexadecimal; None if the content was not read."""
    return None if digest == NO_DIGEST else digest.hex()
