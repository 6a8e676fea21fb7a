"""Show: the work of reading the members of a package, or the waiting plan; no file of the package is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from qa2pack.manifest.alma.control_folder import check_control
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.pack.jobs.members import Member, chosen_members, members_of
from qa2pack.pack.jobs.read import existing_package
from qa2pack.pack.target import Target


@dataclass(frozen=True, slots=True)
class Contents:
    """Members of a package.

    Attributes:
        members: those that were asked for.
        member_count: how many there are in all.
    """

    members: Sequence[Member]
    member_count: int


def show(target: Target, wanted: bytes) -> Contents:
    """Return the member of this name, all for an empty name; a manifest that cannot be used is no obstacle.

    Raises:
        Refused: no member, or more than one, has this name.
        Refused, UnfinishedError, LockedError: as `existing_package`.
    """
    everything = members_of(existing_package(target), target.opened)
    return Contents(chosen_members(everything, wanted), len(everything))


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
