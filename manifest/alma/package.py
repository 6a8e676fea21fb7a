"""Package on disk: its paths, and its state (groups, members, manifests, unexpected files).

The control folder `P.pack` is beside the package `P`. It holds manifests, the waiting plan, journal, staging and the
lock; the package itself holds the prescribed tree and nothing else. Read-only.
"""

import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from qa2pack.manifest.alma.absence import absence
from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL, folder_of, is_group, is_member, is_of_cycle0, named_so
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import is_plain_folder, is_there
from qa2pack.manifest.path import folders_above, join, path_in
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy

README = b"README"
SIZE_FILE = b"package_size.txt"  # in both ticket files
TICKET_PERMISSIONS = 0o644  # of each entry in a ticket file
_MANIFEST = b".manifest"
PUT_BACK = Remedy(
    "Put the folder of the member back, from a backup or another copy of the package; move away what is in its place."
)
_DELIVER_ONE = Remedy("Or deliver the members that are there one by one, each with --member NAME.")
# By them a folder is known as a member, also where it has no manifest.
MEMBER_FOLDERS = frozenset({b"raw", b"calibrated", b"calibration", b"script", b"qa", b"log", b"product"})


@dataclass(frozen=True, slots=True)
class Package:
    """The paths of a package, whether or not they exist.

    Attributes:
        path: absolute path of the package.
    """

    path: bytes

    @property
    def project(self) -> bytes:
        """The project code: the name of the package."""
        return os.path.basename(self.path)

    @property
    def parent(self) -> bytes:
        """The folder that holds the package and its control folder."""
        return os.path.dirname(self.path)

    @property
    def control(self) -> bytes:
        """The control folder."""
        return self.path + b".pack"

    @property
    def plan(self) -> bytes:
        """The waiting plan: written, not applied yet."""
        return join(self.control, b"plan")

    @property
    def last_plan(self) -> bytes:
        """The plan that was applied last; kept for the digests in it."""
        return join(self.control, b"plan.applied")

    @property
    def manifests(self) -> bytes:
        """The folder of the manifests, one per member."""
        return join(self.control, b"manifests")

    @property
    def tickets(self) -> tuple[bytes, ...]:
        """The two ticket files beside the package."""
        return (self.path + b".ticket.tar", self.path + b".ticket.zip")

    def manifest(self, member: bytes) -> bytes:
        """Return the path of the manifest of a member."""
        return join(self.manifests, _manifest_name(member))

    def member(self, member: bytes) -> bytes:
        """Return the folder of a member."""
        return path_in(self.path, folder_of(member))


class DestinationKind(StrEnum):
    """What is at the destination."""

    ABSENT = "absent"
    EMPTY = "empty"  # an empty folder
    PACKAGE = "package"  # the prescribed tree and nothing else
    FOREIGN = "foreign"  # anything else


@dataclass(frozen=True, slots=True)
class PackageState:
    """What the package holds.

    Attributes:
        members: their names, sorted.
        manifests: path of the manifest of each member that has one.
        unexpected: paths relative to the package that do not belong to the prescribed tree.
        empty_groups: folders of groups without a member, relative to the package.
        lost: the members that have a manifest and no folder: each with the problem, its path absolute, of what is in
            its place, or that nothing is.
        lost_manifests: path of the manifest of each of these.
    """

    standing: DestinationKind
    members: tuple[bytes, ...] = ()
    manifests: Mapping[bytes, bytes] = field(default_factory=dict)
    unexpected: tuple[bytes, ...] = ()
    empty_groups: tuple[bytes, ...] = ()
    lost: Mapping[bytes, Problem] = field(default_factory=dict)
    lost_manifests: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def without_manifest(self) -> tuple[bytes, ...]:
        """Members without a manifest; they can be adopted."""
        return tuple(member for member in self.members if member not in self.manifests)

    @property
    def folders(self) -> tuple[bytes, ...]:
        """The folders of the members and of the groups without one, relative to the package."""
        return (*map(folder_of, self.members), *self.empty_groups)


