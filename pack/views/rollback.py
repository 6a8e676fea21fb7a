"""View of `pack rollback`: roll back a transaction and print the result."""

import sys
from collections.abc import Iterator

from qa2pack.executor.rollback import RolledBack
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import apply as applyjobs
from qa2pack.pack.jobs.workers import RunOptions, shown_workers
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, style_for
from qa2pack.pack.views.json_fields import path_fields, print_fields


def roll_back_and_print(attempt: Attempt, run_options: RunOptions, *, may_reach_back: bool = False) -> Exit:
    """Roll back the unfinished or last transaction and print the result on stdout."""
    target = attempt.target
    with shown_workers(run_options) as workers:
        result = applyjobs.rollback(target.package, workers, may_reach_back=may_reach_back, opened=target.opened)
    if run_options.is_json:
        print_fields(
            {
                "command": "rollback",
                "exit_code": Exit.DONE,
                **path_fields("package", target.package.path),
                **path_fields("member", result.member),
                "was_finished": result.was_finished,
            }
        )
        return Exit.DONE
    for line in _lines(result, target, style_for(sys.stdout)):
        print(line)
    return Exit.DONE


def _lines(result: RolledBack, target: Target, style: Style) -> Iterator[str]:
    if not result.member:
        yield "There is nothing to roll back: no apply is on record. Nothing was changed."
        return
    what = "the last apply, which made" if result.was_finished else "the apply that was stopped, which was to make"
    yield f"{style.good('Rolled back')}: {what} {shown(result.member)}"
    yield f"  {shown(target.package.path)} is as it was before."
