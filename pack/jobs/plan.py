"""Plan: the work of making a plan, with engine and lock set up.

Nothing is printed here: input and results are values, failures are exceptions. The jobs are in several modules so
that a command does not import what only another one needs.
"""

import time
from contextlib import nullcontext
from dataclasses import replace

from qa2pack.executor.casa.table_reader import TableReader
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.preflight import check_space
from qa2pack.executor.probe.package_disk import check_disk, has_holes
from qa2pack.executor.tickets.unchanged_members import check_staying
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, Package, read_state
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.make import make_plan
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack.jobs.control_folder import check_idle, check_plannable, locked_control
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.readme_source import readable_readme


def plan(request: PlanRequest, workers: Workers, opened: OpenedFiles, *, is_locked: bool = False) -> Described:
    """Make a plan, write it to the control folder, and return it.

    When appending, members without a manifest are adopted, once nothing else refuses the plan.

    Args:
        is_locked: the caller holds the lock of the package, which has a control folder; see `jobs.package`.

    Raises:
        Refused: the plan is refused; nothing was changed.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
    """
    with readable_readme(request) as readable:
        return _plan(readable, workers, opened, is_locked=is_locked)


def _plan(request: PlanRequest, workers: Workers, opened: OpenedFiles, *, is_locked: bool) -> Described:
    package = Package(request.package)
    if not is_locked:
        check_idle(package, workers)
    folders = (request.origin, package.parent)
    with stopping() as stop, started_engine(workers, folders, reads=folders[:1], stop=stop) as engine:
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
        with nullcontext() if is_locked else locked_control(package, workers.wait, stop):
            check_owned(package, workers.trusted)
            check_plannable(package)
            _check_holding(package, made, opened)
            _adopt_for(request, made, workers, opened)
            save_plan(made)
    made.gathered.spool.close()
    return opened.plan(package.plan)  # the new one: what was written is checked by reading it


def _check_holding(package: Package, made: Plan, opened: OpenedFiles) -> None:
    """Refuse the plan if the disk of the package cannot hold what it plans."""
    check_disk(package, made.header, made.gathered.spool.sorted_blobs(), Disk())
    if made.gathered.holes and not has_holes(package, Disk()):
        notes = replace(made.notes, new_bytes=made.notes.new_bytes + sum(made.gathered.holes.values()))
        check_space(package, made.header, notes, made.devices, opened)


def _adopt_for(request: PlanRequest, made: Plan, workers: Workers, opened: OpenedFiles) -> None:
    """Adopt the members without a manifest, and let the plan rely on their new ones; the package is locked.

    The workers are separate ones: processes forked under the lock inherit it, and must end before it is released.
    """
    package = made.destination.package
    state = read_state(package)
    if (
        request.append is Append.NOTHING
        or state.standing is not DestinationKind.PACKAGE
        or not state.without_manifest
    ):
        return
    from qa2pack.pack.jobs.adopt import adopt_members

    with started_engine(workers) as engine:
        adopt_members(package, engine, workers.progress)
    manifests = read_state(package).manifests
    base = ((member, digest or opened.stream(manifests[member]).digest) for member, digest in made.header.base)
    made.header = replace(made.header, base=tuple(base))
