"""Apply a plan: the whole transaction from lock to end, and resuming one that was stopped.

    lock, preflight, stage, sync, COMMIT, publish, finish, END

Before the COMMIT record, nothing that a user can see has changed. After it the transaction only goes forward, and
each step can detect that it is done. `executor.transaction.recovery` decides where to begin; `docs/transactions.md`
says for each step what a power cut there leaves.
"""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from qa2pack.executor.io.disk import Disk, sync_file_system
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.preflight import can_exchange, check_plan
from qa2pack.executor.publish.publish import file_journal, finish, publish
from qa2pack.executor.rollback import roll_back
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.stage import OriginChangedError, stage_all
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.history import next_sequence, read_history
from qa2pack.executor.transaction.journal import (
    TICKET_SUFFIXES,
    Begin,
    Commit,
    Journal,
    Record,
    Resume,
    Stale,
    SyncFailed,
    continue_journal,
    create_journal,
    read_journal,
)
from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    choose_publishing,
    journal_path,
    lock_path,
    probe_paths,
    staging_path,
    transaction_paths,
)
from qa2pack.executor.transaction.published_tree import is_published
from qa2pack.executor.transaction.recovery import Facts, Goal, Phase, Step, begin_of, decide, phase_of
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.plan.plan_header import user_name
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress


def running_boot() -> str:
    """Return the boot id of the running system, which changes with each restart."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply.

    Attributes:
        keeps_previous: keep the replaced package, so that the replacement can be rolled back later.
        is_rehashing: read staged copies again instead of trusting size and mtime.
        may_exchange: False publishes with two renames even where the file system has RENAME_EXCHANGE.
        trusted: numeric ids of users whose control folder is also accepted.
        boot: boot id of the running system.
    """

    keeps_previous: bool = False
    is_rehashing: bool = False
    may_exchange: bool = True
    trusted: frozenset[int] = frozenset()
    boot: str = field(default_factory=running_boot)


@dataclass(frozen=True, slots=True)
class Applied:
    """Result of an apply.

    Attributes:
        resumed: the phase in which a stopped transaction was resumed; NONE if this was a new one.
        is_rolled_back: an unfinished rollback was finished, and nothing was applied.
        left_alone: paths of the origin that hold another file than the one that was moved, and were not changed.
        done_before_ns: when an earlier run finished the last plan, ns since the epoch, if nothing was left to do;
            None if this run did something.
    """

    member: bytes
    resumed: Phase = Phase.NONE
    is_rolled_back: bool = False
    left_alone: tuple[Problem, ...] = ()
    done_before_ns: int | None = None


def apply_plan(
    package: Package,
    options: ApplyOptions,
    *,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    stop: Stop = NEVER,
    opened: OpenedFiles | None = None,
) -> Applied:
    """Apply the waiting plan, or finish a stopped transaction; called again, it does nothing.

    Args:
        stop: checked while folders are removed; the engine checks its own between batches.
        opened: the plans and manifests that are open already.

    Raises:
        InterruptedByUser: a stop was requested; the same call resumes later.
        UnknownTreeError: it is not known whether the stopped transaction was published; nothing was changed.
        Refused: there is no plan, or the state that it relies on has changed; nothing was changed.
        OriginChangedError: sources are not as planned; nothing is visible.
        LockedError: the package is locked by another process.
        OSError: the disk fails or is full; the same call resumes later.
    """
    if not is_folder(package.control):
        raise Refused(Problem(Code.PLAN_MISSING, package.plan))
    with locked_for_writing(lock_path(package)):
        check_owned(package, options.trusted)
        return _Applying(
            package,
            options,
            engine=engine,
            disk=disk,
            progress=progress,
            stop=stop,
            opened=opened or OpenedFiles(),
        ).run()


