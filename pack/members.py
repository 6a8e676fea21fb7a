"""The members of a package with what their manifests say, without reading the manifests as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from manifest.header import Header, Notes, StreamKind, read_header, read_notes
from manifest.package import Package, PackageState
from manifest.path import shown
from manifest.stream import StreamError, peek_stream
from pack.refusal import Refused


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


def chosen_members(members: Sequence[Member], wanted: bytes) -> list[Member]:
    """Return the members called so, `group/member` or only the member's name; all of them if nothing is wanted.

    Raises:
        Refused: there is none, or more than one, or there are no members at all.
    """
    if not members:
        raise Refused(
            "the package is not there any more; only its control folder is",
            "bring it back from where it went, or make it anew with pack plan and pack apply",
        )
    chosen = [member for member in members if not wanted or wanted in (member.path, member.path.partition(b"/")[2])]
    if chosen and (len(chosen) == 1 or not wanted):
        return chosen
    names = ", ".join(shown(member.path) for member in (chosen or members))
    found = "more than one member is" if chosen else "no member is"
    raise Refused(f"{found} called {shown(wanted)}", f"name one of these: {names}")


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
