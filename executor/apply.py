"""Apply a plan: the whole transaction from lock to end, and resuming one that was stopped.

    lock, preflight, stage, sync, COMMIT, publish, finish, END

Before the COMMIT record, nothing that a user can see has changed. After it the transaction only goes forward, and
each step can detect that it is done. `executor.transaction.recovery` decides where to begin; `docs/transactions.md`
says for each step what a power cut there leaves.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk, sync_file_system, write_durably
from qa2pack.executor.io.manifests import unsigned_members
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.keep_previous import KEEP_LIMIT_BYTES, KeepPrevious
from qa2pack.executor.preflight import can_exchange, check_going, check_plan
from qa2pack.executor.publish.publish import clear_origin, file_journal, finish, publish
from qa2pack.executor.space import used_bytes, uses_at_most
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.stage import stage_all
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.tickets.size import makes_tickets
from qa2pack.executor.transaction.history import Finished, next_sequence, read_history
from qa2pack.executor.transaction.journal import Journal, continue_journal, create_journal, read_journal
from qa2pack.executor.transaction.journal_records import (
    Begin,
    Commit,
    Publishing,
    Record,
    Resume,
    Staged,
    Stale,
    SyncFailed,
)
from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import (
    TransactionPaths,
    choose_publishing,
    folder_above,
    journal_path,
    lock_path,
    probe_paths,
    renaming_path,
    staging_path,
    transaction_paths,
)
from qa2pack.executor.transaction.recovery import Facts, Goal, Phase, Step, begin_of, decide, is_stale, phase_of
from qa2pack.executor.transaction.renaming import locked_old
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import NewerFormatError, StreamError
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.obstacles import renamed_by_hand
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress

if TYPE_CHECKING:
    from qa2pack.executor.stage.receive import OpenDelivery


def running_boot() -> str:
    """Return the boot id of the running system, which changes with each restart; empty without a /proc."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


