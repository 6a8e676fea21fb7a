"""Package: the work of planning and applying under one lock, so that no other plan or apply comes between."""

from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.destination import choose_destination
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.control_folder import check_idle, locked_control
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.plan import plan


def package(request: PlanRequest, options: ApplyOptions, workers: Workers, opened: OpenedFiles) -> Applied:
    """Make a plan and apply it under one lock; raises as `jobs.plan.plan` and `jobs.apply.apply`.

    A stop while planning changes nothing. After a later stop the plan waits or the apply is unfinished, and
    `jobs.apply.apply` goes on.
    """
    with packaging(request, workers, opened):
        plan(request, workers, opened, is_locked=True)
        return apply(Package(request.package), options, workers, opened, is_locked=True)


@contextmanager
def packaging(request: PlanRequest, workers: Workers, opened: OpenedFiles) -> Iterator[None]:
    """Hold the lock of a package in which a plan may be made, for plan and apply.

    Raises:
        Refused: the destination may not be written, and no control folder was made.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
    """
    package = Package(request.package)
    check_idle(package, workers)
    choose_destination(request, opened)  # before a control folder is made for the lock
    with locked_control(package, workers.wait):
        yield
