"""View of `pack diff`: the changes that a new plan would make."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.diff import Change, Kind
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import shown
from qa2pack.manifest.plan.plan import Plan
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.jobs.diff import Difference
from qa2pack.pack.target import quoted
from qa2pack.pack.terminal.style import Style, folded, unbroken
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.view import View

_SIGNS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~"}


def diff_view(difference: Difference, attempt: Attempt) -> View:
    """Return the view of the changes; the difference is closed when it is printed."""
    return View(
        lines=partial(_all_lines, difference, attempt),
        fields=lambda: _fields(attempt, difference.manifest.header, difference.changes()),
        close=difference.close,
    )


def _all_lines(difference: Difference, attempt: Attempt, style: Style) -> Iterator[str]:
    yield from _lines(attempt, difference.manifest.header, difference.changes(), difference.member_count, style)
    yield from _left_out_lines(difference.manifest, difference.made)


def _lines(
    attempt: Attempt, header: Header, changes: Iterator[Change], member_count: int, style: Style
) -> Iterator[str]:
    counts: Counter[Kind] = Counter()
    yield style.bold(member_words(header.member))
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
    if member_count == 1:
        option, what = "", "To replace the package:"
    else:
        option, what = f" --replace-member {quoted(header.member)}", "To make this member again; the others stay:"
    yield f"Nothing has been changed. {what}"
    command = f"pack plan {attempt.origin} {attempt.target.quoted}{option} --mode {header.mode}"
    yield f"  {style.bold(command)}"


def _fields(attempt: Attempt, header: Header, changes: Iterator[Change]) -> Fields:
    counts: Counter[Kind] = Counter()
    listed = []
    for change in changes:
        counts[change.kind] += 1
        if change.kind is not Kind.UNCHANGED:
            listed.append(_change_fields(change))
    return {
        **path_fields("package", attempt.target.package.path),
        **path_fields("member", header.member),
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
