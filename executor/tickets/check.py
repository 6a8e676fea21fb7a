"""Comparing the two ticket files with the manifests: only looks.

They are written with every apply, for all members that the package has then. So they must be whole and hold what the
manifests of the members say that this program made. One that is not there is worth a warning only: the package is as
good without it, for instance as a copy elsewhere. Adopted members may have come before or after them, and
a package that holds no others may have ticket files of another program: nothing is said of either.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import xxhash

from qa2pack.executor.tickets.read import UNREADABLE, Archived, read_tar, read_zip
from qa2pack.executor.tickets.write import Member, TicketFile, size_text, ticket_files, zip_name
from qa2pack.executor.transaction.journal import TICKET_SUFFIXES
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.alma.ticket_file import SIZE_FILE
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.untrusted import opened_control
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the manifests say.

    Attributes:
        files: of the members that this program made.
        unknown: where the files are of members of which nothing is said.
        sizes: text of the file of sizes; None where it cannot be known.
    """

    files: tuple[TicketFile, ...]
    unknown: tuple[bytes, ...]
    sizes: bytes | None


def check_tickets(package: Package, *, is_quick: bool) -> Iterator[Problem]:
    """Yield a problem, its path relative to the package, for each ticket file that is not as the manifests say.

    Args:
        is_quick: names and sizes only.
    """
    expected = _expected(package)
    if not expected.files:
        return
    for suffix in TICKET_SUFFIXES:
        path = package.path + b".ticket." + suffix
        shown_path = b"../" + os.path.basename(path)
        try:
            with opened_control(path) as file:
                faults = list(_faults(file, suffix, expected, is_quick=is_quick))
        except FileNotFoundError:
            yield Problem(Code.W_TICKET_MISSING, shown_path)
        except OSError as error:
            yield Problem(Code.UNREADABLE, shown_path, found=error.strerror or "")
        else:
            yield from (Problem(Code.TICKET_DAMAGED, shown_path, found=fault) for fault in faults)


def _expected(package: Package) -> _Expected:
    made: list[Member] = []
    files: list[TicketFile] = []
    unknown: list[bytes] = []
    for name in read_state(package).members:
        member = _made(package, name)
        if member is None:
            unknown.append(b"/".join((package.project, SCIENCE_GOAL, name, b"")))
        else:
            made.append(member[0])
            files += member[1]
    sizes = None if unknown else size_text(package.project, made).encode()
    return _Expected(files=tuple(files), unknown=tuple(unknown), sizes=sizes)


def _made(package: Package, name: bytes) -> tuple[Member, list[TicketFile]] | None:
    """Return a member that this program made, and its files; None also for one whose manifest makes no sense."""
    manifest = _manifest(package, name)
    if manifest is None or manifest.header.is_adopted:
        return None
    member = Member(manifest, package.member(name))
    try:
        return member, list(ticket_files(package.project, member))
    except ValueError:  # a record of the manifest; verifying the package says so
        return None


def _manifest(package: Package, member: bytes) -> Described | None:
    """Return the manifest of a member if there is one that can be used; verifying the package says so if not."""
    try:
        return open_manifest(package.manifest(member))
    except (FileNotFoundError, StreamError):
        return None


def _faults(file: IO[bytes], suffix: bytes, expected: _Expected, *, is_quick: bool) -> Iterator[str]:
    """Yield in words what is wrong with an open ticket file."""
    is_zip = suffix == b"zip"
    wanted = {zip_name(each.name).encode() if is_zip else each.name: each for each in expected.files}
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
    # Content that nothing is known of is read all the same: only so a wrong checksum in the archive is found.
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
