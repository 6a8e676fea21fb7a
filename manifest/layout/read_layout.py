"""Reading of a layout: from the tables of its file to rules, places and checks, or a refusal that names a line.

Everything is validated here and in the modules that read one kind of table each, so no rule places a file outside of
the member, and what is misspelt is refused.
"""

from collections.abc import Callable
from dataclasses import replace

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.layout.known_foreign import KNOWN, OWN
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.read_checks import read_check
from qa2pack.manifest.layout.read_deliveries import read_deliveries
from qa2pack.manifest.layout.read_folders import read_folders
from qa2pack.manifest.layout.read_places import read_places, read_tree, read_variables
from qa2pack.manifest.layout.read_rules import read_foreign, read_rule
from qa2pack.manifest.layout.read_writes import read_writes, readme_header, sources_of
from qa2pack.manifest.layout.rules import Foreign, Layout, Rule
from qa2pack.manifest.layout.table import Table, has_readme

_KEYS = frozenset(
    {
        "name",
        "title",
        "tree",
        "variable",
        "place",
        "folder",
        "foreign",
        "rule",
        "write",
        "check",
        "readme",
        "delivery",
    }
)


def read_layout(top: Table, read_beside: Callable[[str], bytes]) -> Layout:
    """Return the layout of a file.

    Args:
        read_beside: reads a file of the folder that holds it.

    Raises:
        Refused: it is not valid; names table and line.
    """
    top.check_keys(_KEYS, "layout")
    known = _known(top)
    rules = tuple(_rule(top, table, known) for table in top.tables("rule"))
    writes = read_writes(top, known, read_beside)
    targets = (*(target for rule in rules for target in rule.targets), *(write.to for write in writes))
    known = replace(known, has_free_folders=any(target.is_in_any_folder for target in targets))
    return Layout(
        name=top.text("name") or top.layout,
        title=top.text("title"),
        tree=read_tree(top, known),
        variables=known.variables,
        places=known.places,
        roles=known.roles,
        rules=tuple(rule for rule in rules if not rule.included),
        included=tuple(rule for rule in rules if rule.included),
        foreign=_foreign(top),
        checks=tuple(read_check(table, known) for table in top.tables("check")),
        writes=writes,
        has_readme=has_readme(top),
        deliveries=read_deliveries(top, known),
        readme_header=readme_header(top, read_beside),
    )


def _foreign(top: Table) -> tuple[Foreign, ...]:
    """Return the files of other programs: those of the layout, whose reasons come first, and those that are known."""
    if isinstance(is_known := top.values.get("foreign"), bool):
        return KNOWN if is_known else (OWN,)
    return (*map(read_foreign, top.tables("foreign")), *KNOWN)


def _rule(top: Table, table: Table, known: Known) -> Rule:
    """Return a rule, which never takes the place of the README that the layout gives each member."""
    rule = read_rule(table, known)
    if has_readme(top) and any(target.text == README.decode() for target in rule.targets):
        expected = "readme = false at the top, because each member has a README"
        table.refuse(expected=expected, found="a rule that puts a file there")
    return rule


def _known(top: Table) -> Known:
    """Return the names of the layout; of these the places refer to the others."""
    paths = sources_of(top)
    known = Known(read_variables(top, paths), paths=paths)
    roles = read_folders(top)
    return replace(known, places=read_places(top, known), roles=roles)
