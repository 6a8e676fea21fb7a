"""Preparation of a package for the jobs that write plans and manifests: checks before, and the control folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.probe.package_disk import make_control
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.lock import locked_for_reading
from qa2pack.executor.transaction.paths import journal_path, lock_path
from qa2pack.executor.transaction.recovery import may_plan_again, phase_of
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.presence import is_folder
from qa2pack.pack.jobs.read import UnfinishedError


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


def _remove_empty_control(package: Package) -> None:
    disk = Disk()
    if os.listdir(package.control) in ([], [b"lock"]):
        for name in os.listdir(package.control):
            disk.unlink(os.path.join(package.control, name))
        disk.rmdir(package.control)


def check_idle(package: Package, trusted: frozenset[int]) -> None:
    """Refuse early, before the scan, what would be refused after it; a running apply is locked, not unfinished."""
    check_control(package.control)
    check_owned(package, trusted)
    with locked_for_reading(lock_path(package)):
        check_plannable(package)


def check_plannable(package: Package) -> None:
    """Refuse a package with an unusable control folder, or with a transaction that must be finished first."""
    check_control(package.control)
    records = read_journal(journal_path(package))
    if not may_plan_again(records):
        raise UnfinishedError(package, phase_of(records))
