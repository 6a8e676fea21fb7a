"""Obstacles around a new package: an enclosing package, and foreign files with the names of those written beside it.

Both would be damaged silently: an enclosing package would not be a valid package any more, and files with the names
of the ticket files, or of others that the layout writes there, would be replaced. Read-only.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator

from qa2pack.manifest.alma.control_folder import ENDING, is_control, name_too_long
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL, is_group
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, manifest_names
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.format.written import BesideFile
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import is_file, is_plain_file, real_path, status_of
from qa2pack.manifest.layout.roles import has_ticket_files
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem


def enclosing_package(package: Package) -> bytes | None:
    """Return the innermost package, or control folder of one, that the package would lie in, or be.

    A package may be called as a control folder is: then it has one itself.
    """
    path = real_path(package.path)
    if is_control(path) and not is_control(path + ENDING):
        return path
    folder = real_path(package.parent)
    while folder != os.path.dirname(folder):
        if is_package(folder) or is_control(folder):
            return folder
        folder = os.path.dirname(folder)
    return None


def ticket_obstacles(package: Package) -> Iterator[Problem]:
    """Yield what keeps a ticket file from its place: something there that is no file, or the name's length."""
    for path in package.tickets:
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            yield name_too_long(path)
            continue
        if not stat.S_ISREG(mode):
            yield Problem(Code.TICKET_IN_THE_WAY, path, found=kind_in_words(mode))


def foreign_tickets(package: Package, opened: OpenedFiles) -> Iterator[Problem]:
    """Yield a problem for each file with the name of a ticket file that no packaging program wrote."""
    if _has_made_members(package, opened):
        return
    for path in package.tickets:
        if is_plain_file(path) and not _comes_from_packaging(path):
            yield Problem(Code.TICKET_IN_THE_WAY, path, found="a file that does not come from packaging")


def taken_beside(
    package: Package, state: PackageState, beside: Iterable[BesideFile], opened: OpenedFiles
) -> Iterator[Problem]:
    """Yield a problem for each file beside the package that is in the way of one that is written there."""
    headers = (opened.peek_header(path, StreamKind.MANIFEST) for path in state.manifests.values())
    known = {file.name for header in headers for file in header.beside}
    for name in (file.name for file in beside):
        path = join(package.parent, name)
        status = status_of(path)
        if path in (package.path, package.control, *package.tickets):
            yield Problem(Code.BESIDE_TAKEN, path, found="a name that the package has for itself")
        elif status is not None and (name not in known or not stat.S_ISREG(status.st_mode)):
            yield Problem(Code.BESIDE_TAKEN, path, found=kind_in_words(status.st_mode))


def is_package(folder: bytes) -> bool:
    """Return whether a folder is a package, by its groups or its manifests."""
    if manifest_names(Package(folder)):
        return True
    try:
        return any(map(is_group, os.listdir(join(folder, SCIENCE_GOAL))))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _has_made_members(package: Package, opened: OpenedFiles) -> bool:
    """Return whether a member was made by this program with ticket files, which it writes both each time."""
    return any(_is_of_made_member(join(package.manifests, name), opened) for name in manifest_names(package))


def _is_of_made_member(manifest: bytes, opened: OpenedFiles) -> bool:
    try:
        header = opened.peek_header(manifest, StreamKind.MANIFEST)
        return not header.is_adopted and has_ticket_files(header)
    except StreamError:
        return True  # damaged; reported where the manifest is needed


def _comes_from_packaging(path: bytes) -> bool:
    from qa2pack.manifest.alma.ticket_file import (
        is_ticket_file,  # slow to import, and rarely needed
    )

    return is_ticket_file(path)


_TICKET_ENDINGS = (b".ticket.tar", b".ticket.zip")


def no_package(package: Package, state: PackageState) -> Problem:
    """Return the problem of a path that is not a package."""
    if state.standing is DestinationKind.ABSENT:
        return Problem(Code.PACKAGE_MISSING, package.path)
    owner = _owner(package)
    if owner is not None:
        return Problem(Code.PART_OF_PACKAGE, package.path, found=f"a part of {os.fsdecode(owner)}")
    if package.path.endswith(b".manifest") and is_file(package.path):
        return Problem(Code.PART_OF_PACKAGE, package.path, found="a manifest")
    found = "something else" if state.standing is DestinationKind.FOREIGN else ""
    return Problem(Code.PACKAGE_MISSING, package.path, found=found)


def renamed_by_hand(package: Package, header: Header) -> Iterator[Problem]:
    """Yield a problem, with the path of the old name, if a plan or manifest is of a package of another name."""
    if header.project != package.project:
        yield Problem(Code.PACKAGE_RENAMED, join(package.parent, header.project), found=os.fsdecode(package.project))


def swapped_paths(origin: bytes, state: PackageState) -> Problem | None:
    """Return a problem if a package was given as the origin, and an existing other folder as the package."""
    if state.standing is DestinationKind.FOREIGN and is_package(origin):
        return Problem(Code.SWAPPED, origin, found="a package")
    return None


def _owner(package: Package) -> bytes | None:
    """Return the package that the path belongs to."""
    if is_control(package.path):
        return package.path.removesuffix(ENDING)
    for ending in _TICKET_ENDINGS:
        owner = Package(package.path.removesuffix(ending))
        if owner != package and (is_package(owner.path) or is_control(owner.control)):
            return owner.path
    around = enclosing_package(package)
    return around.removesuffix(ENDING) if around is not None else None
