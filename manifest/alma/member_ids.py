"""Names of members: how they are typed and found, and the folder of each.

Delivered packages of Cycle 0 also hold names with a date, `member_ouss_2012-10-18_id`.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused

# The one folder between the project folder and the groups.
SCIENCE_GOAL = b"sg_ouss_id"
# The name of a member that is not in a folder of its own.
PACKAGE_ITSELF = b"."
_GROUP = b"group_ouss"
_MEMBER = b"member_ouss"
_REST = re.compile(rb"(?:_[0-9]{4}-[0-9]{2}-[0-9]{2})?_id[0-9]{0,9}")


class Append(StrEnum):
    """How a package changes: which of its members stay, and where the new one goes.

    With GROUP and MEMBER all stay, and a member is added. With REPLACE and REMOVE all but one stay. With RENAME all
    members of a package of another name are made again under this one, and that package goes.
    """

    NOTHING = ""  # none stays: the new member is the whole package
    GROUP = "group"
    MEMBER = "member"
    REPLACE = "replace"
    REMOVE = "remove"
    RENAME = "rename"


def folder_of(member: bytes) -> bytes:
    """Return the folder of a member, relative to the package.

    A member is named by this path, but for two: `group/member` of packages whose groups lie in SCIENCE_GOAL, and
    PACKAGE_ITSELF where the only member is the package.
    """
    if member == PACKAGE_ITSELF:
        return b""
    return join(SCIENCE_GOAL, member) if is_of_cycle0(member) else member


def is_of_cycle0(member: bytes) -> bool:
    """Return whether this is the name of a member, or of a group, of Cycle 0."""
    group, _, name = member.partition(b"/")
    return is_group(group) and (is_member(name) or not name)


def member_words(member: bytes) -> str:
    """Return the name of a member for display."""
    return "the package itself" if member == PACKAGE_ITSELF else shown(member)


def member_at(folder: bytes) -> bytes:
    """Return the name of the member with this folder, relative to the package."""
    inside = folder.removeprefix(SCIENCE_GOAL + b"/")
    return inside if folder and folder_of(inside) == folder else folder or PACKAGE_ITSELF


def dated(member: bytes, day: str) -> bytes:
    """Return the last part of a member's name with a date in place of its number; empty if it is not of Cycle 0."""
    return b"%b_%b_id" % (_MEMBER, day.encode()) if is_of_cycle0(member) else b""


def is_group(name: bytes) -> bool:
    """Return whether a folder name is a group name."""
    return _is_named(name, _GROUP)


def is_member(name: bytes) -> bool:
    """Return whether a folder name is a member name."""
    return _is_named(name, _MEMBER)


def tidy_name(typed: bytes) -> bytes:
    """Return the name of a member as it was meant: without `//`, `./`, `/` at its end, or the path of the package."""
    parts = [part for part in typed.split(b"/") if part not in (b"", b".")]
    if SCIENCE_GOAL in parts:
        parts = parts[parts.index(SCIENCE_GOAL) + 1 :]
    return b"/".join(parts) or typed


def named_so(members: Iterable[bytes], wanted: bytes) -> list[bytes]:
    """Return the members with this name, or if there is none, those whose names end with this path."""
    return [member for member in members if member == wanted] or [
        member for member in members if member.endswith(b"/" + wanted)
    ]


def member_named(members: Sequence[bytes], wanted: bytes) -> bytes:
    """Return the member with this name, or this end of its name; for no name the only one there is.

    Raises:
        Refused: no member, or more than one, has this name, or there are several and no name is given.
    """
    if not wanted and len(members) == 1:
        return members[0]
    if not wanted:
        raise Refused(Problem(Code.MEMBER_NOT_NAMED, b"--member", f"one of {', '.join(map(shown, members))}"))
    chosen = named_so(members, wanted)
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(map(shown, chosen or members))
    raise Refused(Problem(Code.MEMBER_AMBIGUOUS if chosen else Code.MEMBER_UNKNOWN, wanted, f"one of {names}"))


def _is_named(name: bytes, stem: bytes) -> bool:
    return name.startswith(stem) and _REST.fullmatch(name, len(stem)) is not None
