"""Survey: the tree of names and kinds in the origin, as far as the layout rules need it.

The invariant: the `source` of a node is the path to read and is not a symlink itself, so a package has no symlinks
and a loop is not followed. Tables and other opaque folders (plots, images, raw observations) are not entered: they
are packaged or left out as a whole, and often hold most of the files. The scan handles the symlinks in them. Nothing
is decided here, and no file content is read.
"""

import errno
import os
import stat
from collections.abc import Callable
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem, Refused, path_fault

# A table is any folder with this file in it.
TABLE_MARK = b"table.dat"
# A raw observation, as the telescope delivered it, is any folder with this file in it.
OBSERVATION_MARK = b"ASDM.xml"
# Far more than any reduction needs; it stops before the interpreter's recursion limit is reached.
DEPTH_LIMIT = 100


class Kind(StrEnum):
    """Kind of an entry of the origin, symlinks resolved."""

    FILE = "file"
    FOLDER = "folder"
    TABLE = "table"
    SPECIAL = "special"
    BROKEN_LINK = "broken-link"
    LOOP = "loop"
    OUTSIDE = "outside"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Node:
    """One name in the origin.

    Attributes:
        name: as it is in its folder; empty for the origin itself.
        size: bytes, for files.
        source: path to read, relative to the origin; absolute where a symlink leads outside.
        children: of a folder that was entered, sorted by name.
        opaque: a folder that was not entered, though it could be.
        detail: in words, why it cannot be packaged.
    """

    name: bytes
    kind: Kind
    size: int = 0
    source: bytes = b""
    children: tuple["Node", ...] = ()
    opaque: bool = False
    detail: str = ""

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder or table, which is packaged with everything below it."""
        return self.kind in {Kind.FOLDER, Kind.TABLE}


@dataclass(frozen=True, slots=True)
class _Walk:
    """The settings of one survey; `origin` is resolved and absolute."""

    origin: bytes
    opaque: Callable[[bytes], bool]
    follow_outside: bool
    package: bytes


def survey(
    origin: bytes, *, opaque: Callable[[bytes], bool], follow_outside: bool = False, package: bytes = b""
) -> Node:
    """Survey the origin; enter only the folders whose entries are placed one by one.

    Args:
        origin: the reduction folder; may itself be a symlink.
        opaque: returns from its name whether a folder is not to be entered.
        follow_outside: follow symlinks also out of the origin.
        package: resolved path of the package. After a move, files of the origin are symlinks into it; such a symlink
            is a file with itself as its source.

    Returns:
        The origin as a node. An entry that cannot be packaged is a node of the matching kind.

    Raises:
        Refused: the origin is missing, not a folder, or cannot be read.
        OSError: the machine is short of something, which is the fault of no entry.
    """
    try:
        real = os.path.realpath(origin, strict=True)
        if not stat.S_ISDIR(os.stat(real).st_mode):
            raise Refused(Problem(Code.ORIGIN_NOT_FOLDER, origin, expected="a folder"))
    except (FileNotFoundError, NotADirectoryError):
        raise Refused(Problem(Code.ORIGIN_MISSING, origin)) from None
    except OSError as error:
        raise Refused(Problem(Code.UNREADABLE, origin, found=_words(error))) from None
    root = _folder(_Walk(real, opaque, follow_outside, package), Node(b"", Kind.FOLDER), above=())
    if root.kind is Kind.UNREADABLE:
        raise Refused(Problem(Code.UNREADABLE, origin, found=root.detail))
    return root


def _folder(walk: _Walk, node: Node, above: tuple[bytes, ...]) -> Node:
    """Return the node of a folder with its children; `above` are the resolved folders it was reached through."""
    real = os.path.join(walk.origin, node.source)
    if len(above) >= DEPTH_LIMIT:
        return _fault(node, Kind.UNREADABLE, f"more than {DEPTH_LIMIT} folders inside each other")
    if node.name and walk.opaque(node.name):
        kind = Kind.TABLE if is_there(os.path.join(real, TABLE_MARK)) else Kind.FOLDER
        return Node(node.name, kind, source=node.source, opaque=kind is Kind.FOLDER)
    try:
        with os.scandir(real) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        return _fault(node, Kind.UNREADABLE, _words(error))
    names = {entry.name for entry in entries}
    if TABLE_MARK in names and node.name:
        return Node(node.name, Kind.TABLE, source=node.source)
    if OBSERVATION_MARK in names and node.name:
        return Node(node.name, Kind.FOLDER, source=node.source, opaque=True)
    children = tuple(each(lambda entry: _child(walk, node.source, entry, (*above, real)), entries))
    return Node(node.name, Kind.FOLDER, source=node.source, children=children)


def _child(walk: _Walk, folder: bytes, entry: os.DirEntry[bytes], above: tuple[bytes, ...]) -> Node:
    node = Node(entry.name, Kind.FILE, source=join(folder, entry.name))
    if entry.is_symlink():
        return _link(walk, node, above)
    try:
        return _plain(walk, node, entry.stat(follow_symlinks=False), above)
    except OSError as error:
        return _fault(node, Kind.UNREADABLE, _words(error))


def _plain(walk: _Walk, node: Node, status: os.stat_result, above: tuple[bytes, ...]) -> Node:
    """Make the node of an entry that is not a symlink, from its stat result."""
    if stat.S_ISDIR(status.st_mode):
        return _folder(walk, node, above)
    if stat.S_ISREG(status.st_mode):
        return Node(node.name, Kind.FILE, size=status.st_size, source=node.source)
    return _fault(node, Kind.SPECIAL, kind_in_words(status.st_mode))


def _link(walk: _Walk, node: Node, above: tuple[bytes, ...]) -> Node:
    """Make the node of a symlink: its target, under the name of the symlink."""
    link = os.path.join(walk.origin, node.source)
    try:
        status = os.stat(link)  # the kernel first: realpath accepts `file/..` as the folder of the file
        target = os.path.realpath(link, strict=True)
    except OSError as error:
        return _fault(node, _link_fault(error), _words(error))
    if walk.package and is_within(target, walk.package) and stat.S_ISREG(status.st_mode):
        return Node(node.name, Kind.FILE, size=status.st_size, source=node.source)
    inside = is_within(target, walk.origin)
    source = target[len(walk.origin.rstrip(b"/")) + 1 :] if inside else target
    link_node, node = node, Node(node.name, node.kind, source=source)
    if stat.S_ISDIR(status.st_mode) and any(is_within(folder, target) for folder in above):
        return _fault(node, Kind.LOOP, "a link to a folder that holds it")
    if not inside and not walk.follow_outside:
        return _fault(node, Kind.OUTSIDE, "leads to " + shown(target))
    found = _plain(walk, node, status, above)
    # The link is named: where it leads may be left out already.
    return found if found.kind is not Kind.UNREADABLE else _fault(link_node, found.kind, found.detail)


def _link_fault(error: OSError) -> Kind:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return Kind.BROKEN_LINK
        case errno.ELOOP:
            return Kind.LOOP
        case _:
            return Kind.UNREADABLE


def _fault(node: Node, kind: Kind, detail: str) -> Node:
    return Node(node.name, kind, source=node.source, detail=detail)


def _words(error: OSError) -> str:
    return path_fault(error).lower()
