"""Destination of a new member: chooses the member, and checks that it may be written."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.alma.member_ids import Append, folder_of, member_named
from qa2pack.manifest.alma.package import (
    DestinationKind,
    Package,
    PackageState,
    check_not_lost,
    check_others_not_lost,
    read_state,
)
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.immutable import mark_of
from qa2pack.manifest.fs.mount import mount_points_in, places_of
from qa2pack.manifest.fs.presence import is_folder, is_plain_folder, is_there, real_path
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES
from qa2pack.manifest.layout.tree import Tree, adds_folder
from qa2pack.manifest.path import alone_above, path_in, shown
from qa2pack.manifest.plan.extra_files import foreign_remedies
from qa2pack.manifest.plan.obstacles import enclosing_package, foreign_tickets, swapped_paths, ticket_obstacles
from qa2pack.manifest.plan.other_paths import path_remedies
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Count, Size

if TYPE_CHECKING:
    from qa2pack.manifest.layout.decide import Choice


@dataclass(frozen=True, slots=True)
class Destination:
    """Package and name of the new member.

    Attributes:
        member: empty as long as the layout is not known that tells it.
        base: existing members, each with the digest of its manifest; the plan is valid only while these are
            unchanged.
        opened: the plans and manifests of the package.
        is_new: nothing exists there, or an empty folder.
    """

    package: Package
    state: PackageState
    member: bytes
    base: tuple[tuple[bytes, bytes], ...]
    opened: OpenedFiles
    append: Append = Append.NOTHING

    @property
    def going(self) -> tuple[bytes, ...]:
        """The members that the package has no more afterwards, or that are replaced."""
        match self.append:
            case Append.NOTHING:
                return self.state.members
            case Append.GROUP | Append.MEMBER | Append.RENAME:
                return ()
            case Append.REPLACE | Append.REMOVE:
                return (self.member,)

    @property
    def folder_going(self) -> bytes:
        """The absolute path of the folder that gives way: package, member, or what a removed one has for itself."""
        if self.append is Append.NOTHING:
            return self.package.path
        folder = folder_of(self.member)
        others = (folder_of(member) for member, _ in self.base if member != self.member)
        alone = alone_above(folder, others) if self.append is Append.REMOVE else b""
        return path_in(self.package.path, alone or folder)

    @property
    def going_manifests(self) -> tuple[bytes, ...]:
        """The paths of their manifests, as far as they have one."""
        manifests = self.state.manifests
        return tuple(manifests[member] for member in self.going if member in manifests)

    @property
    def is_new(self) -> bool:
        """Whether there is no package yet."""
        return self.state.standing in (DestinationKind.ABSENT, DestinationKind.EMPTY)


def choose_destination(request: PlanRequest, opened: OpenedFiles) -> Destination:
    """Read the state of the package and choose the member.

    Raises:
        Refused: the destination may not be written; has all reasons.
    """
    package = Package(request.package)
    check_control(package.control)
    problems = list(_path_problems(request, opened))
    if problems:
        raise Refused(*problems, remedies=path_remedies(request, problems))
    state = read_state(package)
    if request.append in _OF_ONE:
        check_not_lost(state, request.replaced)
    problems = list(_state_problems(request, state))
    if problems:
        raise Refused(*problems, remedies=_remedies(request, package, state, opened, problems[0].code))
    member = member_named(state.members, request.replaced) if request.append in _OF_ONE else b""
    return Destination(package, state, member, base_of(state, opened), opened, request.append)


def with_member(destination: Destination, tree: Tree, choice: "Choice", *, is_compared: bool = False) -> Destination:
    """Return the destination with the member that the layout tells.

    Where variables tell the members apart, one that is there already is replaced, and another one is added.

    Args:
        is_compared: the plan is never applied, so it adds a member also where members are not counted.

    Raises:
        Refused: a variable has no value, or several; or the package cannot have such a member.
    """
    append, state = destination.append, destination.state
    if not tree.can(append) and not is_compared:
        problem = Problem(Code.APPEND_NOT_COUNTED, f"--append {append}".encode(), found=tree.text)
        raise Refused(problem, remedies=_without_counter(tree))
    strange = [member for member in state.members if not tree.has(member)]
    if strange and not is_compared and (append in (*_ADDING, *_OF_ONE) or tree.variables):
        path = destination.package.member(strange[0])
        raise Refused(Problem(Code.OTHER_TREE, path, tree.text or "the package itself"))
    member = tree.member(choice.single_values(tree.variables), state.folders, append)
    if (longest := max(map(len, folder_of(member).split(b"/")))) > NAME_LIMIT_BYTES:
        limit = Size(NAME_LIMIT_BYTES, bound="at most")
        raise Refused(Problem(Code.NAME_TOO_LONG, folder_of(member), limit, counted(longest, "byte")))
    if not is_compared and (append in (*_ADDING, *_OF_ONE) or tree.variables):
        check_others_not_lost(state, member)
    if append in _OF_ONE:
        if tree.variables and member != destination.member:
            raise Refused(Problem(Code.OTHER_MEMBER, destination.member, shown(destination.member), shown(member)))
        return destination
    if tree.variables and append is Append.NOTHING and state.members:
        if member in state.members:
            append = Append.REPLACE
        else:
            append = Append.GROUP if adds_folder(member, state.members) else Append.MEMBER
    return replace(destination, member=member, append=append)


def _without_counter(tree: Tree) -> tuple[Remedy, ...]:
    """Return what to do where the tree has no such counter; of one with variables the code says it.

    A plan without --append replaces the whole package where no variables tell its members apart.
    """
    if tree.counters:
        return (Remedy("Plan with --append member, which this layout counts"),)
    if tree.variables:
        return ()
    return (Remedy("Plan without --append, which replaces a package that is there, or choose another destination"),)


_OF_ONE = (Append.REPLACE, Append.REMOVE)
_ADDING = (Append.GROUP, Append.MEMBER)
_FORCE = Remedy("Or, only if everything at PACKAGE may go, plan with --force")


def _remedies(
    request: PlanRequest, package: Package, state: PackageState, opened: OpenedFiles, code: Code
) -> tuple[Remedy, ...]:
    """Return what to do where a package has something in it that is no part of it; else what the code says."""
    remedies = foreign_remedies(package, state, opened) if code is Code.NOT_A_PACKAGE else ()
    return (*remedies, _FORCE) if remedies and request.append is Append.NOTHING else remedies


def destination_warnings(request: PlanRequest, destination: Destination) -> Iterator[Problem]:
    """Yield warnings about the destination of the member."""
    if request.append is not Append.NOTHING and destination.is_new:
        yield Problem(Code.W_NEW_PACKAGE, request.package)
    for member, path in sorted(destination.state.manifests.items()):
        if member in destination.going:
            continue
        if destination.opened.peek_header(path, StreamKind.MANIFEST).origin == request.origin:
            yield Problem(Code.W_SAME_ORIGIN, request.origin, found=f"in {os.fsdecode(member)}")


def base_of(state: PackageState, opened: OpenedFiles) -> tuple[tuple[bytes, bytes], ...]:
    """Return the existing members with the digests of their manifests, which are validated.

    Raises:
        Refused: a manifest is damaged.
    """
    try:
        return tuple(
            (member, opened.stream(state.manifests[member]).digest if member in state.manifests else b"")
            for member in state.members
        )
    except StreamError as error:
        raise Refused(unusable_manifest(error)) from error


def _path_problems(request: PlanRequest, opened: OpenedFiles) -> Iterator[Problem]:
    package = Package(request.package)
    if request.append is not Append.REMOVE:
        yield from origin_problems(request.origin, package)
    around = enclosing_package(package)
    if around is not None:
        yield Problem(Code.INSIDE_PACKAGE, package.path, found=os.fsdecode(around))
    if not is_folder(package.parent):
        yield Problem(Code.DESTINATION_MISSING, package.parent)
    elif not request.is_compared:
        yield from writing_problems(package, opened, force=request.force)


def origin_problems(origin: bytes, package: Package) -> Iterator[Problem]:
    """Yield why this is no folder that the package can be made of."""
    if not is_there(origin):
        yield Problem(Code.ORIGIN_MISSING, origin)
        return
    if not is_folder(origin):
        yield Problem(Code.ORIGIN_NOT_FOLDER, origin)
    yield from nested(origin, package)


def nested(origin: bytes, package: Package) -> Iterator[Problem]:
    """Yield a problem if the package or its control folder lies in the origin, or the origin in one of them."""
    here, *places = places_of(origin, package.path, package.control)
    if any(here.leads_into(place) or place.leads_into(here) for place in places):
        yield Problem(Code.NESTED, package.path, found=os.fsdecode(origin))


def writing_problems(package: Package, opened: OpenedFiles, *, force: bool) -> Iterator[Problem]:
    """Yield problems of writing beside the package."""
    marks = {place: mark for place in (package.parent, package.path, package.control) if (mark := mark_of(place))}
    if not os.access(package.parent, os.W_OK | os.X_OK):
        marks.setdefault(package.parent, "")
    yield from (Problem(Code.NOT_WRITABLE, place, found=mark) for place, mark in marks.items())
    if _is_mount_point(package):
        yield Problem(Code.MOUNT_POINT, package.path)
    obstacles = list(ticket_obstacles(package))
    yield from obstacles
    yield from () if force or obstacles else foreign_tickets(package, opened)


def _is_mount_point(package: Package) -> bool:
    if not is_plain_folder(package.path):
        return False
    here, above = os.lstat(package.path), os.stat(package.parent)
    is_same_disk = here.st_dev == above.st_dev and not os.path.samestat(here, above)
    return not is_same_disk or real_path(package.path) in mount_points_in([package.path])


def _state_problems(request: PlanRequest, state: PackageState) -> Iterator[Problem]:
    if swapped := swapped_paths(request.origin, state):
        yield swapped
        return
    if request.is_compared:
        return
    if state.standing is DestinationKind.FOREIGN and not (request.force and request.append is Append.NOTHING):
        shown = [os.path.join(request.package, path) for path in state.unexpected[:20]]
        in_place = {problem.path: problem.found for problem in state.lost.values()}
        paths = shown or [request.package]
        yield from (Problem(Code.NOT_A_PACKAGE, path, found=in_place.get(path, "")) for path in paths)
    elif (unknown := _unknown_going(request, state)) and not request.force:
        yield Problem(Code.NOT_ADOPTED, request.package, found=Count(len(unknown), "member"))


def _unknown_going(request: PlanRequest, state: PackageState) -> tuple[bytes, ...]:
    """Return the members that are replaced and have no manifest, so nobody knows what goes with them."""
    match request.append:
        case Append.NOTHING:
            return state.without_manifest
        case Append.REPLACE:
            return tuple({member_named(state.members, request.replaced)} & {*state.without_manifest})
        case Append.GROUP | Append.MEMBER | Append.REMOVE | Append.RENAME:  # the last two are refused, forced or not
            return ()