def read_state(package: Package) -> PackageState:
    """Read the state of the destination: of packages of Cycle 0 down to the role folders, else down to the members.

    Members of Cycle 0 are known by their names, others by their manifests alone.

    Raises:
        Refused: the control folder cannot be used, so the state cannot be known.
        OSError: a folder cannot be read.
    """
    check_control(package.control)
    described = {member_of_manifest(name): join(package.manifests, name) for name in manifest_names(package)}
    found = _found(package, described)
    manifests = {member: described[member] for member in found.members if member in described}
    gone = gone_package(package, found)
    lost = {
        member: gone or absence(package.path, folder_of(member), "a member")
        for member in described
        if member not in manifests
    }
    return replace(
        found, manifests=manifests, lost=lost, lost_manifests={member: described[member] for member in lost}
    )


def gone_package(package: Package, state: PackageState) -> Problem | None:
    """Return the problem of a package of which nothing is at its path, with what is there instead."""
    if state.standing in (DestinationKind.ABSENT, DestinationKind.EMPTY):
        return Problem(Code.PACKAGE_GONE, package.path)
    mode = os.lstat(package.path).st_mode
    return None if stat.S_ISDIR(mode) else Problem(Code.PACKAGE_GONE, package.path, found=kind_in_words(mode))


def _found(package: Package, described: Iterable[bytes]) -> PackageState:
    """Return what is on disk.

    Args:
        described: the members that have a manifest.
    """
    if not is_there(package.path):
        return PackageState(DestinationKind.ABSENT)
    if not is_plain_folder(package.path):
        return PackageState(DestinationKind.FOREIGN, unexpected=(b"",))
    if not os.listdir(package.path):
        return PackageState(DestinationKind.EMPTY)
    is_free = not all(map(is_of_cycle0, described))
    return _found_by_manifest(package, described) if is_free else _found_by_name(package)


def check_not_lost(state: PackageState, wanted: bytes) -> None:
    """Refuse a member that has a manifest and no folder, instead of saying that there is none of this name.

    Args:
        wanted: as `member_named`; where nothing is left of the package, every name is refused so.
    """
    named = named_so(state.lost, wanted) if wanted and not named_so(state.members, wanted) else ()
    if lost := named or (() if state.members else tuple(state.lost)):
        raise _refusal(state, lost)


def check_others_not_lost(state: PackageState, member: bytes) -> None:
    """Refuse to change a package in which another member has a manifest and no folder.

    The change would take the manifest away, and nothing would ever tell that the member was there. Where no member is
    left there is nothing to change.

    Args:
        member: the one that is changed, or made.

    Raises:
        Refused: has a problem for each other lost member.
    """
    lost = tuple(other for other in state.lost if other != member)
    if lost and state.members:
        raise _refusal(state, lost)


def check_delivered(state: PackageState, wanted: bytes) -> None:
    """Refuse to deliver a package of which a member has a manifest and no folder, unless another one is asked for.

    Args:
        wanted: name of the only member to deliver; empty for all.
    """
    check_not_lost(state, wanted)
    if state.lost and not wanted:
        raise _refusal(state, tuple(state.lost), _DELIVER_ONE)


def _refusal(state: PackageState, lost: Sequence[bytes], *others: Remedy) -> Refused:
    """Return the refusal for members that have a manifest and no folder.

    Args:
        others: what else can be done than to put them back, or to forget them.
    """
    problems = sorted({state.lost[member] for member in lost}, key=lambda problem: problem.path)
    if any(problem.code is Code.PACKAGE_GONE for problem in problems):
        return Refused(*problems)
    manifests = tuple(f"rm {shlex.quote(os.fsdecode(state.lost_manifests[member]))}" for member in lost)
    forget = Remedy("Or, if it shall not come back, remove its manifest:", manifests)
    return Refused(*problems, remedies=(PUT_BACK, *others, forget) if state.members else (PUT_BACK,))


