"""What stands in a new package's way beside the package itself: another package around it, other files beside it.

Both would be damaged without a word: a package around it is none any more, and files with the names of the ticket
files would be replaced. Only looks.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL, is_group
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, manifest_names
from qa2pack.manifest.format.header import StreamKind, read_header
from qa2pack.manifest.format.stream import StreamError, peek_stream
from qa2pack.manifest.fs.presence import is_file, is_plain_file, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem

CONTROL_ENDING = b".pack"
_IN_CONTROL = (b"lock", b"plan", b"journal", b"manifests")


def enclosing_package(package: Package) -> bytes | None:
    """Return the innermost package, or control folder of one, that the package would lie in."""
    folder = os.path.realpath(package.parent)
    while folder != os.path.dirname(folder):
        if is_package(folder) or is_control(folder):
            return folder
        folder = os.path.dirname(folder)
    return None


def ticket_obstacles(package: Package) -> Iterator[Problem]:
    """Yield what stands where a ticket file goes and is no file: no new one can take its place."""
    for path in package.tickets:
        with suppress(FileNotFoundError):
            mode = os.lstat(path).st_mode
            if not stat.S_ISREG(mode):
                found = "a folder" if stat.S_ISDIR(mode) else "a link" if stat.S_ISLNK(mode) else "no file"
                yield Problem(Code.TICKET_IN_THE_WAY, path, found=found)


def foreign_tickets(package: Package) -> Iterator[Problem]:
    """Yield files where ticket files go that neither this program wrote nor one like it."""
    if _has_made_members(package):
        return
    for path in package.tickets:
        if is_plain_file(path) and not _comes_from_packaging(path):
            yield Problem(Code.TICKET_IN_THE_WAY, path, found="a file that does not come from packaging")


def is_package(folder: bytes) -> bool:
    """Tell whether a folder holds groups where a package has them."""
    try:
        return any(map(is_group, os.listdir(join(folder, SCIENCE_GOAL))))
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_control(folder: bytes) -> bool:
    """Tell whether a folder is the control folder of a package, whether or not that is there."""
    return folder.endswith(CONTROL_ENDING) and any(is_there(join(folder, name)) for name in _IN_CONTROL)


def _has_made_members(package: Package) -> bool:
    """Tell whether a member was made by this program, which writes both ticket files each time."""
    return any(_is_of_made_member(join(package.manifests, name)) for name in manifest_names(package))


def _is_of_made_member(manifest: bytes) -> bool:
    try:
        return not read_header(peek_stream(manifest), StreamKind.MANIFEST).is_adopted
    except StreamError:
        return True  # damaged, which is told where the manifest is needed


def _comes_from_packaging(path: bytes) -> bool:
    from qa2pack.manifest.alma.ticket_file import (
        is_ticket_file,  # loads slowly, and hardly any plan meets such a file
    )

    return is_ticket_file(path)


_TICKET_ENDINGS = (b".ticket.tar", b".ticket.zip")


def no_package(package: Package, state: PackageState) -> Problem:
    """Return the problem with a path where no package is."""
    if state.standing is DestinationKind.ABSENT:
        return Problem(Code.PACKAGE_MISSING, package.path)
    owner = _owner(package)
    if owner is not None:
        return Problem(Code.PART_OF_PACKAGE, package.path, found=f"a part of {os.fsdecode(owner)}")
    if package.path.endswith(b".manifest") and is_file(package.path):
        return Problem(Code.PART_OF_PACKAGE, package.path, found="a manifest")
    found = "something else" if state.standing is DestinationKind.FOREIGN else ""
    return Problem(Code.PACKAGE_MISSING, package.path, found=found)


def swapped_paths(origin: bytes, state: PackageState) -> Problem | None:
    """Return a problem if a package was named as the origin, and something else that is there as the package."""
    if state.standing is DestinationKind.FOREIGN and is_package(origin):
        return Problem(Code.SWAPPED, origin, found="a package")
    return None


def _owner(package: Package) -> bytes | None:
    """Return the package that the path belongs to."""
    if is_control(package.path):
        return package.path.removesuffix(CONTROL_ENDING)
    for ending in _TICKET_ENDINGS:
        owner = Package(package.path.removesuffix(ending))
        if owner != package and (is_package(owner.path) or is_control(owner.control)):
            return owner.path
    around = enclosing_package(package)
    return around.removesuffix(CONTROL_ENDING) if around is not None else None
