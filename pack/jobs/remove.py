"""Remove: the work of taking one member out of a package."""

import time

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.plan.removal import make_removal
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.change import change
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


def remove(target: Target, member: bytes, workers: Workers, options: ApplyOptions, *, force: bool = False) -> Applied:
    """Remove the member of this name; raises as `jobs.change.change`.

    Args:
        force: also if it has what is nowhere else: files that the origin has no more, or that somebody put there.
        options: whether it is kept until the next apply, so that the removal can be rolled back.
    """
    existing_package(target)
    package = target.package
    request = PlanRequest(
        origin=package.parent,
        package=package.path,
        append=Append.REMOVE,
        replaced=member,
        program=PROGRAM,
        force=force,
    )
    return change(
        package,
        lambda: make_removal(request, opened=target.opened, now_ns=time.time_ns()),
        options,
        workers,
        target.opened,
    )
