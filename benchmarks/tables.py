"""Measurement sets with visibilities really written, as large as one likes. Needs `PYTHONPATH=tests`."""

from pathlib import Path

from casacore import tables

from support.measurement_sets import Recipe, write_measurement_set

POLARISATIONS = 2


def make_table(path: Path, rows: int, channels: int) -> None:
    """Make a table of which the first rows are filled, and fill the others with the same, which is faster."""
    block = min(rows, 1 + 2_000_000 // channels)
    recipe = Recipe(rows=rows, spectra=((channels, POLARISATIONS),), unfilled_rows=rows - block)
    write_measurement_set(path, recipe)
    with tables.table(str(path), readonly=False, ack=False) as table:
        for column in (*recipe.columns, "FLAG", "WEIGHT", "SIGMA"):
            values = table.getcol(column, 0, block)
            for start in range(block, rows, block):
                count = min(block, rows - start)
                table.putcol(column, values[:count], start, count)
