"""Loading of a layout: from a TOML file to rules, places and checks, or a refusal that names table and line.

Everything is validated here and in the modules that read one kind of table each, so no rule places a file outside of
the member, and what is misspelt is refused. Only loading reads a file.
"""

import os
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.read_checks import read_check
from qa2pack.manifest.layout.read_deliveries import read_deliveries
from qa2pack.manifest.layout.read_places import read_places, read_tree, read_variables
from qa2pack.manifest.layout.read_rules import read_folders, read_foreign, read_rule
from qa2pack.manifest.layout.read_writes import read_writes, readme_header, sources_of
from qa2pack.manifest.layout.rules import Layout, Rule
from qa2pack.manifest.layout.table import Table, has_readme, is_layout_path, refuse_layout
from qa2pack.manifest.role import Role

__all__ = ["is_layout_path", "known_layouts", "layout_text", "layouts_folder", "load_layout", "load_roles"]

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


def known_layouts() -> tuple[str, ...]:
    """Return the names of the layouts that come with the program."""
    return tuple(sorted(file.name[:-5] for file in layouts_folder().iterdir() if file.name.endswith(".toml")))


def layouts_folder() -> Traversable:
    """Return the folder of the layouts that come with the program."""
    return resources.files("qa2pack.manifest") / "layouts"


def layout_text(name: str) -> str:
    """Return the file of a layout that comes with the program, by its name."""
    return (layouts_folder() / f"{name}.toml").read_text(encoding="utf-8")


def load_layout(name: str) -> Layout:
    """Load a layout by its name, or from a TOML file by its path (it holds a `/` or ends in `.toml`).

    Raises:
        Refused: there is no such layout, or it is not valid.
    """
    return _layout(_top(name))


def load_roles(name: str) -> tuple[Role, ...]:
    """Return the roles of a layout; its rules are not read. Raises as `load_layout`."""
    return read_folders(_top(name))


def _top(name: str) -> Table:
    is_path = is_layout_path(name)
    if not is_path and name not in known_layouts():
        refuse_layout(name, expected=f"one of {', '.join(known_layouts())}, or the path of a .toml file")
    try:
        data = read_control(os.fsencode(name), limit_bytes=SMALL_BYTES) if is_path else layout_text(name).encode()
        values = parse_toml(data)
    except OSError as error:
        refuse_layout(name, expected="a file that can be read", found=(error.strerror or str(error)).lower())
    except ValueError as error:
        refuse_layout(name, expected="TOML", found=str(error))
    return Table(name, values, data.decode())


def _layout(top: Table) -> Layout:
    top.check_keys(_KEYS, "layout")
    known = _known(top)
    rules = tuple(_rule(top, table, known) for table in top.tables("rule"))
    writes = read_writes(top, known, lambda name: _file_beside(top.layout, name))
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
        foreign=tuple(read_foreign(table) for table in top.tables("foreign")),
        checks=tuple(read_check(table, known) for table in top.tables("check")),
        writes=writes,
        has_readme=has_readme(top),
        deliveries=read_deliveries(top, known),
        readme_header=readme_header(top, lambda name: _file_beside(top.layout, name)),
    )


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


def _file_beside(layout: str, name: str) -> bytes:
    """Return a file of the folder that holds the layout."""
    if is_layout_path(layout):
        return read_control(os.fsencode(os.path.join(os.path.dirname(layout), name)), limit_bytes=SMALL_BYTES)
    return (layouts_folder() / name).read_bytes()
