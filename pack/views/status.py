"""View of `pack status`: state of a package and its transaction, and what to type next."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa2pack.executor.status import State, Status
from qa2pack.manifest.alma.member_ids import Append, member_words
from qa2pack.manifest.alma.package import DestinationKind, PackageState, read_state
from qa2pack.manifest.dataclass import asdict
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.stream import NewerFormatError
from qa2pack.manifest.humanize import counted, human_bytes, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, PackError, Problem, Remedy
from qa2pack.manifest.signature.signature import NOBODY, Signed, Trust, signature_problems
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.errors.problem_view import commands_of, problem_lines
from qa2pack.pack.errors.replan import last_plan, plan_options
from qa2pack.pack.jobs.again import made_again
from qa2pack.pack.jobs.read import remedies_after_stop
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.placeholders import placeholder_lines
from qa2pack.pack.views.signatures import signature_fields, signature_lines
from qa2pack.pack.views.view import View

_NEXT = "next"
_SAME_OPTIONS = f"{_NEXT}, with the same options as before"
_OF_NEWER = "install the newest version of qa2pack, which can apply it; or, to replace it"
_TO_GO_ON = "install the newest version of qa2pack, which can go on; or, to roll back"
_Way = tuple[str, str]  # what a command is for, and the command


def status_view(status: Status, target: Target, signatures: Sequence[Signed] = (), trust: Trust = NOBODY) -> View:
    """Return the view of the state of the package.

    Args:
        signatures: of its members.
        trust: who is known as a signer.
    """
    wrong = [problem for signed in signatures for problem in signature_problems(signed, trust)]

    def lines(style: Style) -> Iterator[str]:
        yield from _lines(status, target, style)
        yield from signature_lines(signatures, trust, style, of="Member ")
        yield from problem_lines(wrong, target, style)

    return View(
        lines=lines,
        fields=lambda: {
            **path_fields("package", target.package.path),
            **_fields(status),
            "signatures": signature_fields(signatures),
        },
        summary=f"{status.state}; {_destination_text(status)}",
    )


def _lines(status: Status, target: Target, style: Style) -> Iterator[str]:
    package = target.quoted
    plan = f"pack plan ORIGIN {package} --mode MODE"
    state = read_state(target.package)
    yield f"{shown(target.package.path)}"
    yield f"  {_destination_text(status)}"
    yield from problem_lines(status.lost_problems, target, style, has_remedies=False)
    empty = placeholder_lines(state, target.opened)
    yield from (style.warning(f"  {line}") for line in empty)
    adopt = _adopt_command(status, state, package)
    if adopt:
        count = counted(len(state.without_manifest), "member")
        yield style.warning(f"  no manifest describes {count}, so no change in it would be found")
    match status.state:
        case State.NONE:
            yield "  nothing is planned, and there is no apply to roll back"
            again = _ways_again(state, target)
            yield from _next(style, adopt, ("or, to plan", plan)) if adopt else _next(style, plan, *again)
        case State.PLANNED if status.plan_fault:
            yield style.bad(f"  a plan waits that cannot be applied: the file {shown(status.plan_fault.reason)}")
            words = _OF_NEWER if isinstance(status.plan_fault, NewerFormatError) else _NEXT
            yield from _next(style, plan, *_ways_again(state, target), words=words)
        case State.PLANNED if status.plan and status.plan_problems:
            yield from _refused_plan_lines(status.plan, status, target, style)
        case State.PLANNED:
            yield "  a plan waits to be applied"
            yield from _plan_lines(status)
            yield from _next(
                style, f"pack apply {package}", ("or, to see the plan again", f"pack show --plan {package}")
            )
        case State.RUNNING:
            yield f"  locked by {shown(status.holder)}"
            yield from _phase_lines(status)
        case State.INTERRUPTED if status.is_origin_changed:
            yield style.warning("  stopped: the origin changed after the plan, so it cannot go on")
            yield from _phase_lines(status)
            yield from _after_change(status, target, style)
        case State.INTERRUPTED:
            yield style.warning(f"  interrupted; {shown(status.user)} on {shown(status.host)} worked on it last")
            yield from _phase_lines(status)
            yield from _after_stop(status, target, style)
        case State.FINISHED if not status.member_count:
            yield style.bad("  the last apply is finished, and what it made is not there any more")
            is_in_the_way = status.standing is DestinationKind.FOREIGN  # no plan is accepted there
            first = f"pack verify {target.quoted}" if is_in_the_way else plan
            yield from _next(style, first)
            yield "or bring the package back from where it went"
        case State.FINISHED:
            yield "  the last apply is finished"
            yield from _finished_lines(status, target, adopt, _ways_again(state, target), style)


def _refused_plan_lines(plan: Described, status: Status, target: Target, style: Style) -> Iterator[str]:
    yield style.bad("  a plan waits that cannot be applied")
    yield from _plan_lines(status)
    yield from problem_lines(status.plan_problems, target, style, has_remedies=False)
    again = f"pack plan {quoted(plan.header.origin)} {target.quoted}{plan_options(plan.header)}"
    yield from _next(style, again, words=_SAME_OPTIONS)


def _finished_lines(status: Status, target: Target, adopt: str, again: Sequence[_Way], style: Style) -> Iterator[str]:
    others = [("or, to roll back the last apply", f"pack rollback {target.quoted}")]
    if status.rollback_problems:
        yield style.warning("  it cannot be rolled back:")
        yield from problem_lines(status.rollback_problems, target, style, has_remedies=False)
        others = []
    others += [("or, if the members are known to be right", adopt)] if adopt else []
    yield from _next(style, f"pack verify {target.quoted}", *others, *again)


def _ways_again(state: PackageState, target: Target) -> list[_Way]:
    """Return how to make a member again from its origin; none where no origin is known."""
    if not state.manifests or state.standing is DestinationKind.FOREIGN:  # no plan is accepted there
        return []
    member = "" if len(state.members) == 1 else " --member NAME"
    try:
        made_again(target.package, min(state.manifests), target.opened)
    except PackError:
        return []
    return [("or, to make a member again from its origin", f"pack plan --again {target.quoted}{member}")]


def _adopt_command(status: Status, state: PackageState, package: str) -> str:
    """Return the command that makes missing manifests; empty if it would do nothing or be refused."""
    is_quiet = status.state in (State.NONE, State.PLANNED, State.FINISHED)
    is_useful = is_quiet and state.standing is DestinationKind.PACKAGE and state.without_manifest
    return f"pack adopt {package}" if is_useful else ""


def _destination_text(status: Status) -> str:
    """Return a text for what is at the path; here a package with foreign files in it still counts as one."""
    members = counted(status.member_count, "member")
    match status.standing:
        case DestinationKind.ABSENT:
            return "there is no package"
        case DestinationKind.EMPTY:
            return "there is an empty folder"
        case DestinationKind.PACKAGE:
            return f"there is a package of {members}"
        case DestinationKind.FOREIGN if status.member_count:
            return f"there is a package of {members}, and something that does not belong to it"
        case DestinationKind.FOREIGN:
            return "there is something that does not belong to a package"


def _phase_lines(status: Status) -> Iterator[str]:
    if not status.member:
        return
    yield f"  phase {status.phase} of {member_words(status.member)}"
    if staged := staged_text(status):
        yield f"  staged so far: {staged}"


def staged_text(status: Status) -> str:
    """Return as text how much is staged; empty if unknown."""
    if status.staged_files is None or status.staged_bytes is None:
        return ""
    files = f"{status.staged_files:,} of {counted(status.file_count, 'file')}"
    size = f", {human_bytes(status.staged_bytes)} of {human_bytes(status.byte_count)}" if status.byte_count else ""
    return files + size


def _after_stop(status: Status, target: Target, style: Style) -> Iterator[str]:
    """Yield how to go on, and why it cannot if the plan is lost."""
    fault, words = status.plan_fault, _NEXT
    if fault:
        yield style.bad(f"  its plan cannot be used: the file {shown(fault.reason)}")
        words = _TO_GO_ON if isinstance(fault, NewerFormatError) else _NEXT
    elif status.plan_problems:
        yield style.bad("  its plan is not there any more, so it cannot go on")
    has_plan = not (fault or status.plan_problems)
    yield from _ways(remedies_after_stop(status.phase, has_plan=has_plan), target, style, words=words)


def _after_change(status: Status, target: Target, style: Style) -> Iterator[str]:
    """Yield what to do after the origin changed; a newer plan may already be waiting."""
    if status.plan:
        yield "  a newer plan waits, which uses what is staged and still right"
        yield from _plan_lines(status)
        yield from _ways(remedies_after_stop(status.phase), target, style)
        return
    if status.plan_fault:
        yield style.bad(f"  a newer plan waits that cannot be applied: the file {shown(status.plan_fault.reason)}")
    yield from _ways(remedies_after_stop(status.phase, is_origin_changed=True), target, style)


def _plan_lines(status: Status) -> Iterator[str]:
    if status.plan is None:
        return
    header, notes = status.plan.header, status.plan.notes
    yield f"    planned  {local_time(header.scanned_ns)}, by {shown(header.user)} on {shown(header.host)}"
    yield f"    origin   {shown(header.origin)}"
    yield f"    mode     {header.mode}"
    yield f"    {_change(header)}"
    yield f"    holds    {counted(notes.file_count, 'file')}, {human_bytes(notes.byte_count)}"


def _change(header: Header) -> str:
    """Return as text what the plan does to the destination."""
    member = member_words(header.member)
    match header.standing:
        case DestinationKind.ABSENT | DestinationKind.EMPTY:
            return f"makes    the package, with {member}"
        case DestinationKind.PACKAGE if header.append is Append.NOTHING:
            return f"replaces the package, by one with {member}"
        case DestinationKind.PACKAGE if header.append is Append.REPLACE:
            return f"replaces {member} of the package"
        case DestinationKind.PACKAGE if header.append is Append.REMOVE:
            return f"removes  {member} from the package"
        case DestinationKind.PACKAGE:
            return f"adds     {member} to the package"
        case DestinationKind.FOREIGN:
            return f"replaces what is there, which is no package, by one with {member}"


def _fields(status: Status) -> Fields:
    plan = status.plan
    rollback_fault = _sentence(status.rollback_problems)
    simple = replace(status, plan=None, plan_fault=None, plan_problems=(), rollback_problems=(), lost_problems=())
    return {
        **asdict(simple),
        **path_fields("member", status.member),
        "holder": shown(status.holder),
        "plan": _plan_fields(plan) if plan and not status.plan_problems else None,
        "plan_fault": status.plan_fault.reason if status.plan_fault else _sentence(status.plan_problems),
        "plan_problems": problem_fields(status.plan_problems),
        "undo_fault": rollback_fault,  # its name in the first releases
        "rollback_fault": rollback_fault,
        "rollback_problems": problem_fields(status.rollback_problems),
        "lost_problems": problem_fields(status.lost_problems),
    }


def _sentence(problems: Sequence[Problem]) -> str:
    """Return the reason, which is the first of the problems, in words; empty without problems."""
    return WORDS[problems[0].code].what if problems else ""


def _plan_fields(plan: Described) -> Fields:
    header, notes = plan.header, plan.notes
    return {
        **path_fields("member", header.member),
        **path_fields("origin", header.origin),
        "planned_at": utc_time(header.scanned_ns),
        "user": shown(header.user),
        "host": shown(header.host),
        "mode": header.mode,
        "append": header.append,
        "destination": header.standing,
        "plan_digest": plan.stream.digest.hex(),
        "file_count": notes.file_count,
        "byte_count": notes.byte_count,
    }


def _ways(remedies: Sequence[Remedy], target: Target, style: Style, words: str = _NEXT) -> Iterator[str]:
    """Yield the ways on: the usual one with its first command, the others with what they are for."""
    first, *others = remedies
    plan = last_plan(target, Code.UNFINISHED)
    origin, options = (quoted(plan.origin), plan_options(plan)) if plan else ("", None)
    command, *more = commands_of(first, target, origin=origin, options=options)
    ways = (
        (f"or, {other.text[0].lower()}{other.text[1:].rstrip(':')}", typed)
        for other in others
        for typed in commands_of(other, target)
    )
    yield from _next(style, command, *ways, words=_SAME_OPTIONS if more else words)


def _next(style: Style, command: str, *others: _Way, words: str = _NEXT) -> Iterator[str]:
    """Yield what to type next, and then the other ways; each command is alone on its line, to be copied."""
    yield from (f"{words}:", f"  {style.bold(command)}")
    for text, other in others:
        yield from (f"{text}:", f"  {other}")
