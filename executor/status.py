"""How a package stands: whether something waits, runs, was interrupted or is finished. Only looks."""

import os
from dataclasses import dataclass
from enum import StrEnum

from executor.journal import Begin, Resume, read_journal
from executor.lock import holder
from executor.places import journal_path, lock_path
from executor.recovery import Phase, begin_of, phase_of, staged_so_far
from executor.rollback import last_finished
from manifest.package import Package


class State(StrEnum):
    """In which of these a package is."""

    NONE = "none"
    PLANNED = "planned"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Status:
    """How the package stands.

    Attributes:
        member: `group/member` that the transaction is about; empty without one.
        phase: how far it came.
        holder: the process that works on it.
        host, user, pid: of the last process that worked on an unfinished transaction.
        staged_files, staged_bytes: done since the last start, of `file_count` and `byte_count`.
    """

    state: State
    member: bytes = b""
    phase: Phase = Phase.NONE
    holder: str = ""
    host: str = ""
    user: str = ""
    pid: int = 0
    staged_files: int = 0
    staged_bytes: int = 0
    file_count: int = 0
    byte_count: int = 0


def read_status(package: Package) -> Status:
    """Look at lock, journal and plan.

    Raises:
        JournalError: the journal is of another version.
    """
    working = holder(lock_path(package))
    records = read_journal(journal_path(package))
    phase = phase_of(records)
    if phase in (Phase.NONE, Phase.ENDED):
        if working is not None:
            return Status(State.RUNNING, holder=working)
        if os.path.exists(package.plan):
            return Status(State.PLANNED)
        return Status(State.FINISHED if last_finished(package) else State.NONE)
    begin = begin_of(records)
    last = [record for record in records if isinstance(record, Begin | Resume)][-1]
    files, size = staged_so_far(records)
    return Status(
        state=State.INTERRUPTED if working is None else State.RUNNING,
        member=begin.group + b"/" + begin.member,
        phase=phase,
        holder=working or "",
        host=last.host,
        user=last.user,
        pid=last.pid,
        staged_files=files,
        staged_bytes=size,
        file_count=begin.file_count,
        byte_count=begin.byte_count,
    )
