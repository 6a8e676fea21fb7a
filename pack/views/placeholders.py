"""Texts about placeholders, the empty files that the modes fake and ticket make in place of the data."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.package import DestinationKind, PackageState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import counted, human_bytes

_PLACEHOLDERS: Mapping[Mode, str] = {
    Mode.FAKE: "the files are placeholders",
    Mode.TICKET: "all files but README, qa and script are placeholders",
}


def packaged_amount(manifest: Described) -> str:
    """Return number and size of a member's files, and how many of them are placeholders."""
    notes, mode = manifest.notes, manifest.header.mode
    count, size = _amount(manifest, Action.DUMMY)
    if not count:
        return f"{counted(notes.file_count, 'file')}, {human_bytes(notes.byte_count)}"
    if count == notes.file_count:
        return f"{counted(count, 'placeholder')} (mode {mode}; the real files have {human_bytes(size)})"
    real = human_bytes(notes.byte_count - size)
    return f"{counted(notes.file_count, 'file')}, {real}; {count:,} of them placeholders (mode {mode})"


def mode_text(header: Header) -> str:
    """Return the mode, and which files are placeholders."""
    words = _PLACEHOLDERS.get(header.mode)
    return f"{header.mode}: {words}; sizes are those of the real files" if words else header.mode


def placeholder_lines(state: PackageState, opened: OpenedFiles) -> Iterator[str]:
    """Yield the number of members of each mode that makes placeholders; damaged manifests are skipped."""
    modes = []
    for path in state.manifests.values():
        with suppress(StreamError):
            modes.append(opened.peek_header(path, StreamKind.MANIFEST).mode)
    for mode, words in _PLACEHOLDERS.items():
        if count := modes.count(mode):
            yield f"in {counted(count, 'member')} {words} (mode {mode})"


def carried(plan: Described) -> tuple[int, int]:
    """Return number and bytes of files that a plan of placeholders carries over with their content: moved earlier.

    (0, 0) for a mode without placeholders, or if no package is replaced.
    """
    if plan.header.standing is not DestinationKind.PACKAGE:
        return 0, 0
    return _amount(plan, Action.CARRY)


def _amount(described: Described, action: Action) -> tuple[int, int]:
    """Return number and real bytes of the files with this action; (0, 0) for a mode without placeholders."""
    file_count = byte_count = 0
    if described.header.mode.has_content:
        return file_count, byte_count
    for record in map(decode_record, described.stream.blobs()):
        file_count += record.actions.count(action)
        byte_count += sum(size for size, found in zip(record.sizes, record.actions, strict=True) if found == action)
    return file_count, byte_count
