"""The transactions that ended, from their journals in the control folder. Only looks.

A transaction that was undone leaves no journal, so what is told here is what made the package as it stands, and what
it replaced.
"""

import os
from dataclasses import dataclass

from qa2pack.executor.journal import Begin, End, JournalError, Publishing, Record, Resume, read_journal
from qa2pack.executor.recovery import begin_of
from qa2pack.manifest.package import Package
from qa2pack.manifest.path import join
from qa2pack.manifest.request import Mode

_SUFFIX = b".journal"


@dataclass(frozen=True, slots=True)
class Finished:
    """A transaction that ended.

    Attributes:
        member: `group/member` that it made.
        mode, origin: of its plan; None and empty where the journal does not tell.
        user, host: who began it, and where.
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
    folder = join(package.control, b"finished")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except FileNotFoundError:
        return History((), ())
    known, unreadable = [], []
    for name in names:
        try:
            known.append(_finished(read_journal(join(folder, name))))
        except (JournalError, LookupError, ValueError):
            unreadable.append(name)
    return History(tuple(sorted(known, key=lambda one: one.began_ns, reverse=True)), tuple(unreadable))


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
        file_count=begin.file_count,
        byte_count=begin.byte_count,
    )