class Change(StrEnum):
    """What a plan does to its member."""

    MADE = "made"
    REPLACED = "replaced"  # made again from an origin, in its place
    REPAIRED = "repaired"
    README = "readme"  # it gets another README
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """The plan that an apply applies, or applied before.

    Attributes:
        member: name of the member that it makes.
        origin, mode: empty and None where the journal of a stopped apply does not have them.
        change: what is done to the member; None if it is not known any more.
        renamed_from: the name that the package has before; empty if it is not renamed.
    """

    digest: bytes
    member: bytes
    origin: bytes
    mode: Mode | None
    change: Change | None = None
    renamed_from: bytes = b""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply.

    Attributes:
        keep_previous: whether the replaced package is kept, so that the replacement can be rolled back later.
        keep_limit_bytes: what AUTO keeps takes no more than this.
        rehash: read staged copies again instead of trusting size and mtime.
        may_exchange: False publishes with two renames even where the file system has RENAME_EXCHANGE.
        trusted: numeric ids of users whose control folder is also accepted.
        boot: boot id of the running system.
        expected: the first digits of the hexadecimal digest of the only plan that may be applied; empty for any.
        announce: called with the plan before anything is done for it.
    """

    keep_previous: KeepPrevious = KeepPrevious.AUTO
    keep_limit_bytes: int = KEEP_LIMIT_BYTES
    rehash: bool = False
    may_exchange: bool = True
    trusted: frozenset[int] = frozenset()
    boot: str = field(default_factory=running_boot)
    expected: str = ""
    announce: Callable[[AppliedPlan], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Applied:
    """Result of an apply.

    Attributes:
        resumed: the phase in which a stopped transaction was resumed; NONE if this was a new one.
        is_rolled_back: an unfinished rollback was finished, and nothing was applied.
        left_alone: paths of the origin that hold another file than the one that was moved, or none, or whose file
            the package does not have any more; they were not changed.
        is_removal: the member was removed.
        left_out: files of other members that are not as packaged, and so not in the ticket files; set by `pack.jobs`.
        done_before_ns: when an earlier run finished the last plan, ns since the epoch, if nothing was left to do;
            None if this run did something.
        plan: what was applied.
        kept_bytes: what the package or member that was replaced takes until the next apply; None if none is kept.
        renamed_from: the name that the package had before; empty if it was not renamed.
        unsigned: members whose signature went with the manifest that was replaced.
        received: all members that were made of a delivery, of which `member` is the first; empty without one.
    """

    member: bytes
    resumed: Phase = Phase.NONE
    is_rolled_back: bool = False
    left_alone: tuple[Problem, ...] = ()
    done_before_ns: int | None = None
    is_removal: bool = False
    left_out: tuple[Problem, ...] = ()
    plan: AppliedPlan | None = None
    kept_bytes: int | None = None
    renamed_from: bytes = b""
    unsigned: tuple[bytes, ...] = ()
    received: tuple[bytes, ...] = ()


def apply_plan(  # noqa: PLR0913 - what an apply works with
    package: Package,
    options: ApplyOptions,
    *,
    engine: Engine,
    disk: Disk,
    progress: Progress,
    stop: Stop = NEVER,
    opened: OpenedFiles,
    open_delivery: "OpenDelivery",
    is_locked: bool = False,
) -> Applied:
    """Apply the waiting plan, or finish a stopped transaction; called again, it does nothing.

    Args:
        stop: checked while folders are removed; the engine checks its own between batches.
        open_delivery: opens the delivery that the plan receives, if it receives one.
        is_locked: the caller holds the lock of the package, and that of the package that it renames.

    Raises:
        InterruptedByUser: a stop was requested; the same call resumes later.
        UnknownTreeError: it is not known whether the stopped transaction was published; nothing was changed.
        Refused: there is no plan, also of a transaction that was stopped while staging; it is not the expected one,
            or the state that it relies on has changed; nothing was changed.
        OriginChangedError: sources are not as planned; nothing is visible.
        OriginAwayError: the package is published, and the origin whose files are to become links is not there; the
            same call resumes when it is.
        LockedError: the package is locked by another process.
        OSError: the disk fails or is full; the same call resumes later.
    """
    if not is_folder(package.control):
        raise Refused(Problem(Code.PLAN_MISSING, package.plan))
    with ExitStack() as held:
        if not is_locked:
            held.enter_context(locked_for_writing(lock_path(package)))
        check_owned(package, options.trusted)
        if not is_locked:
            held.enter_context(locked_old(package, opened, options.trusted))
        run = _Run(
            package,
            options,
            opened=opened,
            open_delivery=open_delivery,
            engine=engine,
            disk=disk,
            progress=progress,
            stop=stop,
        )
        return _apply(run)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run under the lock works with."""

    package: Package
    options: ApplyOptions
    opened: OpenedFiles
    open_delivery: "OpenDelivery"
    engine: Engine
    disk: Disk
    progress: Progress
    stop: Stop


@dataclass(frozen=True, slots=True)
class _Transaction:
    """A transaction whose journal is open."""

    begin: Begin
    paths: TransactionPaths
    journal: Journal


def _apply(run: _Run) -> Applied:
    """Read the journal and decide; then prepare, stage, commit, publish, finish."""
    records = read_journal(journal_path(run.package))
    plan = _waiting_plan(run, records)
    step = decide(records, Facts(plan.stream.digest if plan else None), Goal.APPLY)
    if step is Step.FILE_JOURNAL:
        return _file_journal(run, begin_of(records), plan)
    if step is Step.ROLL_BACK:
        return _roll_back(run, records)
    if step is Step.ROLL_FORWARD:
        return _roll_forward(run, records, plan)
    if plan is None and records:
        remedies = _without_plan(records)
        _check_expected(run, _of_journal(begin_of(records)), remedies)
        raise Refused(Problem(Code.PLAN_MISSING, run.package.plan), remedies=remedies)
    if plan is None:
        return _done_before(run)
    planned = _of_plan(plan)
    _check_expected(run, planned)
    run.options.announce(replace(planned, change=_change(run, plan.header)))
    check_plan(run.package, plan, run.opened)
    _prepare(run, step, records, plan.header)
    begun = records if step is Step.CONTINUE else ()
    is_trusting = step in (Step.CONTINUE, Step.RESTAGE) and _is_same_boot(records, run.options)
    with _journal_open(run, begin_of(begun) if begun else _new_begin(run, plan), is_new=not begun) as transaction:
        _stage(run, transaction, plan, begun, is_trusting=is_trusting)
        commit = _commit(run, transaction, plan)
        _publish(run, transaction, is_published=False)
        unsigned = _unsigned(transaction)
        left_alone = _finish(run, transaction, commit, is_resumed=False)
    return _applied(
        transaction, commit, plan=planned, resumed=phase_of(begun), left_alone=left_alone, unsigned=unsigned
    )


