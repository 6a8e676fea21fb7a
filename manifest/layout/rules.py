"""Layout rules as values: which names go where in the package and under which name, and what is never packaged.

A layout is a TOML file, one per style of delivery; `layouts/cycle0.toml` explains each key, and
`manifest.layout.load` reads it. The rules are ordered, and the first that fits decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from enum import StrEnum

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.check import Check, Names, Unlike
from qa2pack.manifest.layout.deliveries import Delivery
from qa2pack.manifest.layout.find_places import Place
from qa2pack.manifest.layout.globs import matcher, matches
from qa2pack.manifest.layout.inner_patterns import InnerPattern, parse_inner, pieces_read
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.layout.patterns import Patterns, Variable, Variables, compile_patterns
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.layout.template import Template, parse_template
from qa2pack.manifest.layout.tree import ITSELF, Tree
from qa2pack.manifest.layout.write import Write
from qa2pack.manifest.role import Role


class Shape(StrEnum):
    """Kinds of entries to which a rule applies; a tree is a folder or a table."""

    ANY = "any"
    FILE = "file"
    TREE = "tree"
    TABLE = "table"


_SHAPES = {
    Kind.FILE: {Shape.ANY, Shape.FILE},
    Kind.FOLDER: {Shape.ANY, Shape.TREE},
    Kind.TABLE: {Shape.ANY, Shape.TREE, Shape.TABLE},
}


@dataclass(frozen=True, slots=True)
class Again:
    """A table that is packaged a second time, where nothing else of its place goes to the same folder.

    Attributes:
        column: the data column that is kept; a table without it is not packaged again.
    """

    to: Template
    column: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: an entry of these places, this shape and such a name goes somewhere, or is never packaged.

    Attributes:
        places: the names of the places where it applies.
        to: path in the member; None if it is never packaged.
        if_taken: the path of all that would meet at `to`; None if they may not change it.
        included: the folder of the includes it is for; such a rule is for nothing else. Empty for other rules.
        column: for measurement sets, the data column to keep; empty for anything else.
        doubtful_column: the column that is kept only with a warning.
        again: where a table may go as well.
        is_empty: it applies to files of 0 bytes only.
        never: the reason why it is not packaged.
        warn: warn that it looks like something that should be packaged.
        inside: what it takes out of bundles of the origin, the names of which `match` fits; empty for other rules.
        line: where it begins in the layout file, for messages; 0 if that is not known.
    """

    places: frozenset[str]
    shape: Shape
    match: Patterns
    to: Template | None = None
    if_taken: Template | None = None
    included: str = ""
    column: str = ""
    doubtful_column: str = ""
    again: Again | None = None
    is_empty: bool = False
    never: str = ""
    warn: bool = False
    inside: tuple[InnerPattern, ...] = ()
    line: int = 0

    @property
    def pieces(self) -> frozenset[str]:
        """The pieces that each of its patterns reads."""
        return pieces_read(self.match, self.inside)

    @property
    def texts(self) -> tuple[str, ...]:
        """Its patterns as they are written."""
        return tuple(each.text for each in self.inside) or self.match.texts

    @property
    def targets(self) -> tuple[Template, ...]:
        """Where it puts what it takes."""
        return tuple(filter(None, (self.to, self.if_taken, self.again.to if self.again else None)))

    @property
    def target_variables(self) -> frozenset[str]:
        """The variables of its targets."""
        return frozenset().union(*(target.variables for target in self.targets))

    @property
    def needs(self) -> frozenset[str]:
        """The variables of its targets that its own pattern does not give a value."""
        return self.target_variables - self.pieces

    def fits(self, node: Node, place: Place) -> bool:
        """Return whether the rule is for this node in this place."""
        return self.is_for(node.kind, place) and self.has_name_of(node)

    def has_name_of(self, node: Node) -> bool:
        """Return whether name and size of a node are those it is for."""
        return self.match.fits(node.name) and not (self.is_empty and (node.size or node.is_tree))

    def with_variables(self, variables: Variables) -> "Rule":
        """Return the rule with these variables in its pattern."""
        return replace(
            self,
            match=compile_patterns(self.match.texts, variables),
            inside=parse_inner([each.text for each in self.inside], variables),
        )

    def read_inside(self, bundle: bytes, path: bytes) -> Mapping[str, bytes] | None:
        """Return the pieces of a file in a bundle of this name; None if the rule does not take it."""
        read = (each.read(bundle, path) for each in self.inside)
        return next((pieces for pieces in read if pieces is not None), None)

    def is_for(self, kind: Kind, place: Place) -> bool:
        """Return whether the rule is for such entries of the place, whatever their names are.

        A dangling symlink has no shape: it is matched by its name alone.
        """
        return not self.inside and place.name in self.places and self.shape in _SHAPES.get(kind, {self.shape})


