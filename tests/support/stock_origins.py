"""The smallest origins of the layouts that come with the program, for what must hold with each of them."""

from pathlib import Path

from support.in_process import age
from support.trees import make_tree

_UNIT = "SOUS_uid___A001_X87c_X67/GOUS_uid___A001_X87c_X68/MOUS_uid___A001_X87c_X69"
_BLOCK = "uid___A002_X3c9295_X8c"
_GIVEN = ("--set", "sous=uid___A001_X1_X1", "--set", "gous=uid___A001_X1_X2", "--set", "mous=uid___A001_X1_X3")
# Of each layout the files of an origin, the folder in it that rules look into first, and what is to be typed.
_ORIGINS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "alma-imaging": (("scriptForImaging.py\t9", "x.manual.fits\t9"), "", _GIVEN),
    "alma-manual": ((f"eb/{_BLOCK}.ms.scriptForCalibration.py\t9", "x.fits\t9"), "", _GIVEN),
    "alma-pipeline": ((f"{_UNIT}/products/x.fits\t9",), f"{_UNIT}/products", ()),
    "as-is": (("a/x.fits\t9",), "", ()),
    "cycle0": ((f"X8c/{_BLOCK}.ms.scriptForCalibration.py\t9", "x.fits\t9"), "", ()),
    "pds4": (("bundle_x.xml\t9", "data/x.fits\t9"), "", ()),
}


def make_stock_origin(folder: Path, layout: str) -> tuple[Path, tuple[str, ...]]:
    """Make an origin of the layout; return it and the options that a plan of it takes."""
    lines, _, given = _ORIGINS[layout]
    make_tree(folder, lines)
    age(folder)
    return folder, ("--layout", layout, "--mode", "copy", "--no-settings", *given)


def first_place(folder: Path, layout: str) -> Path:
    """Return the folder of such an origin in which files are packaged."""
    return folder / _ORIGINS[layout][1]
