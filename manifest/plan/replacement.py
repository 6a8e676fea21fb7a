"""Replacement warnings: members and file contents that are lost when the package is replaced.

Either loss may be intended, so neither is refused; but a forgotten `--append` or `--mode` must not go unnoticed.
Read-only.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.record_codec import record_actions
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.extra_files import extra_in_member, extra_in_package
from qa2pack.manifest.plan.plan_header import user_name
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Code, Problem


def replacing_warnings(request: PlanRequest, destination: Destination, spool: RecordSpool) -> Iterator[Problem]:
    """Yield a warning for each member that is removed, and for each whose files would become placeholders.

    Args:
        spool: the records of the new member.
    """
    members = destination.going
    if not members:
        return
    # README, the only file outside the role folders, is made again by each plan: a placeholder for it is no loss.
    makes_empty = not request.mode.has_content and any(
        path and Action.DUMMY in record_actions(blob) for path, blob in spool.sorted_blobs()
    )
    for member in members:
        header = _header(destination, member)
        path = destination.package.member(member)
        if _goes(header, request, is_alone=len(members) == 1):
            yield Problem(Code.W_MEMBER_GOES, path, found=_origin(header))
        if makes_empty and (header is None or header.mode.has_content):
            yield Problem(Code.W_BECOMES_EMPTY, path, found=_mode(header))


def extra_files_go(destination: Destination) -> Iterator[Problem]:
    """Yield one warning for all files that somebody put into what is replaced."""
    found: list[bytes] = []
    if destination.going == destination.state.members:
        found += (each.path for each in extra_in_package(destination.package, destination.state))
    for path in destination.going_manifests:
        # A manifest or folder that cannot be read is reported by those who need it.
        with suppress(StreamError, OSError):
            manifest = destination.opened.manifest(path)
            found += (each.path for each in extra_in_member(destination.package, manifest))
    if found:
        yield Problem(Code.W_EXTRA_GOES, min(found), found=counted(len(found), "file"))


def _header(destination: Destination, member: bytes) -> Header | None:
    path = destination.state.manifests.get(member)
    return destination.opened.peek_header(path, StreamKind.MANIFEST) if path else None


def _goes(header: Header | None, request: PlanRequest, *, is_alone: bool) -> bool:
    """Return whether the plan removes the member; a single member of unknown origin is assumed to be made again."""
    if header is None or header.is_adopted:
        return not is_alone
    return header.origin != request.origin


def _origin(header: Header | None) -> str:
    if header is None or header.is_adopted:
        return "one whose origin is not known"
    return f"one of {os.fsdecode(header.origin)}"


def _mode(header: Header | None) -> str:
    if header is None or header.is_adopted:
        return "files with content"
    return f"files with content, mode {header.mode}"


def replaced_plan(request: PlanRequest, destination: Destination) -> Iterator[Problem]:
    """Yield a warning if the waiting plan is of another user or origin; replacing one's own plan needs no warning."""
    try:
        waiting = destination.opened.peek_header(destination.package.plan, StreamKind.PLAN)
    except (StreamError, FileNotFoundError):
        return
    if (waiting.user, waiting.origin) != (user_name(), request.origin):
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(waiting.scanned_ns / 1e9))
        is_own = waiting.user == user_name()
        whose = "your own" if is_own else f"that of {shown(waiting.user)} on {shown(waiting.host)}"
        yield Problem(Code.W_PLAN_REPLACED, waiting.origin, found=f"{whose} of {when}, mode {waiting.mode}")
