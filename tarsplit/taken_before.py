"""What an earlier run took of a chunk: its first files, which need not be read from the chunk again.

The sidecar has the headers of a chunk, and the taken files have the content. Of both the beginning of the chunk is
made again, so the checksums of a chunk of which only the end is read are those of all its bytes, and every digest is
compared as if the chunk had been read. So it does not matter how the run was stopped: a file that a power cut left
without its content ends what was taken.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import xxhash

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.chunk_entries import FOLDER_ITSELF, Entry
from qa2pack.tarsplit.taker import HasTaken

Behind = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Beginning:
    """The beginning of a chunk.

    Attributes:
        byte_count: of the chunk, up to where `rest` begins.
        sums: of these bytes.
        rest: the entries that are not in it.
    """

    byte_count: int
    sums: Sums
    rest: Iterator[Entry]


def nothing_before(entries: Iterable[Entry], checksums: Sequence[str]) -> Beginning:
    """Return the beginning of a chunk of which nothing was taken."""
    return Beginning(0, Sums(checksums), iter(entries))


def taken_before(entries: Iterable[Entry], checksums: Sequence[str], taker: HasTaken, behind: Behind) -> Beginning:
    """Return the beginning of a chunk that was taken: it ends with the last file before the first that is missing.

    Of a file without a digest, as `table.lock`, only size and mtime are compared; the checksums of the whole tell.

    Args:
        checksums: names of those that are wanted.
        behind: returns what is behind the content of a file of this size.
    """
    coming, not_taken, sums, byte_count = iter(entries), list[Entry](), Sums(checksums), 0
    for entry in coming:
        not_taken.append(entry)
        if entry[2] == FOLDER_ITSELF:
            continue
        sums_with_it = sums.copy()
        if not _is_taken(not_taken, sums_with_it, taker, behind):
            break
        size = entry[1].sizes[entry[2]]
        sums, byte_count = sums_with_it, byte_count + sum(len(header) for header, _, _ in not_taken)
        byte_count += size + len(behind(size))
        not_taken.clear()
    return Beginning(byte_count, sums, chain(not_taken, coming))


def _is_taken(entries: Sequence[Entry], sums: Sums, taker: HasTaken, behind: Behind) -> bool:
    """Return whether the last of the entries, a file, was taken; add all that the chunk has of them to the sums."""
    _, record, index = entries[-1]
    file = taker.taken(record, index)
    if file is None:
        return False
    for header, _, _ in entries:
        sums.update(header)
    state = xxhash.xxh3_128()
    with file as fd:
        for block in blocks_of(fd):
            state.update(block)
            sums.update(block)
    sums.update(behind(record.sizes[index]))
    return record.digest(index) in (state.digest(), NO_DIGEST)
