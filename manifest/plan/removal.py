"""Plan of a removal: one member goes, the others stay. Nothing is scanned, and the plan holds no records."""

import socket
from dataclasses import replace

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.header import Header, Notes, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.plan.destination import Destination, choose_destination
from qa2pack.manifest.plan.extra_files import extra_in_member
from qa2pack.manifest.plan.last_copies import last_copies, lost_files
from qa2pack.manifest.plan.make import Plan
from qa2pack.manifest.plan.plan_header import user_name
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.scan.collect import Gathered


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
    if destination.state.members == (member,):
        raise Refused(Problem(Code.ONLY_MEMBER, destination.package.member(member)))
    if member not in destination.state.manifests:  # nobody knows what it holds that is nowhere else
        raise Refused(Problem(Code.MANIFEST_MISSING, destination.package.member(member)))
    gathered = Gathered()
    warnings = tuple(last_copies(destination, request, gathered.spool))
    problems = [*lost_files(destination, request, gathered.spool)]
    if not request.force:
        problems += (replace(warning, code=Code.ONLY_COPY) for warning in warnings)
        problems += extra_in_member(destination.package, opened.manifest(destination.going_manifests[0]))
    if problems:
        raise Refused(*problems)
    notes = Notes(warnings=warnings)
    return Plan(_header(request, destination, member, now_ns), notes, destination, gathered)


def _header(request: PlanRequest, destination: Destination, member: bytes, now_ns: int) -> Header:
    path = destination.state.manifests.get(member)
    try:
        removed = destination.opened.manifest(path).header if path else None
    except StreamError as error:
        raise Refused(unusable_manifest(error, path)) from error
    return Header(
        kind=StreamKind.PLAN,
        project=destination.package.project,
        group=destination.group,
        member=destination.member,
        mode=removed.mode if removed else Mode.COPY,
        append=request.append,
        origin=removed.origin if removed else destination.package.parent,
        scanned_ns=now_ns,
        layout=removed.layout if removed else request.layout,
        may_leave=False,
        standing=destination.state.standing,
        base=destination.base,
        readme=b"",
        host=socket.gethostname(),
        user=user_name(),
        program=request.program,
    )
