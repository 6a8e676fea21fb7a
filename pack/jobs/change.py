"""Change: the work of planning a change of one member and applying it, under one lock."""

from collections.abc import Callable
from dataclasses import replace

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.preflight import check_space
from qa2pack.executor.probe.package_disk import has_hard_links
from qa2pack.executor.tickets.unchanged_members import changed_in_tickets, check_staying
from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.obstacles import renamed_by_hand
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.problem import Problem, Refused
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.control_folder import check_idle, check_plannable, locked_control
from qa2pack.pack.jobs.engines import Workers


def change(
    package: Package, make: Callable[[], Plan], options: ApplyOptions, workers: Workers, opened: OpenedFiles
) -> Applied:
    """Make the plan and apply it under one lock; after a stop, `jobs.apply.apply` goes on.

    A plan that waited is replaced: it relied on a package that is another one afterwards.

    Args:
        make: makes the plan; called under the lock.
        options: the package that was is kept until the next apply if they say so.

    Raises:
        Refused: the change is refused; nothing was changed.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked the package.
    """
    check_idle(package, workers)
    with locked_control(package, workers.wait):
        check_owned(package, workers.trusted)
        check_plannable(package)
        made = make()
        try:
            check_name(package, made.header)
            notes = made.notes
            if not has_hard_links(package, Disk()):
                notes = replace(notes, new_bytes=notes.new_bytes + _kept_bytes(made))
            check_space(package, made.header, notes, made.devices, opened)
            left_out: tuple[Problem, ...] = ()
            if made.header.is_rebuilt:  # it must not wait for another member that is damaged, too, and rebuilt next
                left_out = tuple(changed_in_tickets(package, made.header, opened))
            else:
                check_staying(package, made.header, opened)
            save_plan(made)
        finally:
            made.gathered.spool.close()
        return replace(apply(package, options, workers, opened, is_locked=True), left_out=left_out)


def check_name(package: Package, header: Header) -> None:
    """Refuse a member that was made under another name of the package: its README and ticket files have that."""
    if problems := list(renamed_by_hand(package, header)):
        raise Refused(*problems)


def _kept_bytes(made: Plan) -> int:
    """Return the bytes of files that are taken over from the package; without hard links they are copied."""
    records = (decode_record(blob) for _, blob in made.gathered.spool.sorted_blobs())
    return sum(
        size
        for record in records
        for size, action in zip(record.sizes, record.actions, strict=True)
        if action == Action.KEEP
    )
