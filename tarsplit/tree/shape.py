"""Shape of a tree: where in it the files are, and what is beside them. It is written, and compared, by it.

All that is beside the files follows from their paths and contents. So a check makes it again and compares, as it does
with what is between the files of a container.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import xxhash

from qa2pack.manifest.bundle.bag_tags import PAYLOAD, TAGS, bag_tags, payload_sums
from qa2pack.manifest.bundle.ocfl_object import (
    OBJECT_CONTENT,
    OBJECT_INVENTORY,
    OBJECT_NAMES,
    inventory_line,
    object_files,
)
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.spool import TextSpool
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.verify.checksum_lines import bag_line
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.naming import checksum_line, checksum_name, in_tar

_STRONG = "sha256"
Line = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class TreeName:
    """What a tree is called, and what its files are of.

    Attributes:
        mtime: of the delivery, in seconds.
    """

    name: bytes
    project: bytes
    mtime: int


@dataclass(frozen=True, slots=True)
class Amount:
    """Number of the files of a tree, and bytes of their contents."""

    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Beside:
    """A file that is beside those of the package.

    Attributes:
        path: relative to the tree; of one that is outside, relative to the folder of the tree.
        size: in bytes.
        digest: XXH3-128 of its content.
        blocks: its content; can be read once.
    """

    path: bytes
    size: int
    digest: bytes
    blocks: Iterable[bytes]
    is_outside: bool = False


class Shape(Protocol):
    """What is where in a tree."""

    @property
    def lists(self) -> "Lists":
        """The checksums of the files, added in their order."""

    @property
    def names(self) -> Sequence[bytes]:
        """The paths in the tree of what is beside the files."""

    @property
    def has_empty_folders(self) -> bool:
        """Whether folders without files are made in it."""

    def folder(self, path: bytes) -> bytes:
        """Return the path in the tree of a folder of the delivery; both may be empty."""

    def list_path(self, checksum: str) -> bytes:
        """Return where the checksums of an algorithm are, relative to the folder of the tree."""

    def beside(self) -> Iterator[Beside]:
        """Yield what is beside the files, when the checksums of all are added."""


class Lists:
    """The checksums of the files of a tree: one list for each algorithm, kept in temporary files.

    Args:
        checksums: names of the algorithms.
        line: returns the line of a file, given its digest and its path relative to the package.
    """

    def __init__(self, checksums: Sequence[str], line: Line) -> None:
        self.checksums = tuple(checksums)
        self.line = line
        self._texts = {name: TextSpool() for name in checksums}
        self._sums = {name: Sums((name, _STRONG)) for name in checksums}
        self._sizes = dict.fromkeys(checksums, 0)
        self._all = xxhash.xxh3_128()

    def add(self, path: bytes, sums: Sums) -> None:
        """Add the next file.

        Args:
            path: relative to the package.
            sums: of its content.
        """
        self._all.update(bytes.fromhex(sums.result()))
        for name, text in self._texts.items():
            line = self.line(sums.result(name), path)
            text.add(line)
            self._sums[name].update(line)
            self._sizes[name] += len(line)

    @property
    def of_all(self) -> str:
        """The XXH3-128 of the digests of all files, hexadecimal."""
        return self._all.hexdigest()

    def results(self) -> tuple[tuple[str, str], ...]:
        """Return the name of each algorithm, and what it gives of its own list."""
        return tuple((name, sums.result(name)) for name, sums in self._sums.items())

    def strong(self, name: str) -> str:
        """Return the sha256 of a list."""
        return self._sums[name].result(_STRONG)

    def beside(self, name: str, path: bytes, *, is_outside: bool = False) -> Beside:
        """Return a list as the file at this path."""
        digest = bytes.fromhex(self._sums[name].result())
        return Beside(path, self._sizes[name], digest, self.blocks(name), is_outside)

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield the text of a list."""
        return self._texts[name].blocks()


def _beside(texts: Mapping[bytes, bytes]) -> Iterator[Beside]:
    """Yield a file for each text, given by their paths."""
    for path, text in texts.items():
        yield Beside(path, len(text), xxhash.xxh3_128_digest(text), (text,))


def shape_of(tree: TreeName, form: DeliveryForm, checksums: Sequence[str], amount: Amount) -> Shape:
    """Return the shape of a tree.

    Args:
        checksums: names of those that are wanted of each file.
    """
    match form:
        case DeliveryForm.BAG:
            return _Bag(tree, checksums, amount)
        case DeliveryForm.OCFL:
            return _Object(tree, checksums)
        case _:
            return _Folder(tree, checksums)


class _Folder:
    """A folder in place of that of the package; the lists are beside it."""

    names = ()
    has_empty_folders = True

    def __init__(self, tree: TreeName, checksums: Sequence[str]) -> None:
        self._name = tree.name
        self.lists = Lists(checksums, lambda digest, path: checksum_line(join(tree.name, path), digest))

    def folder(self, path: bytes) -> bytes:
        return path

    def list_path(self, checksum: str) -> bytes:
        return checksum_name(self._name, checksum)

    def beside(self) -> Iterator[Beside]:
        for each in self.lists.checksums:
            yield self.lists.beside(each, checksum_name(self._name, each), is_outside=True)


class _Bag:
    """A BagIt bag, with the folder of the package in its payload."""

    has_empty_folders = True

    def __init__(self, tree: TreeName, checksums: Sequence[str], amount: Amount) -> None:
        self._name = tree.name
        self._project = tree.project
        self._amount = amount
        self.lists = Lists(checksums, lambda digest, path: bag_line(digest, in_tar(tree.project, path)))
        self.names = (*map(payload_sums, checksums), *TAGS)

    def folder(self, path: bytes) -> bytes:
        return path_in(PAYLOAD, in_tar(self._project, path))

    def list_path(self, checksum: str) -> bytes:
        return join(self._name, payload_sums(checksum))

    def beside(self) -> Iterator[Beside]:
        names = {each: payload_sums(each) for each in self.lists.checksums}
        for each, name in names.items():
            yield self.lists.beside(each, name)
        tags = bag_tags(
            self._project,
            file_count=self._amount.file_count,
            byte_count=self._amount.byte_count,
            payload_sums={name: self.lists.strong(each) for each, name in names.items()},
        )
        yield from _beside(tags)


class _Object:
    """An OCFL object of one version, with the folder of the package in its content.

    Source: OCFL 1.1, https://ocfl.io/1.1/spec/. All of its inventory is in memory, some hundred bytes for each file.
    """

    names = OBJECT_NAMES
    has_empty_folders = False  # it may not have any

    def __init__(self, tree: TreeName, checksums: Sequence[str]) -> None:
        self._tree = tree
        self.lists = Lists(checksums, lambda digest, path: inventory_line(digest, in_tar(tree.project, path)))

    def folder(self, path: bytes) -> bytes:
        return path_in(OBJECT_CONTENT, in_tar(self._tree.project, path))

    def list_path(self, checksum: str) -> bytes:
        return join(self._tree.name, OBJECT_INVENTORY)

    def beside(self) -> Iterator[Beside]:
        (algorithm,) = self.lists.checksums
        lines = b"".join(self.lists.blocks(algorithm)).splitlines()
        yield from _beside(object_files(self._tree.name, self._tree.project, lines, made_seconds=self._tree.mtime))
