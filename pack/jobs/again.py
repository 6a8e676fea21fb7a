"""`--again`: origin and name of a packaged member that a plan makes again, from its manifest."""

from collections.abc import Sequence

from qa2pack.manifest.alma.member_ids import member_named, named_so
from qa2pack.manifest.alma.package import Package, PackageState, check_not_lost, read_state
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack.target import quoted


@dataclass(frozen=True, slots=True)
class Again:
    """Where a member came from.

    Attributes:
        replaced: name of the member to replace; empty if it is the only one, and the package is replaced with it.
    """

    origin: bytes
    replaced: bytes


def made_again(package: Package, member: bytes, opened: OpenedFiles, *, verb: str = "plan") -> Again:
    """Return what a plan needs to make a member again.

    Args:
        member: its name, `group/member` or only the member's; empty if the package has one member.
        verb: the command that makes it again, for advice.

    Raises:
        Refused: there is no package or no such member, or it has no manifest, or its origin is not known; with the
            commands that would work.
        StreamError: its manifest cannot be used.
    """
    state = read_state(package)
    check_not_lost(state, member)
    if not state.members:
        raise Refused(no_package(package, state))
    try:
        name = member_named(state.members, member)
    except Refused as error:
        raise Refused(
            *error.problems, remedies=(_name_one(named_so(state.members, member) or state.members, verb),)
        ) from error
    if name not in state.manifests:
        raise Refused(
            Problem(Code.MANIFEST_MISSING, package.member(name)), remedies=(_name_origin(state, name, verb),)
        )
    header = opened.peek_header(state.manifests[name], StreamKind.MANIFEST)
    if header.is_adopted:
        raise Refused(Problem(Code.ORIGIN_UNKNOWN, package.member(name)), remedies=(_name_origin(state, name, verb),))
    return Again(header.origin, name if len(state.members) > 1 else b"")


def _name_one(members: Sequence[bytes], verb: str) -> Remedy:
    commands = (f"pack {verb} --again PACKAGE --member {quoted(name)}" for name in members)
    return Remedy("Name the member:", tuple(commands))


def _name_origin(state: PackageState, member: bytes, verb: str) -> Remedy:
    option = f" --replace-member {quoted(member)}" if len(state.members) > 1 else ""
    text = "It is not known what this member was made from, as this program did not make it. Name its reduction:"
    return Remedy(text, (f"pack {verb} ORIGIN PACKAGE{option} --mode MODE",))