class _Applying:
    """One run under the lock."""

    def __init__(
        self,
        package: Package,
        options: ApplyOptions,
        *,
        engine: Engine,
        disk: Disk,
        progress: Progress,
        stop: Stop,
        opened: OpenedFiles,
    ) -> None:
        self._package = package
        self._options = options
        self._engine = engine
        self._disk = disk
        self._progress = progress
        self._stop = stop
        self._opened = opened
        self._is_trusting = False

    def run(self) -> Applied:
        records = read_journal(journal_path(self._package))
        plan = self._waiting_plan(records)
        step = decide(records, Facts(plan.stream.digest if plan else None), Goal.APPLY)
        if step is Step.FILE_JOURNAL:
            begin = begin_of(records)
            file_journal(transaction_paths(self._package, begin), self._disk)
            if plan is None or plan.stream.digest == begin.plan:
                return Applied(begin.group + b"/" + begin.member, Phase.ENDED)
            return self.run()
        if step is Step.ROLL_BACK:
            begin = begin_of(records)
            roll_back(
                self._package, records, opened=self._opened, engine=self._engine, disk=self._disk, stop=self._stop
            )
            return Applied(begin.group + b"/" + begin.member, phase_of(records), is_rolled_back=True)
        if step is Step.ROLL_FORWARD:
            return self._roll_forward(records)
        if plan is None:
            return self._done_before()
        check_plan(self._package, plan, self._opened)
        return self._stage_and_go_on(self._prepared(step, records, plan), plan)

    def _done_before(self) -> Applied:
        """Return the result of the last transaction, if its member still exists and no later journal is lost."""
        history = read_history(self._package)
        if history.finished and not history.unreadable:
            last = history.finished[0]
            if is_folder(self._package.member(last.member)):
                return Applied(last.member, done_before_ns=last.ended_ns)
        raise Refused(Problem(Code.PLAN_MISSING, self._package.plan))

    def _prepared(self, step: Step, records: Sequence[Record], plan: Described) -> Sequence[Record]:
        """Remove unusable leftovers of earlier runs; return the records of the transaction to resume, if any."""
        if step is Step.CONTINUE:
            for probe in probe_paths(self._package):  # a power cut may restore one
                remove_tree(self._disk, probe)
            return records
        self._is_trusting = step is Step.RESTAGE and self._is_same_boot(records)
        keeps_staged = step is Step.RESTAGE and _same_member(begin_of(records), plan.header)
        if is_there(journal_path(self._package)):  # also an incomplete one
            self._disk.unlink(journal_path(self._package))
        if not keeps_staged:
            remove_tree(self._disk, staging_path(self._package), stop=self._stop)
        return ()

    def _waiting_plan(self, records: Sequence[Record]) -> Described | None:
        try:
            return self._opened.plan(self._package.plan)
        except FileNotFoundError:
            return None

    def _stage_and_go_on(self, records: Sequence[Record], plan: Described) -> Applied:
        begin = begin_of(records) if records else self._begin(plan)
        paths = transaction_paths(self._package, begin)
        journal = (
            self._resumed_journal() if records else create_journal(journal_path(self._package), begin, self._disk)
        )
        try:
            self._stage(plan, paths, journal, is_trusting=self._is_trusting or self._is_same_boot(records))
            self._commit(paths, journal)
            left_alone = self._publish(paths, begin, journal, is_published=False)
        finally:
            journal.close()
        return Applied(plan.header.member_path, phase_of(records), left_alone=left_alone)

    def _begin(self, plan: Described) -> Begin:
        header = plan.header
        exchange = self._options.may_exchange and can_exchange(self._package, self._disk)
        return Begin(
            transaction=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{plan.stream.digest.hex()[:8]}",
            plan=plan.stream.digest,
            publishing=choose_publishing(header.append, header.standing, can_exchange=exchange),
            group=header.group,
            member=header.member,
            keeps_previous=self._options.keeps_previous,
            file_count=plan.notes.file_count,
            byte_count=plan.notes.byte_count,
            boot=self._options.boot,
            host=socket.gethostname(),
            user=user_name(),
            pid=os.getpid(),
            at_ns=time.time_ns(),
            mode=header.mode,
            origin=header.origin,
            sequence=next_sequence(self._package),
        )

    def _resumed_journal(self) -> Journal:
        journal = continue_journal(journal_path(self._package), self._disk)
        journal.append_durably(
            Resume(self._options.boot, socket.gethostname(), user_name(), os.getpid(), time.time_ns())
        )
        return journal

    def _stage(self, plan: Described, paths: TransactionPaths, journal: Journal, *, is_trusting: bool) -> None:
        context = StagingContext(
            disk=self._disk,
            origin=plan.header.origin,
            package=real_path(self._package.path),
            device=os.stat(self._package.control).st_dev,
            tree=paths.tree,
            member=paths.staged_member,
            partial=paths.partial,
            readme=plan.header.readme,
            is_trusting=is_trusting and not self._options.is_rehashing,
        )
        try:
            stage_all(
                plan, context, paths, journal, opened=self._opened, engine=self._engine, progress=self._progress
            )
        except OriginChangedError as error:
            journal.append_durably(Stale(len(error.problems)))
            raise

    def _is_same_boot(self, records: Sequence[Record]) -> bool:
        """Return whether the system was not restarted since the transaction began."""
        return {record.boot for record in records if isinstance(record, Begin | Resume)} == {self._options.boot}

    def _commit(self, paths: TransactionPaths, journal: Journal) -> None:
        """Sync everything that is staged to the disk, then append the Commit record: the moment of commit."""
        self._progress.phase("sync")
        try:
            sync_file_system(self._disk, paths.staging)
        except OSError:
            journal.append(SyncFailed())
            raise
        root = os.lstat(paths.root)
        commit = Commit(
            root_inode=root.st_ino,
            root_mtime_ns=root.st_mtime_ns,
            had_manifests=is_there(paths.package.manifests),
            had_tickets=tuple(suffix for suffix in TICKET_SUFFIXES if is_there(paths.ticket(suffix))),
        )
        journal.append_durably(commit)

    def _publish(
        self, paths: TransactionPaths, begin: Begin, journal: Journal, *, is_published: bool
    ) -> tuple[Problem, ...]:
        self._progress.phase("publish")
        publish(paths, journal, self._disk, is_published=is_published)
        return self._finish(paths, begin, journal)

    def _finish(self, paths: TransactionPaths, begin: Begin, journal: Journal) -> tuple[Problem, ...]:
        self._progress.phase("finish")
        left_alone = finish(
            paths,
            journal,
            self._disk,
            opened=self._opened,
            keeps_previous=begin.keeps_previous,
            engine=self._engine,
            stop=self._stop,
        )
        return tuple(left_alone)

    def _roll_forward(self, records: Sequence[Record]) -> Applied:
        begin = begin_of(records)
        paths = transaction_paths(self._package, begin)
        is_done = True
        if phase_of(records) is Phase.COMMITTED:  # checked before anything is written: it may not be known
            commit = next(record for record in records if isinstance(record, Commit))
            is_done = is_published(paths, commit, opened=self._opened, engine=self._engine)
        journal = self._resumed_journal()
        try:
            if phase_of(records) is Phase.COMMITTED:
                left_alone = self._publish(paths, begin, journal, is_published=is_done)
            else:
                left_alone = self._finish(paths, begin, journal)
        finally:
            journal.close()
        return Applied(begin.group + b"/" + begin.member, phase_of(records), left_alone=left_alone)


def _same_member(begin: Begin, header: Header) -> bool:
    return (begin.group, begin.member) == (header.group, header.member)
