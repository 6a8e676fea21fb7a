"""View of `pack diff`: compare an origin with the member packaged from it, and print the changes.

The new plan is a value only; nothing is written.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from qa2pack.executor.casa.split import TableReader
from qa2pack.manifest.alma.package import README, read_state
from qa2pack.manifest.diff import Change, Kind, diff_members
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import Stream
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import shown
from qa2pack.manifest.plan.make import Plan, make_plan
from qa2pack.manifest.plan.obstacles import swapped_paths
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.members import Member, chosen_members, members_of, usable_manifest
from qa2pack.pack.jobs.read import existing_package, held, working
from qa2pack.pack.jobs.workers import RunOptions, shown_workers
from qa2pack.pack.terminal.style import Style, folded, style_for, unbroken
from qa2pack.pack.views.files import records_of
from qa2pack.pack.views.json_fields import Fields, path_fields, print_fields

_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


def print_difference(attempt: Attempt, request: PlanRequest, wanted: bytes, run_options: RunOptions) -> Exit:
    """Make a new plan, compare it with the member packaged from the same origin, and print the changes on stdout.

    Args:
        request: of a plan in mode copy, which works across file systems, that adds a member, so that nothing is
            refused because it would be replaced. A member made of placeholders is compared in its own mode.
        wanted: name of the member to compare with; empty for the one with the same origin.
    """
    package = attempt.target.package
    if swapped := swapped_paths(request.origin, read_state(package)):
        raise Refused(swapped)
    state = existing_package(attempt.target)
    with held(package):
        members = members_of(state, attempt.target.opened)
        manifest = usable_manifest(_chosen(members, wanted, request))
        mode = request.mode if manifest.header.mode.has_content else manifest.header.mode
        made = _planned(replace(request, mode=mode, is_compared=True), attempt.target.opened, run_options)
        try:
            changes = _changes(manifest.stream, made)
            if run_options.is_json:
                print_fields(_fields(attempt, manifest.header, changes))
            else:
                for line in _lines(attempt, manifest.header, changes, len(members), style_for(sys.stdout)):
                    print(line)
                for line in _left_out_lines(manifest, made):
                    print(line)
        finally:
            made.gathered.spool.close()
    return Exit.DONE


def _chosen(members: list[Member], wanted: bytes, request: PlanRequest) -> Member:
    if wanted:
        return chosen_members(members, wanted)[0]
    same = [
        member
        for member in members
        if member.header and member.header.origin == request.origin and not member.header.is_adopted
    ]
    candidates = same or [member for member in members if member.fault]  # its origin is unknown
    if candidates:
        return candidates[-1]
    raise Refused(Problem(Code.ORIGIN_UNKNOWN, request.origin))


def _planned(request: PlanRequest, opened: OpenedFiles, run_options: RunOptions) -> Plan:
    with shown_workers(run_options) as workers, working(workers) as engine:
        return make_plan(
            request,
            opened=opened,
            reader=TableReader(),
            engine=engine,
            progress=workers.progress,
            now_ns=time.time_ns(),
        )


def _changes(old: Stream, made: Plan) -> Iterator[Change]:
    """Yield changed and unchanged files, without README: every plan makes that again."""
    new = (decode_record(blob) for _, blob in made.gathered.spool.sorted_blobs())
    yield from (change for change in diff_members(records_of(old), new) if change.path != README)


def _lines(
    attempt: Attempt, header: Header, changes: Iterator[Change], member_count: int, style: Style
) -> Iterator[str]:
    counts: Counter[Kind] = Counter()
    yield style.bold(shown(header.member_path))
    yield f"  from   {shown(header.origin)}"
    for change in changes:
        counts[change.kind] += 1
        if change.kind is not Kind.UNCHANGED:
            yield from _change_lines(change, style)
    yield from folded(
        f"Compared with its manifest: {counted(counts[Kind.UNCHANGED], 'file')} the same,"
        f" {counts[Kind.CHANGED]:,} changed, {counts[Kind.ADDED]:,} added, {counts[Kind.REMOVED]:,} removed"
    )
    if counts[Kind.CHANGED] or counts[Kind.ADDED] or counts[Kind.REMOVED]:
        yield from _next_lines(attempt, header, member_count, style)
    else:
        yield style.good("A new plan would change nothing.")


def _left_out_lines(manifest: Described, made: Plan) -> Iterator[str]:
    """Yield files that are new at the origin and left out by the rules; they are not among the changes."""
    if manifest.header.origin != made.header.origin:
        return
    before = {left.path for left in manifest.notes.left_out}
    new = [left for left in made.notes.left_out if left.path not in before]
    if new:
        yield f"Left out by a new plan, and not by the one of the package: {len(new):,}"
        yield from (f"      {shown(left.path)}{'/' if left.is_tree else ''}" for left in new)


def _change_lines(change: Change, style: Style) -> Iterator[str]:
    """Yield the path and its sizes, folded to two lines if needed."""
    marked = {Kind.ADDED: style.good, Kind.REMOVED: style.bad}.get(change.kind, style.warning)
    sizes = [human_bytes(size) for size in (change.old_size, change.new_size) if size is not None]
    text = f"{unbroken(shown(change.path))}  {unbroken(' -> '.join(dict.fromkeys(sizes)))}"
    yield from map(marked, folded(text, label=f"{_SIGNS[change.kind]} "))


def _next_lines(attempt: Attempt, header: Header, member_count: int, style: Style) -> Iterator[str]:
    if member_count > 1:
        yield from folded(
            f"A plan without --append replaces the whole package, all {member_count} members of it; they would have"
            " to be packaged again."
        )
    yield "Nothing has been changed. To replace the package:"
    yield f"  {style.bold(f'{attempt.new_plan} --mode {header.mode}')}"


def _fields(attempt: Attempt, header: Header, changes: Iterator[Change]) -> Fields:
    counts: Counter[Kind] = Counter()
    listed = []
    for change in changes:
        counts[change.kind] += 1
        if change.kind is not Kind.UNCHANGED:
            listed.append(_change_fields(change))
    return {
        "command": "diff",
        "exit_code": Exit.DONE,
        **path_fields("package", attempt.target.package.path),
        **path_fields("member", header.member_path),
        **path_fields("origin", header.origin),
        "difference": {kind.value: counts[kind] for kind in Kind},
        "changes": listed,
    }


def _change_fields(change: Change) -> Fields:
    return {
        "change": change.kind,
        **path_fields("path", change.path),
        "old_size": change.old_size,
        "new_size": change.new_size,
    }
