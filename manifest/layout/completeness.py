"""Completeness: compares an origin with the checks of its layout; finds what is missing, and other kinds of delivery.

Pure. Everything found is a warning. What an exclude leaves out is not missing: somebody left it out on purpose, and
the plan lists it. A name outside of the execution blocks that begins with the uid of one counts for that block.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from qa2pack.manifest.layout.check import Absent, Alike, Check, Count, Listed, Names, Needs, ProjectCode, Unlike
from qa2pack.manifest.layout.decide import Choice, Draft
from qa2pack.manifest.layout.find_places import PlaceFolder
from qa2pack.manifest.layout.globs import first_match, matches
from qa2pack.manifest.layout.place import drafts_of
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.path import join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem

_MOST_NAMES = 4


def completeness_warnings(
    origin: Node,
    choice: Choice,
    packaged: Sequence[Draft],
    *,
    columns: Mapping[bytes, Sequence[str]],
    package: bytes,
) -> Iterator[Problem]:
    """Yield a warning for everything that the checks of the layout miss or do not expect.

    Args:
        packaged: the drafts of the placement.
        columns: of the measurement sets, as for `place`.
        package: absolute path of the package, whose name is the project code.

    Yields:
        Paths are relative to the origin, of an empty role to the member; of a project code it is `package`.
    """
    checks = choice.layout.checks
    # Each entry is decided about once more only if an exclude may have left out what is looked for.
    there = drafts_of(origin, replace(choice, exclude=()), columns) if choice.exclude and checks else packaged
    for check in checks:
        match check:
            case Needs(folder, what):
                if not any(draft.folder == folder for draft in there):
                    yield Problem(Code.W_ROLE_EMPTY, folder, expected=what)
            case Absent(what):
                if found := other_delivery(origin, (check,), choice.exclude):
                    others = f", and {len(found) - 1:,} more names of one" if len(found) > 1 else ""
                    yield Problem(Code.W_OTHER_DELIVERY, found[0], found=f"what belongs to {what}{others}")
            case ProjectCode(globs):
                if not matches(package.rpartition(b"/")[2], globs):
                    yield Problem(Code.W_PROJECT_CODE, package, expected="a code such as 2011.0.00229.S")
            case Alike() | Count() | Names() | Unlike() | Listed():
                pass  # the first all at once, below; the others are about the member
            case _:
                assert_never(check)
    alike = tuple(check for check in checks if isinstance(check, Alike))
    yield from _incomplete_places(alike, packaged, there, choice)


def other_delivery(origin: Node, checks: Iterable[Check], exclude: Sequence[str]) -> tuple[bytes, ...]:
    """Return the paths, relative to the origin, by which other kinds of delivery are known; excluded ones are not."""
    globs = [glob for check in checks if isinstance(check, Absent) for glob in check.globs]
    # Two patterns for all globs, because every path of the origin is compared with them.
    of_names, of_paths = tuple(g for g in globs if "/" not in g), tuple(g for g in globs if "/" in g)
    return tuple(
        path
        for path in (_paths(origin, b"", exclude) if globs else ())
        if matches(path.rpartition(b"/")[2], of_names) or matches(path, of_paths)
    )


def _incomplete_places(
    checks: Sequence[Alike], packaged: Sequence[Draft], there: Sequence[Draft], choice: Choice
) -> Iterator[Problem]:
    """Yield, for each place, one warning for each set of siblings of which the package has what the place lacks."""
    places = sorted(choice.places.marked, key=lambda place: sort_key(place.path))
    having = [(check.what, _having(check, packaged, choice), _having(check, there, choice)) for check in checks]
    for place in places:
        lacking = defaultdict[tuple[bytes, ...], list[str]](list)
        for what, siblings, complete in having:
            if siblings and place.path not in complete:
                lacking[tuple(each.name for each in places if each.path in siblings)].append(what)
        for folders, missing in lacking.items():
            found = f"these only in {_listed(list(map(shown, folders)))}"
            yield Problem(Code.W_BLOCK_INCOMPLETE, place.path, expected=", ".join(missing), found=found)


def _having(check: Alike, drafts: Iterable[Draft], choice: Choice) -> frozenset[bytes]:
    """Return the paths of the marked places that have what the check is about."""
    return frozenset(place.path for draft in drafts if _is_of(draft, check) for place in _owners(draft, choice))


def _is_of(draft: Draft, check: Alike) -> bool:
    return draft.folder == check.folder and matches(draft.entry.node.name, check.globs)


def _owners(draft: Draft, choice: Choice) -> Iterator[PlaceFolder]:
    """Yield the marked place in which it lies, and those to which its name belongs."""
    name = draft.entry.node.name
    named = {variable: choice.layout.variables[variable].at_start(name) for variable in choice.layout.fixed_by_marks}
    for place in choice.places.marked:
        is_named = any(own in place.values.get(variable, ()) for variable, own in named.items())
        if is_named or (draft.entry.place and place in (draft.entry.place, draft.entry.place.around)):
            yield place


def _paths(node: Node, path: bytes, exclude: Sequence[str]) -> Iterator[bytes]:
    """Yield the paths of everything that was surveyed below a node, without what is excluded."""
    for child in node.children:
        inner = join(path, child.name)
        if first_match(inner, exclude) is None:
            yield inner
            yield from _paths(child, inner, exclude)


def _listed(names: Sequence[str]) -> str:
    shown_names = ", ".join(names[:_MOST_NAMES])
    return f"{shown_names} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown_names
