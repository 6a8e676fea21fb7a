"""Telling how a package stands, and what to type next."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from executor.status import State, Status, read_status
from manifest.package import Standing, read_state
from manifest.path import shown
from manifest.sizes import counted, human_bytes
from pack.attempt import Attempt
from pack.emptiness import emptiness_lines
from pack.exits import Exit
from pack.fields import path_fields, print_fields
from pack.ink import Ink, ink_for
from pack.target import Target


def told_status(attempt: Attempt, *, is_json: bool) -> Exit:
    """Print how the package stands on stdout."""
    target = attempt.target
    status = read_status(target.package)
    if is_json:
        fields = asdict(status) | path_fields("member", status.member) | {"holder": shown(status.holder)}
        package = path_fields("package", target.package.path)
        print_fields({"command": "status", "exit_code": Exit.DONE, **package, **fields})
        return Exit.DONE
    empty = tuple(emptiness_lines(read_state(target.package)))
    for line in _lines(status, empty, target, ink_for(sys.stdout)):
        print(line)
    return Exit.DONE


def _lines(status: Status, empty: Sequence[str], target: Target, ink: Ink) -> Iterator[str]:
    package = target.quoted
    yield f"{shown(target.package.path)}"
    yield f"  {_there(status)}"
    yield from (ink.warning(f"  {line}") for line in empty)
    match status.state:
        case State.NONE:
            yield "  nothing is planned, and nothing that this program did can be undone"
            yield from _next(ink, f"pack plan ORIGIN {package}")
        case State.PLANNED if status.plan_fault:
            yield ink.bad(f"  a plan waits that cannot be applied: the file {shown(status.plan_fault)}")
            yield from _next(ink, f"pack plan ORIGIN {package}")
        case State.PLANNED:
            yield "  a plan waits to be applied"
            yield from _next(ink, f"pack apply {package}")
        case State.RUNNING:
            yield f"  {shown(status.holder)} works on it"
            yield from _how_far(status)
        case State.INTERRUPTED:
            yield ink.warning(f"  interrupted; {shown(status.user)} on {shown(status.host)} worked on it last")
            yield from _how_far(status)
            yield from _next(ink, f"pack apply {package}", f"or, to undo it, pack rollback {package}")
        case State.FINISHED if not status.member_count:
            yield ink.bad("  the last apply is finished, and what it made is not there any more")
            yield from _next(ink, f"pack plan ORIGIN {package}", "or bring the package back from where it went")
        case State.FINISHED if status.undo_fault:
            yield "  the last apply is finished"
            yield ink.warning(f"  it cannot be undone: its journal {shown(status.undo_fault)}")
            yield from _next(ink, f"pack verify {package}")
        case State.FINISHED:
            yield "  the last apply is finished"
            yield from _next(ink, f"pack verify {package}", f"or, to undo the last apply, pack rollback {package}")


def _there(status: Status) -> str:
    """Say what is at the path; for status, a package with something strange in it is still one."""
    members = counted(status.member_count, "member")
    match status.standing:
        case Standing.ABSENT:
            return "there is no package"
        case Standing.EMPTY:
            return "there is an empty folder"
        case Standing.PACKAGE:
            return f"there is a package of {members}"
        case Standing.FOREIGN if status.member_count:
            return f"there is a package of {members}, and something that does not belong to it"
        case Standing.FOREIGN:
            return "there is something that does not belong to a package"


def _how_far(status: Status) -> Iterator[str]:
    if not status.member:
        return
    yield f"  phase {status.phase} of {shown(status.member)}"
    yield f"  staged in the last run: {status.staged_files:,} of {counted(status.file_count, 'file')},"
    yield f"  {human_bytes(status.staged_bytes)} of {human_bytes(status.byte_count)}"


def _next(ink: Ink, command: str, other: str = "") -> Iterator[str]:
    yield f"next: {ink.bold(command)}"
    if other:
        yield f"      {other}"
