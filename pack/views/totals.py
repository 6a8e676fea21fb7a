"""Table of files and bytes per role, as lines and JSON fields."""

from collections.abc import Iterable, Iterator, Sequence

from qa2pack.manifest.alma.member_ids import Append, is_of_cycle0
from qa2pack.manifest.format.header import Header, Total
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.pack.terminal.style import Style

_README = "README"
_ITSELF = "."
NOT_IN_FOLDERS = (_README, _ITSELF)  # names of totals of files directly in the member
_MOST_FOLDERS = 20
_ROW = "  {:<12} {:>12} {:>10} {:>22}"


def named_totals(totals: Iterable[Total], header: Header) -> Iterator[Total]:
    """Yield the totals under the names that are shown: files directly in the member are README, or in `.`."""
    for total in totals:
        if total.role:
            yield total
        elif not _has_readme(header):
            yield Total(_ITSELF, total.file_count, total.byte_count)
        elif not header.readme or total.file_count < 2:
            yield Total(_README, total.file_count, total.byte_count)
        else:
            yield Total(_README, 1, len(header.readme))
            yield Total(_ITSELF, total.file_count - 1, total.byte_count - len(header.readme))


def _has_readme(header: Header) -> bool:
    """Return whether members have a README; the plan of a renaming is of several, and has none of its own."""
    is_renaming = header.append is Append.RENAME and is_of_cycle0(header.member)
    return bool(header.readme) or header.is_of_unknown_layout or is_renaming


def totals_lines(totals: Sequence[Total], style: Style, header: Header, role: str = "") -> Iterator[str]:
    """Yield the table with all roles in order, also those without files; or only the row of one role.

    Without roles it has the first folders of the member, of which many are summed up.
    """
    roles = roles_of(header)
    yield style.bold(_ROW.format("role" if roles else "folder", "files", "size", "bytes"))
    known = {total.role: total for total in named_totals(totals, header)}
    top = NOT_IN_FOLDERS if _has_readme(header) else (_ITSELF,)
    for name in (role,) if role else (*(one.name for one in roles), *top):
        total = known.pop(name, Total(name, 0, 0))
        if total.file_count or role or (roles and name != _ITSELF):
            yield _row(name, total.file_count, total.byte_count)
    others = [] if role else list(known.values())
    yield from (_row(total.role, total.file_count, total.byte_count) for total in others[:_MOST_FOLDERS])
    if more := others[_MOST_FOLDERS:]:
        yield _row(f"{len(more):,} more", *_sum(more))
    if not role:
        yield style.bold(_row("total", *_sum(totals)))


def totals_fields(totals: Sequence[Total], header: Header) -> dict[str, object]:
    """Return files and bytes of each role and in total."""
    files, size = _sum(totals)
    return {
        "roles": {
            total.role: {"file_count": total.file_count, "byte_count": total.byte_count}
            for total in named_totals(totals, header)
        },
        "file_count": files,
        "byte_count": size,
    }


def _row(name: str, files: int, size: int) -> str:
    return _ROW.format(name, f"{files:,}", human_bytes(size), f"{size:,}")


def _sum(totals: Sequence[Total]) -> tuple[int, int]:
    return sum(total.file_count for total in totals), sum(total.byte_count for total in totals)
