"""Table of files and bytes per role, as lines and JSON fields."""

from collections.abc import Iterator, Sequence

from qa2pack.manifest.format.header import Total
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.role import Role
from qa2pack.pack.terminal.style import Style

_README = "README"
_ITSELF = "."
_MOST_FOLDERS = 20
_ROW = "  {:<12} {:>12} {:>10} {:>22}"


def totals_lines(totals: Sequence[Total], style: Style, roles: Sequence[Role], role: str = "") -> Iterator[str]:
    """Yield the table with all roles in order, also those without files; or only the row of one role.

    Without roles it has the first folders of the member, of which many are summed up.
    """
    yield style.bold(_ROW.format("role" if roles else "folder", "files", "size", "bytes"))
    known = {total.role: total for total in totals}
    for name in (role,) if role else (*(one.name for one in roles), ""):
        total = known.pop(name, Total(name, 0, 0))
        if name or roles or total.file_count:
            yield _row(name or (_README if roles else _ITSELF), total.file_count, total.byte_count)
    others = [] if role else list(known.values())
    yield from (_row(total.role, total.file_count, total.byte_count) for total in others[:_MOST_FOLDERS])
    if more := others[_MOST_FOLDERS:]:
        yield _row(f"{len(more):,} more", *_sum(more))
    if not role:
        yield style.bold(_row("total", *_sum(totals)))


def totals_fields(totals: Sequence[Total]) -> dict[str, object]:
    """Return files and bytes of each role and in total."""
    files, size = _sum(totals)
    return {
        "roles": {
            total.role or _README: {"file_count": total.file_count, "byte_count": total.byte_count}
            for total in totals
        },
        "file_count": files,
        "byte_count": size,
    }


def _row(name: str, files: int, size: int) -> str:
    return _ROW.format(name, f"{files:,}", human_bytes(size), f"{size:,}")


def _sum(totals: Sequence[Total]) -> tuple[int, int]:
    return sum(total.file_count for total in totals), sum(total.byte_count for total in totals)
