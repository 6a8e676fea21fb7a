"""Status: the work of finding out in which state a package is."""

from qa2pack.executor.status import Status, read_status
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles


def status(package: Package, opened: OpenedFiles | None = None) -> Status:
    """Return the state of package, lock, journal and plan; raises as `executor.status.read_status`."""
    return read_status(package, opened or OpenedFiles())
