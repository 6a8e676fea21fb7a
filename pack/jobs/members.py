"""The members of a package with what their manifests say; each manifest is checked to its end when it is opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from qa2pack.manifest.alma.package import Package, PackageState
from qa2pack.manifest.format.files import Described, open_manifest
from qa2pack.manifest.format.header import Header, Notes, read_notes
from qa2pack.manifest.format.stream import StreamError, peek_stream
from qa2pack.manifest.path import shown
from qa2pack.pack.refused import Refused
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Member:
    """A member on disk.

    Attributes:
        path: `group/member`.
        manifest: None if it has none that can be used.
        fault: why its manifest cannot be used; None if it can, or if there is none.
    """

    path: bytes
    manifest: Described | None = None
    fault: StreamError | None = None

    @property
    def header(self) -> Header | None:
        """What its manifest begins with, if that can be used."""
        return self.manifest.header if self.manifest else None

    @property
    def notes(self) -> Notes | None:
        """What its manifest ends with, if that can be used."""
        return self.manifest.notes if self.manifest else None


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


def usable_manifest(member: Member, target: Target) -> Described:
    """Return the manifest of a member that cannot be done without.

    Raises:
        StreamError: it cannot be used.
        Refused: there is none.
    """
    if member.fault is not None:
        raise member.fault
    if member.manifest is None:
        raise Refused(f"{shown(member.path)} has no manifest", "give it one", f"pack adopt {target.quoted}")
    return member.manifest


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
        return Member(path, open_manifest(state.manifests[path]))
    except StreamError as error:
        return Member(path, fault=error)
