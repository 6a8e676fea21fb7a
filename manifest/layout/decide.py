"""Decision for one entry of the origin: packaged (a draft without final name), left out, or a problem.

Pure. The order is: excludes, includes, the rules of the layout. So an exclude overrides everything, and an include
overrides the `never` of a layout. Files of other programs are included only where the glob has no wildcard.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.layout.find_places import PlaceFolder, PlacesFound
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.include import Include, included_folder, spelt_out
from qa2pack.manifest.layout.names import Claim
from qa2pack.manifest.layout.rules import Layout, Rule
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.layout.template import PROJECT, NoPathError, NoValueError, Template
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused

FAULTS: Mapping[Kind, Code] = {
    Kind.SPECIAL: Code.SPECIAL_FILE,
    Kind.BROKEN_LINK: Code.LINK_DANGLING,
    Kind.LOOP: Code.LINK_LOOP,
    Kind.OUTSIDE: Code.LINK_OUTSIDE,
    Kind.UNREADABLE: Code.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class OriginEntry:
    """A file or folder of the origin, and the place it lies in.

    Attributes:
        path: relative to the origin, symlinks not resolved.
        place: None in a folder that is no place, but around one.
        bundle: of a file in a bundle, the entry of that: its path is as if the bundle were a folder. Else None.
    """

    path: bytes
    node: Node
    place: PlaceFolder | None
    bundle: "OriginEntry | None" = None

    @property
    def name(self) -> bytes:
        """Its name; the name of a node in a bundle is its path there."""
        return self.node.name.rpartition(b"/")[2] if self.bundle else self.node.name

    @property
    def telling_name(self) -> bytes:
        """The name that tells to what it belongs; of a file in a bundle, that of the bundle."""
        return self.bundle.node.name if self.bundle else self.node.name


@dataclass(frozen=True, slots=True)
class Draft:
    """An item whose final name is not decided yet.

    Attributes:
        column: the data column that the layout keeps, or empty; `doubtful_column` is kept only with a warning.
        again: where a table goes as well, filled in, with the column of it that is kept then.
    """

    entry: OriginEntry
    claim: Claim
    column: str = ""
    doubtful_column: str = ""
    again: tuple[Claim, str] | None = None

    @property
    def folder(self) -> bytes:
        """The first folder of its path in the member."""
        return self.claim.path.partition(b"/")[0]


Outcome = Draft | LeftOut | Problem


@dataclass(frozen=True, slots=True)
class Choice:
    """Layout, includes, excludes, places of the origin and given values, which together decide about each entry.

    Attributes:
        insides: the files in the bundles of the origin that are looked into, by the source of the bundle. The name of
            such a node is its path in the bundle.
    """

    layout: Layout
    include: Sequence[Include]
    exclude: Sequence[str]
    places: PlacesFound
    given: Mapping[str, bytes] = field(default_factory=dict)
    insides: Mapping[bytes, tuple[Node, ...]] = field(default_factory=dict)
    _marked: frozenset[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_marked", frozenset(folder.path for folder in self.places.marked))

    def single_values(self, variables: Iterable[str]) -> Mapping[str, bytes]:
        """Return the values that these variables have in the whole origin.

        Raises:
            Refused: one has no value, or several.
        """
        values = {name: self._values_of(name) for name in [PROJECT, *sorted(variables)]}
        problems = [
            Problem(Code.VARIABLE_MISSING, name.encode(), "one value", ", ".join(map(shown, found)))
            for name, found in values.items()
            if len(found) != 1
        ]
        if problems:
            raise Refused(*problems)
        return {name: found[0] for name, found in values.items()}

    @property
    def common_values(self) -> Mapping[str, bytes]:
        """The values of the variables that have one in the whole origin: given, found, or the default."""
        found = {name: self._values_of(name) for name in self.layout.variables}
        return {**{name: values[0] for name, values in found.items() if len(values) == 1}, **self.given}

    def _values_of(self, variable: str) -> tuple[bytes, ...]:
        if variable in self.given:
            return (self.given[variable],)
        if found := self.places.values_of(variable):
            return found
        known = self.layout.variables.get(variable)
        return (known.default.encode(),) if known and known.default else ()

    def decide(self, entry: OriginEntry) -> tuple[Outcome, ...]:
        """Return the outcomes for an entry; empty if no rule, include or exclude matches it."""
        excluded = first_match(entry.path, self.exclude)
        if excluded is not None:
            return (_left_out(entry, f"excluded by {excluded}"),)
        foreign = self.layout.why_foreign(entry.node.name)
        includes = spelt_out(self.include) if foreign else self.include
        is_marked = entry.path in self._marked
        folder = "" if is_marked else included_folder(entry.path, includes)
        if not folder and foreign:
            return (_left_out(entry, foreign),)
        rule = self.rule_for(entry)
        if not folder and rule is not None and rule.never:
            doubt = Problem(Code.W_LOOKS_LIKE_MS, entry.path, expected="--include or --exclude", found=rule.never)
            return (_left_out(entry, rule.never), doubt) if rule.warn else (_left_out(entry, rule.never),)
        if entry.node.kind in FAULTS:
            return (Problem(FAULTS[entry.node.kind], entry.path, found=entry.node.detail),)
        if folder:
            return (self._included(entry, folder),)
        return (self._ruled(entry, rule),) if rule is not None else ()

    def is_looked_into(self, entry: OriginEntry) -> bool:
        """Return whether rules may take files out of an entry, which is a bundle then."""
        if entry.place is None or entry.node.kind is not Kind.FILE or self._is_passed_over(entry):
            return False
        return bool(self.layout.opening_rules(entry.node.name, entry.place.place))

    def inside_of(self, bundle: OriginEntry) -> Iterator[tuple[OriginEntry, Rule, Outcome | None]]:
        """Yield the files in a bundle of the origin for which there is a rule, with their outcomes.

        The outcome is None where the rule leaves the file in the bundle. No include is for such a file.
        """
        rules = self.layout.opening_rules(bundle.node.name, bundle.place.place) if bundle.place else ()
        for node in self.insides.get(bundle.node.source, ()) if rules else ():
            entry = OriginEntry(join(bundle.path, node.name), node, bundle.place, bundle)
            fitting = (rule for rule in rules if rule.read_inside(entry.telling_name, node.name) is not None)
            if not self._is_passed_over(entry) and (rule := next(fitting, None)):
                yield entry, rule, None if rule.never else self._ruled(entry, rule)

    def _is_passed_over(self, entry: OriginEntry) -> bool:
        """Return whether an entry is excluded or of another program: in a bundle also if it is in such a folder."""
        names = entry.node.name.split(b"/") if entry.bundle else (entry.node.name,)
        return first_match(entry.path, self.exclude) is not None or any(map(self.layout.why_foreign, names))

    def rule_for(self, entry: OriginEntry) -> Rule | None:
        """Return the first rule that fits an entry; none takes a marked place, which is always searched."""
        if entry.place is None or entry.path in self._marked:
            return None
        return self.layout.rule_for(entry.node, entry.place.place)

    def _ruled(self, entry: OriginEntry, rule: Rule) -> Outcome:
        try:
            return self._draft(entry, rule)
        except NoValueError as error:
            return _left_out(entry, self._why_without(error.variable))
        except NoPathError as error:
            return _left_out(entry, f"{shown(error.path)} is no path in a package")

    def _included(self, entry: OriginEntry, folder: str) -> Outcome:
        """Place an included entry by the first rule for includes of its folder that has all values, else in it."""
        rules = self.layout.included_rules(entry.node, entry.place.place, folder) if entry.place else ()
        for rule in rules:
            try:
                return self._draft(entry, rule)
            except (NoValueError, NoPathError):
                continue
        path = f"{folder}/".encode() + entry.node.name
        try:
            if_taken = self.layout.included_if_taken[folder].fill(_Values(self, entry, {}).of)
        except (NoValueError, NoPathError):
            if_taken = b""  # two that meet are refused then
        return Draft(entry, Claim(entry.path, path, if_taken))

    def _draft(self, entry: OriginEntry, rule: Rule) -> Draft:
        values = _Values(self, entry, _pieces(entry, rule))
        assert rule.to is not None  # a rule without it says never
        to, bundle = _filled(rule.to, values)
        if_taken, bundle_if_taken = _if_taken(rule, values)
        claim = Claim(entry.path, to, if_taken, bundle, bundle_if_taken)
        again = (Claim(entry.path, rule.again.to.fill(values.of)), rule.again.column) if rule.again else None
        return Draft(entry, claim, rule.column, rule.doubtful_column, again)

    def _why_without(self, variable: str) -> str:
        what = next((place.what for place in self.layout.places if variable in place.fixes), "")
        return f"its {what} is not in this origin" if what else f"it has no {variable}"


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of all variables for one entry.

    Attributes:
        pieces: what its rule read from its name.
    """

    choice: Choice
    entry: OriginEntry
    pieces: Mapping[str, bytes]

    def of(self, variable: str) -> bytes | None:
        """Return the value, or None."""
        match variable:
            case "name":
                return self.entry.name
            case "path":
                return self.entry.path
            case "prefix":
                return self._prefix()
        variables, name = self.choice.layout.variables, self.entry.telling_name
        place = self.entry.place
        value = self.choice.given.get(variable) or (place.value_of(variable, name, variables) if place else None)
        if value is not None:
            return value
        if variable in self.choice.layout.fixed_by_marks:
            # Outside of the marked folders a name tells to which of them it belongs.
            own = variables[variable].at_start(name)
            return own if own and self.choice.places.knows(variable, own) else None
        default = variables[variable].default if variable in variables else ""
        return self.pieces.get(variable) or default.encode() or None

    def _prefix(self) -> bytes:
        place = self.entry.place.place if self.entry.place else None
        if not place or not place.prefix or (place.no_prefix and place.no_prefix.fits(self.entry.name)):
            return b""
        return place.prefix.fill(self.of)


def _pieces(entry: OriginEntry, rule: Rule) -> Mapping[str, bytes]:
    """Return what a rule reads from the name of an entry, and from its path in a bundle."""
    if entry.bundle:
        return rule.read_inside(entry.telling_name, entry.node.name) or {}
    return rule.match.read(entry.node.name) if rule.match.pieces else {}


def _filled(target: Template, values: _Values) -> tuple[bytes, bytes]:
    """Return the path of a target, and that of its bundle or empty."""
    return target.fill(values.of), target.bundle.fill(values.of) if target.bundle else b""


def _if_taken(rule: Rule, values: _Values) -> tuple[bytes, bytes]:
    """Return what is packaged where another file wants the same path; empty where a value is missing for it.

    That alone leaves no file out: most meet nothing, and those that do keep `to`.
    """
    try:
        return _filled(rule.if_taken, values) if rule.if_taken else (b"", b"")
    except (NoValueError, NoPathError):
        return b"", b""


def _left_out(entry: OriginEntry, reason: str) -> LeftOut:
    return LeftOut(entry.path, reason, entry.node.is_tree)
