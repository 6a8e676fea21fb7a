"""HTML rendering of the report: each page self-contained, from one template; see `pack.views.html_page`."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from qa2pack.executor.transaction.history import History
from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.problem import Problem
from qa2pack.pack import PROGRAM
from qa2pack.pack.audit.last import LastAudit
from qa2pack.pack.report.bundles import Bundle
from qa2pack.pack.report.deliveries import Delivery
from qa2pack.pack.report.embed import OF_ALL_MEMBERS, PICTURE_BYTES, TEXT_BYTES, Limits
from qa2pack.pack.report.members import Group, Part, first_groups, problem_groups
from qa2pack.pack.report.sheets import Sheet
from qa2pack.pack.views.html_page import page_style, page_template
from qa2pack.pack.views.log import what_was_done

if TYPE_CHECKING:
    from jinja2 import Template

MOST_ROWS = 2000
NO_HISTORY = History((), ())
MARK = b'<!DOCTYPE html>\n<html lang="en" data-made-by="qa2pack report">'  # a report is recognised by it


@dataclass(frozen=True, slots=True)
class Verified:
    """Result of verifying the package; `at_ns` is the time, ns since the epoch."""

    problems: tuple[Problem, ...]
    is_full: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Link:
    """A row of an index: the page of a member, or a list of such rows, and what is on it."""

    href: str
    name: str
    file_count: int
    byte_count: int
    bundle_count: int
    picture_count: int
    signature: str
    problem_count: int
    fault: str
    member_count: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """Content of a page; its texts are printable, but not yet escaped for HTML.

    Attributes:
        members: those whose sections are on it.
        audit: the last one; None where no catalogue has the package.
        most: rows of each list that is of no member; the others are counted.
        links: of an index, the pages of all members; no section is on it then.
        index: of a page that is not the first, where the one is that links to it; empty otherwise.
        sheet: of a page of pictures or texts alone, these; the page that links to it has the section of the member.
        limits: how much of pictures and texts is shown.
    """

    project: str
    path: str
    verified: Verified
    members: tuple[Part, ...]
    history: History
    deliveries: tuple[Delivery, ...]
    audit: LastAudit | None = None
    most: int = MOST_ROWS
    links: tuple[Link, ...] = ()
    index: str = ""
    sheet: Sheet | None = None
    limits: Limits = OF_ALL_MEMBERS

    @property
    def member_count(self) -> int:
        """Members on the page or linked from it."""
        return len(self.members) + sum(link.member_count for link in self.links)

    @property
    def file_count(self) -> int:
        """Files of all members."""
        return sum(member.file_count for member in self._all)

    @property
    def byte_count(self) -> int:
        """Bytes of all members."""
        return sum(member.byte_count for member in self._all)

    @property
    def groups(self) -> Sequence[Group]:
        """The problems, grouped by code."""
        return first_groups(tuple(problem_groups(self.verified.problems)), self.most)

    @property
    def _all(self) -> tuple[Part | Link, ...]:
        return (*self.members, *self.links)

    @property
    def picture_count(self) -> int:
        """Pictures that the page shows, or those that it links to."""
        return sum(len(member.pictures) for member in self.members) + sum(link.picture_count for link in self.links)


def render_page(page: Page) -> bytes:
    """Return the page."""
    return "".join(_pieces(page)).encode()


def render_within(page: Page, room: int) -> bytes | None:
    """Return the page if it has at most so many bytes; else None, without rendering more of it."""
    pieces, left = [], room
    for piece in _pieces(page):
        data = piece.encode()
        left -= len(data)
        if left < 0:
            return None
        pieces.append(data)
    return b"".join(pieces)


def _pieces(page: Page) -> Iterator[str]:
    style, digest = page_style()
    return _template().generate(
        page=page,
        style=style,
        style_digest=digest,
        program=PROGRAM,
        picture_bytes=PICTURE_BYTES,
        text_bytes=min(TEXT_BYTES, page.limits.text_bytes),
    )


def bundle_state(bundle: Bundle, is_full: bool) -> str:
    """Return in words how a bundle was found."""
    if bundle.is_placeholder:
        return "a placeholder"
    if bundle.damaged_count:
        return f"{counted(bundle.damaged_count, 'file')} not as packaged"
    if bundle.is_damaged:
        return "not as packaged"
    return "as packaged" if is_full else "its size is as packaged"


@cache
def _template() -> "Template":
    return page_template("report.html.jinja", {"done": what_was_done, "member": member_words, "state": bundle_state})
