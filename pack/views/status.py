"""View of `pack status`: state of a package and its transaction, and what to type next."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial

from qa2pack.executor.status import State, Status
from qa2pack.executor.transaction.recovery import Phase
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, read_state
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.humanize import counted, human_bytes, local_time, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.placeholders import placeholder_lines
from qa2pack.pack.views.view import View


def status_view(status: Status, target: Target) -> View:
    """Return the view of the state of the package."""
    return View(
        lines=partial(_lines, status, target),
        fields=lambda: {**path_fields("package", target.package.path), **_fields(status)},
        summary=f"{status.state}; {_destination_text(status)}",
    )


def _lines(status: Status, target: Target, style: Style) -> Iterator[str]:
    package = target.quoted
    yield f"{shown(target.package.path)}"
    yield f"  {_destination_text(status)}"
    empty = placeholder_lines(read_state(target.package), target.opened)
    yield from (style.warning(f"  {line}") for line in empty)
    match status.state:
        case State.NONE:
            yield "  nothing is planned, and there is no apply to roll back"
            yield from _next(style, f"pack plan ORIGIN {package}")
        case State.PLANNED if status.plan_fault:
            yield style.bad(f"  a plan waits that cannot be applied: the file {shown(status.plan_fault)}")
            yield from _next(style, f"pack plan ORIGIN {package}")
        case State.PLANNED:
            yield "  a plan waits to be applied"
            yield from _plan_lines(status)
            yield from _next(style, f"pack apply {package}", f"or, to see the plan again, pack show --plan {package}")
        case State.RUNNING:
            yield f"  locked by {shown(status.holder)}"
            yield from _phase_lines(status)
        case State.INTERRUPTED if status.is_origin_changed:
            yield style.warning("  stopped: the origin changed after the plan, so it cannot go on")
            yield from _phase_lines(status)
            yield from _after_change(status, package, style)
        case State.INTERRUPTED:
            yield style.warning(f"  interrupted; {shown(status.user)} on {shown(status.host)} worked on it last")
            yield from _phase_lines(status)
            if status.phase is Phase.ROLLING_BACK:
                yield from _next(style, f"pack rollback {package}")
            else:
                yield from _next(style, f"pack apply {package}", f"or, to roll back, pack rollback {package}")
        case State.FINISHED if not status.member_count:
            yield style.bad("  the last apply is finished, and what it made is not there any more")
            yield from _next(style, f"pack plan ORIGIN {package}", "or bring the package back from where it went")
        case State.FINISHED if status.undo_fault:
            yield "  the last apply is finished"
            yield style.warning(f"  it cannot be rolled back: its journal {shown(status.undo_fault)}")
            yield from _next(style, f"pack verify {package}")
        case State.FINISHED:
            yield "  the last apply is finished"
            yield from _next(
                style, f"pack verify {package}", f"or, to roll back the last apply, pack rollback {package}"
            )


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
    yield f"  phase {status.phase} of {shown(status.member)}"
    if staged := staged_text(status):
        yield f"  staged so far: {staged}"


def staged_text(status: Status) -> str:
    """Return as text how much is staged; empty if unknown."""
    if status.staged_files is None or status.staged_bytes is None:
        return ""
    files = f"{status.staged_files:,} of {counted(status.file_count, 'file')}"
    size = f", {human_bytes(status.staged_bytes)} of {human_bytes(status.byte_count)}" if status.byte_count else ""
    return files + size


def _after_change(status: Status, package: str, style: Style) -> Iterator[str]:
    """Yield what to do after the origin changed; a newer plan may already be waiting."""
    roll_back = f"or, to roll back, pack rollback {package}"
    if status.plan:
        yield "  a newer plan waits, which uses what is staged and still right"
        yield from _plan_lines(status)
        yield from _next(style, f"pack apply {package}", roll_back)
        return
    if status.plan_fault:
        yield style.bad(f"  a newer plan waits that cannot be applied: the file {shown(status.plan_fault)}")
    yield from _next(style, f"pack plan ORIGIN {package}", "with the same options as before", roll_back)


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
    member = shown(header.member_path)
    match header.standing:
        case DestinationKind.ABSENT | DestinationKind.EMPTY:
            return f"makes    the package, with {member}"
        case DestinationKind.PACKAGE if header.append is Append.NOTHING:
            return f"replaces the package, by one with {member}"
        case DestinationKind.PACKAGE:
            return f"adds     {member} to the package"
        case DestinationKind.FOREIGN:
            return f"replaces what is there, which is no package, by one with {member}"


def _fields(status: Status) -> Fields:
    plan = status.plan
    return {
        **asdict(replace(status, plan=None)),
        **path_fields("member", status.member),
        "holder": shown(status.holder),
        "plan": _plan_fields(plan) if plan else None,
    }


def _plan_fields(plan: Described) -> Fields:
    header, notes = plan.header, plan.notes
    return {
        **path_fields("member", header.member_path),
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


def _next(style: Style, command: str, *others: str) -> Iterator[str]:
    yield f"next: {style.bold(command)}"
    yield from (f"      {other}" for other in others)
