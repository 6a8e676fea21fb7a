"""Made files: what the new manifest says of files whose size and content are known only when they are staged."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import with_digests
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.path import join

Records = Callable[[], Iterator[tuple[bytes, bytes]]]


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file as it was written.

    Attributes:
        growth: its size less the one that was planned, bytes.
    """

    size: int
    digest: bytes
    growth: int
    mtime_ns: int


def with_made(
    records: Iterable[tuple[bytes, bytes]], made: Mapping[bytes, MadeFile]
) -> Iterator[tuple[bytes, bytes]]:
    """Yield path and encoded record of each folder, with the made files as they were written.

    Args:
        made: by path in the member.
    """
    folders = {path.rpartition(b"/")[0] for path in made}
    for path, blob in records:
        yield path, _record_with(blob, made) if path in folders else blob


def _record_with(blob: bytes, made: Mapping[bytes, MadeFile]) -> bytes:
    record = decode_record(blob)
    found = {index: made.get(join(record.path, name)) for index, name in enumerate(record.names)}
    written = {index: file for index, file in found.items() if file is not None}
    sizes = [written[index].size if index in written else size for index, size in enumerate(record.sizes)]
    mtimes = [written[index].mtime_ns if index in written else mtime for index, mtime in enumerate(record.mtimes)]
    digests = {index: file.digest for index, file in written.items()}
    return encode_record(with_digests(replace(record, sizes=sizes, mtimes=mtimes), digests))
