"""Rollback: the work of rolling back a transaction, with engine and lock set up."""

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.rollback import RolledBack, roll_back_package
from qa2pack.executor.transaction.renaming import successor
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.pack.jobs.engines import Workers, started_engine, stopping
from qa2pack.pack.jobs.fetched import remove_fetched


def rollback(package: Package, workers: Workers, opened: OpenedFiles, *, further: bool = False) -> RolledBack:
    """Roll back the unfinished transaction, or the last finished one; see `executor.rollback.roll_back_package`."""
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
    return done
