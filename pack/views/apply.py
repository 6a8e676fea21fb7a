"""View of `pack apply`, also used by the legacy call: what is resumed, and the result."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.executor.apply import Applied, AppliedPlan, Change
from qa2pack.executor.status import State, read_status
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.humanize import local_time, utc_time
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.members import member_notes
from qa2pack.pack.jobs.signing import Signing
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines
from qa2pack.pack.views.placeholders import packaged_amount
from qa2pack.pack.views.plan_digest import SHOWN_DIGITS
from qa2pack.pack.views.remove import removed_lines
from qa2pack.pack.views.rename import renamed_lines
from qa2pack.pack.views.sign import signed_fields, signed_lines
from qa2pack.pack.views.signatures import unsigned_lines
from qa2pack.pack.views.status import staged_text
from qa2pack.pack.views.totals import totals_fields
from qa2pack.pack.views.view import View


def apply_view(result: Applied, target: Target, signing: Signing | None = None) -> View:
    """Return the view of an apply, and of the signing of what it made; without the signature it is one to resume."""
    failed = Exit.RESUMABLE if signing and signing.problems else Exit.DONE
    return View(
        lines=partial(_all_lines, result, target, signing or Signing()),
        fields=lambda: {
            **_fields(result, target),
            "signed": signed_fields(signing.members if signing else ()),
            "unsigned": [path_fields("member", member) for member in _unsigned(result, signing or Signing())],
            **({"problems": problem_fields(signing.problems)} if signing and signing.problems else {}),
        },
        code=failed or (Exit.PROBLEMS if result.left_alone else Exit.DONE),
    )


def _unsigned(result: Applied, signing: Signing) -> list[bytes]:
    signed = {each.member for each in signing.members}
    return [member for member in result.unsigned if member not in signed]


def _all_lines(result: Applied, target: Target, signing: Signing, style: Style) -> Iterator[str]:
    yield from _lines(result, target, style)
    yield from signed_lines(signing.members, style)
    yield from unsigned_lines(_unsigned(result, signing), target, style)
    if signing.problems:
        yield f"{style.bad('Not signed')}, but all else is done:"
        yield from (f"  {problem_text(problem)}" for problem in signing.problems)
        yield "To sign it, give the same command again, or:"
        yield f"  {style.bold(f'pack sign {target.quoted} --key KEY')}"


_CHANGES = {
    Change.REPLACED: "is made again in its place; the others stay",
    Change.REPAIRED: "is repaired; what is not damaged stays as it is",
    Change.README: "gets another README; all else stays as it is",
    Change.REMOVED: "is removed; the others stay",
}


def plan_announced(plan: AppliedPlan) -> Iterator[str]:
    """Yield which plan is applied, and what it does: it may be another one than the user has in mind."""
    yield f"Applying the plan {plan.digest.hex()[:SHOWN_DIGITS]}:"
    if plan.renamed_from:  # of all members, in whatever mode each was made
        yield f"  renames  {shown(plan.origin)}"
        return
    if plan.change in _CHANGES:
        yield f"  {member_words(plan.member)} {_CHANGES[plan.change]}"
    if plan.change is Change.REMOVED:
        return  # where it came from and how says nothing about its removal
    yield from (f"  origin   {shown(path)}" for path in (plan.origin,) if path)
    yield f"  member   {member_words(plan.member)}"
    yield from (f"  mode     {mode}" for mode in (plan.mode,) if mode)


def resume_lines(target: Target, *, is_locked: bool = False) -> Iterator[str]:
    """Yield what is resumed; nothing if no transaction was stopped.

    Args:
        is_locked: the caller holds the lock, so nobody else works on the package.
    """
    status = read_status(target.package, target.opened)
    if status.state is not (State.RUNNING if is_locked else State.INTERRUPTED):
        return
    match status.phase:
        case Phase.STAGING if status.plan_fault or status.plan_problems:
            return  # it is not resumed: the refusal follows
        case Phase.STAGING if status.plan:
            yield "A new plan replaces the one that was stopped while staging."
            yield "What is staged and still right is used for it."
        case Phase.STAGING:
            yield "Resuming the apply that was stopped while staging."
            yield from (f"Staged so far: {staged}." for staged in (staged_text(status),) if staged)
        case Phase.ROLLING_BACK:
            yield "Resuming the rollback that was stopped; this run does not apply the plan."
        case Phase.NONE | Phase.ENDED:
            return
        case phase:
            yield f"Resuming the apply that was stopped after its commit (phase: {phase})."


def _lines(result: Applied, target: Target, style: Style) -> Iterator[str]:
    if result.is_rolled_back:
        from qa2pack.pack.views.rollback import given_up_lines  # imports verify, which few applies need

        if result.renamed_from:
            yield f"Rolled back: the package has its name again, {shown(result.renamed_from)}"
            return
        is_waiting = is_there(target.package.plan)
        more = " The plan still waits:" if is_waiting else ""
        is_as_before = is_there(target.package.member(result.member))  # it was removed, or replaced
        state = "is as it was before" if is_as_before else "is not there any more"
        yield f"Rolled back: {member_words(result.member)} {state}.{more}"
        yield from (f"  {style.bold(f'pack apply {target.quoted}')}" for _ in range(is_waiting))
        yield from given_up_lines(result.left_alone)
        return
    if result.done_before_ns is not None:
        yield f"Nothing to do: the last plan was applied at {local_time(result.done_before_ns)}. To check it:"
        yield f"  {style.bold(f'pack verify {target.quoted}')}"
        return
    if result.is_removal:
        yield from removed_lines(result, target, style)
        return
    if result.renamed_from:
        yield from renamed_lines(result, target, style)
        return
    for member in result.received or (result.member,):
        manifest = target.opened.manifest(
            target.package.manifest(member)
        )  # another file if its ctimes were refreshed
        yield f"{style.good('Packaged')}: {packaged_amount(manifest)}, in"
        yield f"  {shown(target.package.member(member))}"
    if is_there(target.package.path + b".ticket.tar"):
        yield "Ticket files, beside the package:"
        yield from (f"  {shown(target.package.path + ending)}" for ending in (b".ticket.tar", b".ticket.zip"))
    if manifest.header.beside:
        yield "Written beside the package:"
        yield from (f"  {shown(join(target.package.parent, file.name))}" for file in manifest.header.beside)
    if result.left_alone:
        yield "Left as they are, because another file, or none, now has the place of one that is moved:"
        yield from (f"  {problem_text(problem)}" for problem in result.left_alone)
    if result.kept_bytes is not None:
        is_resumed = result.resumed is not Phase.NONE  # what it relied on may be long ago, as in a repair
        yield from kept_lines(result, target, style, _obstacles(target) if is_resumed else ())
    yield "To check it, now or at any later time:"
    yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _obstacles(target: Target) -> Sequence[Problem]:
    from qa2pack.executor.rollback_checks import rollback_obstacles  # imports verify

    return rollback_obstacles(target.package, target.opened)


def _fields(result: Applied, target: Target) -> dict[str, object]:
    fields: dict[str, object] = {
        **path_fields("package", target.package.path),
        **path_fields("member", result.member),
        "resumed_phase": result.resumed,
        "is_rolled_back": result.is_rolled_back,
        "is_removal": result.is_removal,
        **path_fields("renamed_from", result.renamed_from),
        "kept_bytes": result.kept_bytes,
        "left_alone": problem_fields(result.left_alone),
        **_plan_fields(result.plan),
        "done_before_at": None if result.done_before_ns is None else utc_time(result.done_before_ns),
    }
    return (
        fields
        if result.is_rolled_back or result.is_removal or result.renamed_from or result.done_before_ns is not None
        else fields | _totals(result.member, target)
    )


def _totals(member: bytes, target: Target) -> dict[str, object]:
    header = target.opened.peek_header(target.package.manifest(member), StreamKind.MANIFEST)
    return totals_fields(member_notes(target.package, member, target.opened).totals, header)


def _plan_fields(plan: AppliedPlan | None) -> dict[str, object]:
    if plan is None:  # a rollback was finished, and no plan was applied
        return {"origin": None, "mode": None, "plan_digest": None}
    return {**path_fields("origin", plan.origin), "mode": plan.mode, "plan_digest": plan.digest.hex()}
