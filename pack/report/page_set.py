"""Pages of a package of many members: one for each member in a folder, and an index that links to them.

Of very many members, the index links to lists of them, which are pages in the folder as well.

The pages of each report have names of their own, by its time. The index is replaced when all of them are on disk, so
it always links to a whole set. Pages of earlier reports are removed after that; all other files in the folder stay.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
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
from qa2pack.pack.report.members import Part, trimmed
from qa2pack.pack.report.page import MARK, MOST_ROWS, NO_HISTORY, Link, Page, Verified, render_page

MOST_ON_ONE_PAGE = 20
PAGE_BYTES = 2_000_000
LISTS_BYTES = 1_500_000
MOST_LINKS = 500  # of members on one page; with the longest names they take 1.2 MB
_NAME = re.compile(rb"[0-9]{4,}\.([0-9]+)\.html(" + re.escape(PARTIAL) + rb")?")


@dataclass(frozen=True, slots=True)
class Total:
    """What was written: pages with the index, their bytes, and the pictures on them."""

    page_count: int
    byte_count: int
    picture_count: int


def folder_of_pages(output: bytes, package: Package) -> bytes:
    """Return the folder of the pages of members; it may not exist. Reports of two names never have the same one.

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


def whole_page(page: Page) -> bytes:
    """Return the page of all members; its pictures and texts have their own limits, all else takes LISTS_BYTES."""
    return _bounded(page, lambda shown: LISTS_BYTES + shown.embedded_bytes)


def write_page_set(
    disk: Disk, output: bytes, folder: bytes, whole: Page, parts: Iterable[tuple[Part, Verified]]
) -> Total:
    """Write a page for each part, one at a time, and then the index; remove the pages of earlier reports.

    Args:
        whole: the page without members.

    Raises:
        OSError: the disk fails. An earlier report stays as it was, and nothing of this one is left.
    """
    with suppress(FileExistsError):
        disk.mkdir(folder)
    written = _Written(disk, output, folder, whole.verified.at_ns)
    on_page = replace(whole, audit=None, deliveries=(), history=NO_HISTORY)
    try:
        links = [written.member(replace(on_page, verified=verified), part, verified) for part, verified in parts]
        if len(links) > MOST_LINKS:
            links = [written.list_of(on_page, batch) for batch in _batches(links)]
        index = replace(whole, links=tuple(links))
        data = _bounded(index, lambda _: PAGE_BYTES)
        write_output(disk, output, [data], is_replacing=True)
    except BaseException:
        _remove(disk, folder, lambda time_ns: time_ns == whole.verified.at_ns)
        raise
    remove_earlier(disk, folder, whole.verified.at_ns)
    return Total(written.page_count + 1, written.byte_count + len(data), index.picture_count)


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


def _bounded(page: Page, room: Callable[[Page], int]) -> bytes:
    """Return the page with so many rows of each kind that it has room."""
    most, shown = MOST_ROWS, page
    data = render_page(shown).encode()
    while len(data) > room(shown) and most:
        most //= 2
        shown = replace(page, most=most, members=tuple(trimmed(part, most) for part in page.members))
        data = render_page(shown).encode()
    return data


def _batches(links: Sequence[Link]) -> Iterator[Sequence[Link]]:
    return (links[start : start + MOST_LINKS] for start in range(0, len(links), MOST_LINKS))


class _Written:
    """The pages in the folder, each written as soon as it is made."""

    def __init__(self, disk: Disk, output: bytes, folder: bytes, time_ns: int) -> None:
        self.page_count = 0
        self.byte_count = 0
        self._disk = disk
        self._index = f"../{quote(os.path.basename(output))}"
        self._folder = folder
        self._time_ns = time_ns
        self._listed_count = 0

    def member(self, page: Page, part: Part, verified: Verified) -> Link:
        """Write the page of a member; of what does not fit on it the first rows are listed, the others counted."""
        return Link(
            href=self._write(replace(page, members=(part,))),
            name=part.name,
            file_count=part.file_count,
            byte_count=part.byte_count,
            bundle_count=len(part.bundles),
            picture_count=sum(bool(picture.uri) for picture in part.pictures),
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
        return Link(
            href=self._write(replace(page, links=beside)),
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

    def _write(self, page: Page) -> str:
        """Write a page, and return its address from the index."""
        self.page_count += 1
        name = b"%04d.%d.html" % (self.page_count, self._time_ns)
        data = _bounded(replace(page, index=self._index), lambda _: PAGE_BYTES)
        write_output(self._disk, join(self._folder, name), [data], is_replacing=False)
        self.byte_count += len(data)
        return f"{quote(os.path.basename(self._folder))}/{name.decode()}"


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
        if match and is_wanted(int(match[1])) and (match[2] or is_report(join(folder, name))):
            yield join(folder, name)
