"""The shelf as one HTML page: what is wrong first, then every package with its size, maker, state and report.

Rows are rendered as they are read from the catalogue. See `pack.views.html_page`.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import is_plain_file
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack import PROGRAM
from qa2pack.pack.audit.catalogue import Catalogue
from qa2pack.pack.audit.shelved import Finding, Shelved, Standing, Summary
from qa2pack.pack.audit.stock import failed_folders
from qa2pack.pack.views.html_page import page_style, page_template

if TYPE_CHECKING:
    from jinja2 import Template

MARK = b'<!DOCTYPE html>\n<html lang="en" data-made-by="qa2pack audit">'  # a page that may be replaced begins so
_BUFFERED_PIECES = 1000
_MOST_FOLDERS = 1000  # that could not be searched
_DAY_NS = 86_400 * 10**9

STANDING_WORDS = {
    Standing.GOOD: "as packaged",
    Standing.UNVERIFIED: "not verified yet",
    Standing.PROBLEMS: "not as packaged",
    Standing.FAILED: "could not be verified",
    Standing.GONE: "gone",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A package on the page.

    Attributes:
        name: of its folder.
        folder: the one that holds it.
        report: address of its report page, relative to this page; empty if there is none.
        share: its size, of the largest package, in percent.
        age: since it was verified, in words; empty if it never was.
        findings: only of packages that are wrong.
    """

    package: Shelved
    name: str
    folder: str
    report: str
    share: float
    age: str
    findings: tuple[Finding, ...] = ()

    @property
    def more_count(self) -> int:
        """Problems that the catalogue does not hold."""
        return max(self.package.problem_count - len(self.findings), 0)


def page_blocks(
    roots: tuple[bytes, ...],
    summary: Summary,
    catalogue: Catalogue,
    unsearched: Sequence[Problem],
    *,
    path: bytes,
    now_ns: int,
) -> Iterator[bytes]:
    """Return the page in pieces.

    Args:
        unsearched: folders that could not be searched.
        path: where the page will be.
    """
    style, digest = page_style()
    largest = max((package.byte_count for package in catalogue.shelf()), default=0)
    maker = _Rows(catalogue, os.path.dirname(path), largest, now_ns)
    stream = _template().stream(
        roots=[shown(root) for root in roots],
        summary=summary,
        failed_count=len(failed_folders(unsearched)),
        unsearched=[(problem.path, problem.details[1]) for problem in unsearched],
        most_folders=_MOST_FOLDERS,
        words=STANDING_WORDS,
        wrong=(maker.row(package, has_findings=True) for package in catalogue.wrong()),
        rows=(maker.row(package) for package in catalogue.shelf()),
        now_ns=now_ns,
        style=style,
        style_digest=digest,
        program=PROGRAM,
    )
    stream.enable_buffering(_BUFFERED_PIECES)
    return (block.encode() for block in stream)


@dataclass(frozen=True, slots=True)
class _Rows:
    catalogue: Catalogue
    page_folder: bytes
    largest_bytes: int
    now_ns: int

    def row(self, package: Shelved, *, has_findings: bool = False) -> Row:
        """Return the row of a package."""
        return Row(
            package,
            shown(os.path.basename(package.path)),
            shown(os.path.dirname(package.path)),
            self._report(package),
            round(100 * package.byte_count / self.largest_bytes, 2) if self.largest_bytes else 0,
            "" if package.verified_ns is None else age_words(self.now_ns - package.verified_ns),
            tuple(self.catalogue.findings(package.number)) if has_findings else (),
        )

    def _report(self, package: Shelved) -> str:
        report = package.path + b".report.html"
        try:
            is_there = is_plain_file(report)
        except OSError:
            return ""
        return "./" + quote(os.path.relpath(report, self.page_folder)) if is_there else ""


def age_words(age_ns: int) -> str:
    """Return how long ago something was: today, or in days."""
    days = age_ns // _DAY_NS
    return f"{counted(days, 'day')} ago" if days > 0 else "less than a day ago"


@cache
def _template() -> "Template":
    return page_template("audit.html.jinja")
