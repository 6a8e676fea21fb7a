"""Members of a package with their manifests; each manifest is checked completely when it is opened."""

from collections.abc import Sequence

from qa2pack.manifest.alma.member_ids import member_named
from qa2pack.manifest.alma.package import Package, PackageState, check_delivered, check_not_lost
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, Notes
from qa2pack.manifest.format.header_codec import read_notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.layout.package_layouts import members_by_layout
from qa2pack.manifest.problem import Code, Problem, Refused


@dataclass(frozen=True, slots=True)
class Member:
    """A member on disk.

    Attributes:
        path: the name of the member.
        manifest: None if there is none, or it cannot be used.
        fault: why its manifest cannot be used; None if it can, or if there is none.
    """

    path: bytes
    manifest: Described | None = None
    fault: StreamError | None = None

    @property
    def header(self) -> Header | None:
        """Header of its manifest, if that can be used."""
        return self.manifest.header if self.manifest else None

    @property
    def notes(self) -> Notes | None:
        """Notes of its manifest, if that can be used."""
        return self.manifest.notes if self.manifest else None


def members_of(state: PackageState, opened: OpenedFiles) -> list[Member]:
    """Return all members, sorted."""
    return [_member(state, path, opened) for path in state.members]


def chosen_members(state: PackageState, members: Sequence[Member], wanted: bytes) -> list[Member]:
    """Return the members with this name, or the end of it that only this one has; all members for an empty name.

    Raises:
        Refused: no member, or more than one, has this name, or the package has no members.
    """
    check_not_lost(state, wanted)
    if not members:
        raise Refused(Problem(Code.PACKAGE_GONE, b""))
    if not wanted:
        return list(members)
    name = member_named([member.path for member in members], wanted)
    return [member for member in members if member.path == name]


def check_delivered_whole(package: Package, state: PackageState, opened: OpenedFiles, wanted: bytes) -> None:
    """Refuse to deliver a package that lacks the folder or the manifest of a member.

    What is left would be taken for the whole. A member that is asked for by its name is whole by itself.

    Args:
        wanted: name of the only member to deliver; empty for all.

    Raises:
        Refused: has a problem for each such member.
    """
    check_delivered(state, wanted)
    if wanted or not state.unexpected:
        return
    known = {package.member(member) for member in state.members}
    folders = {folder for each in members_by_layout(package, opened).values() for folder in each}
    if unknown := sorted(folders - known):
        raise Refused(*(Problem(Code.MANIFEST_MISSING, folder) for folder in unknown))


def usable_manifest(member: Member) -> Described:
    """Return the manifest of a member, which must have one.

    Raises:
        StreamError: the manifest cannot be used.
        Refused: there is none.
    """
    if member.fault is not None:
        raise member.fault
    if member.manifest is None:
        raise Refused(Problem(Code.MANIFEST_MISSING, member.path))
    return member.manifest


def member_notes(package: Package, path: bytes, opened: OpenedFiles) -> Notes:
    """Return the notes of a member's manifest.

    Raises:
        StreamError: the manifest cannot be used.
        OSError: the manifest cannot be read.
    """
    return read_notes(opened.peek(package.manifest(path)))


def _member(state: PackageState, path: bytes, opened: OpenedFiles) -> Member:
    if path not in state.manifests:
        return Member(path)
    try:
        return Member(path, opened.manifest(state.manifests[path]))
    except StreamError as error:
        return Member(path, fault=error)
