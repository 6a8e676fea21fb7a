"""Own plan: the plan that a transaction applies. It waits until the end, and is the last applied plan then."""

from contextlib import suppress

from qa2pack.executor.transaction.journal_records import Begin
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError


def own_plan(package: Package, begin: Begin, opened: OpenedFiles) -> Described | None:
    """Return the plan of the transaction; None if it is not there any more, or damaged."""
    for path in (package.plan, package.last_plan):
        with suppress(FileNotFoundError, StreamError):
            if opened.peek(path).digest == begin.plan:
                return opened.plan(path)
    return None
