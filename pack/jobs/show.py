"""Show: the work of reading the members of a package, or the waiting plan; no file of the package is read."""

import os
from collections.abc import Iterable, Sequence

from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.role import names_of
from qa2pack.pack.jobs.members import Member, chosen_members, members_of
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Contents:
    """Members of a package.

    Attributes:
        members: those that were asked for.
        member_count: how many there are in all.
        lost: of members that have a manifest and no folder, among those that were asked for.
    """

    members: Sequence[Member]
    member_count: int
    lost: Sequence[Problem] = ()


def show(target: Target, wanted: bytes) -> Contents:
    """Return the member of this name, all for an empty name; a manifest that cannot be used is no obstacle.

    Raises:
        Refused: no member, or more than one, has this name.
        Refused, UnfinishedError, LockedError: as `existing_package`.
    """
    state = existing_package(target)
    everything = members_of(state, target.opened)
    members = chosen_members(state, everything, wanted)
    return Contents(members, len(everything), () if wanted else tuple(dict.fromkeys(state.lost.values())))


def check_role(headers: Iterable[Header], role: str) -> None:
    """Refuse a role that none of these members, or plans, has; an empty one is all roles.

    Raises:
        Refused: it is not known.
    """
    roles = dict.fromkeys(known for header in headers for known in roles_of(header))
    if role and roles and role not in [known.name for known in roles]:
        raise Refused(Problem(Code.UNKNOWN_ROLE, os.fsencode(role), f"one of {names_of(roles)}"))


def waiting_plan(target: Target) -> Described:
    """Return the waiting plan.

    Raises:
        Refused: there is none, or the control folder cannot be used.
        StreamError: the plan cannot be used.
    """
    package = target.package
    check_control(package.control)
    try:
        return target.opened.plan(package.plan)
    except FileNotFoundError as error:
        raise Refused(Problem(Code.PLAN_MISSING, package.plan)) from error
