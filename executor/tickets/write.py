"""Ticket writer: the two archives beside the package with README, QA2 files and scripts of all members, and sizes.

The same package gives the same bytes on any machine: sorted, owner root, times from the manifests, uncompressed.
Files that are placeholders in the package are empty in the archives too; the sizes are real in every mode.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import xxhash

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.transaction.paths import ticket_in
from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import README, SIZE_FILE, TICKET_PERMISSIONS
from qa2pack.manifest.bundle.container import write_container
from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.framing import tar_framing, zip_framing
from qa2pack.manifest.bundle.zip_header import is_large, zip_bytes
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, Total
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, record_path
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.path import join, path_in, shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Digest
from qa2pack.manifest.table_lock import is_table_lock

_LIKE_ESCAPED = re.compile(rb"\\(?=x[0-9a-f]{2})")


class ChangedFileError(Exception):
    """A file that goes into the ticket files is not what its manifest says: no manifest would match them.

    Attributes:
        problem: what is with the file, its path absolute.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the package as it will be.

    Attributes:
        folder: where its files are now, absolute.
        may_lack: files that are not as packaged are left out of the ticket files; otherwise they cannot be made.
    """

    manifest: Described
    folder: bytes
    may_lack: bool = False


# Nothing or something else is in its place; any other error says nothing of the file, which then belongs into both.
_NOT_AS_PACKAGED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO})


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A file of the package that goes into both archives.

    Attributes:
        name: in the tar: the path from the project code on.
        path: where it is now, absolute.
        size: in the package, bytes: 0 for a placeholder.
        digest: of the content; `NO_DIGEST` where none is known.
        may_lack: it is left out if it is not as packaged.
    """

    name: bytes
    path: bytes
    size: int
    mtime_ns: int
    digest: bytes
    may_lack: bool = False


def write_tickets(project: bytes, members: Iterable[Member], folder: bytes, disk: Disk) -> None:
    """Write both ticket files into a folder of the control folder that does not hold them.

    If it raises, what was begun of them stays.

    Raises:
        ChangedFileError: a file is not as packaged; it is looked at as it is written.
        OSError: the disk fails or is full, or a file is not there.
    """
    ordered = sorted(members, key=lambda member: member.manifest.header.member)
    sizes = size_text(project, ordered).encode()
    files = sorted((file for member in ordered for file in ticket_files(project, member)), key=_name)
    newest_ns = max((member.manifest.header.scanned_ns for member in ordered), default=0)
    last = _entry(SIZE_FILE, sizes, newest_ns)
    # The zip is stored, not deflated: what deflate makes differs between versions of its library.
    for suffix, framing, named in (
        (b"tar", tar_framing(), bytes),
        (b"zip", zip_framing(large=_is_large(files, sizes)), zip_name),
    ):
        entries = (_entry(named(ticket.name), content, ticket.mtime_ns) for ticket, content in _contents(files))
        with created_file(disk, ticket_in(folder, suffix)) as file:
            write_container(file.write, framing, chain(entries, (last,)))


