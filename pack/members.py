"""The members of a package with what their manifests say, without reading the manifests as a whole."""

from dataclasses import dataclass

from manifest.header import Header, Notes, StreamKind, read_header, read_notes
from manifest.package import Package, PackageState
from manifest.stream import StreamError, peek_stream


@dataclass(frozen=True, slots=True)
class Member:
    """A member on disk.

    Attributes:
        path: `group/member`.
        header, notes: from its manifest; None if it has none that can be read.
        fault: why its manifest cannot be read; empty if it can, or if there is none.
    """

    path: bytes
    header: Header | None = None
    notes: Notes | None = None
    fault: str = ""


def members_of(state: PackageState) -> list[Member]:
    """Return all members, sorted."""
    return [_member(state, path) for path in state.members]


def member_notes(package: Package, path: bytes) -> Notes:
    """Return what the manifest of a member says.

    Raises:
        StreamError: it cannot be used.
        OSError: it cannot be read.
    """
    return read_notes(peek_stream(package.manifest(path)))


def _member(state: PackageState, path: bytes) -> Member:
    if path not in state.manifests:
        return Member(path)
    try:
        stream = peek_stream(state.manifests[path])
        return Member(path, read_header(stream, StreamKind.MANIFEST), read_notes(stream))
    except StreamError as error:
        return Member(path, fault=error.reason)
