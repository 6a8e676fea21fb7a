"""How a package stands: what is at its path, and whether something waits, runs, was interrupted or is finished.

Only looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from executor.journal import Begin, JournalError, Record, Resume, read_journal
from executor.lock import holder
from executor.places import journal_path, lock_path
from executor.recovery import Phase, begin_of, phase_of, staged_so_far
from executor.rollback import last_finished
from manifest.control import check_control
from manifest.package import Package, Standing, read_state
from manifest.planfile import open_plan
from manifest.stream import StreamError


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
        standing: what is at the path of the package; while something is unfinished that may be the old one or the
            new one.
        member_count: how many members are there.
        plan_fault: why the plan that waits cannot be applied; empty if it can, or if none waits.
        undo_fault: why the last apply cannot be undone, as far as that is known without looking at the package.
        member: `group/member` that the transaction is about; empty without one.
        phase: how far it came.
        holder: the process that works on it.
        host, user, pid: of the last process that worked on an unfinished transaction.
        staged_files, staged_bytes: done since the last start, of `file_count` and `byte_count`.
    """

    state: State
    standing: Standing = Standing.ABSENT
    member_count: int = 0
    plan_fault: str = ""
    undo_fault: str = ""
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
    """Look at the package, lock, journal and plan; the plan is read to its end, nothing else is.

    Raises:
        JournalError: the journal is damaged or of another version.
        PlanRefused: the control folder cannot be used.
    """
    check_control(package.control)
    working = holder(lock_path(package))
    records = read_journal(journal_path(package))
    is_quiet = phase_of(records) in (Phase.NONE, Phase.ENDED)
    status = _quiet_status(package, working) if is_quiet else _status_under_way(records, working)
    state = read_state(package)
    return replace(status, standing=state.standing, member_count=len(state.members))


def _quiet_status(package: Package, working: str | None) -> Status:
    if working is not None:
        return Status(State.RUNNING, holder=working)
    try:
        open_plan(package.plan)
    except FileNotFoundError:
        return _status_after_last(package)
    except StreamError as error:
        return Status(State.PLANNED, plan_fault=error.reason)
    return Status(State.PLANNED)


def _status_after_last(package: Package) -> Status:
    last = last_finished(package)
    if last is None:
        return Status(State.NONE)
    try:
        read_journal(last)
    except JournalError as error:
        return Status(State.FINISHED, undo_fault=error.reason)
    return Status(State.FINISHED)


def _status_under_way(records: Sequence[Record], working: str | None) -> Status:
    begin = begin_of(records)
    last = [record for record in records if isinstance(record, Begin | Resume)][-1]
    files, size = staged_so_far(records)
    return Status(
        state=State.INTERRUPTED if working is None else State.RUNNING,
        member=begin.group + b"/" + begin.member,
        phase=phase_of(records),
        holder=working or "",
        host=last.host,
        user=last.user,
        pid=last.pid,
        staged_files=files,
        staged_bytes=size,
        file_count=begin.file_count,
        byte_count=begin.byte_count,
    )
