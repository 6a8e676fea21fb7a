"""The table of roles, files and bytes, as text and as fields for machines."""

from collections.abc import Iterator, Sequence

from qa2pack.manifest.alma.role import ROLES, Role
from qa2pack.manifest.format.header import Total
from qa2pack.manifest.humanize import human_bytes
from qa2pack.pack.terminal.style import Style

_README = "README"
_ROW = "  {:<12} {:>12} {:>10} {:>22}"


def totals_lines(totals: Sequence[Total], style: Style, role: Role | None = None) -> Iterator[str]:
    """Yield the table, every role in its order, those without files too; or the row of one role alone."""
    yield style.bold(_ROW.format("role", "files", "size", "bytes"))
    known = {total.role: total for total in totals}
    for name in (role,) if role else (*ROLES, ""):
        total = known.get(name, Total(name, 0, 0))
        yield _row(name or _README, total.file_count, total.byte_count)
    if not role:
        yield style.bold(_row("total", *_sum(totals)))


def totals_fields(totals: Sequence[Total]) -> dict[str, object]:
    """Return files and bytes of each role and in all."""
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
