"""Plan: the work of making a plan, with engine and lock set up.

Nothing is printed here: input and results are values, failures are exceptions. The jobs are in several modules so
that a command does not import what only another one needs.
"""

import time
from dataclasses import replace

from qa2pack.executor.casa.split import TableReader
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.preflight import check_space
from qa2pack.executor.probe.package_disk import check_disk, has_holes
from qa2pack.executor.tickets.unchanged_members import check_staying
from qa2pack.executor.transaction.lock import locked_for_writing
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, Package, read_state
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.manifest.plan.make import make_plan, save_plan
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack.jobs.adopt import adopt_members
from qa2pack.pack.jobs.control_folder import check_idle, check_plannable, made_control
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.readme_source import readable_readme


def plan(request: PlanRequest, workers: Workers, opened: OpenedFiles | None = None) -> Described:
    """Make a plan, write it to the control folder, and return it.

    When appending, members without a manifest are adopted first.

    Args:
        opened: the plans and manifests of the package that are open already.

    Raises:
        Refused: the plan is refused; nothing was changed.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
    """
    with readable_readme(request) as readable:
        return _plan(readable, workers, opened or OpenedFiles())


def _plan(request: PlanRequest, workers: Workers, opened: OpenedFiles) -> Described:
    package = Package(request.package)
    check_idle(package, workers.trusted)
    _adopt_for(request, package, workers)
    with started_engine(workers, (request.origin, package.parent)) as engine:
        made = make_plan(
            request,
            opened=opened,
            reader=TableReader(),
            engine=engine,
            progress=workers.progress,
            now_ns=time.time_ns(),
        )
        check_space(package, made.header, made.notes, made.devices, opened)
        check_staying(package, made.header, opened)
        with made_control(package), locked_for_writing(lock_path(package)):
            check_owned(package, workers.trusted)
            check_plannable(package)
            check_disk(package, made.header, made.gathered.spool.sorted_blobs(), Disk())
            if made.gathered.holes and not has_holes(package, Disk()):
                notes = replace(made.notes, new_bytes=made.notes.new_bytes + sum(made.gathered.holes.values()))
                check_space(package, made.header, notes, made.devices, opened)
            save_plan(made)
    made.gathered.spool.close()
    return opened.plan(package.plan)  # the new one: what was written is checked by reading it


def _adopt_for(request: PlanRequest, package: Package, workers: Workers) -> None:
    """Adopt with separate workers: processes forked under the lock inherit it, and must end before it is released."""
    if request.append is Append.NOTHING or not is_folder(request.origin):
        return
    state = read_state(package)
    if state.standing is DestinationKind.PACKAGE and state.without_manifest:
        with made_control(package), locked_for_writing(lock_path(package)), started_engine(workers) as engine:
            adopt_members(package, engine, workers.progress)
