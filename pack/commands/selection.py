"""The selection of files, from the option groups that `pack plan` and `pack diff` share."""

from qa2pack.pack.commands.options import RuleOptions, TableOptions
from qa2pack.pack.settings.selection import Selection


def selection_of(rules: RuleOptions, tables: TableOptions, typed: tuple[str, ...] = ()) -> Selection:
    """Return the selection.

    Args:
        typed: includes and excludes that were typed on the command line.
    """
    return Selection(
        include=tuple(rules.include or ()),
        exclude=tuple(rules.exclude or ()),
        layout=rules.layout,
        rehash=rules.rehash,
        as_is=tables.as_is,
        no_split=tables.no_split,
        follow_outside=tables.follow_outside,
        casa_weights=tables.casa_weights,
        typed=typed,
    )
