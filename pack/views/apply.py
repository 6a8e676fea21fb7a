"""View of `pack apply`, also used by the legacy call: apply the plan and print the result."""

import sys
from collections.abc import Iterator

from qa2pack.executor.apply import Applied, ApplyOptions
from qa2pack.executor.status import State, read_status
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.humanize import local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import apply as applyjobs
from qa2pack.pack.jobs.members import member_notes
from qa2pack.pack.jobs.workers import RunOptions, shown_workers
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, style_for
from qa2pack.pack.views.json_fields import path_fields, print_fields, problem_fields
from qa2pack.pack.views.placeholders import packaged_amount
from qa2pack.pack.views.status import staged_text
from qa2pack.pack.views.totals import totals_fields


def apply_and_print(attempt: Attempt, options: ApplyOptions, run_options: RunOptions) -> Exit:
    """Apply the waiting plan or resume a stopped apply, and print the result on stdout."""
    for line in _resume_lines(attempt.target):
        print(line, file=sys.stderr)
    with shown_workers(run_options) as workers:
        result = applyjobs.apply(attempt.target.package, options, workers, attempt.target.opened)
    if run_options.is_json:
        print_fields(_result_fields(result, attempt.target))
    else:
        for line in _result_lines(result, attempt.target, style_for(sys.stdout)):
            print(line)
    return Exit.PROBLEMS if result.left_alone else Exit.DONE


def _resume_lines(target: Target) -> Iterator[str]:
    """Yield what is resumed; nothing if no transaction was stopped."""
    status = read_status(target.package, target.opened)
    if status.state is not State.INTERRUPTED:
        return
    match status.phase:
        case Phase.STAGING if status.plan:
            yield "A new plan replaces the one that was stopped while staging."
            yield "What is staged and still right is used for it."
        case Phase.STAGING:
            yield "Resuming the apply that was stopped while staging."
            yield from (f"Staged so far: {staged}." for staged in (staged_text(status),) if staged)
        case Phase.ROLLING_BACK:
            yield "Resuming the rollback that was stopped; this run does not apply the plan."
        case phase:
            yield f"Resuming the apply that was stopped after its commit (phase: {phase})."


def _result_lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    if result.is_rolled_back:
        yield f"Rolled back: {shown(result.member)} is not there any more. The plan still waits:"
        yield f"  {style.bold(f'pack apply {target.quoted}')}"
        return
    if result.done_before_ns is not None:
        yield f"Nothing to do: the last plan was applied at {local_time(result.done_before_ns)}. To check it:"
        yield f"  {style.bold(f'pack verify {target.quoted}')}"
        return
    manifest = target.opened.manifest(
        target.package.manifest(result.member)
    )  # another file if its ctimes were refreshed
    yield f"{style.good('Packaged')}: {packaged_amount(manifest)}, in"
    yield f"  {shown(target.package.member(result.member))}"
    if is_there(target.package.path + b".ticket.tar"):
        yield "Ticket files, beside the package:"
        yield from (f"  {shown(target.package.path + ending)}" for ending in (b".ticket.tar", b".ticket.zip"))
    if result.left_alone:
        yield "Left as they are, because the origin now has another file where a file was moved away:"
        yield from (f"  {problem_text(problem)}" for problem in result.left_alone)
    yield "To check it, now or at any later time:"
    yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _result_fields(result: Applied, target: Target) -> dict[str, object]:
    fields: dict[str, object] = {
        "command": "apply",
        "exit_code": Exit.PROBLEMS if result.left_alone else Exit.DONE,
        **path_fields("package", target.package.path),
        **path_fields("member", result.member),
        "resumed_phase": result.resumed,
        "is_rolled_back": result.is_rolled_back,
        "left_alone": problem_fields(result.left_alone),
        "done_before_at": None if result.done_before_ns is None else utc_time(result.done_before_ns),
    }
    return (
        fields
        if result.is_rolled_back or result.done_before_ns is not None
        else fields | totals_fields(member_notes(target.package, result.member, target.opened).totals)
    )
