"""Pages of a report, none larger than 2 MB: one if all fits on it, else several, of which the others are in a folder.

Of one member, pictures and texts for which its page has no room are on further pages. Of several members there is an
index, which links to a page for each; of very many it links to lists of them.

The pages of each report have names of their own, by its time. The index, or the page of the one member, is replaced
when all of them are on disk, so it always links to a whole set. Pages of earlier reports are removed after that; all
other files in the folder stay.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import quote

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.output_file import PARTIAL, write_output
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.protected_paths import protected_place
from qa2pack.pack.report.embed import Picture
from qa2pack.pack.report.members import Further, Part, trimmed
from qa2pack.pack.report.page import MARK, MOST_ROWS, NO_HISTORY, Link, Page, Verified, render_page, render_within
from qa2pack.pack.report.sheets import PAGE_BYTES, Sheet, placed, without_too_large

MOST_ON_ONE_PAGE = 20
LISTS_BYTES = 1_500_000  # of a page of a member whose pictures and texts do not all fit
_LINKS_BYTES = 50_000  # of such a page, for its links to further pages
MOST_LINKS = 500  # of members on one page; with the longest names they take 1.2 MB
# A page is recognised by its mark as well, a picture by its name alone.
_NAME = re.compile(rb"[0-9]{4,}\.(?:([0-9]+)\.html|([0-9]{19})\.(?:png|jpeg|gif))(" + re.escape(PARTIAL) + rb")?")


@dataclass(frozen=True, slots=True)
class Total:
    """What was written: pages with the first, pictures that are files, their bytes, and the pictures on the pages."""

    page_count: int
    byte_count: int
    picture_count: int
    picture_file_count: int = 0


def folder_of_pages(output: bytes, package: Package) -> bytes:
    """Return the folder of all pages but the first; it may not exist. Reports of two names never have the same one.

    Raises:
        Refused: the place is protected, or something else is there.
    """
    folder = output.removesuffix(b".html") + b"_members" if output.endswith(b".html") else output + b".members"
    if kept := protected_place(folder, package):
        raise Refused(Problem(Code.OUTPUT_PROTECTED, folder, found=f"a place in {kept}"))
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise Refused(Problem(Code.OUTPUT_EXISTS, folder, "a folder", "something else"))
    return folder


def one_page(page: Page) -> bytes | None:
    """Return the page of all members with all there is to show; None if it would be too large."""
    return render_within(page, PAGE_BYTES)


def write_member(disk: Disk, output: bytes, folder: bytes, page: Page) -> Total:
    """Write the page of the only member, and before it what it has no room for; remove the pages of earlier reports.

    Raises:
        OSError: the disk fails. An earlier report stays as it was, and nothing of this one is left.
    """
    with _written(disk, output, folder, page.verified.at_ns) as written:
        return written.first(written.with_sheets(page, written.first_page, written.folder), page.picture_count)


def write_page_set(
    disk: Disk, output: bytes, folder: bytes, whole: Page, parts: Iterable[tuple[Part, Verified]]
) -> Total:
    """Write a page for each part, one at a time, and then the index; remove the pages of earlier reports.

    Args:
        whole: the page without members.

    Raises:
        OSError: the disk fails. An earlier report stays as it was, and nothing of this one is left.
    """
    with _written(disk, output, folder, whole.verified.at_ns) as written:
        on_page = replace(whole, index=written.first_page, audit=None, deliveries=(), history=NO_HISTORY)
        links = [written.member(replace(on_page, verified=verified), part, verified) for part, verified in parts]
        if len(links) > MOST_LINKS:
            links = [written.list_of(on_page, batch) for batch in _batches(links)]
        index = replace(whole, links=tuple(links))
        return written.first(_bounded(index, PAGE_BYTES)[1], index.picture_count)


@contextmanager
def _written(disk: Disk, output: bytes, folder: bytes, time_ns: int) -> "Iterator[_Written]":
    with suppress(FileExistsError):
        disk.mkdir(folder)
    try:
        yield _Written(disk, output, folder, time_ns)
    except BaseException:
        _remove(disk, folder, lambda found_ns: found_ns == time_ns)
        raise
    remove_earlier(disk, folder, time_ns)


def remove_earlier(disk: Disk, folder: bytes, before_ns: int) -> None:
    """Remove the pages of earlier reports, and the folder if nothing else is in it."""
    _remove(disk, folder, lambda time_ns: time_ns < before_ns)


def is_report(path: bytes) -> bool:
    """Return whether a file is a page of this program."""
    try:
        with opened_control(path) as file:
            return file.read(len(MARK)) == MARK
    except ControlFileError:
        return False


def _bounded(page: Page, room: int) -> tuple[Page, bytes]:
    """Return the page with so many rows of each kind that it has room."""
    most, shown = MOST_ROWS, page
    while (data := render_within(shown, room)) is None and most:
        most //= 2
        shown = replace(page, most=most, members=tuple(trimmed(part, most) for part in page.members))
    return shown, render_page(shown) if data is None else data


def _batches(links: Sequence[Link]) -> Iterator[Sequence[Link]]:
    return (links[start : start + MOST_LINKS] for start in range(0, len(links), MOST_LINKS))


class _Written:
    """The pages in the folder, each written as soon as it is made.

    Attributes:
        first_page: address of the index, or of the page of the one member, from the folder.
        folder: address of the folder from there.
    """

    def __init__(self, disk: Disk, output: bytes, folder: bytes, time_ns: int) -> None:
        self.first_page = f"../{quote(os.path.basename(output))}"
        self.folder = f"{quote(os.path.basename(folder))}/"
        self._disk = disk
        self._output = output
        self._path = folder
        self._time_ns = time_ns
        self._file_count = 0
        self._picture_file_count = 0
        self._byte_count = 0
        self._listed_count = 0

    def first(self, data: bytes, picture_count: int) -> Total:
        """Write the page that leads to all others, which are on disk."""
        write_output(self._disk, self._output, [data], is_replacing=True)
        page_count = self._file_count - self._picture_file_count + 1
        return Total(page_count, self._byte_count + len(data), picture_count, self._picture_file_count)

    def with_sheets(self, page: Page, address: str, folder: str = "") -> bytes:
        """Return the page of a member. What it has no room for is written before, on pages that it links to.

        Of its other lists the first rows are on it, if all would take too much, and the others are counted.

        Args:
            address: of the page, from the folder.
            folder: address of the folder, from the page.
        """
        if (whole := render_within(page, PAGE_BYTES)) is not None:
            return whole
        part, large = without_too_large(page.members[0])
        files = tuple(Further(folder + self._write_picture(picture), picture.path) for picture in large)
        bare = replace(part, pictures=(), texts=(), picture_files=files)
        shown, data = _bounded(replace(page, members=(bare,)), LISTS_BYTES)
        here, sheets = placed(part, PAGE_BYTES - _LINKS_BYTES - len(data))
        links = self._write_sheets(replace(page, members=(Part(part.name),), index=address), sheets)
        further = [(Further(folder + name, sheet.title), sheet) for name, sheet in zip(links, sheets, strict=True)]
        section = replace(
            shown.members[0],
            pictures=here.pictures,
            more_pictures=tuple(link for link, sheet in further if sheet.pictures),
            texts=here.texts,
            more_texts=tuple(link for link, sheet in further if sheet.texts),
        )
        return render_page(replace(shown, members=(section,)))

    def member(self, page: Page, part: Part, verified: Verified) -> Link:
        """Write the page of a member, and the pages of what it has no room for."""
        name = self._next_name()
        self._write(name, self.with_sheets(replace(page, members=(part,)), name))
        return Link(
            href=self.folder + name,
            name=part.name,
            file_count=part.file_count,
            byte_count=part.byte_count,
            bundle_count=len(part.bundles),
            picture_count=len(part.pictures),
            signature=part.signature,
            problem_count=len(verified.problems),
            fault=part.fault,
        )

    def list_of(self, page: Page, links: Sequence[Link]) -> Link:
        """Write a page that links to some of the members, from the same folder."""
        beside = tuple(replace(link, href=link.href.rpartition("/")[2]) for link in links)
        first = self._listed_count + 1
        self._listed_count += len(links)
        fault_count = sum(bool(link.fault) for link in links)
        name = self._next_name()
        self._write(name, _bounded(replace(page, links=beside), PAGE_BYTES)[1])
        return Link(
            href=self.folder + name,
            name=f"{first:,} to {self._listed_count:,}: {links[0].name} to {links[-1].name}",
            file_count=sum(link.file_count for link in links),
            byte_count=sum(link.byte_count for link in links),
            bundle_count=sum(link.bundle_count for link in links),
            picture_count=sum(link.picture_count for link in links),
            signature="",
            problem_count=sum(link.problem_count for link in links),
            fault=f"{counted(fault_count, 'member')} cannot be shown" if fault_count else "",
            member_count=len(links),
        )

    def _write_sheets(self, page: Page, sheets: Sequence[Sheet]) -> Sequence[str]:
        """Write a page for each sheet, with links to the pages before and after it, and return their names."""
        names = [self._next_name() for _ in sheets]
        around = zip(["", *names], [*names[1:], ""], strict=False)
        for name, sheet, (before, after) in zip(names, sheets, around, strict=False):
            self._write(name, render_page(replace(page, sheet=replace(sheet, before=before, after=after))))
        return names

    def _write_picture(self, picture: Picture) -> str:
        """Write a picture as a file, and return its name."""
        name = self._next_name(picture.kind)
        self._picture_file_count += 1
        self._write(name, picture.content)
        return name

    def _next_name(self, suffix: str = "html") -> str:
        self._file_count += 1
        return f"{self._file_count:04}.{self._time_ns}.{suffix}"

    def _write(self, name: str, data: bytes) -> None:
        write_output(self._disk, join(self._path, name.encode()), [data], is_replacing=False)
        self._byte_count += len(data)


def _remove(disk: Disk, folder: bytes, is_wanted: Callable[[int], bool]) -> None:
    for path in _pages_in(folder, is_wanted):
        with suppress(FileNotFoundError):  # another report has removed it
            disk.unlink(path)
    with suppress(OSError):  # it is not there, or other files are in it
        disk.rmdir(folder)


def _pages_in(folder: bytes, is_wanted: Callable[[int], bool]) -> Iterator[bytes]:
    """Yield the pages, and those that a report was stopped at, of the times that are wanted."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        match = _NAME.fullmatch(name)
        if match and is_wanted(int(match[1] or match[2])) and (match[2] or match[3] or is_report(join(folder, name))):
            yield join(folder, name)
