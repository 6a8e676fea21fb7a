"""Files of a plan by name, with their sources: the few that people know by name, or all of one role."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.path import shown
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.files import entry_fields, records_of
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.totals import totals_fields, totals_lines
from qa2pack.pack.views.view import View

_MOST_NAMED = 30  # of one role
_COLUMNS = 80


def named_lines(plan: Described, style: Style) -> Iterator[str]:
    """Yield the files of the roles whose files have names of their own, at most 30 of each role."""
    counts = {total.role: total.file_count for total in plan.notes.totals}
    for role in (role.name for role in roles_of(plan.header) if role.is_listed):
        count = counts.get(role, 0)
        if count:
            yield ""
            yield style.bold(f"{role}: {count:,}")
            yield from _file_lines(islice(_entries(plan, role), _MOST_NAMED), plan.header)
        if count > _MOST_NAMED:
            yield f"  and {count - _MOST_NAMED:,} more, which pack show --plan --role {role} lists"


def planned_file_fields(plan: Described, role: str = "") -> Iterator[Fields]:
    """Yield an object per file, with its source: relative to the origin, absolute if a link leads out of it."""
    texts = plan.header.texts
    for entry in _entries(plan, role):
        # These are written from the plan; what the origin may have of the same name is not their source.
        source = {"source": None} if entry.path in texts else path_fields("source", entry.source)
        yield {**entry_fields(entry), **source}


def planned_role_view(plan: Described, role: str, target: Target) -> View:
    """Return the view of the files of one role in the waiting plan."""
    return View(
        lines=partial(_role_lines, plan, role),
        fields=lambda: {
            **path_fields("package", target.package.path),
            **path_fields("member", plan.header.member),
            **path_fields("origin", plan.header.origin),
            **totals_fields([total for total in plan.notes.totals if total.role == role], plan.header),
            "files": list(planned_file_fields(plan, role)),
        },
    )


def _role_lines(plan: Described, role: str, style: Style) -> Iterator[str]:
    yield style.bold(f"Plan of {shown(plan.header.project)}, {member_words(plan.header.member)}")
    yield f"  origin   {shown(plan.header.origin)}"
    yield ""
    yield from _file_lines(_entries(plan, role), plan.header)
    yield ""
    yield from totals_lines(plan.notes.totals, style, plan.header, role)


def _entries(plan: Described, role: str) -> Iterator[Entry]:
    for record in records_of(plan.stream, role):
        yield from record.entries()


def _file_lines(entries: Iterator[Entry], header: Header) -> Iterator[str]:
    """Yield the path in the role's folder, and the source where the name changes or the layout writes the file."""
    texts, late = header.texts, header.late
    for entry in entries:
        line = f"  {shown(entry.path.partition(b'/')[2])}"
        if entry.path in texts:
            yield f"{line}  written last, size estimated" if entry.path in late else f"{line}  written by the layout"
            continue
        if entry.source.rpartition(b"/")[2] == entry.path.rpartition(b"/")[2]:
            yield line
            continue
        source = f"from {shown(entry.source)}"
        if len(line) + 2 + len(source) <= _COLUMNS:
            yield f"{line}  {source}"
        else:
            yield line
            yield f"      {source}"
