"""Ticket size: whether a plan has ticket files, and an upper limit of their bytes, from headers and totals alone."""

from collections.abc import Iterator
from itertools import chain

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header, Notes, StreamKind
from qa2pack.manifest.format.header_codec import read_header, read_notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.roles import has_ticket_files, roles_of

TICKET_COUNT = 2
# A tar's header, the padding of the last block, and a long name in two blocks; a zip takes less.
_BYTES_PER_FILE = 4 * 512
_FIXED_BYTES = 10_240 + 4096  # a tar ends at a multiple of its record; the file of sizes


def ticket_bytes(package: Package, header: Header, notes: Notes, opened: OpenedFiles) -> int:
    """Return the maximum size of the ticket files of a plan; they also hold the members that stay.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    members = ((header, notes), *_staying(package, header, opened))
    if not any(has_ticket_files(member) for member, _ in members):
        return 0
    files = size = 0
    for member, described in members:
        in_tickets = {role.name for role in roles_of(member) if role.in_tickets}
        files += 1  # README
        size += 0 if member.mode is Mode.FAKE else _readme_bytes(member, described)
        for total in described.totals:
            if total.role in in_tickets:
                files += total.file_count
                size += 0 if member.mode is Mode.FAKE else total.byte_count
    return TICKET_COUNT * (size + files * _BYTES_PER_FILE + _FIXED_BYTES)


def makes_tickets(package: Package, header: Header, opened: OpenedFiles) -> bool:
    """Return whether a plan makes ticket files: whether a layout of the members that there will be has them.

    Args:
        package: as it is now; under its old name, if it is renamed.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    is_renaming = header.append is Append.RENAME
    new = () if is_renaming or header.append is Append.REMOVE else (header,)
    staying = header.base if is_renaming else header.staying
    paths = (package.manifest(member) for member, digest in staying if digest)
    return any(map(has_ticket_files, chain(new, (opened.peek_header(path, StreamKind.MANIFEST) for path in paths))))


def _readme_bytes(member: Header, notes: Notes) -> int:
    """Return the most that README takes; other files directly in the member are not in the ticket files."""
    if member.is_of_unknown_layout:
        return sum(total.byte_count for total in notes.totals if not total.role)
    return len(member.readme)


def _staying(package: Package, header: Header, opened: OpenedFiles) -> Iterator[tuple[Header, Notes]]:
    for member, digest in header.staying:
        if digest:
            stream = opened.peek(package.manifest(member))
            yield read_header(stream, StreamKind.MANIFEST), read_notes(stream)