@dataclass(frozen=True, slots=True)
class Foreign:
    """Names of files that other programs make for themselves, which are not part of a reduction."""

    globs: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The rules of one style of delivery.

    Attributes:
        title: what it is for, on one line.
        tree: the folders from the package down to the member.
        roles: the first folders of a member, in the order in which they are shown.
        rules: those of the origin; `included` are those for what --include names.
        foreign: files of other programs, left out everywhere, also inside tables.
        checks: what a complete reduction has.
        included_if_taken: by the name of a role, where an included file goes whose own name is taken.
        writes: the files that the program writes itself, besides README.
        deliveries: which files are delivered together.
        has_readme: members get a README with the header text and the tree.
        readme_header: that text where none is given; None for the blank fields that come with the program.
    """

    name: str
    variables: Mapping[str, Variable]
    places: tuple[Place, ...]
    roles: tuple[Role, ...]
    rules: tuple[Rule, ...]
    included: tuple[Rule, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    checks: tuple[Check, ...] = ()
    title: str = ""
    tree: Tree = ITSELF
    writes: tuple[Write, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    has_readme: bool = True
    readme_header: bytes | None = None
    included_if_taken: Mapping[str, Template] = field(init=False, repr=False, compare=False)
    _few: dict[tuple[str, Kind], tuple[Rule, ...]] = field(default_factory=dict, repr=False, compare=False)
    _is_foreign: Callable[[bytes], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_is_foreign", matcher(self.foreign_globs))
        targets = {role.name: parse_template(f"{role.name}/{{prefix}}{{name}}") for role in self.roles}
        object.__setattr__(self, "included_if_taken", targets)

    @property
    def marked_place(self) -> Place | None:
        """The first place that is known by what its folders hold."""
        return next((place for place in self.places if place.marked_by), None)

    @property
    def has_measurement_sets(self) -> bool:
        """Whether rules say which data column of a measurement set is kept; else none tells one by its name."""
        return any(rule.column for rule in (*self.rules, *self.included))

    @property
    def fixed_by_marks(self) -> frozenset[str]:
        """The variables that marks fix, so that a name may tell to which folder it belongs."""
        return frozenset().union(*(place.marked_by.pieces for place in self.places if place.marked_by))

    @property
    def foreign_globs(self) -> tuple[str, ...]:
        """The globs of all files of other programs in one tuple, because every name is matched against them."""
        return tuple(glob for foreign in self.foreign for glob in foreign.globs)

    @property
    def name_rules(self) -> NameRules:
        """What names are warned of, also inside packaged trees."""
        inside = tuple(check for check in self.checks if isinstance(check, Names) and check.is_inside)
        return NameRules(inside, is_case_told=Unlike() in self.checks)

    def why_foreign(self, name: bytes) -> str:
        """Return why a file of this name is left out as one of another program; empty if it is not."""
        if not self._is_foreign(name):
            return ""  # one pattern for nearly all names
        return next(foreign.reason for foreign in self.foreign if matches(name, foreign.globs))

    def rule_for(self, node: Node, place: Place) -> Rule | None:
        """Return the first rule that fits."""
        key = (place.name, node.kind)
        few = self._few.get(key)
        if few is None:
            few = self._few[key] = tuple(rule for rule in self.rules if rule.is_for(node.kind, place))
        return next((rule for rule in few if rule.has_name_of(node)), None)

    def opening_rules(self, bundle: bytes, place: Place) -> tuple[Rule, ...]:
        """Return the rules that may take files out of a bundle of this name in a place, in order."""
        of_place = (rule for rule in self.rules if rule.inside and place.name in rule.places)
        return tuple(rule for rule in of_place if any(each.is_for(bundle) for each in rule.inside))

    def with_given(self, given: Mapping[str, bytes]) -> "Layout":
        """Return the layout for given values of variables: no rule of it takes a name with another value in it."""
        fixed = {
            name: replace(variable, only=given[name])
            for name, variable in self.variables.items()
            if name in given and not variable.is_path
        }
        if not fixed:
            return self
        variables = {**self.variables, **fixed}
        rules, included = (
            tuple(rule.with_variables(variables) for rule in some) for some in (self.rules, self.included)
        )
        return replace(self, rules=rules, included=included, _few={})

    def included_rules(self, node: Node, place: Place, folder: str) -> tuple[Rule, ...]:
        """Return the rules for an entry that --include names with this folder, in order."""
        return tuple(rule for rule in self.included if rule.included == folder and rule.fits(node, place))

    def is_opaque(self, name: bytes) -> bool:
        """Return whether folders of this name are packaged or left out as a whole, so that they are not entered."""
        is_whole = any(rule.shape is Shape.TREE and rule.match.fits(name) for rule in self.rules)
        return is_whole or bool(self.why_foreign(name))
