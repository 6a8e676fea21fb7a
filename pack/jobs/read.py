"""Read access to a package: shared lock, check for unfinished transactions, and an engine for the work.

Separate from the jobs that write, so that commands that only read import less.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace

from qa2pack.executor.transaction.journal import JournalError
from qa2pack.executor.transaction.journal_records import Record
from qa2pack.executor.transaction.lock import locked_for_reading, locked_temporarily
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.recovery import Phase, needs_new_plan, phase_of
from qa2pack.executor.transaction.renaming import running_records, successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, manifest_names, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import NewerFormatError
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.mistaken_origin import scheduling_blocks
from qa2pack.manifest.plan.extra_files import adopting_remedies
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Name
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.target import Target

_FINISH = Remedy("To finish it:", ("pack apply PACKAGE",))
_ROLL_BACK = Remedy("To roll back:", ("pack rollback PACKAGE",))
_OTHER_ORIGIN = Remedy(
    "The origin has changed. To finish it, with the same options as before:",
    ("pack plan ORIGIN PACKAGE --mode MODE", "pack apply PACKAGE"),
)
_REDUCTION = "PATH is a reduction. Package it first; CODE is the project code, and the path of the package:"
_OTHER_FOLDER = Remedy("Name the package: the folder that holds its members.")
_ROLLBACK = Remedy("A rollback was begun. To finish it:", ("pack rollback PACKAGE",))


def remedies_after_stop(
    phase: Phase, *, is_origin_changed: bool = False, has_plan: bool = True
) -> tuple[Remedy, ...]:
    """Return what can follow a transaction that stopped in this phase, the usual way first.

    Args:
        has_plan: the plan is there, without which staging does not go on.
    """
    match phase:
        case Phase.STAGING if not (has_plan or is_origin_changed):
            return (_ROLL_BACK,)
        case Phase.ROLLING_BACK:
            return (_ROLLBACK,)
        case Phase.DISCARDING:  # the replaced package is going already
            return (_FINISH,)
        case _:
            return (_OTHER_ORIGIN if is_origin_changed else _FINISH, _ROLL_BACK)


class UnfinishedError(Refused):
    """An unfinished transaction is in the way.

    Attributes:
        phase: the phase in which it stopped.
        is_origin_changed: it stopped because sources differ from the plan, so it cannot continue with its plan.
    """

    def __init__(
        self, package: Package, phase: Phase, *, is_origin_changed: bool = False, has_plan: bool = True
    ) -> None:
        problem = Problem(Code.UNFINISHED, package.path, found=Name(phase, "the phase"))
        remedies = remedies_after_stop(phase, is_origin_changed=is_origin_changed, has_plan=has_plan)
        super().__init__(problem, remedies=remedies)
        self.package = package
        self.phase = phase
        self.is_origin_changed = is_origin_changed


def unfinished(package: Package, records: Sequence[Record]) -> UnfinishedError:
    """Return the error for the transaction of this journal, which may be that of the new name of the package."""
    plan = (successor(package) or package).plan
    phase, is_origin_changed = phase_of(records), needs_new_plan(records)
    return UnfinishedError(package, phase, is_origin_changed=is_origin_changed, has_plan=_is_usable(plan))


def _is_usable(plan: bytes) -> bool:
    """Return whether a plan is there that an apply reads; of a newer program, it says what to do itself."""
    try:
        fault = OpenedFiles().plan_fault(plan)
    except FileNotFoundError:
        return False
    return fault is None or isinstance(fault, NewerFormatError)


@contextmanager
def reading(package: Package, workers: Workers, *, output: bytes, lock: bytes = b"") -> Iterator[Engine]:
    """Lock a finished package for reading, and yield an engine to work on it.

    Args:
        output: folder that the work writes to.
        lock: path of a lock that is held while it writes; empty for none.

    Raises:
        UnfinishedError: a transaction has begun and not ended.
        LockedError: another process is changing the package.
        Refused: the control folder cannot be used.
    """
    check_control(package.control)
    with locked_for_reading(lock_path(package)):
        check_finished(package)
        folders = (package.path, output)
        with (
            locked_temporarily(lock) if lock else nullcontext(),
            started_engine(workers, folders, reads=folders[:1], lock=lock, is_locked=True) as engine,
        ):
            yield engine


@contextmanager
def held(package: Package) -> Iterator[None]:
    """Lock a package for reading; it is the whole old or the whole new one.

    Raises:
        UnfinishedError: a transaction stopped while publishing.
        LockedError: another process is changing the package.
    """
    with locked_for_reading(lock_path(package)):
        _check_visible(package)
        yield


def _check_visible(package: Package) -> None:
    """Refuse a package that may be partly old and partly new; a transaction that only staged is no obstacle."""
    phase = phase_of(running_records(package))
    check_not_renamed(package, phase)
    if phase not in (Phase.NONE, Phase.STAGING, Phase.ENDED):
        raise UnfinishedError(package, phase)


def check_finished(package: Package) -> None:
    """Refuse while a transaction has begun and not ended.

    Raises:
        UnfinishedError: the transaction was stopped.
        LockedError: another process runs it.
    """
    with locked_for_reading(lock_path(package)):
        records = running_records(package)
    phase = phase_of(records)
    check_not_renamed(package, phase)
    if phase not in (Phase.NONE, Phase.ENDED):
        raise unfinished(package, records)


def check_not_renamed(package: Package, phase: Phase) -> None:
    """Refuse the old name of a package whose renaming has ended but for the control folder of that name."""
    if phase is Phase.ENDED and successor(package):
        raise UnfinishedError(package, phase)


def followed(target: Target) -> Target:
    """Return the package under its new name, if a renaming is under way; the work reports what cannot be read."""
    with suppress(JournalError, OSError):
        new = successor(target.package)
        if new is not None:
            return replace(target, package=new, typed=new.path, is_link=False)
    return target


def existing_package(target: Target) -> PackageState:
    """Return the state of the package at the path, which must exist.

    Raises:
        UnfinishedError: there is none, because the apply that makes it was stopped.
        LockedError: there is none yet, and another process is making it.
        Refused: there is neither a package nor a control folder, so the path is probably mistyped.
    """
    package = target.package
    state = read_state(package)
    if state.members or (manifest_names(package) and successor(package) is None):
        return state
    check_finished(package)
    raise Refused(no_package(package, state), remedies=_packaging(package, state, target.opened))


def _packaging(package: Package, state: PackageState, opened: OpenedFiles) -> tuple[Remedy, ...]:
    """Return what to do where another folder was named: a package without manifests, a reduction or something else.

    None if there is nothing.
    """
    if state.standing is not DestinationKind.FOREIGN or no_package(package, state).code is not Code.PACKAGE_MISSING:
        return ()
    if adopting := adopting_remedies(package, opened):
        return adopting
    blocks = scheduling_blocks(package.path, load_layout(PlanRequest(b"", b"").layout))
    append = " --append member" if len(blocks) > 1 else ""
    commands = (f"pack plan PATH CODE{append} --mode MODE", "pack apply CODE")
    return tuple(Remedy(_REDUCTION, commands, block) for block in blocks) or (_OTHER_FOLDER,)
