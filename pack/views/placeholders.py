"""Empty files in words: the modes fake and ticket make them, and nobody should take them for the data."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.package import DestinationKind, PackageState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, StreamKind, read_header
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import StreamError, peek_stream
from qa2pack.manifest.humanize import counted, human_bytes

_PLACEHOLDERS: Mapping[Mode, str] = {
    Mode.FAKE: "the files are empty",
    Mode.TICKET: "all files but README, qa and script are empty",
}


def packaged_amount(manifest: Described) -> str:
    """Return how much a member holds, and how much of that is empty files."""
    notes, mode = manifest.notes, manifest.header.mode
    count, size = _amount(manifest, Action.DUMMY)
    if not count:
        return f"{counted(notes.file_count, 'file')}, {human_bytes(notes.byte_count)}"
    if count == notes.file_count:
        return f"{counted(count, 'empty file')} (mode {mode}; {human_bytes(size)} if they were real)"
    real = human_bytes(notes.byte_count - size)
    return f"{counted(notes.file_count, 'file')}, {real}; {count:,} of them empty (mode {mode})"


def mode_text(header: Header) -> str:
    """Return the mode, and what is empty in it."""
    words = _PLACEHOLDERS.get(header.mode)
    return f"{header.mode}: {empty}; sizes are those of the real ones" if words else header.mode


def placeholder_lines(state: PackageState) -> Iterator[str]:
    """Yield for each mode that makes empty files how many members are of it; a damaged manifest says nothing."""
    modes = []
    for path in state.manifests.values():
        with suppress(StreamError):
            modes.append(read_header(peek_stream(path), StreamKind.MANIFEST).mode)
    for mode, words in _PLACEHOLDERS.items():
        if count := modes.count(mode):
            yield f"in {counted(count, 'member')} {empty} (mode {mode})"


def carried(plan: Described) -> tuple[int, int]:
    """Return files and bytes that a plan of empty files takes over with their content, moved there earlier.

    (0, 0) where none are made empty, or no package is replaced.
    """
    if plan.header.standing is not DestinationKind.PACKAGE:
        return 0, 0
    return _amount(plan, Action.CARRY)


def _amount(described: Described, action: Action) -> tuple[int, int]:
    """Return how many files have the action where others are made empty, and the bytes that the real ones have."""
    file_count = byte_count = 0
    if described.header.mode.has_content:
        return file_count, byte_count
    for record in map(decode_record, described.stream.blobs()):
        file_count += record.actions.count(action)
        byte_count += sum(size for size, found in zip(record.sizes, record.actions, strict=True) if found == action)
    return file_count, byte_count
