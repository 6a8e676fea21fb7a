"""Tree of a package: the folder of a member as a template, and the names of new members.

A part of the path may hold a counter: the first name has no number and counts as 1, then come 2, 3 and so on. Or the
parts hold variables: then their values say which member of the package it is. With neither, and where the path is
empty, a package has one member.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping

from qa2pack.manifest.alma.member_ids import Append, folder_of, is_of_cycle0, member_at
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.template import PROJECT, Template
from qa2pack.manifest.path import folders_above, join

# The counters, in the order of their folders.
COUNTERS = ("group", "member")
_COUNTED = {Append.GROUP: COUNTERS, Append.MEMBER: COUNTERS[1:]}


@dataclass(frozen=True, slots=True)
class Tree:
    """The folders from the package down to a member; none where the only member is the package itself.

    Attributes:
        parts: a template for each folder.
        counters: names of those in use; other variables of the templates are those of the layout.
    """

    parts: tuple[Template, ...]
    counters: tuple[str, ...] = ()

    @property
    def variables(self) -> frozenset[str]:
        """The variables whose values tell the members of a package apart."""
        return frozenset().union(*(part.variables for part in self.parts)) - {*COUNTERS, PROJECT}

    @property
    def text(self) -> str:
        """The path as it is written."""
        return "/".join(part.text for part in self.parts)

    def can(self, append: Append) -> bool:
        """Return whether members are added in this way."""
        return append not in _COUNTED or _COUNTED[append][0] in self.counters

    def has(self, member: bytes) -> bool:
        """Return whether a member of this name may be one of this tree, by depth and what is fixed in names."""
        folder = folder_of(member)
        if folder.count(b"/") + bool(folder) != len(self.parts):
            return False
        paths = [*folders_above([folder]), folder][1:] if folder else []
        return all(map(self.leads_to, paths)) or (is_of_cycle0(member) and self._is_of_cycle0)

    @property
    def _is_of_cycle0(self) -> bool:
        """Whether it is the tree of Cycle 0, of which there are members of other forms, with dates."""
        return not self.variables and is_of_cycle0(self.member({PROJECT: b"P"}, (), Append.NOTHING))

    def leads_to(self, path: bytes) -> bool:
        """Return whether a folder of the package is a member, or one above members, by its name."""
        parts = path.split(b"/")
        template = self.parts[len(parts) - 1]
        texts = (re.escape(text.encode()) for text in template.parts[::2])
        return re.fullmatch(b".*".join(texts), parts[-1], re.DOTALL) is not None

    def member(self, values: Mapping[str, bytes], present: Collection[bytes], append: Append) -> bytes:
        """Return the name of the new member.

        The next number is one above the highest, so a gap is never filled. A name of another form has no number.

        Args:
            values: of its variables.
            present: the folders of members and groups that the package has, relative to it.

        Raises:
            NoValueError: a variable has no value.
            NoPathError: the values make no path.
        """
        counted = _COUNTED.get(append, ())
        path = b""
        for template in self.parts:
            counter = next((name for name in COUNTERS if name in template.variables), None)
            if counter is None:
                name = template.fill(values.get)
            else:
                names = [] if append is Append.NOTHING else _names_in(path, present)
                name = _next(template, counter, values, names, is_new=counter in counted)
            path = join(path, name)
        return member_at(path)


ITSELF = Tree(())


def _next(
    template: Template, counter: str, values: Mapping[str, bytes], names: Iterable[bytes], *, is_new: bool
) -> bytes:
    """Return the next name, or the highest of those that are there."""
    numbers = {name: _number(template, counter, values, name) for name in names}
    highest = max(numbers.values(), default=0)
    if numbers and not is_new:
        return max(numbers, key=lambda name: (numbers[name], name))
    return _named(template, counter, values, highest + 1)


def _named(template: Template, counter: str, values: Mapping[str, bytes], number: int) -> bytes:
    return template.fill({**values, counter: b"%d" % number if number > 1 else b""}.get)


def _number(template: Template, counter: str, values: Mapping[str, bytes], name: bytes) -> int:
    """Return the number in a name; 0 for one of another form."""
    mark = b"\0"
    before, _, after = (re.escape(part) for part in _marked(template, counter, values, mark).partition(mark))
    match = re.fullmatch(before + rb"([0-9]{0,9})" + after, name)
    return int(match[1] or 1) if match else 0


def _marked(template: Template, counter: str, values: Mapping[str, bytes], mark: bytes) -> bytes:
    parts = [template.parts[0].encode()]
    for variable, text in zip(template.parts[1::2], template.parts[2::2], strict=True):
        parts += [mark if variable == counter else values[variable], text.encode()]
    return b"".join(parts)


def _names_in(folder: bytes, present: Iterable[bytes]) -> set[bytes]:
    start = join(folder, b"") if folder else b""
    return {path[len(start) :].partition(b"/")[0] for path in present if path.startswith(start) and path != start}


def adds_folder(member: bytes, staying: Iterable[bytes]) -> bool:
    """Return whether a member lies in a folder in which none of those that stay is."""
    above = os.path.dirname(folder_of(member))
    return bool(above) and above not in folders_above(map(folder_of, staying))
