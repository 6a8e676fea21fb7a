"""History: the finished transactions of a package, from their journals in the control folder. Read-only.

A transaction that was rolled back leaves no journal. So the history lists what made the present package, and what
that replaced.
"""

import os
from dataclasses import dataclass

from qa2pack.executor.transaction.journal import Begin, End, JournalError, Publishing, Record, Resume, read_journal
from qa2pack.executor.transaction.recovery import begin_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.path import join

_SUFFIX = b".journal"


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished transaction.

    Attributes:
        member: `group/member` that it made.
        mode, origin: of its plan; None and empty where the journal does not have them.
        user, host: who began it, and where.
        sequence: its number among all transactions of the package, independent of any clock; 0 if the journal does
            not have it.
        run_count: number of runs: one more than it was resumed.
    """

    transaction: str
    member: bytes
    mode: Mode | None
    origin: bytes
    publishing: Publishing
    user: str
    host: str
    began_ns: int
    ended_ns: int
    run_count: int
    sequence: int
    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class History:
    """The finished transactions of a package.

    Attributes:
        finished: newest first.
        unreadable: names of journals that are damaged or of another version.
    """

    finished: tuple[Finished, ...]
    unreadable: tuple[bytes, ...]


def read_history(package: Package) -> History:
    """Read the journals of the finished transactions; empty if there never was one."""
    known, unreadable = [], []
    for path in _paths(package):
        try:
            known.append(_finished(read_journal(path)))
        except (JournalError, LookupError, ValueError):
            unreadable.append(os.path.basename(path))
    return History(
        tuple(sorted(known, key=lambda one: (one.sequence, one.began_ns), reverse=True)), tuple(unreadable)
    )


def next_sequence(package: Package) -> int:
    """Return the sequence number of a new transaction, one above all that can be rolled back."""
    return max((one.sequence for one in read_history(package).finished), default=0) + 1


def last_finished(package: Package) -> bytes | None:
    """Return the journal of the last finished transaction, by sequence number, not by any clock.

    An unreadable journal counts as the last unless the second in its name is earlier than that of the last readable
    one. If it were ignored, an older transaction would be rolled back instead, under a package made after it.
    """
    known, unreadable = [], []
    for path in _paths(package):
        try:
            begin = begin_of(read_journal(path))
        except (JournalError, LookupError, ValueError):
            unreadable.append((_second(path), path))
        else:
            known.append(((begin.sequence, _second(path), begin.at_ns), path))
    last = max(known, default=None)
    doubtful = max(unreadable, default=None)
    if last is None or (doubtful is not None and doubtful[0] >= _second(last[1])):
        return doubtful[1] if doubtful else None
    return last[1]


def _paths(package: Package) -> list[bytes]:
    folder = join(package.control, b"finished")
    try:
        return sorted(join(folder, name) for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []


def _second(path: bytes) -> bytes:
    """Return the second in the name of a journal."""
    return os.path.basename(path).partition(b"-")[0]


def _finished(records: tuple[Record, ...]) -> Finished:
    begin = begin_of(records)
    ends = [record.at_ns for record in records if isinstance(record, End)]
    return Finished(
        transaction=begin.transaction,
        member=join(begin.group, begin.member),
        mode=begin.mode,
        origin=begin.origin,
        publishing=begin.publishing,
        user=begin.user,
        host=begin.host,
        began_ns=begin.at_ns,
        ended_ns=ends[-1],
        run_count=sum(isinstance(record, Begin | Resume) for record in records),
        sequence=begin.sequence,
        file_count=begin.file_count,
        byte_count=begin.byte_count,
    )
