"""Journal: append-only record of a transaction's steps, in checksummed frames.

A frame is length (4 bytes), XXH3-64 of the payload (8 bytes), payload (msgpack), little-endian. A record appended
with `append_durably` is on disk before its effect begins; counts of staged files need not be. After each durable
record there is a mark with the number of frames on disk, written once they are.

So an incomplete frame, or one with a wrong checksum, is one of two things. Before a mark it was on disk once and is
damaged: nothing can be decided from that journal any more. After the last mark it was being written at the stop: it
is a torn tail and ends the journal. Nothing is ever appended after a torn tail, because resuming first rewrites the
valid frames.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum
from typing import get_args

import msgpack
import xxhash

from qa2pack.executor.io.disk import Disk, write_durably
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.dataclass import asdict, dataclass
from qa2pack.manifest.event import Level, is_logged, log_event
from qa2pack.manifest.format.member_field import check_member, member_from_wire, member_to_wire
from qa2pack.manifest.format.wire import Moment, WireError, read_value, unpack_map
from qa2pack.manifest.fs.control_file import LARGE_BYTES, ControlFileError, control_fd, read_control
from qa2pack.manifest.path import UnsafePathError, check_name, check_relative, shown
from qa2pack.manifest.problem import Code, PackError, Problem

_FRAME = struct.Struct("<IQ")
_TRANSACTION = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}")  # as `executor.apply` names it
TICKET_SUFFIXES = (b"tar", b"zip")


class Publishing(StrEnum):
    """How the staged tree becomes visible."""

    NEW = "new"  # one rename of the package
    MEMBER = "member"  # one rename of a member into its group
    GROUP = "group"  # one rename of a group into the package
    EXCHANGE = "exchange"  # one RENAME_EXCHANGE of the staged package and the old one
    TWO_RENAMES = "two-renames"  # old package out, new one in; for file systems without RENAME_EXCHANGE
    MEMBER_EXCHANGE = "member-exchange"  # as EXCHANGE, of one member
    MEMBER_TWO_RENAMES = "member-two-renames"
    MEMBER_REMOVAL = "member-removal"  # one rename of a member out of its group
    GROUP_REMOVAL = "group-removal"  # one rename of a group, which has no other member, out of the package
    RENAME = "rename"  # as NEW; afterwards the package of the old name goes

    @property
    def is_exchange(self) -> bool:
        """Whether old and new change places in one step."""
        return self in (Publishing.EXCHANGE, Publishing.MEMBER_EXCHANGE)

    @property
    def is_two_renames(self) -> bool:
        """Whether the old one is moved away before the new one gets its place."""
        return self in (Publishing.TWO_RENAMES, Publishing.MEMBER_TWO_RENAMES)

    @property
    def is_removal(self) -> bool:
        """Whether nothing new gets the place of the old one."""
        return self in (Publishing.MEMBER_REMOVAL, Publishing.GROUP_REMOVAL)

    @property
    def has_previous(self) -> bool:
        """Whether a tree of the package, or the package of the old name, gives way."""
        return self.is_exchange or self.is_two_renames or self.is_removal or self is Publishing.RENAME


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins; nothing is staged yet.

    Attributes:
        transaction: its name, unique within the control folder.
        plan: digest of the plan.
        boot: boot id of the system; data written before a restart and not synced cannot be trusted.
        mode, origin: as in the plan; for the log, never for decisions.
        keeps_previous: what is replaced is kept until the next apply.
        keeps_if_small: only if it takes little space; `Commit` has the decision.
        sequence: one more than that of the previous transaction, because clocks can be set back; 0 in old journals.
        renamed_from: the name of the package that gets this name, beside it; empty unless it is renamed.
        beside: names of the files that are written beside the package, besides the ticket files.
        has_tickets: ticket files are made; otherwise those that are there go.
        above: the folder that is renamed with Publishing.GROUP or GROUP_REMOVAL, relative to the package; empty for
            the one in which the member is.
        received: all members that are made of a delivery, of which `member` is the first; empty without one.
    """

    transaction: str
    plan: bytes
    publishing: Publishing
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
    keeps_if_small: bool = False
    renamed_from: bytes = b""
    above: bytes = b""
    beside: tuple[bytes, ...] = ()
    has_tickets: bool = True
    received: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """Another process resumes the transaction."""

    boot: str
    host: str
    user: str
    pid: int
    at_ns: Moment


