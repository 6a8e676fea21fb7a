"""Python API: plan, apply, verify and read packages from a program, without printing anything.

    package = package_at("2011.0.00229.S")
    plan(request_for("IRC10216_setup3_b6_run_x2", package, mode=Mode.HARD), Workers())
    apply(package, ApplyOptions(), Workers())

The names in this module are stable; others may change. Paths are bytes, because a Linux name need not be text;
`package_at` and `request_for` take any kind of path, also relative ones. docs/python-api.md has examples.
"""

import os
from collections.abc import Iterable

from qa2pack.executor.apply import Applied, AppliedPlan, ApplyOptions
from qa2pack.executor.errors import CannotUndoError, OriginAwayError, OriginChangedError
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.rollback import RolledBack
from qa2pack.executor.status import State, Status
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.lock import LockedError, Wait
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.format.files import Described, open_manifest, open_plan
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry, FolderRecord
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, PackError, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.manifest.role import Role
from qa2pack.pack import PROGRAM
from qa2pack.pack.audit import make as audit_work
from qa2pack.pack.audit.make import Audited, AuditOptions
from qa2pack.pack.jobs import adopt as adopt_job
from qa2pack.pack.jobs import apply as apply_job
from qa2pack.pack.jobs import package as package_job
from qa2pack.pack.jobs import plan as plan_job
from qa2pack.pack.jobs import receive as receive_job
from qa2pack.pack.jobs import rollback as rollback_job
from qa2pack.pack.jobs import status as status_job
from qa2pack.pack.jobs import verify as verify_job
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.plan_delivery import ReceiveOptions
from qa2pack.pack.jobs.read import UnfinishedError
from qa2pack.pack.jobs.receive import Arrived
from qa2pack.pack.target import Target, origin_of, target_of
from qa2pack.pack.views.files import records_of

__all__ = [
    "Action",
    "Append",
    "Applied",
    "AppliedPlan",
    "ApplyOptions",
    "Arrived",
    "Audited",
    "CannotUndoError",
    "Code",
    "Described",
    "Entry",
    "FolderRecord",
    "Include",
    "InterruptedByUser",
    "KeepPrevious",
    "LockedError",
    "Mode",
    "OriginAwayError",
    "OriginChangedError",
    "PackError",
    "Package",
    "PlanRequest",
    "Problem",
    "Progress",
    "Refused",
    "Remedy",
    "Role",
    "RolledBack",
    "Silent",
    "State",
    "Status",
    "StreamError",
    "UnfinishedError",
    "Wait",
    "Workers",
    "adopt",
    "apply",
    "audit",
    "open_manifest",
    "open_plan",
    "package",
    "package_at",
    "plan",
    "read_state",
    "receive",
    "records_of",
    "request_for",
    "rollback",
    "status",
    "verify",
]

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def package_at(path: AnyPath) -> Package:
    """Return the package at a path, whether it exists or not; the last part of the path is the project code.

    A symlink is resolved: `path` is the package that it leads to.
    """
    return target_of(os.fsdecode(path)).package


def request_for(
    origin: AnyPath,
    package: Package,
    *,
    mode: Mode = Mode.FAKE,
    append: Append = Append.NOTHING,
    replace_member: str = "",
    readme: AnyPath | None = None,
) -> PlanRequest:
    """Return the request of a plan; other options are set with `dataclasses.replace`.

    Args:
        origin: the reduction folder of one scheduling block, or of one execution block.
        readme: file with the header of the README; None takes the template.
    """
    return PlanRequest(
        origin=origin_of(os.fsdecode(origin)),
        package=package.path,
        readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
        mode=mode,
        append=Append.REPLACE if replace_member else append,
        replaced=os.fsencode(replace_member),
        program=PROGRAM,
    )


def plan(request: PlanRequest, workers: Workers) -> Described:
    """Make a plan, write it to the control folder, and return it; raises as `qa2pack.pack.jobs.plan.plan`."""
    return plan_job.plan(request, workers, OpenedFiles())