def _applied(
    transaction: _Transaction,
    commit: Commit,
    *,
    plan: AppliedPlan,
    resumed: Phase,
    left_alone: tuple[Problem, ...],
    unsigned: tuple[bytes, ...],
) -> Applied:
    return Applied(
        plan.member,
        resumed,
        left_alone=left_alone,
        plan=plan,
        is_removal=transaction.begin.publishing.is_removal,
        renamed_from=transaction.begin.renamed_from,
        received=transaction.begin.received,
        kept_bytes=used_bytes(transaction.paths.previous_tree) if _is_kept(transaction, commit) else None,
        unsigned=unsigned,
    )


def _unsigned(transaction: _Transaction) -> tuple[bytes, ...]:
    """Return the members whose signature is gone; of a renaming, until the old control folder is taken away."""
    paths = transaction.paths
    is_renamed = transaction.begin.publishing is Publishing.RENAME
    return unsigned_members(
        paths.old_package.manifests if is_renamed else paths.previous_manifests, paths.package.manifests
    )


def _is_kept(transaction: _Transaction, commit: Commit) -> bool:
    """Return whether what the transaction replaces is kept: the decision of the commit, in every later run, too."""
    begin = transaction.begin
    return begin.publishing.has_previous and begin.keeps_previous and commit.keeps_previous


def _of_plan(plan: Described) -> AppliedPlan:
    header = plan.header
    return AppliedPlan(
        plan.stream.digest, header.member, header.origin, header.mode, renamed_from=header.renamed_from
    )


def _change(run: _Run, header: Header) -> Change:
    """Return what the plan does to its member; the package is still as it was."""
    match header.append:
        case Append.REMOVE:
            return Change.REMOVED
        case Append.REPLACE if header.is_rebuilt:
            old = run.opened.peek_header(run.package.manifest(header.member), StreamKind.MANIFEST)
            return Change.REPAIRED if header.texts == old.texts else Change.README
        case Append.REPLACE:
            return Change.REPLACED
        case _:
            return Change.MADE


def _of_journal(begin: Begin) -> AppliedPlan:
    return AppliedPlan(begin.plan, begin.member, begin.origin, begin.mode, renamed_from=begin.renamed_from)


def _of_history(last: Finished) -> AppliedPlan:
    return AppliedPlan(last.plan, last.member, last.origin, last.mode)


def _check_expected(run: _Run, plan: AppliedPlan, remedies: tuple[Remedy, ...] = ()) -> None:
    """Refuse another plan than the one that was looked at: another process may have made it since.

    Args:
        remedies: what to do where the plan is lost; none for what the code says.
    """
    digest = plan.digest.hex()
    if not digest.startswith(run.options.expected):
        found = f"{digest}, of {os.fsdecode(plan.origin)}" if plan.origin else digest
        raise Refused(Problem(Code.PLAN_OTHER, run.package.plan, run.options.expected, found), remedies=remedies)


def _waiting_plan(run: _Run, records: Sequence[Record]) -> Described | None:
    try:
        # It may have been opened before the lock was taken; a plan that replaced it since is another file.
        return run.opened.plan(run.package.plan)
    except FileNotFoundError:
        return None
    except StreamError as error:
        remedies = _without_plan(records)
        if isinstance(error, NewerFormatError) or not remedies:
            raise
        raise Refused(*error.problems, remedies=remedies) from error


