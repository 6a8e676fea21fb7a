"""Looking at a package, or at any folders, without changing them: held against writers, with an engine for the work.

Apart from the jobs that write, so that a command which only reads starts without all that they need.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.lock import locked_for_reading, locked_temporarily
from qa2pack.executor.transaction.paths import journal_path, lock_path
from qa2pack.executor.transaction.recovery import Phase, is_stale, phase_of
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.package import Package, PackageState, manifest_names, read_state
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.problem import PlanRefused
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.target import Target


class UnfinishedError(Exception):
    """A transaction is unfinished, so this cannot be done now.

    Attributes:
        phase: how far it came.
        is_origin_changed: it stopped because sources are not as planned, so it cannot go on with its plan.
    """

    def __init__(self, package: Package, phase: Phase, *, is_origin_changed: bool = False) -> None:
        super().__init__(f"an unfinished transaction ({phase}) of {os.fsdecode(package.path)}")
        self.package = package
        self.phase = phase
        self.is_origin_changed = is_origin_changed


@contextmanager
def working(workers: Workers, *folders: bytes) -> Iterator[Engine]:
    """Yield an engine that stops on request, for work on folders that are no package of their own."""
    with started_engine(workers, folders) as engine:
        yield engine


@contextmanager
def reading(package: Package, workers: Workers, *, output: bytes, lock: bytes = b"") -> Iterator[Engine]:
    """Hold a package that is as it should be, so that nobody changes it, and yield an engine to work on it.

    Args:
        output: where the work writes.
        lock: path of a lock that is held for as long as it does; empty if there is no need.

    Raises:
        UnfinishedError: a transaction has begun and not ended.
        LockedError: another process is changing it.
        PlanRefused: its control folder cannot be used.
    """
    check_control(package.control)
    with locked_for_reading(lock_path(package)):
        check_finished(package)
        folders = (package.path, output)
        with (
            locked_temporarily(lock) if lock else nullcontext(),
            started_engine(workers, folders, lock=lock, is_locked=True) as engine,
        ):
            yield engine


@contextmanager
def held(package: Package) -> Iterator[None]:
    """Hold a package that is whole, the old one or the new one, so that nobody changes it.

    Raises:
        UnfinishedError: the package is between two states.
        LockedError: another process is changing it.
    """
    with locked_for_reading(lock_path(package)):
        _check_visible(package)
        yield


def _check_visible(package: Package) -> None:
    """Refuse to look at a package of which a part may be new and a part old; staging alone does not show."""
    phase = phase_of(read_journal(journal_path(package)))
    if phase not in (Phase.NONE, Phase.STAGING, Phase.ENDED):
        raise UnfinishedError(package, phase)


def check_finished(package: Package) -> None:
    """Refuse what has to wait for a transaction that has begun and not ended.

    Raises:
        UnfinishedError: it was stopped.
        LockedError: another process is at it.
    """
    with locked_for_reading(lock_path(package)):
        records = read_journal(journal_path(package))
    phase = phase_of(records)
    if phase not in (Phase.NONE, Phase.ENDED):
        raise UnfinishedError(package, phase, is_origin_changed=is_stale(records))


def existing_package(target: Target) -> PackageState:
    """Return what is at the path.

    Raises:
        UnfinishedError: there is none, because the apply that makes it was stopped.
        LockedError: another process works on the package that is not there yet.
        PlanRefused: neither a package nor the control folder of one; a mistyped path is no broken package.
    """
    package = target.package
    state = read_state(package)
    if state.members or manifest_names(package):
        return state
    check_finished(package)
    raise PlanRefused(no_package(package, state))
