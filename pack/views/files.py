"""List of files of a plan or manifest, as lines and JSON fields; one folder record at a time is in memory."""

from collections.abc import Iterable, Iterator

from qa2pack.manifest.format.header import BundleTask
from qa2pack.manifest.format.inside import content_bytes, records_inside
from qa2pack.manifest.format.record import NO_DIGEST, Entry, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import Stream
from qa2pack.manifest.path import shown
from qa2pack.manifest.table_lock import rows_of_digest
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


def bundle_fields(task: BundleTask) -> Fields:
    """Return a bundle as an object, with the files in it; their paths are relative to the bundle."""
    return {
        **path_fields("path", task.path),
        "is_placeholder": task.is_placeholder,
        "content_bytes": content_bytes(task),
        "files": list(file_fields(records_inside(task))),
    }


def entry_fields(entry: Entry) -> Fields:
    """Return the file as an object; its path is relative to the member."""
    return {
        **path_fields("path", entry.path),
        "size": entry.size,
        "action": entry.action.name.lower(),
        "xxh128": digest_text(entry.digest),
    }


def digest_text(digest: bytes) -> str | None:
    """Return a digest in hexadecimal; None if the content was not read, or is a lock of which only the rows count."""
    return None if digest == NO_DIGEST or rows_of_digest(digest) is not None else digest.hex()
