"""`--again`: origin and name of a packaged member that a plan makes again, from its manifest."""

from dataclasses import dataclass

from qa2pack.manifest.alma.member_ids import member_named
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.obstacles import no_package
from qa2pack.manifest.problem import Code, Problem, Refused


@dataclass(frozen=True, slots=True)
class Again:
    """Where a member came from.

    Attributes:
        replaced: `group/member` to replace; empty if it is the only one, and the package is replaced with it.
    """

    origin: bytes
    replaced: bytes


def made_again(package: Package, member: bytes, opened: OpenedFiles) -> Again:
    """Return what a plan needs to make a member again.

    Args:
        member: its name, `group/member` or only the member's; empty if the package has one member.

    Raises:
        Refused: there is no package or no such member, or it has no manifest, or its origin is not known.
        StreamError: its manifest cannot be used.
    """
    state = read_state(package)
    if not state.members:
        raise Refused(no_package(package, state))
    name = member_named(state.members, member)
    if name not in state.manifests:
        raise Refused(Problem(Code.MANIFEST_MISSING, package.member(name)))
    header = opened.peek_header(state.manifests[name], StreamKind.MANIFEST)
    if header.is_adopted:
        raise Refused(Problem(Code.ORIGIN_UNKNOWN, package.member(name)))
    return Again(header.origin, name if len(state.members) > 1 else b"")
