"""Comparing the two ticket files with the manifests: only looks.

They are written with every apply, for all members that the package has then. So they must be whole and hold what the
manifests of the members say that this program made. One that is not there is worth a warning only: the package is as
good without it, for instance as a copy elsewhere. Adopted members may have come before or after them, and
a package that holds no others may have ticket files of another program: nothing is said of either.
"""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import xxhash

from qa2pack.executor.journal import TICKET_SUFFIXES
from qa2pack.executor.ticket import Member, TicketFile, size_text, ticket_files, zip_name
from qa2pack.manifest.ids import SCIENCE_GOAL
from qa2pack.manifest.opening import opened_control
from qa2pack.manifest.package import Package, read_state
from qa2pack.manifest.planfile import Described, open_manifest
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.record import NO_DIGEST
from qa2pack.manifest.sizes import counted
from qa2pack.manifest.stream import StreamError
from qa2pack.manifest.ticketfile import DAMAGE, SIZE_FILE

_BLOCK_BYTES = 1 << 20
# The last record of a zip; its last two bytes are the length of a comment.
_ZIP_END_MARK = b"PK\x05\x06"
_ZIP_END_BYTES = 22


@dataclass(frozen=True, slots=True)
class _Archived:
    """A file in a ticket file; the digest of what can be read of it, which may raise."""

    name: bytes
    size: int
    digest: Callable[[], bytes]


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
    unknown: list[bytes] = []
    for name in read_state(package).members:
        manifest = _manifest(package, name)
        if manifest is None or manifest.header.is_adopted:
            unknown.append(b"/".join((package.project, SCIENCE_GOAL, name, b"")))
        else:
            made.append(Member(manifest, package.member(name)))
    return _Expected(
        files=tuple(file for member in made for file in ticket_files(package.project, member)),
        unknown=tuple(unknown),
        sizes=None if unknown else size_text(package.project, made).encode(),
    )


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
        for archived in (_in_zip if is_zip else _in_tar)(file):
            found.add(archived.name)
            yield from _differences(archived, wanted, expected, is_quick=is_quick)
    except DAMAGE as error:
        yield f"an archive that cannot be read to its end ({error})"
        return
    yield from (f"no {os.fsdecode(name)}" for name in sorted({*wanted, SIZE_FILE} - found))


def _differences(
    archived: _Archived, wanted: Mapping[bytes, TicketFile], expected: _Expected, *, is_quick: bool
) -> Iterator[str]:
    name = os.fsdecode(archived.name)
    if archived.name == SIZE_FILE:
        is_right = expected.sizes is None or archived.digest() == xxhash.xxh3_128_digest(expected.sizes)
        if not is_right:
            yield f"other sizes in {name} than those of the package"
        return
    if archived.name not in wanted:
        if not archived.name.startswith(expected.unknown):
            yield f"{name}, which is not packaged"
        return
    planned = wanted[archived.name]
    if archived.size != planned.size:
        yield f"{name} of {counted(archived.size, 'byte')}, not {planned.size:,}"
    elif not is_quick and planned.digest != NO_DIGEST and archived.digest() != planned.digest:
        yield f"{name} with another content"


def _in_tar(file: IO[bytes]) -> Iterator[_Archived]:
    size = os.fstat(file.fileno()).st_size
    if size % tarfile.RECORDSIZE:
        raise tarfile.ReadError("it is cut short, or has bytes behind its end")
    with tarfile.open(fileobj=file, mode="r:", errors="surrogateescape") as archive:
        for info in archive:
            name = info.name.encode("utf-8", "surrogateescape")
            yield _Archived(name, info.size, lambda info=info: _digest_of(archive.extractfile(info)))  # type: ignore[misc]
        end = archive.offset  # behind the last file
    # Two empty blocks end it, and more of them fill up the last record; readers stop at the first and see no more.
    records = -(-(end + 2 * tarfile.BLOCKSIZE) // tarfile.RECORDSIZE)
    file.seek(end)
    if size != records * tarfile.RECORDSIZE or file.read(tarfile.RECORDSIZE + tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("it does not end where the archive ends")


def _in_zip(file: IO[bytes]) -> Iterator[_Archived]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            yield _Archived(
                info.filename.encode(),
                info.file_size,
                lambda info=info: _digest_of(archive.open(info)),  # type: ignore[misc]
            )
        starts = [info.header_offset for info in archive.infolist()]
    # Readers look for the end from behind, and take bytes around the archive for a program or a comment.
    file.seek(-_ZIP_END_BYTES, os.SEEK_END)
    end = file.read()
    if 0 not in starts or not (end.startswith(_ZIP_END_MARK) and end.endswith(b"\0\0")):
        raise zipfile.BadZipFile("it does not begin or end where the archive does")


def _digest_of(file: IO[bytes] | None) -> bytes:
    state = xxhash.xxh3_128()
    if file is not None:  # a folder or a link has no content
        with file:
            while block := file.read(_BLOCK_BYTES):
                state.update(block)
    return state.digest()
