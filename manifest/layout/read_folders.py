"""Reading of the folders of a member in a layout, apart from its rules: most commands need nothing else of it."""

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.table import Table, has_readme
from qa2pack.manifest.role import Role, Shown

_FOLDER_KEYS = frozenset({"name", "text", "always", "tickets", "listed", "report"})


def read_folders(top: Table) -> tuple[Role, ...]:
    """Return the folders of a member."""
    roles: list[Role] = []
    for table in top.tables("folder"):
        role = _folder(table)
        if role.name in [other.name for other in roles]:
            table.refuse(expected="a name that no other [[folder]] has", found=role.name)
        if role.folder == README and has_readme(top):
            found = "folder README"
            table.refuse(expected="readme = false at the top, because each member has a README", found=found)
        roles.append(role)
    return tuple(roles)


def _folder(table: Table) -> Role:
    table.check_keys(_FOLDER_KEYS, "folder")
    name = table.text("name")
    template = Known().template(table, "name", frozenset())
    if template is None or "/" in name:
        table.refuse(expected="the name of a folder of the member", found=name)
    return Role(
        name=name,
        text=table.text("text"),
        is_always=table.flag("always"),
        in_tickets=table.flag("tickets"),
        is_listed=table.flag("listed"),
        shown=tuple(table.choice(Shown, shown) for shown in table.texts("report")),
    )