def _without_plan(records: Sequence[Record]) -> tuple[Remedy, ...]:
    """Return what to do where the plan is lost; none where a new one may be made, which is the usual advice."""
    match phase_of(records):
        case Phase.STAGING if not is_stale(records):
            return (_GIVE_UP,)
        case Phase.NONE | Phase.STAGING | Phase.ENDED:
            return ()
        case _:
            return (_GO_ON_WITHOUT,)


_GIVE_UP = Remedy(
    "The apply was stopped and needs its plan: put it back if there is a copy, and give the same command again. Or "
    "give up what is staged, and plan again:",
    ("pack rollback PACKAGE",),
)
_GO_ON_WITHOUT = Remedy("What is left to do needs no plan. Take the file away, then:", ("pack apply PACKAGE",))


def _file_journal(run: _Run, begin: Begin, plan: Described | None) -> Applied:
    """File the journal of a transaction that ended, then apply the plan if it is a newer one."""
    is_newer = plan is not None and plan.stream.digest != begin.plan
    ended = _of_journal(begin)
    _check_expected(run, _of_plan(plan) if plan and is_newer else ended)
    file_journal(transaction_paths(run.package, begin), run.disk)
    return (
        _apply(run) if is_newer else Applied(ended.member, Phase.ENDED, plan=ended, renamed_from=begin.renamed_from)
    )


def _roll_back(run: _Run, records: Sequence[Record]) -> Applied:
    """Finish a rollback that was stopped."""
    from qa2pack.executor.rollback_checks import check_stopped  # these import verify, which few applies need
    from qa2pack.executor.rollback_steps import roll_back

    begin = begin_of(records)
    _check_expected(run, _of_journal(begin))
    opened, engine, disk = run.opened, run.engine, run.disk
    check_stopped(run.package, records, opened=opened, engine=engine, disk=disk, progress=run.progress, stop=run.stop)
    origin = roll_back(run.package, records, opened=opened, engine=engine, disk=disk, stop=run.stop)
    return Applied(
        begin.member,
        phase_of(records),
        is_rolled_back=True,
        left_alone=tuple(origin.given_up),
        renamed_from=begin.renamed_from,
    )


def _roll_forward(run: _Run, records: Sequence[Record], plan: Described | None) -> Applied:
    """Finish a transaction that was stopped after its commit."""
    begin, phase = begin_of(records), phase_of(records)
    planned, is_done = _of_journal(begin), True
    _check_expected(run, planned)
    if plan and (renamed := tuple(renamed_by_hand(run.package, plan.header))):
        raise Refused(*renamed, remedies=_NAME_BACK)
    run.options.announce(planned)
    commit = next(record for record in records if isinstance(record, Commit))
    if phase in (Phase.COMMITTED, Phase.PUBLISHED):
        is_done = _look_again(run, begin, plan, None if phase is Phase.PUBLISHED else commit)
    with _journal_open(run, begin, is_new=False) as transaction:
        if phase is Phase.COMMITTED:
            _publish(run, transaction, is_published=is_done)
        unsigned = _unsigned(transaction)
        left_alone = _finish(run, transaction, commit, is_resumed=is_done)
    return _applied(transaction, commit, plan=planned, resumed=phase, left_alone=left_alone, unsigned=unsigned)


def _look_again(run: _Run, begin: Begin, plan: Described | None, unpublished: Commit | None) -> bool:
    """Look, before anything is written, at what people did since the stop; return whether the new tree is in place.

    Args:
        unpublished: the commit, if the journal does not say whether the tree was published after it.

    Raises:
        UnknownTreeError: it is not known, or the new tree is not where it should be.
        Refused: something has its name, or came into what it replaces.
    """
    from qa2pack.executor.transaction.published_tree import (  # imports verify, which few applies need
        UnknownTreeError,
        check_target,
        is_published,
    )

    paths = transaction_paths(run.package, begin)
    is_done = not unpublished or is_published(paths, unpublished, opened=run.opened, engine=run.engine)
    try:
        check_target(paths, is_published=is_done)
    except UnknownTreeError:
        if not unpublished:
            clear_origin(paths, run.disk, opened=run.opened, engine=run.engine)
        raise
    if plan and plan.stream.digest == begin.plan and _is_old_visible(paths, is_published=is_done):
        check_going(run.package, plan, run.opened, remedies=_KEEP_OR_GIVE_UP)
    return is_done


