"""Changes since a repair: what differs in a member, apart from the damage that the repair could not mend.

The plan of the repair has the state of each file that stayed as it was, and none of the files that stayed missing.
Read-only.
"""

import stat
from collections.abc import Iterator, Sequence

from qa2pack.executor.transaction.journal_records import Begin
from qa2pack.executor.transaction.own_plan import own_plan
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.verify.remedies import DAMAGE, packaged_entries


def since_repair(
    found: Sequence[Problem], member: bytes, package: Package, begin: Begin, opened: OpenedFiles
) -> Iterator[Problem]:
    """Yield what verify found that is not as the transaction left it: all of it unless that was a repair.

    Args:
        found: problems of the member, their paths relative to it.
        member: absolute path of the member that the transaction made.
    """
    plan = own_plan(package, begin, opened) if found else None
    entries = packaged_entries(plan, (each.path for each in found)) if plan and plan.header.is_rebuilt else None
    for problem in found:
        is_damage = problem.code in DAMAGE and problem.expected != "a folder"  # the repair made all folders
        if entries is None or not is_damage or not _is_as_left(join(member, problem.path), entries.get(problem.path)):
            yield problem


def _is_as_left(path: bytes, planned: Entry | None) -> bool:
    status = status_of(path)
    if status is None or planned is None:
        return status is None and planned is None
    return stat.S_ISREG(status.st_mode) and state_of(status).written == planned.state.written
