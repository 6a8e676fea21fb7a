"""Status: the work of finding out in which state a package is."""

from qa2pack.executor.status import Status, read_status
from qa2pack.manifest.alma.package import Package


def status(package: Package) -> Status:
    """Return the state of package, lock, journal and plan; raises as `executor.status.read_status`."""
    return read_status(package)
