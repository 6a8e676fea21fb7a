"""View of `pack export`: paths of what was written, and how to check it."""

from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.verify.checksum_lists import ALGORITHMS
from qa2pack.pack.export.make import Written
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.lost_members import lost_notes
from qa2pack.pack.views.view import Listing, View

_CHECKS = {
    "xxhsum": "xxhsum -c {}",
    "md5sum": "md5sum -c {}",
    "sha256sum": "sha256sum -c {}",
    "bagit": "bagit.py --validate {}",
}


def export_view(written: Written | Listing, target: Target) -> View | Listing:
    """Return the view of an export; a list for stdout is printed as it is."""
    if isinstance(written, Listing):
        return written
    return View(
        lines=partial(_lines, written, target.package),
        fields=lambda: {
            **path_fields("package", target.package.path),
            "file_count": written.file_count,
            "written": [{"format": place.format, **path_fields("path", place.path)} for place in written.places],
            "lost_problems": problem_fields(written.lost),
        },
        notes=tuple(lost_notes(written.lost)),
    )


def _lines(written: Written, package: Package, style: Style) -> Iterator[str]:
    for place in written.places:
        yield f"{style.good('Written')}: {counted(written.file_count, 'file')} of {shown(package.project)} in"
        yield f"  {shown(place.path)}"
    if any(place.format in _CHECKS for place in written.places):
        yield "To check it:"
    if any(place.format in ALGORITHMS or place.format == "xxhsum" for place in written.places):
        yield f"  cd {quoted(package.parent)}"
    for place in written.places:
        if place.format in _CHECKS:
            yield f"  {_CHECKS[place.format].format(quoted(place.path))}"
