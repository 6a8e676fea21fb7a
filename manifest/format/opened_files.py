"""Opened plans and manifests of one command: each file is opened and hashed once, and the opened value travels.

A command makes one `OpenedFiles` and passes it down to all that read plans and manifests; nothing is kept beyond the
command. A file is known by its state and not by its path, so it needs no second look after a hard link was made to it
or its folder was renamed, and another file that came to its path is opened. Its ctime does not count: both change it.
"""

from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState, state_of
from qa2pack.manifest.format.files import Described, check_member
from qa2pack.manifest.format.header import Header, Notes, StreamKind
from qa2pack.manifest.format.header_codec import read_header, read_notes
from qa2pack.manifest.format.stream import Stream, StreamError, check_folders, peek_stream
from qa2pack.manifest.fs.presence import status_of


@dataclass(slots=True)
class _Opened:
    """A file whose checksum fits its content, with what was read of it so far.

    Attributes:
        is_checked: its folders were looked at too.
    """

    stream: Stream
    is_checked: bool = False
    header: Header | None = None
    notes: Notes | None = None

    def header_of(self, kind: StreamKind) -> Header:
        """Return the header; raises as `read_header`."""
        if self.header is None or self.header.kind is not kind:
            self.header = read_header(self.stream, kind)
        return self.header

    def described(self, kind: StreamKind) -> Described:
        """Return the file with header and notes; raises as `read_header` and `read_notes`."""
        header = self.header_of(kind)
        self.notes = self.notes or read_notes(self.stream)
        return Described(self.stream, header, self.notes)


class OpenedFiles:
    """The plans and manifests that one command has opened."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._opened: dict[FileState, _Opened] = {}
        self._instead: dict[bytes, bytes] = {}

    def read_instead(self, path: bytes, copy: bytes) -> None:
        """Read the copy wherever the file at this path is wanted from now on; it stays as long as this value."""
        self._instead[path] = copy

    def plan(self, path: bytes) -> Described:
        """Return a plan, all of it checked; raises as `manifest.format.files.open_plan`."""
        return self._checked(path).described(StreamKind.PLAN)

    def plan_fault(self, path: bytes) -> StreamError | None:
        """Return why a plan cannot be read to its end; None if it can.

        Raises:
            FileNotFoundError: there is none.
        """
        try:
            self.plan(path)
        except StreamError as error:
            return error
        return None

    def manifest(self, path: bytes) -> Described:
        """Return a manifest, all of it checked; raises as `plan`."""
        return self._checked(path).described(StreamKind.MANIFEST)

    def manifest_of(self, member: bytes, path: bytes) -> Described:
        """Return the manifest of a member, all of it checked; raises as `manifest.format.files.open_manifest_of`."""
        manifest = self.manifest(path)
        check_member(manifest, member)
        return manifest

    def peek(self, path: bytes) -> Stream:
        """Return a plan or manifest, its folders not checked; raises as `manifest.format.stream.peek_stream`."""
        return self._at(path).stream

    def peek_header(self, path: bytes, kind: StreamKind) -> Header:
        """Return the header of a plan or manifest without looking at its folders; raises as `peek`."""
        return self._at(path).header_of(kind)

    def stream(self, path: bytes) -> Stream:
        """Return a plan or manifest, all of it checked; raises as `manifest.format.stream.open_stream`."""
        return self._checked(path).stream

    def _checked(self, path: bytes) -> _Opened:
        opened = self._at(path)
        if not opened.is_checked:
            check_folders(opened.stream)
            opened.is_checked = True
        return opened

    def _at(self, path: bytes) -> _Opened:
        """Return the file at a path; its folders are read through this path from now on."""
        path = self._instead.get(path, path)
        state = _state_at(path)
        opened = self._opened.get(state) if state else None
        if opened is None:
            opened = _Opened(peek_stream(path))
            if state is not None and state == _state_at(path):  # else another file came to the path in between
                self._opened[state] = opened
        if opened.stream.path != path:
            opened.stream = replace(opened.stream, path=path)
        return opened


def _state_at(path: bytes) -> FileState | None:
    status = status_of(path)
    return state_of(status).but_ctime if status else None
