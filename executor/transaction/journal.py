"""The journal of a transaction: append-only frames that tell how far it came.

A frame is length (4 bytes), XXH3-64 of the payload (8 bytes), payload (msgpack), little-endian. A record is on disk
before its effect begins when it was appended with `durably`; counts of staged files need not be. Behind each durable
record stands a mark that says how many frames are on the disk, written when they are.

So a frame that is cut short or does not fit its checksum is one of two things. Before such a mark it was on the disk
once and is damaged: nothing can be decided from that journal any more. Behind the last mark it was being written when
everything stopped: it ends the journal, and nothing is ever appended behind it, because going on writes the sound
frames anew first.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import get_args

import msgpack
import xxhash

from qa2pack.executor.io.disk import Disk, write_durably
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.wire import Moment, WireError, read_value, unpack_map
from qa2pack.manifest.fs.untrusted import LARGE_BYTES, ControlFileError, control_fd, read_control
from qa2pack.manifest.path import UnsafePathError, check_name, shown

_FRAME = struct.Struct("<IQ")
_TRANSACTION = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")  # as `executor.apply` names it
TICKET_SUFFIXES = (b"tar", b"zip")


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
        sequence: one more than that of the transaction before; clocks can be set back. 0 in journals of before.
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
    at_ns: Moment
    mode: Mode | None = None
    origin: bytes = b""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Resume:
    """Another process goes on with the transaction."""

    boot: str
    host: str
    user: str
    pid: int
    at_ns: Moment


@dataclass(frozen=True, slots=True)
class Staged:
    """So many files and bytes more are staged; for showing, never for deciding."""

    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Commit:
    """All that is staged is on disk, and from here it only goes forward. THE moment of commit.

    Attributes:
        root_inode, root_mtime_ns: of the staged tree; hints where it stands, never proof; 0 if not known.
        had_manifests: there were such files before, which go aside when the new ones come.
        had_tickets: the suffixes of the ticket files that there were before.
    """

    root_inode: int
    had_manifests: bool
    had_tickets: tuple[bytes, ...]
    root_mtime_ns: int = 0


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

    at_ns: Moment


@dataclass(frozen=True, slots=True)
class End:
    """Everything is done."""

    at_ns: Moment


Record = Begin | Resume | Staged | Stale | SyncFailed | Commit | Published | Discard | RollBack | End
_KINDS: dict[str, type[Record]] = {kind.__name__: kind for kind in get_args(Record)}
# What older journals do not have.
_LATER_FIELDS: dict[type[Record], dict[str, object]] = {Begin: {"sequence": 0}, Commit: {"root_mtime_ns": 0}}
_MARK = "frames on disk"
_MARK_START = msgpack.packb({_MARK: 0})[:-1]


class JournalError(Exception):
    """A journal that cannot be used: it holds sound frames which this program does not understand, or is damaged."""

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {reason}")
        self.path = path
        self.reason = reason


class UnsafeNameError(Exception):
    """A name in a journal that could lead out of the folders that it is for."""


class JournalDamagedError(JournalError):
    """A journal in which a frame that was on the disk is not sound any more, or is gone.

    What it told of may be the commit, so it says nothing of what is the only home of anything.
    """


class Journal:
    """A journal open for appending; the caller holds the lock of the package."""

    def __init__(self, fd: int, disk: Disk, *, frame_count: int) -> None:
        self._fd = fd
        self._disk = disk
        self._frame_count = frame_count

    def append(self, record: Record) -> None:
        """Append a record that may be lost in a power cut."""
        self._append(_encoded(record))

    def append_durably(self, record: Record) -> None:
        """Append a record that is on disk when this returns."""
        self.append(record)
        self._disk.fsync(self._fd)
        self._append(_mark(self._frame_count))

    def _append(self, frame: bytes) -> None:
        self._disk.append(self._fd, frame)
        self._frame_count += 1

    def close(self) -> None:
        """Close the file; what was appended stays."""
        os.close(self._fd)


def create_journal(path: bytes, begin: Begin, disk: Disk) -> Journal:
    """Make a journal that did not exist, on disk when this returns; there never is one without its first record."""
    return _written(path, [_encoded(begin)], disk)


def continue_journal(path: bytes, disk: Disk) -> Journal:
    """Open a journal to append to it, with all its sound records on disk and a torn tail gone.

    The records are written to a new file that takes the old one's place: a record whose fsync failed once may look
    as if it were on disk, and another fsync of the same file would say so too.

    Raises:
        JournalDamagedError: as `read_journal`.
    """
    return _written(path, [_packed(payload) for payload in _payloads(path)], disk)


def _written(path: bytes, frames: list[bytes], disk: Disk) -> Journal:
    """Write a journal of these frames; the mark may go with them, because the name comes when all is on disk."""
    write_durably(disk, path, b"".join((*frames, _mark(len(frames)))))
    fd = control_fd(path, os.O_WRONLY | os.O_APPEND)
    return Journal(fd, disk, frame_count=len(frames) + 1)


def read_journal(path: bytes) -> tuple[Record, ...]:
    """Return the records of a journal up to a torn tail; none if there is no journal.

    Raises:
        JournalDamagedError: something is wrong before its end, or not even the first record can be read: it was on
            disk before the journal got its name, so that is no torn tail. Or a sound frame holds values of other
            types than its record has.
        JournalError: a sound frame holds something that this program does not know.
    """
    try:
        payloads = _payloads(path)
    except FileNotFoundError:
        return ()
    records = tuple(_decoded(path, payload) for payload in payloads if _marked(payload) is None)
    if not records or not isinstance(records[0], Begin):
        raise JournalDamagedError(path, "is damaged: its first record cannot be read")
    return records


def read_begin(path: bytes) -> Begin:
    """Return the first record of a journal, which may be damaged behind it.

    Raises:
        JournalError: not even that can be read.
        FileNotFoundError: there is no journal.
    """
    payload = _payload_at(_data(path), 0)
    record = None if payload is None else _decoded(path, payload)
    if not isinstance(record, Begin):
        raise JournalDamagedError(path, "is damaged: its first record cannot be read")
    return record


def _data(path: bytes) -> bytes:
    try:
        return read_control(path, limit_bytes=LARGE_BYTES)
    except ControlFileError as error:
        raise JournalDamagedError(path, f"is {error.strerror}") from error


def _payloads(path: bytes) -> list[bytes]:
    """Return the payload of each sound frame up to a torn tail, marks among them."""
    data = _data(path)
    payloads: list[bytes] = []
    end = 0
    while (payload := _payload_at(data, end)) is not None:
        if _marked(payload) not in (None, len(payloads)):
            raise JournalDamagedError(path, "is damaged: records are missing in its middle")
        payloads.append(payload)
        end += _FRAME.size + len(payload)
    if any(count > len(payloads) for count in _marks_behind(data, end)):
        raise JournalDamagedError(path, "is damaged: a record in its middle cannot be read")
    return payloads


def _payload_at(data: bytes, start: int) -> bytes | None:
    """Return the payload of the frame that begins there; None if it is not sound."""
    if len(data) - start < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack_from(data, start)
    payload = data[start + _FRAME.size : start + _FRAME.size + length]
    return payload if len(payload) == length and xxhash.xxh3_64_intdigest(payload) == checksum else None


def _marks_behind(data: bytes, end: int) -> Iterator[int]:
    """Yield what the marks say that stand behind the sound frames; the lengths of frames there cannot be trusted."""
    while (end := data.find(_MARK_START, end) + 1) > 0:
        payload = _payload_at(data, max(end - 1 - _FRAME.size, 0))
        count = None if payload is None else _marked(payload)
        if count is not None:
            yield count


def _marked(payload: bytes) -> int | None:
    """Return how many frames a mark says are on disk before it, -1 if it gives no number; None if it is no mark."""
    if not payload.startswith(_MARK_START):
        return None
    try:
        return read_value(int, unpack_map(payload)[_MARK])
    except WireError:
        return -1  # never the number of the frames before it


def _mark(frame_count: int) -> bytes:
    return _packed(msgpack.packb({_MARK: frame_count}))


def _encoded(record: Record) -> bytes:
    return _packed(msgpack.packb({"kind": type(record).__name__, **asdict(record)}))


def _packed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def _check_names(record: Record) -> None:
    """Check what becomes a part of paths, below which things are moved and removed.

    Raises:
        UnsafeNameError: a name that no run of this program gave.
    """
    match record:
        case Begin():
            if not _TRANSACTION.fullmatch(record.transaction):
                raise UnsafeNameError(
                    f"it calls its transaction {shown(record.transaction)}, a name that is never given"
                )
            for kind, name in (("group", record.group), ("member", record.member)):
                try:
                    check_name(name)
                except UnsafePathError as error:
                    raise UnsafeNameError(f"it calls the {kind} {shown(name)}, which is no plain name") from error
        case Commit():
            for suffix in record.had_tickets:
                if suffix not in TICKET_SUFFIXES:
                    raise UnsafeNameError(f"it tells of a ticket file that ends in {shown(suffix)}")


def _decoded(path: bytes, payload: bytes) -> Record:
    try:
        wire = unpack_map(payload)
        kind = _KINDS[read_value(str, wire["kind"])]
        wire = _LATER_FIELDS.get(kind, {}) | wire
        values = {field.name: wire[field.name] for field in fields(kind)}
        if kind is Begin:  # words of a newer program: not damage
            for name, words in (("publishing", set(Publishing)), ("mode", {*Mode, None})):
                if isinstance(values[name], str | None) and values[name] not in words:
                    raise WireError(f"{name} {values[name]}")
    except (KeyError, ValueError) as error:
        raise JournalError(path, f"has a record that this program does not know ({error})") from error
    try:
        record = read_value(kind, values)
        _check_names(record)
        return record
    except UnsafeNameError as error:
        raise JournalDamagedError(path, f"is damaged: {error}") from error
    except ValueError as error:
        raise JournalDamagedError(path, f"is damaged: a record holds values that it cannot have ({error})") from error
