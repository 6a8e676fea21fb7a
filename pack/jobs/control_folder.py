"""Preparation of a package for the jobs that write plans and manifests: checks before, and the control folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.probe.package_disk import make_control
from qa2pack.executor.stop_signals import NEVER, Stop
from qa2pack.executor.transaction.lock import LockedError, Wait, locked_for_reading, locked_for_writing, when_free
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.executor.transaction.recovery import may_plan_again
from qa2pack.executor.transaction.renaming import running_records, successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import unfinished


@contextmanager
def made_control(package: Package) -> Iterator[None]:
    """Make the control folder, and remove it again if it stays empty."""
    is_new = not is_folder(package.control)
    make_control(package, Disk())
    try:
        yield
    except BaseException:
        if is_new:
            _remove_empty_control(package)
        raise


@contextmanager
def locked_control(package: Package, wait: Wait, stop: Stop = NEVER) -> Iterator[None]:
    """Make the control folder and hold the lock in it; remove the folder again if it stays empty.

    Raises:
        LockedError, InterruptedByUser: as `when_free`.
    """
    with ExitStack() as held:
        held.enter_context(made_control(package))
        try:
            held.enter_context(when_free(locked_for_writing, lock_path(package), wait, stop))
        except FileNotFoundError:  # the process that had made the folder was refused, and removed it
            held.enter_context(made_control(package))
            held.enter_context(when_free(locked_for_writing, lock_path(package), wait, stop))
        yield


def _remove_empty_control(package: Package) -> None:
    disk, lock = Disk(), lock_path(package)
    names = os.listdir(package.control)
    if names == [b"lock"]:
        # Under the lock: another process may wait for it.
        with suppress(LockedError), locked_for_writing(lock):
            if os.listdir(package.control) == [b"lock"]:
                disk.unlink(lock)
        names = []
    if not names:  # after the lock is closed: FUSE gives a file that is removed while it is open another name
        _remove_if_empty(package.control, disk)


def _remove_if_empty(folder: bytes, disk: Disk) -> None:
    """Remove the folder unless something is in it, or another process removed it."""
    try:
        disk.rmdir(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def check_idle(package: Package, workers: Workers) -> None:
    """Refuse early, before the scan, what would be refused after it; a running apply is locked, not unfinished."""
    check_control(package.control)
    check_owned(package, workers.trusted)
    with when_free(locked_for_reading, lock_path(package), workers.wait):
        check_plannable(package)


def check_plannable(package: Package) -> None:
    """Refuse a package with an unusable control folder, or with a transaction that must be finished first."""
    check_control(package.control)
    records = running_records(package)
    if not may_plan_again(records) or successor(package):
        raise unfinished(package, records)
