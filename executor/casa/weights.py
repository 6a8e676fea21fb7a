"""WEIGHT and SIGMA after a split, as CASA's split sets them.

The formulas are those of MSTransform in CASA (UtilsTVI: weightToSigma, sigmaToWeight), in single precision,
so that the values are equal to CASA's bit by bit. Rows are done in chunks: memory does not grow with the
table.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qa2pack.executor.casa.table import Table, cell_shapes

Floats: TypeAlias = NDArray[np.float32]

_ADDED = "TiledSigmaSpectrum"  # what CASA calls it
_ONE = np.float32(1)
_SMALLEST = np.finfo(np.float32).tiny
# Cells of the first two hold a number per polarisation, of the others one per channel and polarisation.
_CHUNK_ROWS = {"WEIGHT": 1 << 16, "SIGMA": 1 << 16, "WEIGHT_SPECTRUM": 1 << 9, "SIGMA_SPECTRUM": 1 << 9}


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

    Both tables have the same rows. Cells that are undefined, or of another shape than what they would be computed
    from, stay as they are, so no file changes its size by this in storage managers that store all values.
    """
    for start in range(0, target.nrows(), _CHUNK_ROWS[pair[1]]):
        rows = range(start, min(start + _CHUNK_ROWS[pair[1]], target.nrows()))
        _fill_chunk(source, target, pair, rows)


def add_sigma_spectrum(table: Table, keep: str) -> None:
    """Add SIGMA_SPECTRUM where there is WEIGHT_SPECTRUM alone, as CASA's split does.

    Where CORRECTED_DATA was kept it is computed from WEIGHT_SPECTRUM, where DATA was from SIGMA, the same for all
    channels. Rows without WEIGHT_SPECTRUM get nothing.
    """
    like = table.getdesc()["WEIGHT_SPECTRUM"]
    new = {**like, "dataManagerType": "TiledShapeStMan", "dataManagerGroup": _ADDED, "keywords": {}}
    tile = np.array([4, 64, 64], dtype=np.int32)
    manager = {"TYPE": "TiledShapeStMan", "NAME": _ADDED, "SPEC": {"DEFAULTTILESHAPE": tile}}
    table.addcols({"SIGMA_SPECTRUM": new}, manager)
    for start in range(0, table.nrows(), _CHUNK_ROWS["SIGMA_SPECTRUM"]):
        rows = range(start, min(start + _CHUNK_ROWS["SIGMA_SPECTRUM"], table.nrows()))
        shapes = cell_shapes(table, "WEIGHT_SPECTRUM", rows)
        for shape in np.unique(shapes[shapes != ""]):
            part = table.selectrows(rows.start + np.flatnonzero(shapes == shape))
            weights = part.getcol("WEIGHT_SPECTRUM")
            if keep == "CORRECTED_DATA":
                part.putcol("SIGMA_SPECTRUM", sigma_of(weights))
            else:
                sigma = part.getcol("SIGMA")[:, np.newaxis, :]
                part.putcol("SIGMA_SPECTRUM", np.ascontiguousarray(np.broadcast_to(sigma, weights.shape)))


def _fill_chunk(source: Table, target: Table, pair: tuple[str, str], rows: range) -> None:
    read, written = pair
    rule = weight_of if written.startswith("WEIGHT") else sigma_of
    shapes = cell_shapes(source, read, rows)
    fitting = (shapes == cell_shapes(target, written, rows)) & (shapes != "")
    for shape in np.unique(shapes[fitting]):
        chosen = np.flatnonzero(fitting & (shapes == shape))
        if chosen.size == len(rows):
            target.putcol(written, rule(source.getcol(read, rows.start, len(rows))), rows.start, len(rows))
        else:
            # casacore reads a column by the shape of its first row, without a word where others differ.
            values = source.selectrows(rows.start + chosen).getcol(read)
            target.selectrows(rows.start + chosen).putcol(written, rule(values))
