"""History: the finished transactions of a package, from their journals in the control folder. Read-only.

A transaction that was rolled back leaves no journal. So the history lists what made the present package, and what
that replaced.
"""

import os

from qa2pack.executor.transaction.journal import JournalError, read_begin, read_journal
from qa2pack.executor.transaction.journal_records import Begin, End, Publishing, Record, Resume
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.recovery import Phase, begin_of, phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import join

_SUFFIX = b".journal"


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished transaction.

    Attributes:
        member: name of the member that it made.
        plan: digest of its plan.
        mode, origin: of its plan; None and empty where the journal does not have them.
        user, host: who began it, and where.
        sequence: its number among all transactions of the package, independent of any clock; 0 if the journal does
            not have it.
        run_count: number of runs: one more than it was resumed.
    """

    transaction: str
    member: bytes
    plan: bytes
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
    """Return the number of a transaction that begins now, higher than that of any that can be rolled back."""
    paths = _paths(package)
    begins = [begin for path in paths if (begin := _begin(path))]
    return max(len(paths), max((begin.sequence for begin in begins), default=0)) + 1


def last_finished(package: Package) -> bytes | None:
    """Return the journal of the last finished transaction, by sequence number, not by any clock.

    A damaged one has its number as long as its first record can be read. One that tells nothing counts as the last
    if its name has no earlier second than that of the last one known, or if no number is missing that could be its.
    Left out, it would let an older transaction be rolled back in its place, under a package made after that one.

    An ended journal that is not filed is the last one: its apply, or a rollback of it, was stopped just there.

    Raises:
        JournalError: the journal that is not filed is damaged or of another version.
    """
    if phase_of(read_journal(journal_path(package))) is Phase.ENDED:
        return journal_path(package)
    known, unknown = [], []
    for path in _paths(package):
        begin = _begin(path)
        if begin is None:
            unknown.append(path)
        else:
            known.append(((begin.sequence, _second(path), begin.at_ns), path))
    last = max(known, default=None)
    doubtful = max(unknown, key=_second, default=None)
    if last is None or doubtful is None:
        return doubtful if last is None else last[1]
    numbers = {sequence for (sequence, *_), _ in known}
    has_room = 0 in numbers or len(unknown) <= max(numbers) - len(numbers)
    return last[1] if has_room and _second(doubtful) < _second(last[1]) else doubtful


def _begin(path: bytes) -> Begin | None:
    """Return the first record of a journal, None if it cannot be read."""
    try:
        return read_begin(path)
    except JournalError:
        return None


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
        member=begin.member,
        plan=begin.plan,
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
