"""Plan of a removal: one member goes, the others stay. Nothing is scanned, and the plan holds no records."""

import os
import shlex
from dataclasses import replace

from qa2pack.manifest.alma.package import check_others_not_lost
from qa2pack.manifest.format.header import Notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.destination import choose_destination
from qa2pack.manifest.plan.extra_files import paths_of
from qa2pack.manifest.plan.last_copies import last_copies, lost_files
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.plan_header import header_of_member
from qa2pack.manifest.plan.replacement import hand_made
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.scan.gathered import Gathered


def _remove_anyway(member: bytes) -> Remedy:
    name = shlex.quote(os.fsdecode(member))
    text = "If there is another copy of the member, or it may go; it is kept until the next apply:"
    return Remedy(text, (f"pack remove PACKAGE --member {name} --force --keep-previous",))


def make_removal(request: PlanRequest, *, opened: OpenedFiles, now_ns: int) -> Plan:
    """Plan to remove the member that the request names; its origin does not matter.

    Args:
        now_ns: the time of the plan, ns since the epoch.

    Raises:
        Refused: there is no such member, or it is the only one or has no manifest, or it has the last copies of files
            or files that somebody put there, unless that is forced for what is not in the way of a symlink.
    """
    destination = choose_destination(request, opened)
    member = destination.going[0]
    check_others_not_lost(destination.state, member)
    if destination.state.members == (member,):
        raise Refused(Problem(Code.ONLY_MEMBER, destination.package.member(member)))
    if member not in destination.state.manifests:  # nobody knows what it holds that is nowhere else
        raise Refused(Problem(Code.MANIFEST_MISSING, destination.package.member(member)))
    gathered = Gathered()
    warnings = tuple(last_copies(destination, gathered.spool))
    problems = [moved.problem for moved in lost_files(destination, request, gathered.spool)]
    manifest = opened.manifest(destination.going_manifests[0])  # it can be used: those above have read it
    made = hand_made(destination)
    may_go = all(problem.code is Code.NOT_TAKEN_OVER for problem in problems) and not made.extra
    if not request.force:
        problems += (replace(warning, code=Code.ONLY_COPY) for warning in warnings)
        problems += (Problem(Code.ONLY_COPY, each.path) for each in made.changed)
        problems += made.extra
    if problems:
        raise Refused(*problems, remedies=(_remove_anyway(manifest.header.member),) if may_go else ())
    notes = Notes(
        warnings=warnings,
        extra=paths_of(made.extra, destination.package),
        changed=paths_of(made.changed, destination.package),
    )
    header = header_of_member(manifest.header, destination, program=request.program, now_ns=now_ns)
    return Plan(replace(header, readme=b"", written=()), notes, destination, gathered)
