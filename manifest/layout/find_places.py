"""Places: the folders of the origin that a layout names, as a path or by what they hold, and the variables they fix.

A place is where rules look. A folder that is a marked place, such as an execution block, is closed: only places
inside it are looked for below. The origin may be a folder at any height of the paths, so its own name and those above
may fix variables as well.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.patterns import Patterns, Variables, pieces_of
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.layout.template import Template
from qa2pack.manifest.path import is_within, join

# A step of a path that stands for any number of folders.
ANY_DEPTH = None


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of folder in which rules look.

    Attributes:
        steps: patterns of the folders on the way, from the origin or from the place around it; ANY_DEPTH for `**`.
        inside: the place in which it lies; empty for the origin.
        named: patterns that its own name must fit, also where it is the origin. None: any name.
        marked_by: patterns of names; a folder with one such name in it is this place. None: the path is enough.
        prefix: what makes a name of this place unique.
        no_prefix: patterns of the names that are unique already.
        is_needed: an origin without it is refused.
        what: what such a folder is called, for messages.
    """

    name: str
    steps: tuple[Patterns | None, ...]
    inside: str = ""
    named: Patterns | None = None
    marked_by: Patterns | None = None
    prefix: Template | None = None
    no_prefix: Patterns | None = None
    is_needed: bool = False
    what: str = ""

    @property
    def path(self) -> str:
        """The path as it is in the layout; empty for the origin, or for the place around it."""
        return "/".join("**" if step is ANY_DEPTH else step.texts[0] for step in self.steps)

    @property
    def where(self) -> str:
        """Where it is looked for, in words."""
        path = f" at {self.path}" if self.path else ""
        name = f" named {' or '.join(self.named.texts)}" if self.named else ""
        marks = f" that holds {' or '.join(self.marked_by.texts)}" if self.marked_by else ""
        return f"a folder{path}{name}{marks}"

    @property
    def path_pieces(self) -> frozenset[str]:
        """The variables that get a value from the names on the way to such a folder, or from its own."""
        own = self.named.pieces if self.named else frozenset()
        return own.union(*(step.pieces for step in self.steps if step))

    @property
    def fixes(self) -> frozenset[str]:
        """The variables that get a value from such a folder."""
        marks = self.marked_by.pieces if self.marked_by else frozenset()
        return self.path_pieces | marks | {self.name}


@dataclass(frozen=True, slots=True)
class PlaceFolder:
    """A folder of the origin that is a place.

    Attributes:
        path: relative to the origin; empty for the origin itself.
        name: of the folder; of a deeper one than its place tells, all names from there on, joined by `__`.
        values: of the variables it fixes, never empty; where marks offer several, the most frequent one is first.
        around: the place in which it lies.
    """

    place: Place
    path: bytes
    name: bytes
    values: Mapping[str, tuple[bytes, ...]] = field(hash=False)
    around: "PlaceFolder | None" = None

    def value_of(self, variable: str, name: bytes, variables: Variables) -> bytes | None:
        """Return the value for a file of this folder; of several the one its name begins with, else the first."""
        values = self.values.get(variable, ())
        if len(values) > 1 and variable in variables:
            own = variables[variable].at_start(name)
            return own if own in values else values[0]
        return values[0] if values else None

    @property
    def marks(self) -> tuple[bytes, ...]:
        """The values of the first variable that its marks fix."""
        marked = self.place.marked_by
        return next((self.values[piece] for piece in sorted(marked.pieces)), ()) if marked else ()


