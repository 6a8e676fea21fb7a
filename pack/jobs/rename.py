"""Rename: the work of giving a package another project code, under the locks of both names."""

import time
from dataclasses import replace

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.preflight import check_space
from qa2pack.executor.probe.package_disk import has_hard_links
from qa2pack.executor.tickets.unchanged_members import check_staying
from qa2pack.executor.transaction.lock import locked_for_writing, when_free
from qa2pack.executor.transaction.paths import lock_path
from qa2pack.manifest.alma.control_folder_owner import check_owned
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.renaming import plan_rename
from qa2pack.manifest.problem import Problem
from qa2pack.pack import PROGRAM
from qa2pack.pack.jobs.apply import apply
from qa2pack.pack.jobs.control_folder import check_idle, check_plannable, locked_control
from qa2pack.pack.jobs.engines import Workers
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


def rename(
    target: Target, code: bytes, workers: Workers, options: ApplyOptions, *, strict: bool = False
) -> tuple[Applied, tuple[Problem, ...]]:
    """Give the package another project code, and return the warnings of its plan as well.

    After a stop, `jobs.apply.apply` goes on, under either name.

    Args:
        code: the new name, in the same folder.
        strict: refuse a code of which otherwise is warned.

    Raises:
        Refused: it cannot get the name; nothing was changed.
        UnfinishedError: a transaction must be finished or rolled back first.
        LockedError: another process has locked one of the two names.
    """
    existing_package(target)
    old, new = target.package, Package(join(target.package.parent, code))
    for package in (old, new):
        check_idle(package, workers)
    plan_rename(
        old, new, target.opened, program=PROGRAM, now_ns=time.time_ns(), strict=strict
    )  # no folder for a refusal
    with locked_control(new, workers.wait), when_free(locked_for_writing, lock_path(old), workers.wait):
        for package in (old, new):
            check_owned(package, workers.trusted)
            check_plannable(package)
        made = plan_rename(old, new, target.opened, program=PROGRAM, now_ns=time.time_ns(), strict=strict)
        _check(old, new, made, target.opened)
        save_plan(made)
        return apply(new, options, workers, target.opened, is_locked=True), made.notes.warnings


def _check(old: Package, new: Package, made: Plan, opened: OpenedFiles) -> None:
    """Refuse what the apply could not finish: a ticket file without its files, a disk that is too small."""
    check_staying(old, replace(made.header, append=Append.MEMBER), opened)
    notes = made.notes
    if not has_hard_links(new, Disk()):
        notes = replace(notes, new_files=notes.file_count, new_bytes=notes.byte_count)
    check_space(new, made.header, notes, {}, opened)
