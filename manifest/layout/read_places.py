"""Reading of what a layout knows its origin and its package by: variables, places and the tree."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from qa2pack.manifest.layout.find_places import ANY_DEPTH, Place
from qa2pack.manifest.layout.known_names import OF_A_FILE, Known
from qa2pack.manifest.layout.patterns import Patterns, Variable, check_can_match, check_spelling, pieces_of
from qa2pack.manifest.layout.table import Table
from qa2pack.manifest.layout.template import PROJECT
from qa2pack.manifest.layout.tree import COUNTERS, ITSELF, Tree

_VARIABLE_KEYS = frozenset({"like", "default"})
_TWICE_LIMIT = 2
_PLACE_KEYS = frozenset({"name", "path", "inside", "named", "marked_by", "prefix", "no_prefix", "needed", "what"})


def read_variables(top: Table, paths: frozenset[str]) -> Mapping[str, Variable]:
    """Return the variables of a layout; `paths` are those whose values are paths of files elsewhere."""
    return {name: _variable(table, name, is_path=name in paths) for name, table in top.sub_tables("variable")}


def _variable(table: Table, name: str, *, is_path: bool) -> Variable:
    table.check_keys(_VARIABLE_KEYS, "variable")
    if not _is_name(name) or name in OF_A_FILE:
        table.refuse(expected="a name of lower case letters, digits and _ that no other variable has", found=name)
    variable = Variable(name, table.text("like", "*"), table.text("default"), is_path)
    if table.values.get("default") == "":
        table.refuse(expected="a default, or no such key", found="an empty text")
    if is_path and variable.default:
        table.refuse(expected="no default for a variable of from", found=variable.default)
    if set("/{}").intersection(variable.like):
        table.refuse(expected="a glob of names for like, without / and braces", found=variable.like)
    if not is_path:
        table.right("like", check_spelling, variable.like)
        table.right("like", check_can_match, variable.like)
    if variable.default and not variable.is_like(variable.default.encode()):
        table.refuse(expected=f"a name like {variable.like} for default", found=variable.default)
    return variable


def _is_name(text: str) -> bool:
    return pieces_of(f"{{{text}}}") == (text,)


def read_places(top: Table, known: Known) -> tuple[Place, ...]:
    """Return the places of a layout, of which it has at least one."""
    for table in top.tables("place"):
        known = replace(known, places=(*known.places, _place(table, known)))
    if not known.places:
        top.refuse(expected="places, [[place]], in which rules look")
    return known.places


def _place(table: Table, known: Known) -> Place:
    table.check_keys(_PLACE_KEYS, "place")
    name, inside = table.text("name"), table.text("inside")
    if not _is_name(name) or name in {*known.place_names, *OF_A_FILE, *known.variables}:
        table.refuse(expected="a name of lower case letters, digits and _ that nothing else has", found=name)
    if inside and inside not in known.place_names:
        table.refuse(expected="an earlier place for inside", found=inside)
    place = Place(
        name=name,
        steps=_steps(table, known),
        inside=inside,
        named=_one_at_least(table, "named", known),
        marked_by=_one_at_least(table, "marked_by", known),
        is_needed=table.flag("needed"),
        what=table.text("what") or name,
    )
    _check_is_looked_for(table, place, known.places)
    _check_depths(table, place)
    return _with_prefix(place, table, known)


def _check_is_looked_for(table: Table, place: Place, earlier: Iterable[Place]) -> None:
    """Refuse a place that no origin has: the origin must be a marked folder, and below it places inside it count."""
    closed = (other for other in earlier if other.marked_by and other.is_needed and not (other.steps or other.inside))
    if (origin := next(closed, None)) and not place.inside:
        expected = f'inside = "{origin.name}", because below a marked folder only places inside it are looked for'
        table.refuse(expected=expected, found=f"no inside for {place.name}")


def _check_depths(table: Table, place: Place) -> None:
    """Refuse a path of any depth with more ways to be followed than can be: one for each value that is compared."""
    names = [step for step in (*place.steps, place.named) if step]
    counts = Counter(piece for name in names for piece in {piece for text in name.texts for piece in pieces_of(text)})
    twice = [piece for piece, count in counts.items() if count > 1]
    if ANY_DEPTH in place.steps and len(twice) > _TWICE_LIMIT:
        expected = f"at most {_TWICE_LIMIT} variables in several names of a path with **"
        table.refuse(expected=expected, found=", ".join(twice), key="path")


def _one_at_least(table: Table, key: str, known: Known) -> Patterns | None:
    """Return the patterns of a key, None if it is missing: no pattern would be a place that is nowhere."""
    if table.values.get(key) == []:
        table.refuse(expected=f"a pattern or more for {key}", found="an empty list")
    return known.patterns(table, key) if key in table else None


def _steps(table: Table, known: Known) -> tuple[Patterns | None, ...]:
    path = table.text("path")
    return tuple(
        ANY_DEPTH if step == "**" else known.of_variables(table, (step,), "path")
        for step in (path.split("/") if path else ())
    )


def _with_prefix(place: Place, table: Table, known: Known) -> Place:
    """Return the place with its own prefix, or that of the place around it."""
    around = next((other for other in known.places if other.name == place.inside), None)
    prefix = known.template(table, "prefix", place.fixes | (around.fixes if around else frozenset()))
    no_prefix = known.patterns(table, "no_prefix")
    if no_prefix.texts and not prefix:
        table.refuse(expected="prefix beside no_prefix", found=table.key_list)
    if prefix or around is None:
        return replace(place, prefix=prefix, no_prefix=no_prefix if prefix else None)
    return replace(place, prefix=around.prefix, no_prefix=around.no_prefix)


def read_tree(top: Table, known: Known) -> Tree:
    """Return the folders from the package down to a member."""
    text = top.text("tree")
    if not text:
        return ITSELF
    counters = tuple(name for name in COUNTERS if name not in known.variables)
    may_stand = (known.fixed - set(known.place_names)) | {*counters, PROJECT}
    parts = []
    for part in text.split("/"):
        template = known.template(top, "tree", may_stand, part)
        counted = [name for name in template.parts[1::2] if name in counters] if template else []
        if template is None or len(counted) > 1:
            top.refuse(expected="folders with one counter at most, group or member, for tree", found=text, key="tree")
        if counted and part.replace(f"{{{counted[0]}}}", "") in ("", ".", ".."):
            expected = f"a name beside {{{counted[0]}}} in tree, because the first folder has no number"
            top.refuse(expected=expected, found=text, key="tree")
        parts.append(template)
    used = tuple(name for part in parts for name in counters if name in part.variables)
    if not _are_in_order(used, counters):
        top.refuse(expected="member, or group and below it member, as counters of tree", found=text, key="tree")
    return Tree(tuple(parts), used)


def _are_in_order(used: tuple[str, ...], counters: Iterable[str]) -> bool:
    return used == tuple(name for name in counters if name in used) and used != ("group",)
