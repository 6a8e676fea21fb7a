"""Making a plan and printing it: what `pack plan` and the old call have in common."""

import sys
from typing import TYPE_CHECKING

from qa2pack.executor.space import free_bytes, needed_bytes
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.pack.defaultview import default_fields
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.fields import plan_fields, print_fields
from qa2pack.pack.jobs import plan as planjobs
from qa2pack.pack.jobs.workers import Conduct, shown_workers
from qa2pack.pack.listing import file_fields, records_of
from qa2pack.pack.planview import PlanView, plan_lines
from qa2pack.pack.terminal.style import ink_for
from qa2pack.pack.treeview import tree_lines

if TYPE_CHECKING:
    from qa2pack.pack.settings.option_source import Default


def planned(request: PlanRequest, conduct: Conduct) -> Described:
    """Make the plan, with its progress shown."""
    with shown_workers(conduct) as workers:
        return planjobs.plan(request, workers)


def print_plan(
    plan: Described,
    attempt: Attempt,
    *,
    is_json: bool,
    has_tree: bool = False,
    is_applied: bool = False,
    defaults: "tuple[Default, ...]" = (),
) -> None:
    """Print the plan on stdout.

    Args:
        has_tree: with a tree of all its files.
        is_applied: it is applied next, without anybody typing it.
        defaults: the options that were not typed.
    """
    package = attempt.target.package
    needed, free = needed_bytes(package, plan.header, plan.notes), free_bytes(package)
    if is_json:
        fields = plan_fields(plan, attempt.target, needed_bytes=needed, free_bytes=free)
        tree = {"files": list(file_fields(records_of(plan.stream)))} if has_tree else {}
        settled = {"defaults": default_fields(defaults)}
        print_fields({"command": attempt.verb, "exit_code": 0, **fields, **settled, **tree})
        return
    ink = ink_for(sys.stdout)
    if has_tree:
        for line in tree_lines(plan):
            print(ink.fitted(line))
        print()
    view = PlanView(plan, attempt.target, needed, free, attempt.origin, is_applied, defaults)
    for line in plan_lines(view, ink):
        print(line)
