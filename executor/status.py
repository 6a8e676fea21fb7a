"""Status of a package: what is at its path, and whether a transaction is planned, running, interrupted or finished.

Read-only.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from qa2pack.executor.transaction.history import last_finished
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.journal_records import Begin, Record, Resume
from qa2pack.executor.transaction.lock import holder
from qa2pack.executor.transaction.paths import TransactionPaths, journal_path, lock_path, transaction_paths
from qa2pack.executor.transaction.recovery import Phase, begin_of, is_stale, needs_new_plan, phase_of
from qa2pack.executor.transaction.renaming import successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.package import DestinationKind, Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.at_once import calls_at_once, each
from qa2pack.manifest.fs.latency import useful_calls
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.problem import Code, Problem


class State(StrEnum):
    """State of a package."""

    NONE = "none"
    PLANNED = "planned"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Status:
    """Status of the package; `pack status --json` lists these fields under these names.

    Attributes:
        standing: what is at the path of the package; during an unfinished transaction it may be the old package or
            the new one.
        member_count: number of members.
        plan: the waiting plan, if it can be read; of an unfinished transaction, only a newer one.
        plan_fault: why the waiting plan cannot be read; None if it can, or if there is none.
        plan_problems: why the waiting plan would be refused: what it relies on has changed; or that there is none,
            where a transaction that stopped while staging needs it.
        rollback_problems: why the last apply cannot be rolled back, the reason first, as far as it shows without
            reading content.
        lost_problems: of members that have a manifest and no folder; none during an unfinished transaction.
        member: name of the member of the transaction; empty without one.
        phase: how far the transaction came.
        is_origin_changed: it stopped because sources are not as planned, so it cannot be resumed with its plan.
        holder: the process that holds the package lock.
        host, user, pid: of the last process that ran the unfinished transaction.
        staged_files, staged_bytes: what is staged of `file_count` and `byte_count`; None where that cannot be read,
            or during a rollback.
        byte_count: 0 where most files are placeholders.
    """

    state: State
    standing: DestinationKind = DestinationKind.ABSENT
    member_count: int = 0
    plan: Described | None = None
    plan_fault: StreamError | None = None
    plan_problems: tuple[Problem, ...] = ()
    rollback_problems: tuple[Problem, ...] = ()
    lost_problems: tuple[Problem, ...] = ()
    member: bytes = b""
    phase: Phase = Phase.NONE
    is_origin_changed: bool = False
    holder: str = ""
    host: str = ""
    user: str = ""
    pid: int = 0
    staged_files: int | None = 0
    staged_bytes: int | None = 0
    file_count: int = 0
    byte_count: int = 0

    @property
    def is_quiet(self) -> bool:
        """Return whether no transaction is under way."""
        return self.state not in (State.RUNNING, State.INTERRUPTED)


def read_status(package: Package, opened: OpenedFiles) -> Status:
    """Read the state of package, lock, journal and plan; only a plan that waits is read to its end.

    Args:
        opened: the plans and manifests that are open already.

    Raises:
        JournalError: the journal is damaged or of another version.
        Refused: the control folder cannot be used.
    """
    check_control(package.control)
    working = holder(lock_path(package))
    new = successor(package)
    records = read_journal(journal_path(new or package))
    is_quiet = phase_of(records) in (Phase.NONE, Phase.ENDED) and new is None
    status = (
        _quiet_status(package, opened, working)
        if is_quiet
        else _status_under_way(new or package, records, opened, working)
    )
    state = read_state(package)
    lost = tuple(dict.fromkeys(state.lost.values())) if is_quiet and working is None else ()
    return replace(status, standing=state.standing, member_count=len(state.members), lost_problems=lost)


def _quiet_status(package: Package, opened: OpenedFiles, working: str | None) -> Status:
    if working is not None:
        return Status(State.RUNNING, holder=working)
    try:
        return Status(State.PLANNED, plan=opened.plan(package.plan))
    except FileNotFoundError:
        return Status(State.NONE if last_finished(package) is None else State.FINISHED)
    except StreamError as error:
        return Status(State.PLANNED, plan_fault=error)


def _status_under_way(
    package: Package, records: Sequence[Record], opened: OpenedFiles, working: str | None
) -> Status:
    begin, phase = begin_of(records), phase_of(records)
    last = [record for record in records if isinstance(record, Begin | Resume)][-1]
    byte_count = begin.byte_count if begin.mode is None or begin.mode.has_content else 0
    match phase:
        case Phase.STAGING:
            staged = staged_amount(transaction_paths(package, begin))
        case Phase.ROLLING_BACK:
            staged = None
        case _:
            staged = begin.file_count, byte_count
    files, size = staged or (None, None)
    plan, plan_fault = _newer_plan(package, begin, opened)
    is_needed = phase is Phase.STAGING and not is_stale(records)
    lost = (Problem(Code.PLAN_MISSING, package.plan),) if is_needed and not is_there(package.plan) else ()
    return Status(
        state=State.INTERRUPTED if working is None else State.RUNNING,
        plan=plan,
        plan_fault=plan_fault,
        plan_problems=lost,
        member=begin.member,
        phase=phase,
        is_origin_changed=needs_new_plan(records),
        holder=working or "",
        host=last.host,
        user=last.user,
        pid=last.pid,
        staged_files=files,
        staged_bytes=size,
        file_count=begin.file_count,
        byte_count=byte_count,
    )


def _newer_plan(package: Package, begin: Begin, opened: OpenedFiles) -> tuple[Described | None, StreamError | None]:
    """Return the plan that is newer than an unfinished transaction, or why it cannot be applied.

    That of the transaction was read to its end when it began.
    """
    try:
        if opened.peek(package.plan).digest == begin.plan:
            return None, None
        return opened.plan(package.plan), None
    except FileNotFoundError:
        return None, None
    except StreamError as error:
        return None, error


def staged_amount(paths: TransactionPaths) -> tuple[int, int] | None:
    """Return the count of staged files and bytes, with the bytes of partly copied big files.

    None if they cannot be counted: only its owner may read the staging folder. Files that are staged or published at
    the same time may be counted or not.
    """
    try:
        with calls_at_once(useful_calls((paths.tree,))):
            file_count, byte_count = _amount(paths.tree)
            return file_count, byte_count + _amount(paths.partial)[1]
    except OSError:
        return None


def _amount(folder: bytes) -> tuple[int, int]:
    file_count = byte_count = 0
    for above, _, names in os.walk(folder, onerror=_raise_unless_gone):
        sizes = each(_size_if_there, [os.path.join(above, name) for name in names])
        there = [size for size in sizes if size is not None]
        file_count += len(there)
        byte_count += sum(there)
    return file_count, byte_count


def _size_if_there(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
