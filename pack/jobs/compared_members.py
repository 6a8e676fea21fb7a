"""Compared members: files of a package beside the tars of a delivery, byte by byte.

The digests of a manifest and of a sidecar are no proof against a forger, who can make two files with one XXH3-128. A
tar that has the sha256 of a signed sidecar holds what was signed, and a file is compared with what is in it. Writes
nothing.
"""

import os
from collections import deque
from contextlib import ExitStack, suppress

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.fs.safe_open import LastFolder, opened_file
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.receiving import is_of_any
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.pack.jobs.delivery_source import SidecarSource, problems_of_chunk
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk


@dataclass(frozen=True, slots=True)
class CompareBatch:
    """One chunk to read, and the package whose files are compared with it.

    Attributes:
        members: those whose files are compared.
    """

    check: CheckBatch
    package: bytes
    members: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ComparedChunk:
    """A chunk that was read.

    Attributes:
        problems: what is not as in the sidecar, paths absolute; then not all files were compared.
        others: paths, relative to the package, of files that are not those of the chunk.
    """

    file_count: int
    byte_count: int
    problems: tuple[Problem, ...]
    others: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found.

    Attributes:
        problems: of the chunks.
        others: paths, relative to the package, of files that are not those of the delivery, sorted.
    """

    problems: tuple[Problem, ...]
    others: tuple[bytes, ...]


def compare_members(source: SidecarSource, package: Package, engine: Engine, progress: Progress) -> Comparison:
    """Compare the files of all members of the source with the chunks that hold them."""
    checks = source.checks()
    progress.phase(
        "compare",
        file_count=sum(check.row.file_count for check in checks),
        byte_count=sum(check.row.byte_count for check in checks),
    )
    problems: list[Problem] = []
    others: set[bytes] = set()
    for chunk in engine.run(
        compare_chunk, deque(CompareBatch(check, package.path, source.members) for check in checks)
    ):
        progress.advance(file_count=chunk.file_count, byte_count=chunk.byte_count)
        problems += chunk.problems
        others.update(chunk.others)
    return Comparison(tuple(problems), tuple(sorted(others)))


def compare_chunk(batch: CompareBatch) -> ComparedChunk:
    """Read one chunk, compare it with the sidecar, and the files of the package with it."""
    with ComparedFiles(batch.package, batch.members) as files:
        result = check_chunk(batch.check, files)
    row = batch.check.row
    return ComparedChunk(row.file_count, row.byte_count, problems_of_chunk(result), tuple(files.others))


class ComparedFiles:
    """Compares the files of one chunk with those of the package, of which none is written. Use it in a `with`.

    A `table.lock` is not compared: every program that opens the table writes to it.

    Attributes:
        others: paths, relative to the package, of files that are not there, cannot be read, or are others.
    """

    def __init__(self, package: bytes, members: tuple[bytes, ...]) -> None:
        self.others: list[bytes] = []
        self._members = members
        self._folders = LastFolder(package)
        self._file = ExitStack()
        self._fd = -1
        self._path = b""
        self._is_same = False

    def __enter__(self) -> "ComparedFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._folders.close()

    def taken(self, record: FolderRecord, index: int) -> None:
        """Return None: the chunk is read in any case."""

    def take(self, record: FolderRecord, index: int, content: bytes) -> None:
        """Compare the file at `index`, if it is of a member that is compared."""
        if self.begin(record, index):
            self.add(content)
            self.end()

    def begin(self, record: FolderRecord, index: int) -> bool:
        """Open the file at `index`; False if it is not compared."""
        self._file.close()  # of a file that was not as in the sidecar
        name = record.names[index]
        if is_table_lock(name) or not is_of_any(record.path, self._members):
            return False
        self._path, self._is_same = join(record.path, name), False
        with suppress(OSError):
            self._fd = self._file.enter_context(opened_file(name, dir_fd=self._folders.fd_of(record.path)))
            self._is_same = True
        return True

    def add(self, block: bytes | memoryview) -> None:
        """Compare the next bytes."""
        self._is_same = self._is_same and self._read(len(block)) == block

    def end(self) -> None:
        """Note the file if it is another one."""
        if not (self._is_same and self._read(1) == b""):
            self.others.append(self._path)
        self._file.close()

    def _read(self, size: int) -> bytes | None:
        """Return the next bytes, fewer at the end of the file; None if it cannot be read."""
        parts, left = [], size
        with suppress(OSError):
            while left and (part := os.read(self._fd, left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
        return None