def _found_by_manifest(package: Package, described: Iterable[bytes]) -> PackageState:
    """Return the members that are there, and what lies beside them."""
    folders = {member: folder_of(member) for member in described}
    members = sorted(member for member in folders if is_plain_folder(package.member(member)))
    unexpected = [
        join(above, name)
        for above, names in folders_above(folders.values()).items()
        if is_plain_folder(path_in(package.path, above))
        for name in sorted(os.listdir(path_in(package.path, above)))
        if name not in names or not is_plain_folder(join(package.path, join(above, name)))
    ]
    standing = DestinationKind.PACKAGE if members and not unexpected else DestinationKind.FOREIGN
    return PackageState(standing, tuple(members), unexpected=tuple(unexpected))


def _found_by_name(package: Package) -> PackageState:
    """Return the members of Cycle 0, and everything that lies beside them or in them and is no role folder."""
    unexpected: list[bytes] = []
    groups = {
        group: tuple(_members(package, group, unexpected))
        for group in _listed(package.path, b"", SCIENCE_GOAL, unexpected)
    }
    standing = DestinationKind.PACKAGE if groups and not unexpected else DestinationKind.FOREIGN
    members = sorted(join(group, member) for group, members in groups.items() for member in members)
    empty = tuple(folder_of(group) for group, members in groups.items() if not members)
    return PackageState(standing, tuple(members), unexpected=tuple(unexpected), empty_groups=empty)


def manifest_names(package: Package) -> list[bytes]:
    """Return the file names of all manifests, sorted, whether or not their members exist."""
    try:
        return manifests_in(package.manifests)
    except FileNotFoundError:
        return []


def manifests_in(folder: bytes) -> list[bytes]:
    """Return the file names of the manifests in a folder, sorted; what else is there, as signatures, is left out."""
    return sorted(name for name in os.listdir(folder) if name.endswith(_MANIFEST))


def member_of_manifest(name: bytes) -> bytes:
    """Return the member to which a manifest of this file name belongs."""
    name = name.removesuffix(_MANIFEST)
    early = name.replace(b".", b"/", 1)
    return early if is_of_cycle0(early) else unquote_to_bytes(name)


def _manifest_name(member: bytes) -> bytes:
    """Return the file name of a manifest: `group.member` in Cycle 0, else the folder with `/` and `%` escaped."""
    if is_of_cycle0(member):
        return member.replace(b"/", b".") + _MANIFEST
    name = member.replace(b"%", b"%25").replace(b"/", b"%2F")
    if name.startswith(b".") or is_of_cycle0(name.replace(b".", b"/", 1)):
        name = name.replace(b".", b"%2E")
    return name + _MANIFEST


def _listed(path: bytes, relative: bytes, wanted: bytes, unexpected: list[bytes]) -> Iterator[bytes]:
    """Yield the groups; everything but the one folder `wanted` is unexpected."""
    for name in sorted(os.listdir(path)):
        if name != wanted or not is_plain_folder(join(path, name)):
            unexpected.append(join(relative, name))
            continue
        for group in sorted(os.listdir(join(path, name))):
            if is_group(group) and is_plain_folder(b"/".join((path, name, group))):
                yield group
            else:
                unexpected.append(join(name, group))


def _members(package: Package, group: bytes, unexpected: list[bytes]) -> Iterator[bytes]:
    folder = package.member(group)
    for name in sorted(os.listdir(folder)):
        if is_member(name) and is_plain_folder(join(folder, name)):
            yield name
            unexpected.extend(_unexpected_in_member(join(folder, name), b"/".join((SCIENCE_GOAL, group, name))))
        else:
            unexpected.append(b"/".join((SCIENCE_GOAL, group, name)))


def _unexpected_in_member(folder: bytes, relative: bytes) -> Iterator[bytes]:
    for name in sorted(os.listdir(folder)):
        if name != README and not (name in MEMBER_FOLDERS and is_plain_folder(join(folder, name))):
            yield join(relative, name)
