"""The jobs behind the commands and the old call: plan, apply, verify, adopt, with engine and lock set up.

Nothing is printed here. Everything a job needs to know comes in as values; what it found goes back as values or
errors.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from executor.apply import Applied, ApplyOptions, apply_plan
from executor.disk import Disk
from executor.journal import read_journal
from executor.lock import locked_for_writing
from executor.places import journal_path, lock_path
from executor.preflight import check_room
from executor.recovery import may_plan_again, phase_of
from executor.removing import ensure_folder
from executor.rollback import RolledBack, roll_back_package
from executor.split import TableReader
from executor.status import Status, read_status
from executor.ticketcheck import check_tickets
from manifest.adopt import adopt_members
from manifest.checking import verify_package
from manifest.engine import Engine
from manifest.ids import Append
from manifest.package import Package, Standing, read_state
from manifest.planfile import Described, open_plan
from manifest.planning import make_plan, save_plan
from manifest.problem import Code, PlanRefused, Problem
from manifest.progress import Progress
from manifest.request import PlanRequest
from manifest.stream import StreamError
from pack.engines import Workers, started_engine, stopping
from pack.reading import UnfinishedError, held


def plan(request: PlanRequest, workers: Workers) -> Described:
    """Make a plan and keep it in the control folder; return it as it was written.

    Members that came without a manifest are adopted first when something is appended to them.

    Raises:
        PlanRefused: it cannot be done; nothing was changed.
        UnfinishedError: something was begun that must be finished or rolled back first.
        LockedError: another process works on the package.
    """
    package = Package(request.package)
    _check_plannable(package)
    _adopt_for(request, package, workers)
    with started_engine(workers, (request.origin, package.parent)) as engine:
        made = make_plan(
            request, reader=TableReader(), engine=engine, progress=workers.progress, now_ns=time.time_ns()
        )
        check_room(package, made.header, made.notes, made.devices)
        with _control(package), locked_for_writing(lock_path(package)):
            _check_plannable(package)
            save_plan(made)
    made.gathered.spool.close()
    return open_plan(package.plan)


def apply(package: Package, options: ApplyOptions, workers: Workers) -> Applied:
    """Apply the waiting plan or finish what was begun; raises as `executor.apply.apply_plan`."""
    if workers.cluster:
        # What a stopped run staged was written by machines of which any may have restarted since: it is read again.
        options = replace(options, boot=f"cluster {secrets.token_hex(8)}")
    lock = lock_path(package) if os.path.isdir(package.control) else b""
    folders = (package.parent, *_origin(package))
    with stopping() as stop, started_engine(workers, folders, lock=lock, stop=stop) as engine:
        return apply_plan(package, options, engine=engine, disk=Disk(), progress=workers.progress, stop=stop)


def _origin(package: Package) -> Iterator[bytes]:
    """Yield the origin of the waiting plan; what is wrong with the plan is told by whoever applies it."""
    with suppress(FileNotFoundError, StreamError):
        yield open_plan(package.plan).header.origin


def verify(package: Package, workers: Workers, *, is_quick: bool) -> list[Problem]:
    """Return all that is not as the manifests say.

    Raises:
        UnfinishedError: the package is between two states.
        LockedError: another process is changing it.
    """
    with held(package), started_engine(workers, (package.path,)) as engine:
        found = list(verify_package(package, is_quick=is_quick, engine=engine, progress=workers.progress))
        return [*found, *check_tickets(package, is_quick=is_quick)]


def adopt(package: Package, workers: Workers) -> list[bytes]:
    """Write manifests for the members that have none; return those members."""
    _check_plannable(package)
    state = read_state(package)
    if state.standing is not Standing.PACKAGE:
        raise PlanRefused(Problem(Code.NOT_A_PACKAGE, package.path))
    with started_engine(workers) as engine, _control(package), locked_for_writing(lock_path(package)):
        return _adopt(package, engine, workers.progress)


def _adopt_for(request: PlanRequest, package: Package, workers: Workers) -> None:
    """Adopt with workers of its own: started under the lock, they share it, and must be gone when it is free."""
    if request.append is Append.NOTHING or not os.path.isdir(request.origin):
        return
    state = read_state(package)
    if state.standing is Standing.PACKAGE and state.without_manifest:
        with _control(package), locked_for_writing(lock_path(package)), started_engine(workers) as engine:
            _adopt(package, engine, workers.progress)


def _adopt(package: Package, engine: Engine, progress: Progress) -> list[bytes]:
    ensure_folder(Disk(), package.manifests)
    return list(adopt_members(package, read_state(package), engine=engine, progress=progress, now_ns=time.time_ns()))


@contextmanager
def _control(package: Package) -> Iterator[None]:
    """Make the control folder, and take it away again if nothing came of it."""
    is_new = not os.path.isdir(package.control)
    ensure_folder(Disk(), package.control)
    try:
        yield
    except BaseException:
        if is_new:
            _remove_empty_control(package)
        raise


def _remove_empty_control(package: Package) -> None:
    disk = Disk()
    if os.listdir(package.control) in ([], [b"lock"]):
        for name in os.listdir(package.control):
            disk.unlink(os.path.join(package.control, name))
        disk.rmdir(package.control)


def _check_plannable(package: Package) -> None:
    records = read_journal(journal_path(package))
    if not may_plan_again(records):
        raise UnfinishedError(package, phase_of(records))


def rollback(package: Package, workers: Workers, *, may_reach_back: bool = False) -> RolledBack:
    """Undo what is unfinished, or the last finished transaction; see `executor.rollback.roll_back_package`."""
    with stopping() as stop, started_engine(workers, stop=stop) as engine:
        return roll_back_package(
            package, engine=engine, disk=Disk(), progress=workers.progress, may_reach_back=may_reach_back, stop=stop
        )


def status(package: Package) -> Status:
    """Say how the package stands; changes nothing."""
    return read_status(package)
