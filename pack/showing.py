"""Showing what a package holds, from its manifests alone: no file of the package is looked at."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from manifest.header import Header
from manifest.path import shown
from manifest.planfile import open_manifest
from manifest.record import FolderRecord
from manifest.role import Role
from manifest.sizes import human_bytes
from pack.amounts import counted
from pack.attempt import Attempt
from pack.exits import Exit
from pack.fields import Fields, path_fields, print_fields
from pack.ink import Ink, ink_for
from pack.listing import file_fields, file_lines, records_of
from pack.members import Member, chosen_members, members_of
from pack.moments import local_time, utc_time
from pack.target import Target
from pack.totals import totals_fields, totals_lines
from pack.verifying import existing_package


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be shown.

    Attributes:
        member: name of the one member; empty for all.
        role: the one role, None for all.
        has_files: every file is listed.
    """

    member: bytes = b""
    role: Role | None = None
    has_files: bool = False


def shown_package(attempt: Attempt, what: Shown, *, is_json: bool) -> Exit:
    """Print the members on stdout."""
    target = attempt.target
    everything = members_of(existing_package(target))
    members = chosen_members(everything, what.member)
    if is_json:
        print_fields(
            {
                "command": "show",
                "exit_code": Exit.DONE,
                **path_fields("package", target.package.path),
                "members": [_fields(member, target, what) for member in members],
            }
        )
        return Exit.DONE
    for line in _lines(members, len(everything), target, what, ink_for(sys.stdout)):
        print(line)
    return Exit.DONE


def _lines(members: Sequence[Member], count: int, target: Target, what: Shown, ink: Ink) -> Iterator[str]:
    some = "" if len(members) == count else f"{len(members)} of "
    yield ink.bold(f"{shown(target.package.project)}: {some}{counted(count, 'member')}")
    yield f"  {shown(target.package.path)}"
    for member in members:
        yield ""
        yield ink.bold(shown(member.path))
        yield from _member_lines(member, target, what, ink)


def _member_lines(member: Member, target: Target, what: Shown, ink: Ink) -> Iterator[str]:
    if member.header is None or member.notes is None:
        yield from _fault_lines(member, target, ink)
        return
    yield from (f"  {label:<8} {text}" for label, text in _facts(member.header))
    yield from totals_lines(member.notes.totals, ink, what.role)
    if member.notes.splits and what.role is None:
        saved = sum(task.saved_bytes for task in member.notes.splits)
        yield f"  {counted(len(member.notes.splits), 'table')} without data columns worth {human_bytes(saved)}"
    if what.has_files:
        yield ""
        yield from file_lines(_records(member, target, what))


def _records(member: Member, target: Target, what: Shown) -> Iterator[FolderRecord]:
    """Yield the records that are asked for, from the manifest, all of which is checked first."""
    return records_of(open_manifest(target.package.manifest(member.path)).stream, what.role)


def _fault_lines(member: Member, target: Target, ink: Ink) -> Iterator[str]:
    if member.fault:
        yield ink.bad(f"  its manifest {shown(member.fault)}")
    else:
        yield ink.warning("  It has no manifest, so it cannot be verified. To give it one:")
        yield f"  {ink.bold(f'pack adopt {target.quoted}')}"


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    if header.is_adopted:
        yield "adopted", f"{local_time(header.scanned_ns)}; it was found as it is, not made by this program"
        return
    yield "from", shown(header.origin)
    yield "planned", f"{local_time(header.scanned_ns)}, by {shown(header.user)} on {shown(header.host)}"
    yield "mode", header.mode


def _fields(member: Member, target: Target, what: Shown) -> Fields:
    named = path_fields("member", member.path)
    if member.header is None or member.notes is None:
        return {**named, "has_manifest": bool(member.fault), "manifest_fault": shown(member.fault)}
    header = member.header
    files = {"files": list(file_fields(_records(member, target, what)))} if what.has_files else {}
    return {
        **named,
        "has_manifest": True,
        "manifest_fault": "",
        "is_adopted": header.is_adopted,
        **path_fields("origin", header.origin),
        "planned_at": utc_time(header.scanned_ns),
        "user": shown(header.user),
        "host": shown(header.host),
        "program": shown(header.program),
        "mode": header.mode,
        **totals_fields([total for total in member.notes.totals if what.role in (None, total.role)]),
        **files,
    }