@dataclass(frozen=True, slots=True)
class Staged:
    """More files and bytes are staged; for display.

    Attributes:
        chunk: the name of the chunk of a delivery that was read, is as in its manifest, and all of whose files are
            staged; empty otherwise. It is not read again as long as the system was not restarted since: its files
            are not synced yet.
    """

    file_count: int
    byte_count: int
    chunk: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything staged is on disk, and from here the transaction only goes forward: the moment of commit.

    Attributes:
        root_inode, root_mtime_ns: of the staged tree; hints to where it is, never proof; 0 if not known.
        had_manifests: there were manifests before; publishing moves them to the previous state.
        had_tickets: suffixes of the ticket files that existed before, and names of other files beside the package.
        keeps_previous: False if what is replaced takes too much space to be kept, whatever `Begin` says.
    """

    root_inode: int
    had_manifests: bool
    had_tickets: tuple[bytes, ...]
    root_mtime_ns: int = 0
    keeps_previous: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """The new tree is in place, and that is on disk."""


@dataclass(frozen=True, slots=True)
class Stale:
    """Staging stopped because sources are not as planned; a new plan may reuse the staged files."""

    path_count: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """The sync of the staged files failed; what is on disk is not known, so staging starts over."""


@dataclass(frozen=True, slots=True)
class Discard:
    """The old package is about to be removed: from here publishing cannot be rolled back."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """The transaction is being rolled back."""

    at_ns: Moment


@dataclass(frozen=True, slots=True)
class End:
    """The transaction is finished."""

    at_ns: Moment


Record = Begin | Resume | Staged | Stale | SyncFailed | Commit | Published | Discard | RollBack | End
# The class names are the names of the records on disk.
_KINDS: dict[str, type[Record]] = {kind.__name__: kind for kind in get_args(Record)}
# Fields that are written only if they have another value than this one.
_OPTIONAL_FIELDS: dict[type[Record], dict[str, object]] = {
    Begin: {
        "keeps_if_small": False,
        "renamed_from": b"",
        "above": b"",
        "beside": (),
        "has_tickets": True,
        "received": (),
    },
    Staged: {"chunk": b""},
    Commit: {"keeps_previous": True},
}
# Fields that older journals do not have, with their defaults.
_LATER_FIELDS: dict[type[Record], dict[str, object]] = {
    Begin: {"sequence": 0, **_OPTIONAL_FIELDS[Begin], "beside": [], "received": []},
    Staged: _OPTIONAL_FIELDS[Staged],
    Commit: {"root_mtime_ns": 0, **_OPTIONAL_FIELDS[Commit]},
}
_MARK = "frames on disk"
_MARK_START = msgpack.packb({_MARK: 0})[:-1]


class JournalError(PackError):
    """A journal that cannot be used: it has valid frames that this program does not know, or it is damaged."""

    code = Code.JOURNAL_NEWER

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {reason}")
        self.path = path
        self.reason = reason
        self.problems = (Problem(self.code, path, found=f"one that {reason}"),)


class UnsafeNameError(Exception):
    """A name in a journal that could lead out of its folder."""


class JournalDamagedError(JournalError):
    """A journal in which a frame that was on disk is not valid any more, or is gone.

    That frame may have been the commit, so the journal does not show which tree holds the last copy of a file.
    """

    code = Code.JOURNAL_DAMAGED


class Journal:
    """A journal open for appending; the caller holds the lock of the package."""

    def __init__(self, fd: int, disk: Disk, *, frame_count: int) -> None:
        self._fd = fd
        self._disk = disk
        self._frame_count = frame_count

    def append(self, record: Record) -> None:
        """Append a record that may be lost in a power cut."""
        self._append(_encoded(record))
        _log(record)

    def append_durably(self, record: Record) -> None:
        """Append a record that is on disk when this returns."""
        self.append(record)
        self._disk.fsync(self._fd)
        self._append(_mark(self._frame_count))

    def _append(self, frame: bytes) -> None:
        self._disk.append(self._fd, frame)
        self._frame_count += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def create_journal(path: bytes, begin: Begin, disk: Disk) -> Journal:
    """Create a journal, on disk when this returns; a journal never exists without its first record."""
    journal = _written(path, [_encoded(begin)], disk)
    _log(begin)
    return journal


def _log(record: Record) -> None:
    """Log a record that was appended, with its values that are texts, numbers or flags."""
    if not is_logged(Level.DEBUG):
        return
    values = {name: value for name, value in asdict(record).items() if isinstance(value, str | int)}
    words = "".join(f" {name}={value}" for name, value in values.items())
    kind = type(record).__name__
    log_event(__name__, "journal", f"journal: {kind}{words}", Level.DEBUG, record=kind, **values)


def continue_journal(path: bytes, disk: Disk) -> Journal:
    """Open a journal for appending, with all its valid records on disk and without a torn tail.

    The records are written to a new file that replaces the old one: after a failed fsync a record may look as if it
    were on disk, and another fsync of the same file would succeed.

    Raises:
        JournalDamagedError: as `read_journal`.
    """
    return _written(path, [_packed(payload) for payload in _payloads(path)], disk)


def _written(path: bytes, frames: list[bytes], disk: Disk) -> Journal:
    """Write a journal of these frames and their mark, which is correct because the rename follows the fsync."""
    write_durably(disk, path, b"".join((*frames, _mark(len(frames)))))
    fd = control_fd(path, os.O_WRONLY | os.O_APPEND)
    return Journal(fd, disk, frame_count=len(frames) + 1)


def read_journal(path: bytes) -> tuple[Record, ...]:
    """Return the records of a journal up to a torn tail; empty if there is no journal.

    Raises:
        JournalDamagedError: a frame before a mark is damaged, or the first record cannot be read: it was on disk
            before the journal got its name, so it is not a torn tail. Or a valid frame holds values of wrong types.
        JournalError: a valid frame holds a record that this program does not know.
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
    """Return the payload of the frame that begins at `start`; None if it is not valid."""
    if len(data) - start < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack_from(data, start)
    payload = data[start + _FRAME.size : start + _FRAME.size + length]
    return payload if len(payload) == length and xxhash.xxh3_64_intdigest(payload) == checksum else None


