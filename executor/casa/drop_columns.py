"""Column change of a split: keeps one data column, mostly renamed to DATA, and recomputes the weights."""

from qa2pack.executor.casa.table import Table
from qa2pack.manifest.casa.column_split import SplitSpec, final_name, weight_pairs

# A keyword of CASA's imager on the columns that it makes; on a column called DATA it would hinder the imager.
_IMAGER_KEYWORD = "CHANNEL_SELECTION"


def keep_one_column(table: Table, spec: SplitSpec) -> None:
    """Drop the other data columns with their keywords, and rename the one that stays, mostly to DATA."""
    if spec.drop:
        table.removecols(spec.drop)
    name = final_name(spec.keep)
    if spec.keep != name:
        table.renamecol(spec.keep, name)
    if _IMAGER_KEYWORD in table.colkeywordnames(name):
        table.removecolkeyword(name, _IMAGER_KEYWORD)


def follow_weights(before: Table, table: Table, spec: SplitSpec) -> None:
    """Compute the weights of `table` from those of `before`, or of `table` itself where the columns share files.

    Columns that share their files are read from the table that writes them: only it sees the present content of a
    file that it changes.
    """
    from qa2pack.executor.casa.weights import add_sigma_spectrum, fill_weights

    shared = [set(info["COLUMNS"]) for info in table.getdminfo().values()]
    for pair in weight_pairs(table.colnames(), spec.keep, spec.weights):
        together = any(columns.issuperset(pair) for columns in shared)
        fill_weights(table if together else before, table, pair)
    if spec.adds_spectrum:
        add_sigma_spectrum(table, spec.keep)