def apply(package: Package, options: ApplyOptions, workers: Workers) -> Applied:
    """Apply the waiting plan or resume a stopped apply; raises as `qa2pack.executor.apply.apply_plan`."""
    return apply_job.apply(package, options, workers, OpenedFiles())


def package(request: PlanRequest, options: ApplyOptions, workers: Workers) -> Applied:
    """Make a plan and apply it under one lock; raises as `plan` and `apply`. After a stop, `apply` goes on."""
    return package_job.package(request, options, workers, OpenedFiles())


def rollback(package: Package, workers: Workers, *, further: bool = False) -> RolledBack:
    """Roll back the unfinished transaction, or the last finished one.

    Args:
        further: also directly after a rollback. Else a call that is made twice is refused the second time.

    Raises:
        CannotUndoError: it is not possible any more; nothing was changed.
        Refused, LockedError, InterruptedByUser: as of `apply`.
    """
    return rollback_job.rollback(package, workers, OpenedFiles(), further=further)


def status(package: Package) -> Status:
    """Return the state of package, lock, journal and plan; raises as `qa2pack.executor.status.read_status`."""
    return status_job.status(package, OpenedFiles())


def verify(package: Package, workers: Workers, *, is_quick: bool) -> list[Problem]:
    """Return all problems and warnings; raises as `qa2pack.pack.jobs.verify.verify`.

    Args:
        is_quick: compare names, types and sizes only; no content is read.
    """
    return verify_job.verify(package, workers, OpenedFiles(), is_quick=is_quick)


def adopt(package: Package, workers: Workers) -> list[bytes]:
    """Write manifests for the members that have none; return those members.

    Raises:
        Refused: there is no package, or an existing manifest cannot be used; nothing was changed.
    """
    return adopt_job.adopt(package, workers, OpenedFiles())


def receive(
    delivery: AnyPath,
    package: Package,
    options: ApplyOptions,
    workers: Workers,
    *,
    layout: str = "",
    member: str = "",
    is_replacing: bool = False,
) -> Arrived:
    """Take members of a delivery into the package; raises as `qa2pack.pack.jobs.receive.receive`.

    Args:
        delivery: the folder with the tars and their manifest, or that manifest.
        layout: name or absolute path of the layout of the members; empty where it is not known.
        member: the only one that is received; empty for all.
        is_replacing: a member that the package has with other content is replaced.
    """
    target = Target(package, package.path)
    wanted = ReceiveOptions(layout, member=os.fsencode(member), is_replacing=is_replacing)
    return receive_job.receive(target, os.fsencode(delivery), workers, options, wanted)


def audit(
    roots: Iterable[AnyPath],
    catalogue: AnyPath,
    workers: Workers,
    *,
    seconds: float = 0,
    every_seconds: float = 0,
    is_forgetting: bool = False,
    report: AnyPath | None = None,
    metrics: AnyPath | None = None,
) -> Audited:
    """Verify the packages below the roots in turn; raises as `qa2pack.pack.audit.make.audit`.

    A run that is stopped returns what it came to (`is_stopped`), and the next goes on.

    Args:
        catalogue: file in which the packages are listed; it is made, but not its folder.
        seconds: after this no package is begun that would not be done in time; 0 is unlimited.
        every_seconds: what was verified within this time is left.
        is_forgetting: packages that are gone are taken out of the catalogue.
        report, metrics: files to write: an HTML page, and text for Prometheus.
    """
    options = AuditOptions(
        tuple(real_path(os.fsencode(root)) for root in roots),
        os.path.abspath(os.fsencode(catalogue)),
        seconds=seconds,
        every_seconds=every_seconds,
        is_forgetting=is_forgetting,
        report=None if report is None else os.fsencode(report),
        metrics=None if metrics is None else os.fsencode(metrics),
    )
    return audit_work.audit(options, workers)
