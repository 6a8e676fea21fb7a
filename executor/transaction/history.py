"""The transactions that ended, from their journals in the control folder. Only looks.

A transaction that was undone leaves no journal, so what is told here is what made the package as it stands, and what
it replaced.
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
    """A transaction that ended.

    Attributes:
        member: `group/member` that it made.
        mode, origin: of its plan; None and empty where the journal does not tell.
        user, host: who began it, and where.
        sequence: its number among all of the package, whatever the clock said; 0 if the journal does not tell.
        run_count: in how many runs it was done: one more than it was taken up again.
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
    """What is known of the past.

    Attributes:
        finished: newest first.
        unreadable: names of journals that are damaged or of another version.
    """

    finished: tuple[Finished, ...]
    unreadable: tuple[bytes, ...]


def read_history(package: Package) -> History:
    """Read the journals of the finished transactions; none if there never was one."""
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
    """Return the number of a transaction that begins now, higher than that of any that can be undone."""
    return max((one.sequence for one in read_history(package).finished), default=0) + 1


def last_finished(package: Package) -> bytes | None:
    """Return the journal of the transaction that ended last, by the numbers in them, not by any clock.

    One that cannot be read counts as the last unless its name has an earlier second than that of the last readable
    one. Left out, it would let an older transaction be undone in its place, under a package made after that one.
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
