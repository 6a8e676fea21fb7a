"""The change itself: one data column stays, mostly called DATA, and the weights follow it."""

from qa2pack.executor.casa.table import Table
from qa2pack.manifest.alma.split_spec import SplitSpec, final_name, weight_pairs

# What CASA's imager notes on the columns it makes; without meaning, and in its way, on a column called DATA.
_IMAGER_KEYWORD = "CHANNEL_SELECTION"


def keep_one_column(table: Table, spec: SplitSpec) -> None:
    """Drop the data columns that go, with their keywords, and give the one that stays its name, mostly DATA."""
    if spec.drop:
        table.removecols(spec.drop)
    name = final_name(spec.keep)
    if spec.keep != name:
        table.renamecol(spec.keep, name)
    if _IMAGER_KEYWORD in table.colkeywordnames(name):
        table.removecolkeyword(name, _IMAGER_KEYWORD)


def follow_weights(before: Table, table: Table, spec: SplitSpec) -> None:
    """Compute the weights of `table`, from those of `before` where it has them in files of their own.

    Columns that share their files are read where they are written: of a file that changes, only the table
    that changes it has the right view.
    """
    from qa2pack.executor.casa.weights import add_sigma_spectrum, fill_weights

    shared = [set(info["COLUMNS"]) for info in table.getdminfo().values()]
    for pair in weight_pairs(table.colnames(), spec.keep, spec.weights):
        together = any(columns.issuperset(pair) for columns in shared)
        fill_weights(table if together else before, table, pair)
    if spec.adds_spectrum:
        add_sigma_spectrum(table, spec.keep)
