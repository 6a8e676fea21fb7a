"""Sum list: sha256 of the manifest and the files of a member, in the form of sha256sum; it is what is signed.

The digests in a manifest show damage and exclude no forgery. So the list names first the manifest, then what the
member has beside the package, then its files in the order of the manifest. Its paths begin in the folder that holds
the package: `sha256sum -c` checks all of it there. Placeholders and the locks of tables are not in it.
"""

from collections.abc import Collection, Iterator
from io import BufferedReader
from itertools import chain
from typing import cast

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.control_file import opened_control
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.manifest.verify.beside import beside_problems
from qa2pack.manifest.verify.checksum_lines import coreutils_line
from qa2pack.manifest.verify.checksum_lists import in_package, read_sums, spooled

ALGORITHM = "sha256"
_MOST_LINE_BYTES = 1 << 20  # no path is so long; anybody may sign a list of one line that fills the memory
NO_SUM = bytes(32)  # of a file that is not in the list


class SumListError(ValueError):
    """The list does not name the files of the manifest, in their order."""


@dataclass(frozen=True, slots=True)
class SumList:
    """The list of a member, whose signature fits.

    Attributes:
        path: of the copy that was checked.
    """

    path: bytes
    package: Package
    member: bytes

    def manifest_sum(self) -> bytes:
        """Return the sum of the manifest.

        Raises:
            SumListError: the list is of another package, which must not be given out for this one, or another member.
        """
        try:
            return self._taken(self._lines())
        except SumListError as error:
            raise SumListError("it is of another package or member") from error

    def beside_sums(self, manifest: Described) -> dict[bytes, bytes]:
        """Return the sums of the files beside the package, by their names; raises SumListError."""
        lines = self._lines()
        self._taken(lines)
        return {file.name: _take(lines, file.name) for file in manifest.header.beside}

    def sums(self, manifest: Described) -> Iterator[bytes]:
        """Yield for each record of the manifest the sums of its files, one after the other.

        Raises:
            SumListError: the list names other files, or more of them.
        """
        lines = self._lines()
        self._taken(lines)
        for file in manifest.header.beside:
            _take(lines, file.name)
        folder = in_package(self.package, manifest)
        for record in map(decode_record, manifest.stream.blobs()):
            yield b"".join(_sums_of(record, folder, lines))
        if next(lines, None) is not None:
            raise SumListError("it lists files that are not in the manifest")

    def of_paths(self, manifest: Described, paths: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the sums of those of these files, by path in the member, that have one; raises SumListError."""
        found = {}
        for record, sums in zip(map(decode_record, manifest.stream.blobs()), self.sums(manifest), strict=True):
            for index, name in enumerate(record.names):
                path = join(record.path, name)
                if path in paths and is_listed(record, index):
                    found[path] = sums[index * len(NO_SUM) : (index + 1) * len(NO_SUM)]
        return found

    def _taken(self, lines: Iterator[bytes]) -> bytes:
        return _take(lines, _manifest_name(self.package, self.member))

    def _lines(self) -> Iterator[bytes]:
        with opened_control(self.path) as file:
            while line := file.readline(_MOST_LINE_BYTES):
                yield line


def is_listed(record: FolderRecord, index: int) -> bool:
    """Return whether a file of the manifest has a sum: it has content, and programs do not change it as a lock."""
    return record.actions[index] != Action.DUMMY and not is_table_lock(record.names[index])


def read_sum_list(package: Package, manifest: Described, *, engine: Engine, progress: Progress) -> Iterator[bytes]:
    """Read a member, all of it before this returns, and return an iterator of the blocks of its list.

    Raises:
        Refused: files are not as the manifest says; all of them are listed.
        OSError: the manifest cannot be read.
    """
    spools = read_sums(package, [manifest], [ALGORITHM], engine=engine, progress=progress, line=_line)
    if problems := tuple(beside_problems(package, manifest.header, {}, is_quick=False)):
        raise Refused(*problems)
    beside = {file.name: join(package.parent, file.name) for file in manifest.header.beside}
    first = {_manifest_name(package, manifest.header.member): package.manifest(manifest.header.member), **beside}
    lines = [coreutils_line(sum_of_file(path).hex(), name) for name, path in first.items()]
    return chain(lines, spooled(spools[ALGORITHM]))


def sum_of_file(path: bytes) -> bytes:
    """Return the sha256 of a regular file; raises as `opened_control`."""
    from hashlib import file_digest  # loads OpenSSL, and `pack status` asks only who signed

    with opened_control(path) as file:
        return file_digest(cast("BufferedReader", file), ALGORITHM).digest()


def _manifest_name(package: Package, member: bytes) -> bytes:
    """Return the path of the manifest from the folder that holds the package."""
    return package.manifest(member).removeprefix(package.parent.rstrip(b"/") + b"/")


def _line(digest: str, path: bytes) -> bytes:
    return b"" if is_table_lock(path) else coreutils_line(digest, path)


def _sums_of(record: FolderRecord, folder: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    for index, name in enumerate(record.names):
        yield _take(lines, join(folder, join(record.path, name))) if is_listed(record, index) else NO_SUM


def _take(lines: Iterator[bytes], path: bytes) -> bytes:
    """Return the sum in the next line, which must be that of this path."""
    line = next(lines, b"")
    start = 1 if line.startswith(b"\\") else 0  # a backslash marks a path with escapes
    digest = line[start : start + 2 * len(NO_SUM)]
    try:
        if line == coreutils_line(digest.decode(), path):
            return bytes.fromhex(digest.decode())
    except ValueError:
        pass
    raise SumListError(f"it does not list {shown(path)} where the manifest has it")
