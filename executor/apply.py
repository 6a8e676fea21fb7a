"""Making the plan true: the whole transaction from lock to end, and going on with one that was stopped.

    lock, preflight, stage, sync, COMMIT, publish, finish, END

Before the COMMIT record nothing that a user can see has changed. From there on it only goes forward, and each step can
tell that it is done. `executor.recovery` decides where to begin; `docs/transactions.md` says for each step what a
power cut there leaves.
"""

import getpass
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.disk import Disk, sync_file_system
from executor.journal import (
    Begin,
    Commit,
    Journal,
    Publishing,
    Record,
    Resume,
    continue_journal,
    create_journal,
    read_journal,
)
from executor.lock import locked_for_writing
from executor.places import Places, choose_publishing, journal_path, lock_path
from executor.preflight import can_exchange, check_plan
from executor.publishing import file_journal, finish, publish
from executor.recovery import Facts, Phase, Step, Wish, begin_of, decide, phase_of
from executor.rollback import roll_back
from executor.staged import stage_all
from executor.staging import Site
from manifest.engine import Engine
from manifest.header import Header
from manifest.package import Package
from manifest.planfile import Described, open_plan
from manifest.problem import Code, PlanRefused, Problem
from manifest.progress import Progress


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply.

    Attributes:
        keeps_previous: keep a replaced package, so that the replacing can be undone later.
        is_rehashing: read staged copies again instead of trusting size and mtime.
        may_exchange: False takes the way of two renames even where the file system could exchange.
    """

    keeps_previous: bool = False
    is_rehashing: bool = False
    may_exchange: bool = True


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Attributes:
        resumed: the phase in which a stopped transaction was taken up; NONE if this was a new one.
        is_rolled_back: an unfinished roll back was finished, and nothing was applied.
    """

    member: bytes
    resumed: Phase = Phase.NONE
    is_rolled_back: bool = False


def apply_plan(package: Package, options: ApplyOptions, *, engine: Engine, disk: Disk, progress: Progress) -> Applied:
    """Apply the waiting plan, or finish what was begun.

    Raises:
        PlanRefused: there is no plan, or what it relies on is not so any more; nothing was changed.
        OriginChangedError: sources are not as planned; nothing is visible.
        LockedError: another process works on the package.
        OSError: the disk fails or is full; the same call goes on later.
    """
    if not os.path.isdir(package.control):
        raise PlanRefused(Problem(Code.PLAN_MISSING, package.plan))
    with locked_for_writing(lock_path(package)):
        return _Applying(package, options, engine=engine, disk=disk, progress=progress).run()


class _Applying:
    """One run under the lock."""

    def __init__(
        self, package: Package, options: ApplyOptions, *, engine: Engine, disk: Disk, progress: Progress
    ) -> None:
        self._package = package
        self._options = options
        self._engine = engine
        self._disk = disk
        self._progress = progress

    def run(self) -> Applied:
        records = read_journal(journal_path(self._package))
        plan = self._waiting_plan(records)
        step = decide(records, Facts(plan.stream.digest if plan else None), Wish.APPLY)
        if step is Step.FILE_JOURNAL:
            begin = begin_of(records)
            file_journal(places_of(self._package, begin), self._disk)
            if plan is None or plan.stream.digest == begin.plan:
                return Applied(begin.group + b"/" + begin.member, Phase.ENDED)
            return self.run()
        if step in (Step.ROLL_BACK, Step.UNPUBLISH):
            begin = begin_of(records)
            roll_back(self._package, records, self._disk)
            return Applied(begin.group + b"/" + begin.member, phase_of(records), is_rolled_back=True)
        if step is Step.ROLL_FORWARD:
            return self._roll_forward(records)
        if plan is None:
            raise PlanRefused(Problem(Code.PLAN_MISSING, self._package.plan))
        if step is Step.RESTAGE:
            # The journal of the old plan goes, what it staged stays: the new plan takes what is right of it.
            self._disk.unlink(journal_path(self._package))
            records = ()
        return self._stage_and_go_on(records, plan)

    def _waiting_plan(self, records: Sequence[Record]) -> Described | None:
        try:
            return open_plan(self._package.plan)
        except FileNotFoundError:
            return None

    def _stage_and_go_on(self, records: Sequence[Record], plan: Described) -> Applied:
        check_plan(self._package, plan)
        begin = begin_of(records) if records else self._begin(plan)
        places = places_of(self._package, begin)
        journal = (
            self._resumed_journal() if records else create_journal(journal_path(self._package), begin, self._disk)
        )
        try:
            stage_all(
                plan,
                self._site(plan.header, places, records),
                places,
                journal,
                engine=self._engine,
                progress=self._progress,
            )
            commit = self._commit(places, journal)
            self._publish(places, begin, commit, journal)
        finally:
            journal.close()
        return Applied(plan.header.member_path, phase_of(records))

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
            boot=_boot(),
            host=socket.gethostname(),
            user=_user(),
            pid=os.getpid(),
            at_ns=time.time_ns(),
        )

    def _resumed_journal(self) -> Journal:
        journal = continue_journal(journal_path(self._package), self._disk)
        journal.append_durably(Resume(_boot(), socket.gethostname(), _user(), os.getpid(), time.time_ns()))
        return journal

    def _site(self, header: Header, places: Places, records: Sequence[Record]) -> Site:
        boots = {record.boot for record in records if isinstance(record, Begin | Resume)}
        return Site(
            disk=self._disk,
            origin=header.origin,
            member=places.staged_member,
            partial=places.partial,
            readme=header.readme,
            is_trusting=boots == {_boot()} and not self._options.is_rehashing,
        )

    def _commit(self, places: Places, journal: Journal) -> Commit:
        """Bring all that is staged to the disk, and say so: the moment of commit."""
        self._progress.phase("sync")
        sync_file_system(self._disk, places.staging)
        commit = Commit(os.lstat(places.root).st_ino, os.path.lexists(places.package.manifests))
        journal.append_durably(commit)
        return commit

    def _publish(self, places: Places, begin: Begin, commit: Commit, journal: Journal) -> None:
        self._progress.phase("publish")
        publish(places, commit, journal, self._disk)
        finish(places, journal, self._disk, keeps_previous=begin.keeps_previous)

    def _roll_forward(self, records: Sequence[Record]) -> Applied:
        begin = begin_of(records)
        places = places_of(self._package, begin)
        journal = self._resumed_journal()
        try:
            if phase_of(records) is Phase.COMMITTED:
                commit = next(record for record in records if isinstance(record, Commit))
                self._publish(places, begin, commit, journal)
            else:
                finish(places, journal, self._disk, keeps_previous=begin.keeps_previous)
        finally:
            journal.close()
        return Applied(begin.group + b"/" + begin.member, phase_of(records))


def places_of(package: Package, begin: Begin) -> Places:
    """Return where the things of the transaction stand that begins so."""
    return Places(package, begin.transaction, begin.publishing, begin.group, begin.member)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


__all__ = ["Applied", "ApplyOptions", "Publishing", "apply_plan", "places_of"]
