"""Place: where a delivery is written to, checked and read from; what a folder and a store have in common.

A place is only its path or address, so it can be given to workers. What has its final name there is whole.
"""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from typing import Protocol, Self

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.tarsplit.state import FinishedChunk

A_FILE = "a file"
A_FOLDER = "a folder"
_COPY_BYTES = 1 << 20


class PlaceError(PackError):
    """A place failed while it was used; what it has stays.

    Attributes:
        text: what the system or the service says.
    """

    code = Code.UNREADABLE

    def __init__(self, path: bytes, text: str) -> None:
        super().__init__(path, text)
        self.text = text
        self.problems = (Problem(self.code, path, found=text),)


class StoreBusyError(PackError):
    """Another run sends the same delivery to the store, or is said to do so.

    Attributes:
        sender: the run, in words.
    """

    def __init__(self, path: bytes, sender: str) -> None:
        super().__init__(f"{os.fsdecode(path)} is held by {sender}")
        self.path = path
        self.sender = sender
        self.problems = (Problem(Code.STORE_BUSY, path, found=sender),)


class StoreError(PlaceError):
    """A store failed while it was used; what it has stays, and the same command goes on."""

    code = Code.STORE_FAILED


class StrayError(Exception):
    """Something is in a tree that no delivery writes there.

    Attributes:
        path: where it is.
        found: what it is, in words; may be empty.
    """

    def __init__(self, path: bytes, found: str = "") -> None:
        super().__init__(path, found)
        self.path = path
        self.found = found


@dataclass(frozen=True, slots=True)
class Seen:
    """What a place tells of a file without reading it.

    Attributes:
        byte_count: None where the place does not know it: some web servers begin to send what they are still making.
        checksum: empty where the place has none.
        kind: what it is, in words.
    """

    byte_count: int | None
    checksum: str = ""
    kind: str = A_FILE


class OpenedFile(Protocol):
    """A file that is read; what goes wrong in it is a PlaceError."""

    @property
    def byte_count(self) -> int | None:
        """Its size; None as in `Seen`."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, so many or less; none at the end."""

    def seek(self, offset: int) -> int:
        """Go to a place in it, counted from its beginning."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Upload(Protocol):
    """A file that is being written."""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes, which may be changed when this returns."""

    def finish(self) -> str:
        """Give it its name, when the place has all of it; return the checksum that the place tells, or empty.

        Raises:
            PlaceError: what the place has is not what was written.
        """

    def give_up(self) -> None:
        """Remove what was written, as far as that can be done: nobody will go on with it."""


class Tree(Protocol):
    """A tree that is being filled, one folder after the other; what is there of it stays after a stop."""

    def enter(self, folder: bytes) -> None:
        """Make a folder and those above it, where the place has folders; what follows is about its files.

        Args:
            folder: relative to the tree.
        """

    def has(self, name: bytes, size: int, digest: bytes) -> bool:
        """Return whether a file of an earlier run is there as it should be, as far as that can be known."""

    def upload(self, name: bytes, size: int, *, mode: int, mtime_ns: int | None) -> AbstractContextManager[Upload]:
        """Begin a file of this size.

        Args:
            mtime_ns: ns since the epoch, where the place keeps that; None for now.
        """

    def remove(self, name: bytes) -> None:
        """Remove a file, if it is there."""

    @property
    def where(self) -> bytes:
        """Path or address of what there is of it now."""

    def names(self, folder: bytes) -> list[bytes]:
        """Return the names of what is in a folder of a tree that has not got its name yet; of another one nothing.

        Raises:
            StrayError: a symlink, a pipe or the like is in it.
        """

    def finish(self) -> None:
        """Give the tree its name, when all of it is there to stay."""