def _marks_behind(data: bytes, end: int) -> Iterator[int]:
    """Yield the frame counts of marks after the valid frames; frame lengths cannot be trusted there."""
    while (end := data.find(_MARK_START, end) + 1) > 0:
        payload = _payload_at(data, max(end - 1 - _FRAME.size, 0))
        count = None if payload is None else _marked(payload)
        if count is not None:
            yield count


def _marked(payload: bytes) -> int | None:
    """Return the frame count of a mark, -1 if it has no valid number; None if it is not a mark."""
    if not payload.startswith(_MARK_START):
        return None
    try:
        return read_value(int, unpack_map(payload)[_MARK])
    except WireError:
        return -1  # never the number of the frames before it


def _mark(frame_count: int) -> bytes:
    return _packed(msgpack.packb({_MARK: frame_count}))


def _encoded(record: Record) -> bytes:
    values = member_to_wire(asdict(record)) if isinstance(record, Begin) else asdict(record)
    for name, default in _OPTIONAL_FIELDS.get(type(record), {}).items():
        if values[name] == default:
            del values[name]
    return _packed(msgpack.packb({"kind": type(record).__name__, **values}))


def _packed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


def _check_names(record: Record) -> None:
    """Check the names that become parts of paths, below which files are moved and removed.

    Raises:
        UnsafeNameError: a name that this program never gives.
    """
    match record:
        case Begin():
            if not _TRANSACTION.fullmatch(record.transaction):
                raise UnsafeNameError(
                    f"it calls its transaction {shown(record.transaction)}, a name that is never given"
                )
            try:
                check_relative(record.above)
                for name in record.beside:
                    check_name(name)
                for member in record.received:
                    check_member(member)
                if record.publishing is Publishing.RENAME:
                    check_name(record.renamed_from)
            except UnsafePathError as error:
                raise UnsafeNameError(f"it names a folder {shown(error.path)}, which leads elsewhere") from error
        case Commit():
            for suffix in record.had_tickets:
                try:
                    check_name(suffix)
                except UnsafePathError as error:
                    raise UnsafeNameError(f"it names a ticket file that ends in {shown(suffix)}") from error


def _decoded(path: bytes, payload: bytes) -> Record:
    try:
        wire = unpack_map(payload)
        kind = _KINDS[read_value(str, wire["kind"])]
        wire = _LATER_FIELDS.get(kind, {}) | wire
        values = {field.name: wire[field.name] for field in fields(kind)}
        if kind is Begin:
            values["group"] = wire["group"]
        if kind is Begin:  # values of a newer program are not damage
            for name, words in (("publishing", set(Publishing)), ("mode", {*Mode, None})):
                if isinstance(values[name], str | None) and values[name] not in words:
                    raise WireError(f"{name} {values[name]}")
    except (KeyError, ValueError) as error:
        raise JournalError(path, f"has a record that this program does not know ({error})") from error
    try:
        record = read_value(kind, member_from_wire(values) if kind is Begin else values)
        _check_names(record)
        return record
    except UnsafeNameError as error:
        raise JournalDamagedError(path, f"is damaged: {error}") from error
    except ValueError as error:
        raise JournalDamagedError(path, f"is damaged: a record holds values that it cannot have ({error})") from error