def size_text(project: bytes, members: Iterable[Member]) -> str:
    """Return the text of `package_size.txt`: bytes and human form, per role and in total."""
    totals: dict[str, list[int]] = {}
    order = [""]
    for member in members:
        order += [role.name for role in roles_of(member.manifest.header) if role.name not in order]
        for total in member.manifest.notes.totals:
            sums = totals.setdefault(total.role, [0, 0])
            sums[0] += total.file_count
            sums[1] += total.byte_count
    order += [role for role in totals if role not in order]
    rows = [Total(role, *totals[role]) for role in order if role in totals]
    rows.append(Total("all", sum(row.file_count for row in rows), sum(row.byte_count for row in rows)))
    lines = [f"Expected size of the package {shown(project)}", "", f"{'':<12} {'files':>10} {'bytes':>18}"]
    lines += [
        f"{row.role or 'README':<12} {row.file_count:>10} {row.byte_count:>18}   {human_bytes(row.byte_count)}"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def ticket_files(project: bytes, member: Member) -> Iterator[TicketFile]:
    """Yield the files of a member that go into the ticket files, in no particular order."""
    inside = path_in(project, folder_of(member.manifest.header.member))
    header = member.manifest.header
    for record in _records(member.manifest):
        for index, name in enumerate(record.names):
            if not record.path and not (name == README and has_readme(header)):
                continue  # what a layout puts directly into the member has no role, and may be of any size
            path = join(record.path, name)
            is_placeholder = record.actions[index] == Action.DUMMY
            yield TicketFile(
                name=join(inside, path),
                path=join(member.folder, path),
                size=0 if is_placeholder else record.sizes[index],
                mtime_ns=record.mtimes[index],
                digest=NO_DIGEST if is_placeholder or is_table_lock(name) else record.digest(index),
                may_lack=member.may_lack,
            )


def has_readme(header: Header) -> bool:
    """Return whether README is what the ticket files take along: not a file of the origin that has this name."""
    return bool(header.readme) or header.is_of_unknown_layout


def _records(manifest: Described) -> Iterator[FolderRecord]:
    """Yield the records of the member's own folder and of its roles for tickets, without reading the others."""
    root = manifest.stream.find(b"")
    if root is not None:
        yield decode_record(root)
    in_tickets = (role for role in roles_of(manifest.header) if role.in_tickets)
    for role in sorted(in_tickets, key=lambda role: role.name):
        for blob in manifest.stream.blobs_from(role.folder):
            top = record_path(blob).split(b"/", 1)[0]
            if top == role.folder:
                yield decode_record(blob)
            elif top > role.folder:
                break


def _is_large(files: Sequence[TicketFile], sizes: bytes) -> bool:
    """Return whether a zip of these files, and of the one of sizes, is one of ZIP64."""
    names = sum(len(zip_name(file.name)) for file in files) + len(SIZE_FILE)
    content_bytes = sum(file.size for file in files) + len(sizes)
    count = len(files) + 1
    size = zip_bytes(file_count=count, folder_count=0, name_bytes=names, content_bytes=content_bytes)
    return is_large(size, count)


def zip_name(name: bytes) -> bytes:
    r"""Return the name in a zip, which is text: bytes that are not UTF-8 become `\xe9`.

    The backslash of a name that has the like itself becomes `\x5c`, so no two names become one.
    """
    return _LIKE_ESCAPED.sub(rb"\\x5c", name).decode(errors="backslashreplace").encode()


def _entry(name: bytes, content: bytes, mtime_ns: int) -> tuple[BundleEntry, tuple[bytes]]:
    return BundleEntry(name, len(content), mtime_ns, TICKET_PERMISSIONS), (content,)


def _contents(files: Iterable[TicketFile]) -> Iterator[tuple[TicketFile, bytes]]:
    for ticket in files:
        try:
            content = _content(ticket)
        except ChangedFileError:
            if not ticket.may_lack:
                raise
        except OSError as error:
            if not ticket.may_lack or error.errno not in _NOT_AS_PACKAGED:
                raise
        else:
            yield ticket, content


def _content(ticket: TicketFile) -> bytes:
    folder, name = ticket.path.rsplit(b"/", 1)
    try:
        with (
            opened_folder(folder) as dir_fd,
            opened_file(name, dir_fd=dir_fd) as fd,
            open(fd, "rb", closefd=False) as file,
        ):
            content = file.read()
    except OSError as error:
        error.filename = ticket.path  # not only its name in the folder
        raise
    digest = xxhash.xxh3_128_digest(content)
    if len(content) != ticket.size or ticket.digest not in (NO_DIGEST, digest):
        raise ChangedFileError(Problem(Code.CHANGED, ticket.path, Digest(ticket.digest.hex()), Digest(digest.hex())))
    return content


def _name(ticket: TicketFile) -> bytes:
    return ticket.name