class Place(Protocol):
    """A folder, of this machine or of a store. The name of a file may be a path below it where that is read.

    Raises:
        OSError: a disk of this machine fails.
        PlaceError: a store fails.
    """

    @property
    def path(self) -> bytes:
        """Its path, or its address."""

    @property
    def folder(self) -> bytes:
        """Its path on a disk of this machine; empty for a store elsewhere."""

    @property
    def goes_on(self) -> bool:
        """Whether an upload that was stopped goes on with what is there of it."""

    def check(self) -> None:
        """Check that it can be reached.

        Raises:
            Refused: it cannot: an unknown kind, a missing library, no access.
        """

    def make(self) -> None:
        """Make it, if it is not there and does not come into being with its first file."""

    def names(self, below: bytes = b"") -> list[bytes]:
        """Return the names of what is in it, or in a folder below it, sorted; none where that folder is not there."""

    def seen(self, name: bytes) -> Seen | None:
        """Return what the place says of a file; None if it is not there."""

    def has(self, name: bytes, chunk: FinishedChunk) -> bool | None:
        """Return whether a chunk is there as it was finished; None if only its size is known."""

    def opened(self, name: bytes) -> OpenedFile:
        """Open a file.

        Raises:
            FileNotFoundError: it is not there.
            PlaceError: it cannot be read.
        """

    def room_bytes(self, leftovers: Iterable[bytes]) -> int | None:
        """Return how much can be written once these files are removed; None where that is not known."""

    def upload(self, name: bytes, size: int) -> AbstractContextManager[Upload]:
        """Begin a file of this size, or go on with one that was not finished."""

    def tree(self, name: bytes, *, is_read: bool = False) -> Tree:
        """Begin a tree of this name, or go on with it.

        Args:
            is_read: what is there of it is read in any case, and not known by its size.
        """

    def next_version(self, name: bytes) -> Tree:
        """Begin what is added to a complete tree of this name, or go on with it; until it ends the tree is as it was.

        What is called `inventory.json` in the tree says what is in it; it is exchanged last.
        """

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file; it is there, whole, when this returns."""

    def alone(self, name: bytes, *, is_taking_over: bool) -> AbstractContextManager[Callable[[], None]]:
        """Be the only run that writes a delivery; yield what raises StoreBusyError if another run has taken over.

        Args:
            name: of a file that says who writes, where there are no locks.
            is_taking_over: what run the file names has ended.

        Raises:
            StoreBusyError: another run writes it.
        """

    def remove(self, names: Iterable[bytes]) -> None:
        """Remove files and trees, those of them that are there."""

    def local(self, is_wanted: Callable[[bytes], object]) -> AbstractContextManager[bytes]:
        """Yield a folder of this machine with the files that are wanted by name: itself, or one of copies."""

    def take(self, folder: bytes, names: Iterable[bytes]) -> None:
        """Have the files that were written in the folder that `local` gave, each whole before the next is begun."""


def copy_file(name: bytes, source: Place, target: Place) -> None:
    """Copy a small file from one place to another.

    Raises:
        FileNotFoundError: it is not there.
    """
    with source.opened(name) as file:
        size = file.byte_count
        if size is None:
            target.write(name, content_of(file))
            return
        with target.upload(name, size) as upload:
            while block := file.read(_COPY_BYTES):
                upload.write(block)
            upload.finish()


def content_of(file: OpenedFile, limit_bytes: int = sys.maxsize) -> bytes:
    """Return what follows in a file, no more than so much of it."""
    blocks: list[bytes] = []
    while limit_bytes and (block := file.read(min(limit_bytes, _COPY_BYTES))):
        blocks.append(block)
        limit_bytes -= len(block)
    return b"".join(blocks)


def read_problem(error: PlaceError, place: Place, name: bytes) -> Problem:
    """Return the problem of a file of this name that could not be opened or read; the place is looked at again.

    The system says of a link only that there are too many, and nothing of a pipe. Neither is a lack of permission.
    """
    found = ""
    if not isinstance(error, StoreError):  # which has neither links nor pipes
        with suppress(OSError):  # what cannot be looked at either is as the error says
            found = _in_its_place(place, name)
    return Problem(Code.WRONG_TYPE, name, A_FILE, found) if found else Problem(error.code, name, found=error.text)


def _in_its_place(place: Place, name: bytes) -> str:
    """Return what is there and is no file, or what is in the place of a folder above it; empty if all is as named."""
    end = name.find(b"/")
    while end >= 0:
        above = place.seen(name[:end])
        if above and above.kind != A_FOLDER:
            return f"{above.kind} in place of the folder {shown(name[:end])}"
        end = name.find(b"/", end + 1)
    seen = place.seen(name)
    return seen.kind if seen and seen.kind != A_FILE else ""
