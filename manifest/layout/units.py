"""Units of an origin that holds several: whether each can be planned by itself, and one command for all of them.

Each unit is a folder that gives a variable a value of its own. Its places are searched as if it were the origin, so
that nothing is advised that would be refused.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from glob import escape

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.layout.decide import Choice
from qa2pack.manifest.layout.place import choose
from qa2pack.manifest.layout.several_values import Several, several_values
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.layout.template import NoPathError, NoValueError
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.problem import Refused, Remedy

_MEMBERS = "Or plan each of them as a member of its own of this package, in one go:"
_PACKAGES = "Or plan each of them as a package of its own, in one go:"
_BATCH = "pack batch plan ORIGIN --each PATH --package PACKAGE"


def planned_together(
    several: Several, choice: Choice, origin: Node, *, origin_path: bytes, append: Append
) -> tuple[Remedy, ...]:
    """Return how to plan all units in one go; nothing where one of them cannot be planned by itself.

    Args:
        origin_path: absolute.
        append: what was asked for; the command has it already, unless it is nothing.
    """
    glob = _glob_of(tuple(several.folders.values()), origin)
    units = {
        value: choose(
            _node_at(origin, folder), choice.layout, origin_path=path_in(origin_path, folder), given=choice.given
        )
        for value, folder in several.folders.items()
    }
    if not glob or not all(_is_one(unit, several.variable, value) for value, unit in units.items()):
        return ()
    tree = choice.layout.tree
    match append:
        case Append.GROUP | Append.MEMBER:
            return (_of_members(glob),) if tree.can(append) else ()
        case Append.NOTHING if tree.variables and _are_told_apart(units):
            return (_of_members(glob),)
        case Append.NOTHING if tree.counters and not tree.variables:
            return (_of_members(glob, " --append member"),)
        case Append.NOTHING:
            return (Remedy(_PACKAGES, (f"{_BATCH}-{{name}} --mode MODE",), glob),)
        case _:
            return ()


def _of_members(glob: bytes, option: str = "") -> Remedy:
    return Remedy(_MEMBERS, (f"{_BATCH}{option} --mode MODE",), glob)


def _is_one(unit: Choice, variable: str, value: bytes) -> bool:
    """Return whether a unit has the places that are needed, and one value of each variable."""
    is_whole = all(unit.places.has(place) for place in unit.layout.places if place.is_needed)
    has_value = unit.places.values_of(variable) == (value,)
    return is_whole and has_value and several_values(unit.layout, unit.places) is None


def _are_told_apart(units: Mapping[bytes, Choice]) -> bool:
    """Return whether the values of each unit make another member."""
    try:
        members = {
            unit.layout.tree.member(unit.single_values(unit.layout.tree.variables), (), Append.NOTHING)
            for unit in units.values()
        }
    except (Refused, NoValueError, NoPathError):
        return False
    return len(members) == len(units)


def _node_at(node: Node, path: bytes) -> Node:
    """Return the folder of a path that is in the survey."""
    for name in path.split(b"/"):
        node = next(child for child in node.children if child.name == name)
    return node


def _glob_of(paths: Sequence[bytes], origin: Node) -> bytes:
    """Return a glob of all these paths, each part of which says what they have in common; empty if there is none.

    What takes folders of any name, or of some first letters, may take no others of this origin: they may be anything.
    """
    parts = [path.split(b"/") for path in paths]
    if len({len(each) for each in parts}) > 1:
        return b""
    *above, last = (_globbed(names) for names in zip(*parts, strict=True))
    lasts = (last, _by_first_letters(each[-1] for each in parts)) if last == b"*" else ()
    globs = ((*above, each) for each in lasts if each)
    exact = next((glob for glob in globs if set(_matching(origin, glob)) == set(paths)), ())
    return b"/".join(exact if lasts else (*above, last))


def _globbed(names: Sequence[bytes]) -> bytes:
    first, last = min(names), max(names)
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return escape(first) if first == last else escape(first[:length]) + b"*"


def _by_first_letters(names: Iterable[bytes]) -> bytes:
    letters = b"".join(sorted({name[:1] for name in names}))
    return b"[%b]*" % letters if letters.isalnum() else b""


def _matching(folder: Node, parts: Sequence[bytes], path: bytes = b"") -> Iterator[bytes]:
    """Yield the paths of folders that a shell finds by a glob: without names that begin with a dot."""
    if not parts:
        yield path
        return
    for child in folder.children:
        if child.is_tree and not child.name.startswith(b".") and fnmatchcase(child.name, parts[0]):
            yield from _matching(child, parts[1:], join(path, child.name))
