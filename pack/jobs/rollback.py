"""Rollback: the work of rolling back a transaction, with engine and lock set up."""

from collections.abc import Iterator
from dataclasses import replace

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.rollback import RolledBack, roll_back_package
from qa2pack.executor.transaction.renaming import successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package, manifest_names, member_of_manifest
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.fetched import remove_fetched


def rollback(package: Package, workers: Workers, opened: OpenedFiles, *, further: bool = False) -> RolledBack:
    """Roll back the unfinished transaction, or the last finished one; see `executor.rollback.roll_back_package`.

    What came back is compared with the manifests that did, members by names, sizes and times: it was kept where
    anything may have happened to it.
    """
    check_control(package.control)
    check_owned(package, workers.trusted)
    if new := successor(package):
        package = new
        check_control(package.control)
        check_owned(package, workers.trusted)
    with stopping() as stop, started_engine(workers, (package.path,), stop=stop) as engine:
        done = roll_back_package(
            package,
            engine=engine,
            disk=Disk(),
            progress=workers.progress,
            further=further,
            trusted=workers.trusted,
            stop=stop,
            opened=opened,
            wait=workers.wait,
        )
        remove_fetched(package)
        problems = tuple(_damage(package, done, opened, engine, workers.progress))
    return replace(done, problems=problems)


def _damage(
    package: Package, done: RolledBack, opened: OpenedFiles, engine: Engine, progress: Progress
) -> Iterator[Problem]:
    if not done.member or done.is_gone:
        return
    from qa2pack.executor.tickets.check import check_tickets  # slow to import, and not needed to be refused
    from qa2pack.manifest.verify.package import verify_restored

    package = done.package_of(package)
    if done.is_restored:
        is_whole = done.is_of_package or done.renamed_from
        members = map(member_of_manifest, manifest_names(package)) if is_whole else [done.member]
        yield from verify_restored(package, members, opened, engine=engine, progress=progress)
    found = check_tickets(package, opened, is_quick=False)
    yield from (problem for problem in found if not problem.code.is_warning)
