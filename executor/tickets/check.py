"""Ticket check: compares the two ticket files with the manifests. Read-only.

They are written with every apply, for all members of the package, if a layout of these has a folder for them. So they
must be valid archives and hold what the manifests say, for the members that this program made. A missing ticket file
is only a warning: a package, for instance a copy elsewhere, is complete without it. Adopted members may be older or
newer than the ticket files, and a package of adopted members only may have those of another program: neither is
checked.
"""

import os
from collections.abc import Iterator, Mapping
from typing import IO

import xxhash

from qa2pack.executor.tickets.read import UNREADABLE, Archived, read_tar, read_zip
from qa2pack.executor.tickets.write import Member, TicketFile, size_text, ticket_files, zip_name
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import SIZE_FILE, Package, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.control_file import ControlFileError, opened_control
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.roles import has_ticket_files
from qa2pack.manifest.path import path_in, shown
from qa2pack.manifest.problem import Code, Problem, unreadable


@dataclass(frozen=True, slots=True)
class _Expected:
    """Expected content of the ticket files, from the manifests.

    Attributes:
        files: files of the members that this program made.
        unknown: path prefixes of members that are not checked.
        sizes: text of `package_size.txt`; None where it is not known.
        is_made: a layout has ticket files. Others were made by older programs, and need not be there.
    """

    files: tuple[TicketFile, ...]
    unknown: tuple[bytes, ...]
    sizes: bytes | None
    is_made: bool


def check_tickets(package: Package, opened: OpenedFiles, *, is_quick: bool) -> Iterator[Problem]:
    """Yield a problem, its path relative to the package, for each ticket file that differs from the manifests.

    Args:
        is_quick: names and sizes only.
    """
    expected = _expected(package, opened)
    if not expected.files:
        return
    for suffix in TICKET_SUFFIXES:
        path = package.path + b".ticket." + suffix
        shown_path = b"../" + os.path.basename(path)
        try:
            with opened_control(path) as file:
                faults = list(_faults(file, suffix, expected, is_quick=is_quick))
        except FileNotFoundError:
            if expected.is_made:
                yield Problem(Code.W_TICKET_MISSING, shown_path)
        except ControlFileError as error:
            yield Problem(Code.TICKET_DAMAGED, shown_path, found=error.strerror or "")
        except OSError as error:
            yield unreadable(shown_path, error)
        else:
            yield from (Problem(Code.TICKET_DAMAGED, shown_path, found=fault) for fault in faults)


def _expected(package: Package, opened: OpenedFiles) -> _Expected:
    made: list[Member] = []
    files: list[TicketFile] = []
    unknown: list[bytes] = []
    for name in read_state(package).members:
        member = _made(package, name, opened)
        if member is None:
            unknown.append(path_in(package.project, folder_of(name)) + b"/")
        else:
            made.append(member[0])
            files += member[1]
    sizes = None if unknown else size_text(package.project, made).encode()
    is_made = any(has_ticket_files(member.manifest.header) for member in made)
    return _Expected(tuple(files), tuple(unknown), sizes, is_made)


def _made(package: Package, name: bytes, opened: OpenedFiles) -> tuple[Member, list[TicketFile]] | None:
    """Return a member that this program made, and its files; None for others, and if its manifest is invalid."""
    manifest = _manifest(package, name, opened)
    if manifest is None or manifest.header.is_adopted:
        return None
    member = Member(manifest, package.member(name))
    try:
        return member, list(ticket_files(package.project, member))
    except ValueError:  # an invalid record of the manifest; verify reports it
        return None


def _manifest(package: Package, member: bytes, opened: OpenedFiles) -> Described | None:
    """Return the manifest of a member; None if there is none or it cannot be used, which verify reports."""
    try:
        return opened.manifest(package.manifest(member))
    except (FileNotFoundError, StreamError):
        return None


def _faults(file: IO[bytes], suffix: bytes, expected: _Expected, *, is_quick: bool) -> Iterator[str]:
    """Yield, in words, the faults of an open ticket file."""
    is_zip = suffix == b"zip"
    wanted = {zip_name(each.name) if is_zip else each.name: each for each in expected.files}
    found: set[bytes] = set()
    try:
        for archived in (read_zip if is_zip else read_tar)(file):
            if archived.fault:
                yield f"{shown(archived.name)}, {archived.fault}"
            elif archived.name in found:
                yield f"{shown(archived.name)} more than once"
            else:
                yield from _differences(archived, wanted, expected, is_quick=is_quick)
            found.add(archived.name)
    except UNREADABLE as error:
        yield f"an archive that cannot be read to its end ({error})"
        return
    yield from (f"no {shown(name)}" for name in sorted({*wanted, SIZE_FILE} - found))


def _differences(
    archived: Archived, wanted: Mapping[bytes, TicketFile], expected: _Expected, *, is_quick: bool
) -> Iterator[str]:
    name = shown(archived.name)
    # Content without expected digest is read too: only this finds a wrong checksum in the archive.
    digest = NO_DIGEST if is_quick and archived.name != SIZE_FILE else archived.digest()
    if archived.name == SIZE_FILE:
        if expected.sizes is not None and digest != xxhash.xxh3_128_digest(expected.sizes):
            yield f"other sizes in {name} than those of the package"
        return
    if archived.name not in wanted:
        if not archived.name.startswith(expected.unknown):
            yield f"{name}, which is not packaged"
        return
    planned = wanted[archived.name]
    if archived.size != planned.size:
        yield f"{name} of {counted(archived.size, 'byte')}, not {planned.size:,}"
    elif not is_quick and planned.digest not in (NO_DIGEST, digest):
        yield f"{name} with another content"
