"""Known names of a layout that is loaded: variables, places and folders, which patterns and targets may name.

What is not known is refused with the list of what is, so that a misspelt rule cannot silently match nothing.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.patterns import Patterns, Variable, parse_patterns, pieces_of
from qa2pack.manifest.layout.table import Table
from qa2pack.manifest.layout.template import PREFIX, PROJECT, Template, parse_target, parse_template
from qa2pack.manifest.role import Role, names_of

if TYPE_CHECKING:
    from qa2pack.manifest.layout.find_places import Place

# Variables that every file has.
OF_A_FILE = frozenset({"name", "path", PREFIX, PROJECT})


@dataclass(frozen=True, slots=True)
class Known:
    """What was read already.

    Attributes:
        paths: the variables whose values are paths of files elsewhere.
        has_free_folders: the first folder of some target begins with a variable, so that it may be any.
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    places: "tuple[Place, ...]" = ()
    roles: tuple[Role, ...] = ()
    paths: frozenset[str] = frozenset()
    has_free_folders: bool = False

    @property
    def place_names(self) -> tuple[str, ...]:
        """The names of the places, in their order."""
        return tuple(place.name for place in self.places)

    @property
    def fixed(self) -> frozenset[str]:
        """The variables that places fix, and the names of places."""
        return frozenset().union(*(place.fixes for place in self.places))

    def role(self, table: Table, value: str) -> str:
        """Return the name of a folder of the member, or refuse it."""
        if value not in [role.name for role in self.roles]:
            expected = f"one of the folders {names_of(self.roles) or '- (there is no [[folder]])'}"
            table.refuse(expected=expected, found=value)
        return value

    def check_variable(self, table: Table, variable: str, others: frozenset[str], key: str) -> None:
        """Refuse a name in braces that is no variable, and none of the others that may stand in this key."""
        names = sorted((others | self.variables.keys()) - self.paths)
        if variable not in names:
            table.refuse(
                expected=f"one of the variables {', '.join(names) or '(there are none)'} in {key}",
                found=variable,
                key=key,
            )

    def template(self, table: Table, key: str, others: frozenset[str], text: str | None = None) -> Template | None:
        """Return the template of a path, None for an empty text.

        Args:
            others: what may stand in it besides the variables of the layout.
            text: a part of the value of the key; None for the whole value.
        """
        text = table.text(key) if text is None else text
        if not text:
            return None
        return self._checked(table, key, others, table.right(key, parse_template, text))

    def _checked(self, table: Table, key: str, others: frozenset[str], template: Template) -> Template:
        for variable in template.variables:
            self.check_variable(table, variable, others, key)
        return template

    def member_path(self, table: Table, key: str, others: frozenset[str], text: str | None = None) -> Template | None:
        """Return the template of a path in the member, the first folder of which is one that the layout declares."""
        template = self.template(table, key, others, text)
        return self._in_folder(table, template) if template else None

    def target(self, table: Table, key: str, others: frozenset[str]) -> Template | None:
        """Return the template of a path in the member or in a bundle of it."""
        text = table.text(key)
        if not text:
            return None
        template = self._checked(table, key, others, table.right(key, parse_target, text))
        return self._in_folder(table, template)

    def _in_folder(self, table: Table, template: Template) -> Template:
        if template.folder and "{" not in template.folder:
            self.role(table, template.folder)
        return template

    def patterns(self, table: Table, key: str) -> Patterns:
        """Return the patterns of a key; braces in them hold variables only."""
        return self.of_variables(table, table.one_or_more(key), key)

    def of_variables(self, table: Table, texts: tuple[str, ...], key: str) -> Patterns:
        """Return the patterns of these texts; braces in them hold variables only."""
        for text in texts:
            for piece in pieces_of(text):
                self.check_variable(table, piece, frozenset(), key)
        return table.right(key, parse_patterns, texts, self.variables)
