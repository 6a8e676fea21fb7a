"""View of `pack report`: path and size of the page that was written."""

from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.humanize import counted, human_bytes, utc_time
from qa2pack.manifest.path import shown
from qa2pack.pack.audit.last import LastAudit
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.report.make import Written
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.view import View


def report_view(written: Written, target: Target) -> View:
    """Return the view of a page."""
    return View(
        lines=partial(_lines, written),
        fields=lambda: {
            **path_fields("package", target.package.path),
            **path_fields("report", written.path),
            **(path_fields("members", written.folder) if written.folder else {"members": None}),
            "page_count": written.page_count,
            "byte_count": written.byte_count,
            "picture_count": written.picture_count,
            "picture_file_count": written.picture_file_count,
            "problem_count": written.problem_count,
            "audit": _audit_fields(written.audit),
        },
        code=Exit.PROBLEMS if written.problem_count else Exit.DONE,
    )


def _audit_fields(audit: LastAudit | None) -> Fields | None:
    if audit is None:
        return None
    return {
        **path_fields("catalogue", audit.catalogue),
        "standing": audit.standing,
        "verified_at": None if audit.verified_ns is None else utc_time(audit.verified_ns),
        "problem_count": audit.problem_count,
    }


def _lines(written: Written, style: Style) -> Iterator[str]:
    pages = f"{written.page_count:,} linked pages" if written.page_count > 1 else "one page"
    if written.picture_file_count:
        pages += f" and {counted(written.picture_file_count, 'picture')}"
    yield f"{style.good('Written')}: {human_bytes(written.byte_count)}, {pages} for any browser, in"
    yield f"  {shown(written.path)}"
    if written.folder:
        yield f"  {shown(written.folder)}/"
    if written.problem_count:
        problems = counted(written.problem_count, "problem")
        yield style.bad(f"The package is not as packaged: {problems}; the page lists them.")
