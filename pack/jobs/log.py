"""Log: the work of reading the finished applies of a package."""

from qa2pack.executor.transaction.history import History, read_history
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


def log(target: Target) -> History:
    """Return the finished transactions of a package, which must exist; raises as `existing_package`."""
    existing_package(target)
    return read_history(target.package)
