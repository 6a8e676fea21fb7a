"""A reduction folder of some twenty files with a real measurement set, to be packaged some thousand times.

The measurement set has the two data columns that are split, and no more of the columns and subtables of an
observation than splitting needs: what is tested with it is not casacore, and every file more is a fault more to try.
"""

from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

UID = "uid___A002_X3c9295_X8c"

_DATA = ("DATA", "CORRECTED_DATA")
_WEIGHTS = ("WEIGHT", "SIGMA")


def write_reduction(folder: Path, *, text: str) -> None:
    """Make the folder; the text makes it: another text is another reduction."""
    block = folder / "X8c"
    (block / "qa2").mkdir(parents=True)
    write_small_measurement_set(block / f"{UID}.ms.split", seed=len(text))
    for name in (
        "scriptForImaging.py",
        "image.fits",
        "notes.txt",
        f"X8c/{UID}.ms.scriptForCalibration.py",
        "X8c/casapy-20120502-102144.log",
        "X8c/checklist.txt",
        "X8c/qa2/qa2_part1.png",
    ):
        (folder / name).write_text(f"{name} of {text}\n")
    (folder / "scriptForImaging.py").chmod(0o755)


def write_small_measurement_set(path: Path, *, seed: int) -> None:
    """Make a measurement set of four rows at `path`, which must not exist."""
    random = np.random.default_rng(seed)
    with tables.table(str(path), _description(), nrow=4, dminfo=_managers(), ack=False) as table:
        table.putkeyword("MS_VERSION", 2.0)
        for column in _WEIGHTS:
            table.putcol(column, random.uniform(1, 9, size=(4, 2)).astype(np.float32))
        for column in _DATA:
            table.putcol(column, random.normal(size=(4, 2, 2)).astype(np.complex64))


def _description() -> dict[str, Any]:
    complete = tables.complete_ms_desc()
    description = {name: dict(complete[name]) for name in ("TIME", *_WEIGHTS, *_DATA)}
    for name in _DATA:
        description[name]["ndim"] = 2
    return description


def _managers() -> dict[str, dict[str, Any]]:
    tiled = {name: {"DEFAULTTILESHAPE": np.array((2, 4), dtype=np.int32)} for name in _WEIGHTS}
    tiled |= {name: {"DEFAULTTILESHAPE": np.array((2, 2, 4), dtype=np.int32)} for name in _DATA}
    kinds = [("StandardStMan", "TIME", {}), *(("TiledShapeStMan", name, spec) for name, spec in tiled.items())]
    return {
        f"*{number}": {"TYPE": kind, "NAME": f"{kind}_{column}", "SEQNR": number, "SPEC": spec, "COLUMNS": [column]}
        for number, (kind, column, spec) in enumerate(kinds)
    }