_KEEP_OR_GIVE_UP = (
    Remedy("Take out of the package what came into it, put back what was changed, then:", ("pack apply PACKAGE",)),
    Remedy("Or give up what was stopped, and plan again; the plan says what would go:", ("pack rollback PACKAGE",)),
)


_NAME_BACK = (
    Remedy(
        "Give PACKAGE.pack its old name again, and PACKAGE too if it is there. Then go on with that:",
        ("mv PACKAGE.pack PATH.pack", "pack apply PATH"),
    ),
)


def _is_old_visible(paths: TransactionPaths, *, is_published: bool) -> bool:
    """Return whether what is replaced is where people may still put files into it."""
    if paths.publishing is Publishing.RENAME:
        return is_there(paths.old_package.path)
    return paths.publishing.has_previous and not is_published and is_there(paths.target)


def _done_before(run: _Run) -> Applied:
    """Return the result of the last transaction, if its member still exists and no later journal is lost."""
    package = run.package
    history = read_history(package)
    if history.finished and not history.unreadable:
        last = history.finished[0]
        if last.publishing.is_removal or is_folder(package.member(last.member)):
            planned = _of_history(last)
            _check_expected(run, planned)
            return Applied(last.member, done_before_ns=last.ended_ns, plan=planned)
    raise Refused(Problem(Code.PLAN_MISSING, package.plan))


def _prepare(run: _Run, step: Step, records: Sequence[Record], header: Header) -> None:
    """Remove unusable leftovers of earlier runs."""
    if step is Step.CONTINUE:
        for probe in probe_paths(run.package):  # a power cut may restore one
            remove_tree(run.disk, probe)
        return
    keeps_staged = step is Step.RESTAGE and _may_reuse_staged(begin_of(records), header)
    if is_there(journal_path(run.package)):  # also an incomplete one
        run.disk.unlink(journal_path(run.package))
    if not keeps_staged:
        remove_tree(run.disk, staging_path(run.package), stop=run.stop)


def _may_reuse_staged(begin: Begin, header: Header) -> bool:
    if begin.renamed_from or header.renamed_from:
        return False  # all members of a package are staged, which may be others now
    if begin.received or header.received_from:
        return False  # which chunks are staged was in the journal
    return begin.member == header.member


def _is_same_boot(records: Sequence[Record], options: ApplyOptions) -> bool:
    """Return whether the system was not restarted since the transaction began."""
    return {record.boot for record in records if isinstance(record, Begin | Resume)} == {options.boot}


def _new_begin(run: _Run, plan: Described) -> Begin:
    header = plan.header
    exchange = run.options.may_exchange and can_exchange(run.package, run.disk)
    return Begin(
        transaction=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{plan.stream.digest.hex()[:8]}",
        plan=plan.stream.digest,
        publishing=choose_publishing(header, can_exchange=exchange),
        member=header.member,
        keeps_previous=run.options.keep_previous is not KeepPrevious.NO,
        file_count=plan.notes.file_count,
        byte_count=plan.notes.byte_count,
        boot=run.options.boot,
        host=os.uname().nodename,
        user=user_name(),
        pid=os.getpid(),
        at_ns=time.time_ns(),
        mode=header.mode,
        origin=header.origin,
        sequence=next_sequence(_present_package(run.package, header)),
        keeps_if_small=run.options.keep_previous is KeepPrevious.AUTO,
        renamed_from=header.renamed_from,
        above=folder_above(header),
        beside=tuple(file.name for file in header.beside),
        has_tickets=makes_tickets(_present_package(run.package, header), header, run.opened),
        received=header.received_from.members if header.received_from else (),
    )


def _present_package(package: Package, header: Header) -> Package:
    """Return where the package is now that the plan changes: under its old name, if it is renamed."""
    return Package(join(package.parent, header.renamed_from)) if header.renamed_from else package


