"""Showing what a package holds, from its manifests alone: no file of the package is looked at."""

import sys
import time
from collections.abc import Iterator, Sequence

from manifest.header import Header
from manifest.path import shown
from manifest.sizes import human_bytes
from pack.amounts import counted
from pack.exits import Exit
from pack.failure import Attempt
from pack.fields import Fields, path_fields, print_fields
from pack.ink import Ink, ink_for
from pack.members import Member, members_of
from pack.target import Target
from pack.totals import totals_fields, totals_lines
from pack.verifying import existing_package


def shown_package(attempt: Attempt, *, is_json: bool) -> Exit:
    """Print the members on stdout."""
    target = attempt.target
    members = members_of(existing_package(target))
    if is_json:
        print_fields(
            {
                "command": "show",
                "exit_code": Exit.DONE,
                **path_fields("package", target.package.path),
                "members": [_fields(member) for member in members],
            }
        )
        return Exit.DONE
    for line in _lines(members, target, ink_for(sys.stdout)):
        print(line)
    return Exit.DONE


def _lines(members: Sequence[Member], target: Target, ink: Ink) -> Iterator[str]:
    yield ink.bold(f"{shown(target.package.project)}: {counted(len(members), 'member')}")
    yield f"  {shown(target.package.path)}"
    for member in members:
        yield ""
        yield ink.bold(shown(member.path))
        yield from _member_lines(member, target, ink)


def _member_lines(member: Member, target: Target, ink: Ink) -> Iterator[str]:
    if member.header is None or member.notes is None:
        yield from _fault_lines(member, target, ink)
        return
    yield from (f"  {label:<8} {text}" for label, text in _facts(member.header))
    yield from totals_lines(member.notes.totals, ink)
    if member.notes.splits:
        saved = sum(task.saved_bytes for task in member.notes.splits)
        yield f"  {counted(len(member.notes.splits), 'table')} without data columns worth {human_bytes(saved)}"


def _fault_lines(member: Member, target: Target, ink: Ink) -> Iterator[str]:
    if member.fault:
        yield ink.bad(f"  its manifest {shown(member.fault)}")
    else:
        yield ink.warning("  It has no manifest, so it cannot be verified. To give it one:")
        yield f"  {ink.bold(f'pack adopt {target.quoted}')}"


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    if header.is_adopted:
        yield "adopted", f"{_when(header.scanned_ns)}; it was found as it is, not made by this program"
        return
    yield "from", shown(header.origin)
    yield "planned", f"{_when(header.scanned_ns)}, by {shown(header.user)} on {shown(header.host)}"
    yield "mode", header.mode


def _when(at_ns: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at_ns / 1e9))


def _fields(member: Member) -> Fields:
    named = path_fields("member", member.path)
    if member.header is None or member.notes is None:
        return {**named, "has_manifest": bool(member.fault), "manifest_fault": shown(member.fault)}
    header = member.header
    return {
        **named,
        "has_manifest": True,
        "manifest_fault": "",
        "is_adopted": header.is_adopted,
        **path_fields("origin", header.origin),
        "planned_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(header.scanned_ns / 1e9)),
        "user": shown(header.user),
        "host": shown(header.host),
        "program": shown(header.program),
        "mode": header.mode,
        **totals_fields(member.notes.totals),
    }
