"""Apply: the work of applying a plan or resuming a stopped apply, with engine and lock set up."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.executor.apply import Applied, ApplyOptions, apply_plan
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stop_signals import Stop
from qa2pack.executor.transaction.lock import locked_for_writing, when_free
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.renaming import locked_old, successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.fetched import remove_fetched

if TYPE_CHECKING:
    from qa2pack.executor.stage.receive import DeliverySource, OpenDelivery
    from qa2pack.manifest.format.header import ReceivedDelivery


def _open_source(delivery: "ReceivedDelivery") -> "DeliverySource":
    from qa2pack.pack.jobs.delivery_source import open_source  # imports tarsplit; few plans receive a delivery

    return open_source(delivery)


def apply(
    package: Package,
    options: ApplyOptions,
    workers: Workers,
    opened: OpenedFiles,
    *,
    is_locked: bool = False,
    open_delivery: "OpenDelivery" = _open_source,
) -> Applied:
    """Apply the waiting plan or resume a stopped apply; raises as `executor.apply.apply_plan`.

    Args:
        is_locked: the caller holds the lock of the package; see `jobs.package`.
        open_delivery: opens the delivery that the plan receives.
    """
    check_control(package.control)
    check_owned(package, workers.trusted)
    if new := successor(package):
        package = new
        check_control(package.control)
        check_owned(package, workers.trusted)
    options = replace(options, trusted=options.trusted | workers.trusted)
    if workers.cluster:
        # Any of the machines that staged files for a stopped run may have restarted since: read these files again.
        options = replace(options, boot=f"cluster {os.urandom(8).hex()}")
    lock = lock_path(package)
    # The lock comes first: processes forked under it inherit it, and must end before it is released.
    with stopping() as stop, nullcontext() if is_locked else _locked(package, workers, opened, stop):
        stop.check()  # asked for while it was planned: no transaction begins
        origin = tuple(_origin(package, opened))
        # Of the package one file: what else is in its control folder is looked at later, between safe points.
        folders, reads = (package.parent, *origin), (package.plan, *origin)
        with started_engine(workers, folders, reads=reads, lock=lock, is_locked=True, stop=stop) as engine:
            applied = apply_plan(
                package,
                options,
                engine=engine,
                disk=Disk(),
                progress=workers.progress,
                stop=stop,
                opened=opened,
                open_delivery=open_delivery,
                is_locked=True,
            )
        if not is_locked:  # a repair that was stopped may have been finished
            remove_fetched(package)
        return applied


@contextmanager
def _locked(package: Package, workers: Workers, opened: OpenedFiles, stop: Stop) -> Iterator[None]:
    """Hold the lock, and that of the package that is renamed.

    Without a control folder there is nothing to apply, and none is made for a lock.
    """
    with ExitStack() as held:
        try:
            held.enter_context(when_free(locked_for_writing, lock_path(package), workers.wait, stop))
        except FileNotFoundError:
            raise Refused(Problem(Code.PLAN_MISSING, package.plan)) from None
        held.enter_context(locked_old(package, opened, workers.trusted, workers.wait, stop))
        yield


def _origin(package: Package, opened: OpenedFiles) -> Iterator[bytes]:
    """Yield the origin of the waiting plan; a broken plan is skipped, because applying it reports the error."""
    with suppress(FileNotFoundError, StreamError):
        yield opened.plan(package.plan).header.origin
