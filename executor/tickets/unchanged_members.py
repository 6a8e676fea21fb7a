"""Unchanged members: compares files of members that stay with their manifests before an append rewrites ticket files.

The ticket files are rewritten from the files of all members. A file that was changed in place since (a hard link
shares its content with the origin) would go into them, and no manifest would match their content. Read-only.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.executor.tickets.size import makes_tickets
from qa2pack.manifest.alma.absence import absence
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.path import is_within
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy, size_problem, unreadable
from qa2pack.manifest.quantity import Digest
from qa2pack.manifest.verify.remedies import DamagedMember, member_remedies

if TYPE_CHECKING:
    from qa2pack.executor.tickets.write import TicketFile


def check_staying(package: Package, header: Header, opened: OpenedFiles) -> None:
    """Refuse a plan that apply would refuse for what is changed in a member that stays.

    Raises:
        Refused: with all such files, and what to do for their members.
        StreamError, OSError: as `changed_in_tickets`.
    """
    problems = list(dict.fromkeys(changed_in_tickets(package, header, opened)))  # all files of a folder have the same
    if problems:
        raise Refused(*problems, remedies=(*_repairs(package, header, opened, problems), _THEN))


_THEN = Remedy("Then give the same command again.")


def _repairs(package: Package, header: Header, opened: OpenedFiles, problems: Sequence[Problem]) -> Iterator[Remedy]:
    """Yield, for each member with problems, how to repair it or to take over what was changed."""
    for name, digest in header.base:
        root = package.member(name)
        inside = [replace(each, path=each.path[len(root) + 1 :]) for each in problems if is_within(each.path, root)]
        if digest and inside:
            manifest = opened.manifest(package.manifest(name))
            yield from member_remedies(DamagedMember(manifest, root, inside, is_only=len(header.base) == 1))


def changed_in_tickets(package: Package, header: Header, opened: OpenedFiles) -> Iterator[Problem]:
    """Yield a problem for each file of a member that stays, among those that go into the ticket files, that is not as
    packaged or cannot be read.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
        OSError: the state of a file is not known.
    """
    if not (header.staying and makes_tickets(package, header, opened)):
        return
    from qa2pack.executor.tickets.write import Member, ticket_files  # slow to import, and most plans append nothing

    for name, digest in header.staying:
        if digest:
            member = Member(opened.manifest(package.manifest(name)), package.member(name))
            for file in ticket_files(package.project, member):
                yield from _difference(file, member.folder)


def _difference(file: "TicketFile", member: bytes) -> Iterator[Problem]:
    status = status_of(file.path)
    if status is None:
        yield absence(member, file.path[len(member) + 1 :])
    elif not stat.S_ISREG(status.st_mode):
        yield Problem(Code.WRONG_TYPE, file.path, "a file", kind_in_words(status.st_mode))
    elif status.st_size != file.size:
        yield size_problem(file.path, file.size, status.st_size)
    else:
        yield from _difference_of_content(file)


def _difference_of_content(file: "TicketFile") -> Iterator[Problem]:
    try:
        found = _digest(file)  # also of a placeholder: it must be possible to open it
    except OSError as error:
        yield unreadable(file.path, error)
    else:
        if file.digest not in (NO_DIGEST, found):
            yield Problem(Code.CHANGED, file.path, Digest(file.digest.hex()), Digest(found.hex()))


def _digest(file: "TicketFile") -> bytes:
    folder, name = os.path.split(file.path)
    with opened_folder(folder) as dir_fd, opened_file(name, dir_fd=dir_fd) as fd:
        try:
            return digest_of_fd(fd, file.size)
        except FileGrewOrShrankError:
            return NO_DIGEST
