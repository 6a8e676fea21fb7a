"""Ticket size: upper limit of the bytes of the two ticket files, from totals alone, before they are written."""

from collections.abc import Iterator

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header, Notes, StreamKind, read_header, read_notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.layout.roles import roles_of

TICKET_COUNT = 2
# A tar's header, the padding of the last block, and a long name in two blocks; a zip takes less.
_BYTES_PER_FILE = 4 * 512
_FIXED_BYTES = 10_240 + 4096  # a tar ends at a multiple of its record; the file of sizes


def ticket_bytes(package: Package, header: Header, notes: Notes, opened: OpenedFiles) -> int:
    """Return the maximum size of the ticket files of a plan; they also hold the members that stay.

    Raises:
        StreamError: the manifest of a member that stays cannot be used.
    """
    files = size = 0
    for member, described in ((header, notes), *_staying(package, header, opened)):
        in_tickets = {role.name for role in roles_of(member) if role.in_tickets}
        files += 1  # README
        size += 0 if member.mode is Mode.FAKE else _readme_bytes(member, described)
        for total in described.totals:
            if total.role in in_tickets:
                files += total.file_count
                size += 0 if member.mode is Mode.FAKE else total.byte_count
    return TICKET_COUNT * (size + files * _BYTES_PER_FILE + _FIXED_BYTES)


def _readme_bytes(member: Header, notes: Notes) -> int:
    """Return the most that README takes; other files directly in the member are not in the ticket files."""
    if member.is_adopted:
        return sum(total.byte_count for total in notes.totals if not total.role)
    return len(member.readme)


def _staying(package: Package, header: Header, opened: OpenedFiles) -> Iterator[tuple[Header, Notes]]:
    for member, digest in header.staying:
        if digest:
            stream = opened.peek(package.manifest(member))
            yield read_header(stream, StreamKind.MANIFEST), read_notes(stream)
