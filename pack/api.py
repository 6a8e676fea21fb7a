"""Python API: plan, apply, verify and read packages from a program, without printing anything.

    package = package_at("2011.0.00229.S")
    plan(request_for("IRC10216_setup3_b6_run_x2", package, mode=Mode.HARD), Workers())
    apply(package, ApplyOptions(), Workers())

The names in this module are stable; others may change. Paths are bytes, because a Linux name need not be text;
`package_at` and `request_for` take any kind of path, also relative ones. docs/python-api.md has examples.
"""

import os

from qa2pack.executor.apply import Applied, AppliedPlan, ApplyOptions
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.rollback import RolledBack
from qa2pack.executor.rollback_checks import CannotUndoError
from qa2pack.executor.stage.stage import OriginChangedError
from qa2pack.executor.status import State, Status
from qa2pack.executor.stop_signals import InterruptedByUser
from qa2pack.executor.transaction.lock import LockedError, Wait
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.format.files import Described, open_manifest, open_plan
from qa2pack.manifest.format.record import Entry, FolderRecord
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, PackError, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.manifest.role import Role
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.adopt import adopt
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.package import package
from qa2pack.pack.jobs.plan import plan
from qa2pack.pack.jobs.read import UnfinishedError
from qa2pack.pack.jobs.rollback import rollback
from qa2pack.pack.jobs.status import status
from qa2pack.pack.jobs.verify import verify
from qa2pack.pack.target import origin_of, target_of
from qa2pack.pack.views.files import records_of

__all__ = [
    "Action",
    "Append",
    "Applied",
    "AppliedPlan",
    "ApplyOptions",
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
    "open_manifest",
    "open_plan",
    "package",
    "package_at",
    "plan",
    "read_state",
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
