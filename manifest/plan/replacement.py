"""Replacement warnings: members and file contents that are lost when the package is replaced.

Either loss may be intended, so neither is refused; but a forgotten `--append` or `--mode` must not go unnoticed.
Read-only.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import README, Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.record_codec import decode_record, record_actions
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import is_within, shown
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.extra_files import differences_in_member, extra_in_member, extra_in_package
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.user_name import user_name
from qa2pack.manifest.problem import EXTRAS, Code, Problem

_SAME_FILE = frozenset((Action.LINK, Action.MOVE, Action.CARRY))


def replacing_warnings(request: PlanRequest, destination: Destination, spool: RecordSpool) -> Iterator[Problem]:
    """Yield a warning for each member that is removed, and for each whose files would become placeholders.

    Args:
        spool: the records of the new member.
    """
    yield from _lost_going(request, destination)
    members = destination.going
    if not members:
        return
    makes_empty = not request.mode.has_content and any(
        _has_placeholder(path, blob) for path, blob in spool.sorted_blobs()
    )
    for member in members:
        header = _header(destination, member)
        path = destination.package.member(member)
        # Values name the member, whatever folder of its run is the origin.
        is_made_again = destination.append is Append.REPLACE and request.append is Append.NOTHING
        if not is_made_again and _goes(header, request, is_alone=len(members) == 1):
            yield Problem(Code.W_MEMBER_GOES, path, found=_origin(header))
        if makes_empty and (header is None or header.mode.has_content):
            yield Problem(Code.W_BECOMES_EMPTY, path, found=_mode(header))


def _lost_going(request: PlanRequest, destination: Destination) -> Iterator[Problem]:
    """Yield a warning for each member without a folder that is not made again: its manifest goes with the others."""
    if destination.append is not Append.NOTHING:
        return
    lost = sorted(destination.state.lost)
    is_alone = len(lost) + len(destination.state.members) == 1
    for member in lost:
        header = _header(destination, member)
        if _goes(header, request, is_alone=is_alone):
            found = f"{_origin(header)}; its folder is missing already"
            yield Problem(Code.W_MEMBER_GOES, destination.package.member(member), found=found)


def _has_placeholder(path: bytes, blob: bytes) -> bool:
    """Return whether a folder has a placeholder; that of README is no loss, because each plan makes README again."""
    if path or Action.DUMMY not in record_actions(blob):
        return Action.DUMMY in record_actions(blob)
    record = decode_record(blob)
    return any(record.actions[index] == Action.DUMMY for index, name in enumerate(record.names) if name != README)


@dataclass(frozen=True, slots=True)
class HandMade:
    """What somebody made in that which is replaced, and what is lost with it unless it is kept.

    Attributes:
        extra: what no manifest knows.
        changed: files that are not as packaged; their values are the states.
        unreadable: folders in which there may be more of both.
    """

    extra: tuple[Problem, ...]
    changed: tuple[Problem, ...]
    unreadable: tuple[Problem, ...]

    def warnings(self, spool: RecordSpool) -> Iterator[Problem]:
        """Yield one warning for all extra files, and one for all changed ones that the new member does not have.

        Args:
            spool: the records of the new member.
        """
        lost = not_linked_again(self.changed, (blob for _, blob in spool.sorted_blobs()))
        for code, paths in (
            (Code.W_EXTRA_GOES, [each.path for each in self.extra]),
            (Code.W_CHANGED_GOES, [each.path for each in lost]),
        ):
            if paths:
                yield Problem(code, min(paths), found=counted(len(paths), "file"))


def hand_made(destination: Destination) -> HandMade:
    """Return what somebody made in that which is replaced; each folder is listed once, and no content is read."""
    return _made(_found(destination, differences_in_member))


def extra_going(destination: Destination) -> HandMade:
    """Return the files and folders that are replaced and that no manifest knows; no file is looked at."""
    return _made(_found(destination, extra_in_member))


def _made(found: Iterable[Problem]) -> HandMade:
    return HandMade(
        tuple(each for each in found if each.code in EXTRAS),
        tuple(each for each in found if each.code is Code.CHANGED),
        tuple(each for each in found if each.code is Code.UNREADABLE),
    )


def _found(destination: Destination, look: Callable[[Package, Described], Iterator[Problem]]) -> Iterable[Problem]:
    found: list[Problem] = []
    beside = extra_in_package(destination.package, destination.state)
    if destination.going == destination.state.members:
        found += beside
    elif destination.append is Append.REMOVE:  # its group may go with it
        found += (each for each in beside if is_within(each.path, destination.folder_going))
    for path in destination.going_manifests:
        with suppress(StreamError, FileNotFoundError):  # reported by those who need it
            found += look(destination.package, destination.opened.manifest(path))
    return dict.fromkeys(found)  # package and member both know what lies beside the role folders


def not_linked_again(changed: Iterable[Problem], blobs: Iterable[bytes]) -> list[Problem]:
    """Return the changed files whose inodes the new member does not have, as it has those of hard links.

    Args:
        blobs: the encoded records of the new member.
    """
    wanted = {_inode(each): each for each in changed}
    if wanted:
        for record in map(decode_record, blobs):
            for inode, action in zip(record.inodes, record.actions, strict=True):
                if inode in wanted and action in _SAME_FILE:
                    del wanted[inode]
    return list(wanted.values())


def _inode(changed: Problem) -> int:
    assert isinstance(changed.found, FileState)
    return changed.found.inode


def _header(destination: Destination, member: bytes) -> Header | None:
    """Return the header of the manifest of a member, None if it has none that can be used."""
    path = destination.state.manifests.get(member) or destination.state.lost_manifests.get(member)
    with suppress(StreamError, OSError):  # the manifests of members that are there were read before
        return destination.opened.peek_header(path, StreamKind.MANIFEST) if path else None
    return None


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
