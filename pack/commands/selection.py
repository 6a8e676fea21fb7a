"""The selection of files, from the option groups that `pack plan` and `pack diff` share."""

from qa2pack.pack.commands.options import RuleOptions, TableOptions
from qa2pack.pack.settings.selection import Selection


def selection_of(
    rules: RuleOptions, tables: TableOptions, typed: tuple[str, ...] = (), options: frozenset[str] | None = None
) -> Selection:
    """Return the selection.

    Args:
        typed: includes and excludes that were typed on the command line.
        options: names of all options that were typed, as of `Selection`.
    """
    return Selection(
        include=tuple(rules.include or ()),
        exclude=tuple(rules.exclude or ()),
        layout=rules.layout,
        values=tuple(rules.set or ()),
        rehash=rules.rehash,
        as_is=tables.as_is,
        no_split=tables.no_split,
        follow_outside=tables.follow_outside,
        casa_weights=tables.casa_weights,
        typed=typed,
        typed_options=options,
    )
