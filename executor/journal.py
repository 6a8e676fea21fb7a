"""The journal of a transaction: append-only frames that tell how far it came.

A frame is length (4 bytes), XXH3-64 of the payload (8 bytes), payload (msgpack), little-endian. A frame that is cut
short or does not fit its checksum ends the journal: it was being written when everything stopped, and nothing is
ever appended behind it, because going on writes the sound frames anew first. A record is on disk before its effect
begins when it was appended with `durably`; counts of staged files need not be.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, get_args

import msgpack
import xxhash

from executor.disk import Disk, write_durably
from manifest.request import Mode

_FRAME = struct.Struct("<IQ")


class Publishing(StrEnum):
    """How the staged tree gets to its place."""

    NEW = "new"  # one rename of the package
    MEMBER = "member"  # one rename of a member into its group
    GROUP = "group"  # one rename of a group into the package
    EXCHANGE = "exchange"  # the staged package and the old one change places in one step
    TWO_RENAMES = "two-renames"  # the old one away, the new one in; for file systems without exchange


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; nothing is staged yet.

    Attributes:
        transaction: its name, unique within the control folder.
        plan: digest of the plan.
        boot: id of the running system; what was written before a restart and not synced cannot be trusted.
        mode, origin: as in the plan; for the log, never for deciding.
    """

    transaction: str
    plan: bytes
    publishing: Publishing
    group: bytes
    member: bytes
    keeps_previous: bool
    file_count: int
    byte_count: int
    boot: str
    host: str
    user: str
    pid: int
    at_ns: int
    mode: Mode | None = None
    origin: bytes = b""


@dataclass(frozen=True, slots=True)
class Resume:
    """Another process goes on with the transaction."""

    boot: str
    host: str
    user: str
    pid: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Staged:
    """So many files and bytes more are staged; for showing, never for deciding."""

    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Commit:
    """All that is staged is on disk, and from here it only goes forward. THE moment of commit.

    Attributes:
        root_inode: of the staged tree, by which it is known again wherever it stands.
        had_manifests, had_tickets: there were such files before, which go aside when the new ones come.
    """

    root_inode: int
    had_manifests: bool
    had_tickets: bool


@dataclass(frozen=True, slots=True)
class Published:
    """The new tree is in its place, and that is on disk."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Staging stopped because sources are not as planned; a new plan may take over what is staged."""

    path_count: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """The disk could not take what was staged; what it holds of it cannot be known, so staging starts anew."""


@dataclass(frozen=True, slots=True)
class Discard:
    """The old package is about to be removed: from here publishing cannot be undone."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """The transaction is being undone."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class End:
    """Everything is done."""

    at_ns: int


Record = Begin | Resume | Staged | Stale | SyncFailed | Commit | Published | Discard | RollBack | End
_KINDS: dict[str, type[Record]] = {kind.__name__: kind for kind in get_args(Record)}


class JournalError(Exception):
    """A journal that holds sound frames which this program does not understand."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {reason}")
        self.path = path
        self.reason = reason


class Journal:
    """A journal open for appending; the caller holds the lock of the package."""

    def __init__(self, path: bytes, fd: int, disk: Disk) -> None:
        self._path = path
        self._fd = fd
        self._disk = disk

    def append(self, record: Record) -> None:
        """Append a record that may be lost in a power cut."""
        self._disk.append(self._fd, _encoded(record))

    def append_durably(self, record: Record) -> None:
        """Append a record that is on disk when this returns."""
        self.append(record)
        self._disk.fsync(self._fd)

    def close(self) -> None:
        """Close the file; what was appended stays."""
        os.close(self._fd)


def create_journal(path: bytes, begin: Begin, disk: Disk) -> Journal:
    """Make a journal that did not exist, on disk when this returns; there never is one without its first record."""
    write_durably(disk, path, _encoded(begin))
    return _opened(path, disk)


def continue_journal(path: bytes, disk: Disk) -> Journal:
    """Open a journal to append to it, with all its sound records on disk and a torn tail gone.

    The records are written to a new file that takes the old one's place: a record whose fsync failed once may look
    as if it were on disk, and another fsync of the same file would say so too.
    """
    data = b"".join(_packed(payload) for payload in _payloads(path))
    write_durably(disk, path, data)
    return _opened(path, disk)


def _opened(path: bytes, disk: Disk) -> Journal:
    return Journal(path, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), disk)


def read_journal(path: bytes) -> tuple[Record, ...]:
    """Return the records of a journal up to a torn tail; none if there is no journal.

    Raises:
        JournalError: a sound frame holds something that this program does not know, or not even the first is sound:
            it was on disk before the journal got its name, so that is no torn tail.
    """
    try:
        records = tuple(_decoded(path, payload) for payload in _payloads(path))
    except FileNotFoundError:
        return ()
    if not records:
        raise JournalError(path, "is damaged: its first record cannot be read")
    return records


def _encoded(record: Record) -> bytes:
    return _packed(msgpack.packb({"kind": type(record).__name__, **asdict(record)}))


def _packed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def _payloads(path: bytes) -> Iterator[bytes]:
    """Yield the payload of each sound frame, up to the first that is not."""
    with open(path, "rb") as file:
        while len(start := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(start)
            payload = file.read(length)
            if len(payload) < length or xxhash.xxh3_64_intdigest(payload) != checksum:
                return
            yield payload


def _decoded(path: bytes, payload: bytes) -> Record:
    try:
        wire: dict[str, Any] = msgpack.unpackb(payload)
        kind = _KINDS[wire["kind"]]
        values = {field.name: wire[field.name] for field in fields(kind)}
        if kind is Begin:
            values["publishing"] = Publishing(values["publishing"])
            values["mode"] = Mode(values["mode"]) if values["mode"] else None
        return kind(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(path, f"has a record that this program does not know ({error})") from error
