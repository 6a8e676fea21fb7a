"""Weights: computes WEIGHT and SIGMA after a split, with the same values as CASA's split.

The formulas are those of MSTransform in CASA (UtilsTVI: weightToSigma, sigmaToWeight), in single precision, so that
the values are bitwise equal. Rows are processed in blocks, so memory does not grow with the table.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qa2pack.executor.casa.table import Table

Floats: TypeAlias = NDArray[np.float32]

_ONE = np.float32(1)
_SMALLEST = np.finfo(np.float32).tiny
# Cells of the first two hold a number per polarisation, of the others one per channel and polarisation.
_BLOCK_ROWS = {"WEIGHT": 1 << 16, "SIGMA": 1 << 16, "WEIGHT_SPECTRUM": 1 << 9, "SIGMA_SPECTRUM": 1 << 9}


def weight_of(sigma: Floats) -> Floats:
    """Return 1 / sigma^2; 0 where sigma is not a positive normal number."""
    with np.errstate(all="ignore"):
        return np.where(sigma > _SMALLEST, _ONE / (sigma * sigma), np.float32(0))


def sigma_of(weight: Floats) -> Floats:
    """Return 1 / sqrt(weight); -1 where weight is not a positive normal number."""
    with np.errstate(all="ignore"):
        return np.where(weight > _SMALLEST, _ONE / np.sqrt(weight), np.float32(-1))


def fill_weights(source: Table, target: Table, pair: tuple[str, str]) -> None:
    """Compute the second column of `pair` in `target` from the first one in `source`.

    Both tables have the same rows. Cells that are undefined, or of another shape than their input, are not
    changed, so no file changes its size in storage managers that store all values.
    """
    for start in range(0, target.nrows(), _BLOCK_ROWS[pair[1]]):
        rows = range(start, min(start + _BLOCK_ROWS[pair[1]], target.nrows()))
        _fill_block(source, target, pair, rows)


def _fill_block(source: Table, target: Table, pair: tuple[str, str], rows: range) -> None:
    read, written = pair
    rule = weight_of if written.startswith("WEIGHT") else sigma_of
    shapes = _shapes(source, read, rows)
    fitting = (shapes == _shapes(target, written, rows)) & (shapes != "")
    for shape in np.unique(shapes[fitting]):
        chosen = np.flatnonzero(fitting & (shapes == shape))
        if chosen.size == len(rows):
            target.putcol(written, rule(source.getcol(read, rows.start, len(rows))), rows.start, len(rows))
        else:
            # casacore reads a column with the shape of its first row, silently also where other rows differ.
            values = source.selectrows(rows.start + chosen).getcol(read)
            target.selectrows(rows.start + chosen).putcol(written, rule(values))


def _shapes(table: Table, column: str, rows: range) -> NDArray[np.str_]:
    """Return the shape of every cell as text, empty for an undefined cell."""
    try:
        shapes = np.array(table.getcolshapestring(column, rows.start, len(rows)), dtype=np.str_)
    except RuntimeError:  # casacore gives no shapes at all if one cell is undefined
        return np.array([_shape(table, column, row) for row in rows], dtype=np.str_)
    return np.broadcast_to(shapes, len(rows))  # for a column of fixed shape there is only one


def _shape(table: Table, column: str, row: int) -> str:
    if not table.iscelldefined(column, row):
        return ""
    try:
        return str(list(np.shape(np.asarray(table.getcell(column, row)))))
    except RuntimeError:  # an incremental manager reports undefined cells as defined
        return ""
