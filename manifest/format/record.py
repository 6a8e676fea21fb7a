"""Folder record: the files of one folder of a package, stored in columns.

A record holds the files and the names of the subfolders of one folder, sorted by name, so that it can be compared
with a disk by itself. Columns keep a million entries at some tens of bytes each; there is no object per file. The
state of the source (path, inode, mtime, ctime) is stored beside what the package gets (path, size, mode, digest,
action), because a digest can be reused only while the state of the source is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.path import join

DIGEST_BYTES = 16
NO_DIGEST = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a record, for code that handles single files; bulk work uses the columns."""

    path: bytes
    state: FileState
    mode: int
    action: Action
    digest: bytes
    source: bytes

    @property
    def size(self) -> int:
        """Its size in the package, in bytes."""
        return self.state.size


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """The files of one folder, column by column; all columns have one value per name, in byte order of names.

    Attributes:
        path: folder relative to the member; empty for the member itself.
        folders: names of the subfolders, sorted.
        sizes: bytes in the package (after a table split).
        mtimes, ctimes: ns since the epoch, of the source as scanned.
        modes: permission bits.
        digests: XXH3-128 of the content, big-endian as xxhsum prints it, 16 bytes each, joined;
            16 zero bytes where the content was not read or does not exist yet.
        source: folder of the sources, relative to the origin (absolute when a link led out of it).
        source_names: names below `source` where they differ from `names`, else empty. May hold `/`.
        device, inodes: identity of the sources.
    """

    path: bytes
    names: Sequence[bytes] = ()
    folders: Sequence[bytes] = ()
    sizes: Sequence[int] = ()
    mtimes: Sequence[int] = ()
    modes: Sequence[int] = ()
    actions: bytes = b""
    digests: bytes = b""
    source: bytes = b""
    source_names: Sequence[bytes] = ()
    device: int = 0
    inodes: Sequence[int] = ()
    ctimes: Sequence[int] = ()

    def digest(self, index: int) -> bytes:
        """Return the digest of the file at `index` (16 bytes)."""
        return self.digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]

    def state(self, index: int) -> FileState:
        """Return the state of the file at `index` as it was scanned."""
        return FileState(self.sizes[index], self.mtimes[index], self.ctimes[index], self.inodes[index], self.device)

    def untouched(self, index: int) -> tuple[int, ...]:
        """Return `state(index).untouched`, for loops over all files of a package."""
        return self.sizes[index], self.mtimes[index], self.inodes[index], self.ctimes[index]

    def state_fields(self) -> Iterator[tuple[int, ...]]:
        """Yield the fields of the state of each file, in the order of `FileState`."""
        return zip(self.sizes, self.mtimes, self.ctimes, self.inodes, repeat(self.device))

    def source_path(self, index: int) -> bytes:
        """Return the source of the file at `index`, relative to the origin, or absolute."""
        return join(self.source, self.source_names[index] if self.source_names else self.names[index])

    def is_moved(self, index: int) -> bool:
        """Return whether the file at `index` was moved out of the origin; what is outside of it stays there."""
        return self.actions[index] == Action.MOVE and not self.source_path(index).startswith(b"/")

    def entries(self) -> Iterator[Entry]:
        """Yield the files one by one, in order."""
        for index, name in enumerate(self.names):
            yield Entry(
                path=join(self.path, name),
                state=self.state(index),
                mode=self.modes[index],
                action=Action(self.actions[index]),
                digest=self.digest(index),
                source=self.source_path(index),
            )

    def selected(self, indexes: Sequence[int]) -> "FolderRecord":
        """Return a record of these files only, without subfolders."""
        return replace(
            self,
            folders=(),
            names=[self.names[i] for i in indexes],
            sizes=[self.sizes[i] for i in indexes],
            mtimes=[self.mtimes[i] for i in indexes],
            modes=[self.modes[i] for i in indexes],
            actions=bytes(self.actions[i] for i in indexes),
            digests=b"".join(self.digest(i) for i in indexes),
            source_names=[self.source_names[i] for i in indexes] if self.source_names else (),
            inodes=[self.inodes[i] for i in indexes],
            ctimes=[self.ctimes[i] for i in indexes],
        )


def with_digests(record: FolderRecord, changes: dict[int, bytes]) -> FolderRecord:
    """Return the record with the digests at these indexes replaced."""
    digests = bytearray(record.digests)
    for index, digest in changes.items():
        digests[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES] = digest
    return replace(record, digests=bytes(digests))


def merge_records(records: Sequence[FolderRecord]) -> FolderRecord:
    """Merge records of the same folder into one, sorted by name.

    The sources become relative to the origin where the records come from different folders.
    """
    folders = sorted({folder for record in records for folder in record.folders})
    filled = [record for record in records if record.names] or records[:1]
    if len(filled) == 1:
        return replace(filled[0], folders=folders)
    records = filled
    rows = sorted(
        (name, part, index) for part, record in enumerate(records) for index, name in enumerate(record.names)
    )
    parts = [(records[part], index) for _, part, index in rows]
    return FolderRecord(
        path=records[0].path,
        names=[name for name, _, _ in rows],
        folders=folders,
        sizes=[record.sizes[i] for record, i in parts],
        mtimes=[record.mtimes[i] for record, i in parts],
        modes=[record.modes[i] for record, i in parts],
        actions=bytes(record.actions[i] for record, i in parts),
        digests=b"".join(record.digest(i) for record, i in parts),
        source=b"",
        source_names=[record.source_path(i) for record, i in parts],
        device=parts[0][0].device,
        inodes=[record.inodes[i] for record, i in parts],
        ctimes=[record.ctimes[i] for record, i in parts],
    )