@contextmanager
def _journal_open(run: _Run, begin: Begin, *, is_new: bool) -> Iterator[_Transaction]:
    """Create the journal with its first record, or continue it with a record of this run; close it at the end."""
    path, paths = journal_path(run.package), transaction_paths(run.package, begin)
    if is_new and begin.renamed_from:  # first: commands with the old name find the journal by it
        write_durably(run.disk, renaming_path(paths.old_package), run.package.project)
    journal = create_journal(path, begin, run.disk) if is_new else continue_journal(path, run.disk)
    try:
        if not is_new:
            resumed = Resume(run.options.boot, os.uname().nodename, user_name(), os.getpid(), time.time_ns())
            journal.append_durably(resumed)
        yield _Transaction(begin, paths, journal)
    finally:
        journal.close()


def _stage(
    run: _Run, transaction: _Transaction, plan: Described, begun: Sequence[Record], *, is_trusting: bool
) -> None:
    """Stage all that the plan makes.

    Args:
        begun: the records of the run that is resumed.
    """
    paths, journal = transaction.paths, transaction.journal
    context = StagingContext(
        disk=run.disk,
        origin=plan.header.origin,
        package=real_path(_present_package(run.package, plan.header).path),
        device=os.stat(run.package.control).st_dev,
        tree=paths.tree,
        member=paths.staged_member,
        partial=paths.partial,
        texts=plan.header.texts,
        is_trusting=is_trusting and not run.options.rehash,
    )
    try:
        if plan.header.received_from:
            from qa2pack.executor.stage.receive import stage_carried, stage_delivery  # few plans receive a delivery

            if plan.header.append is Append.REPLACE:
                stage_carried(plan, context, paths, journal, engine=run.engine, progress=run.progress)
            source = run.open_delivery(plan.header.received_from)
            done = {record.chunk for record in begun if isinstance(record, Staged)} if context.is_trusting else set()
            read = partial(source.chunks, done=done, engine=run.engine, progress=run.progress)
            stage_delivery(plan, source, read, paths, journal, run.disk, run.opened)
            return
        stage_all(plan, context, paths, journal, opened=run.opened, engine=run.engine, progress=run.progress)
    except OriginChangedError as error:
        journal.append_durably(Stale(len(error.problems)))
        raise


def _commit(run: _Run, transaction: _Transaction, plan: Described) -> Commit:
    """Sync everything that is staged to the disk, then append the Commit record: the moment of commit.

    Raises:
        Refused: something came into what is replaced since the plan was made.
    """
    paths, journal = transaction.paths, transaction.journal
    run.progress.phase("sync")
    try:
        sync_file_system(run.disk, paths.staging)
    except OSError:
        journal.append(SyncFailed())
        raise
    check_going(run.package, plan, run.opened)  # as late as can be: a sync may take minutes
    root = os.lstat(paths.root)
    commit = Commit(
        root_inode=root.st_ino,
        root_mtime_ns=root.st_mtime_ns,
        had_manifests=is_there(paths.package.manifests),
        had_tickets=tuple(suffix for suffix in paths.tickets if is_there(paths.ticket(suffix))),
        keeps_previous=_keeps_previous(run, transaction),
    )
    journal.append_durably(commit)
    return commit


def _keeps_previous(run: _Run, transaction: _Transaction) -> bool:
    """Return whether what is replaced is kept; it is still in place, and all links to its files are made."""
    begin = transaction.begin
    if not (begin.publishing.has_previous and begin.keeps_previous and begin.keeps_if_small):
        return begin.keeps_previous
    paths = transaction.paths
    going = paths.old_package.path if begin.publishing is Publishing.RENAME else paths.target
    return uses_at_most(going, run.options.keep_limit_bytes)


def _publish(run: _Run, transaction: _Transaction, *, is_published: bool) -> None:
    run.progress.phase("publish")
    publish(transaction.paths, transaction.journal, run.disk, is_published=is_published)


def _finish(run: _Run, transaction: _Transaction, commit: Commit, *, is_resumed: bool) -> tuple[Problem, ...]:
    run.progress.phase("finish")
    left_alone = finish(
        transaction.paths,
        transaction.journal,
        run.disk,
        opened=run.opened,
        keeps_previous=_is_kept(transaction, commit),
        is_resumed=is_resumed,
        engine=run.engine,
        stop=run.stop,
    )
    return tuple(left_alone)