@dataclass(frozen=True, slots=True)
class PlacesFound:
    """The places of one origin.

    Attributes:
        folders: by path, relative to the origin.
        on_the_way: the paths of the folders around them; the origin is always one.
        marked: the folders that are known by what they hold, sorted by path; asked for once for each file.
    """

    folders: Mapping[bytes, PlaceFolder]
    on_the_way: frozenset[bytes] = field(init=False)
    marked: tuple[PlaceFolder, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on_the_way", frozenset({b""}).union(*map(_around, self.folders)))
        marked = (folder for _, folder in sorted(self.folders.items()) if folder.place.marked_by)
        object.__setattr__(self, "marked", tuple(marked))

    def is_entered(self, path: bytes) -> bool:
        """Return whether entries of a folder that no rule takes are decided one by one."""
        return path in self.folders or path in self.on_the_way

    def has(self, place: Place) -> bool:
        """Return whether some folder is this place."""
        return any(folder.place is place for folder in self.folders.values())

    def values_of(self, variable: str) -> tuple[bytes, ...]:
        """Return all values that folders fix the variable to, sorted."""
        return tuple(sorted({value for folder in self.folders.values() for value in folder.values.get(variable, ())}))

    def knows(self, variable: str, value: bytes) -> bool:
        """Return whether some folder fixes the variable to this value."""
        return any(value in folder.values.get(variable, ()) for folder in self.folders.values())


def find_places(
    origin: Node,
    places: Sequence[Place],
    *,
    origin_path: bytes,
    is_wanted: Callable[[bytes], bool],
    given: Mapping[str, bytes] | None = None,
) -> PlacesFound:
    """Return the places of an origin.

    The paths of the places begin at the origin, or, where a needed place is not found so, above it: at the first
    folder from which all needed places are found.

    Args:
        origin_path: absolute; its last names may be steps of the paths.
        is_wanted: whether a folder, by its path, is looked at.
        given: values of variables; folders that fix another value are not looked at.
    """
    names = [name for name in origin_path.split(b"/") if name]
    deepest = max((len(place.steps) for place in places), default=0)
    needed = [place for place in places if place.is_needed]
    first = None
    for height in range(min(deepest, len(names)) + 1):
        search = _Search(places, names[-1] if names else b"", is_wanted, given or {}, {})
        search.begin(origin, names[len(names) - height :])
        found = PlacesFound(search.folders)
        if all(found.has(place) for place in needed):
            return found
        first = first or found
    return first or PlacesFound({})


@dataclass(frozen=True, slots=True)
class _Way:
    """How far the path of a place is followed: the number of steps that are done, and what they fixed."""

    place: Place
    done: int
    values: tuple[tuple[str, bytes], ...] = ()
    names: tuple[bytes, ...] = ()
    around: PlaceFolder | None = None

    def closure(self) -> "Iterator[_Way]":
        """Yield itself, and what it is when steps of no folder are skipped."""
        yield self
        if self.done < len(self.place.steps) and self.place.steps[self.done] is ANY_DEPTH:
            yield from _Way(self.place, self.done + 1, self.values, self.names, self.around).closure()

    def into(self, name: bytes) -> "Iterator[_Way]":
        """Yield the ways through a folder of this name."""
        for way in self.closure():
            if way.done == len(way.place.steps):
                continue
            step = way.place.steps[way.done]
            names = (*self.names, name) if ANY_DEPTH in way.place.steps[: way.done + 1] else (name,)
            if step is ANY_DEPTH:
                yield _Way(way.place, way.done, way.values, names, way.around)
            elif (values := _joined(way.values, step.values(name))) is not None:
                yield _Way(way.place, way.done + 1, values, names, way.around)

    @property
    def future(self) -> Hashable:
        """What decides how it may go on: of the values those that further steps or the name of the place may read."""
        further = [step for step in (*self.place.steps[self.done :], self.place.named) if step]
        pieces = {piece for step in further for text in step.texts for piece in pieces_of(text)}
        return id(self.place), self.done, id(self.around), tuple(pair for pair in self.values if pair[0] in pieces)

    @property
    def is_there(self) -> bool:
        return any(way.done == len(self.place.steps) for way in self.closure())


@dataclass(slots=True)
class _Search:
    places: Sequence[Place]
    origin_name: bytes
    is_wanted: Callable[[bytes], bool]
    given: Mapping[str, bytes]
    folders: dict[bytes, PlaceFolder]

    def begin(self, origin: Node, above: Sequence[bytes]) -> None:
        """Search the origin; `above` are the names of the folders on the way to it."""
        ways = self._ways_inside("", None)
        for name in above:
            ways = _through(ways, name)
        self._visit(origin, b"", ways)

    def _visit(self, node: Node, path: bytes, ways: Sequence[_Way]) -> None:
        folder = self._folder(node, path, ways)
        if folder and not self._is_asked_for(folder):
            return
        if folder:
            self.folders[path] = folder
            inner = self._ways_inside(folder.place.name, folder)
            ways = inner if folder.place.marked_by else (*ways, *inner)
        for child in node.children if ways else ():
            inside = join(path, child.name)
            if child.kind is Kind.FOLDER and not child.opaque and self.is_wanted(inside):
                self._visit(child, inside, _through(ways, child.name))

    def _is_asked_for(self, folder: PlaceFolder) -> bool:
        """Return whether its marks fix no other value than the given one."""
        marked = folder.place.marked_by.pieces if folder.place.marked_by else frozenset()
        return all(self.given[name] in folder.values[name] for name in marked & self.given.keys())

    def _ways_inside(self, place: str, folder: PlaceFolder | None) -> tuple[_Way, ...]:
        known = tuple(sorted(self.given.items()))
        return tuple(_Way(inner, 0, known, around=folder) for inner in self.places if inner.inside == place)

    def _folder(self, node: Node, path: bytes, ways: Sequence[_Way]) -> PlaceFolder | None:
        """Return the folder as the first place, in the order of the layout, that it is."""
        there = [way for way in ways if way.is_there]
        for place in self.places:
            for way in there:
                if way.place is place and (found := self._as_place(node, path, way)):
                    return found
        return None

    def _as_place(self, node: Node, path: bytes, way: _Way) -> PlaceFolder | None:
        marks = marks_of(node, way.place.marked_by) if way.place.marked_by else {}
        on_the_way = self._with_own_name(node.name or self.origin_name, way)
        if marks is None or on_the_way is None:
            return None
        name = b"__".join(way.names) or self.origin_name
        values = dict(way.around.values) if way.around else {}
        values |= {piece: (value,) for piece, value in on_the_way} | marks | {way.place.name: (name,)}
        return PlaceFolder(way.place, path, name, values, way.around)

    def _with_own_name(self, name: bytes, way: _Way) -> tuple[tuple[str, bytes], ...] | None:
        """Return the values of a way and of the folder's own name; None where the place is not named so."""
        named = way.place.named
        if named is None:
            return way.values
        return _joined(way.values, named.values(name))


def marks_of(node: Node, marks: Patterns) -> dict[str, tuple[bytes, ...]] | None:
    """Return what the marking names in a folder fix, the most frequent values first; None if it has no such name."""
    counts = defaultdict[str, Counter[bytes]](Counter)
    is_marked = False
    for child in node.children:
        if (values := marks.values(child.name)) is not None:
            is_marked = True
            for piece, value in values.items():
                counts[piece][value] += 1
    if not is_marked:
        return None
    return {piece: _most_frequent_first(values) for piece, values in counts.items()}


def _most_frequent_first(counts: Counter[bytes]) -> tuple[bytes, ...]:
    return tuple(sorted(counts, key=lambda value: (-counts[value], value)))


def _around(path: bytes) -> Iterator[bytes]:
    while path:
        path = path.rpartition(b"/")[0]
        yield path


def _through(ways: Iterable[_Way], name: bytes) -> tuple[_Way, ...]:
    """Return the ways on through a folder of this name.

    Of those with the same future the first is left, which would be taken: else there would be one for each choice of
    folders for the variables between `**`, which are more than could be followed.
    """
    further = (inner for way in ways for inner in way.into(name))
    found = {(id(way.place), way.done, way.values): way for way in further}
    if len({key[:2] for key in found}) == len(found):
        return tuple(found.values())  # nearly always
    first: dict[Hashable, _Way] = {}
    for way in found.values():
        first.setdefault(way.future, way)
    return tuple(first.values())


def _joined(
    values: tuple[tuple[str, bytes], ...], more: Mapping[str, bytes] | None
) -> tuple[tuple[str, bytes], ...] | None:
    """Return all values; None where there are no more, or a variable would have two."""
    known = dict(values)
    if more is None or any(known.get(piece, value) != value for piece, value in more.items()):
        return None
    return tuple(sorted({**known, **more}.items()))


def nested_places(origin: Node, marks: Patterns, found: PlacesFound) -> Iterator[bytes]:
    """Yield the paths of marked folders that are too deep to be taken as places."""
    is_origin_marked = any(not folder.path for folder in found.marked)
    for path, node in _folders(origin, b""):
        is_deep = b"/" in path or is_origin_marked
        is_place = path in found.folders and found.folders[path].place.marked_by
        if is_deep and not is_place and marks_of(node, marks) is not None:
            yield path


def deeper_origins(origin: Node, marks: Patterns, found: PlacesFound) -> Mapping[bytes, Mapping[bytes, bytes]]:
    """Return the folders below the origin that look like origins of their own: paths and names of the marked folders.

    Such a folder holds marked folders, is not inside one, and not all of them are copies of those of the origin.
    """
    if any(not folder.path for folder in found.marked):
        return {}
    taken = {value for folder in found.marked for value in folder.marks}
    places = tuple(folder.path for folder in found.marked)
    inner = defaultdict[bytes, dict[bytes, bytes]](dict)
    with_others: set[bytes] = set()
    for path, node in _folders(origin, b""):
        folder, _, name = path.rpartition(b"/")
        if not folder or any(is_within(path, place) for place in places):
            continue
        values = marks_of(node, marks)
        if values is None:
            continue
        inner[folder][path] = name
        if taken.isdisjoint(value for piece in values.values() for value in piece):
            with_others.add(folder)
    return {folder: names for folder, names in inner.items() if folder in with_others}


def _folders(node: Node, path: bytes) -> Iterator[tuple[bytes, Node]]:
    """Yield the folder and every one below it that is not empty."""
    yield path, node
    for child in node.children:
        if child.children:
            yield from _folders(child, join(path, child.name))
