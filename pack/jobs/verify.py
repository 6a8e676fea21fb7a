"""Verify: the work of comparing a package with its manifests, with engine and lock set up."""

from qa2pack.executor.tickets.check import check_tickets
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.verify.package import verify_package
from qa2pack.pack.jobs.engines import Workers, started_engine
from qa2pack.pack.jobs.read import held


def verify(package: Package, workers: Workers, opened: OpenedFiles, *, is_quick: bool) -> list[Problem]:
    """Return all problems and warnings; a package with warnings only is good.

    Raises:
        UnfinishedError: a transaction stopped while publishing.
        LockedError: another process is changing the package.
    """
    with held(package), started_engine(workers, (package.path,)) as engine:
        found = list(verify_package(package, opened, is_quick=is_quick, engine=engine, progress=workers.progress))
        return [*found, *check_tickets(package, opened, is_quick=is_quick)]
