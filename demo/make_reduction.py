"""Makes the reduction folders of two scheduling blocks, small but real.

The measurement sets and calibration tables are written by casacore with the storage managers that CASA uses,
the plots are PNG files and the images FITS files. Around them lies what the scripts of those years left
behind, things that are never packaged included.
"""

from collections.abc import Mapping
from pathlib import Path

from make_pipeline_run import make_pipeline_runs
from pictures import fits_bytes, png_bytes

from support.measurement_sets import Recipe, write_calibration_table, write_measurement_set

README_HEADER = "README.header.txt"
FIRST_BLOCK = "IRC10216_setup3_b6_run_x2"
SECOND_BLOCK = "IRC10216_setup4_b6_run_x2"
EXECUTION_BLOCKS = {
    FIRST_BLOCK: {"X8c": "uid___A002_X3c9295_X8c", "X528": "uid___A002_X3dc0e7_X528"},
    SECOND_BLOCK: {"X3c9295_X1e0": "uid___A002_X3c9295_X1e0"},
}

ROW_COUNT = 2000
SPECTRA = ((128, 2), (64, 2))  # channels and polarisations of each spectral window
TABLES = ("tsys", "wvr", "split.bandpass", "split.phase_int", "split.ampli_inf")
ANTENNAS = ("DA41", "DA42", "DV04")

_HEADER = """\
Cycle: 0
Project code:
SB name:
PI name:
Project title: A small reduction made to show how packaging works
Configuration: compact
Proposed rms: 10 mJy
CASA version used for reduction: 3.4
Comments from Reducer: none
"""


def make_reductions(folder: Path) -> None:
    """Make the two reductions, a README header and the two pipeline runs in a folder, which must be empty."""
    make_pipeline_runs(folder)
    (folder / README_HEADER).write_text(_HEADER)
    for block, execution_blocks in EXECUTION_BLOCKS.items():
        _make_scheduling_block(folder / block, execution_blocks)


def _make_scheduling_block(folder: Path, execution_blocks: Mapping[str, str]) -> None:
    setup = "_".join(folder.name.split("_")[1:3])
    _write_texts(
        folder,
        ["scriptForImaging.py", "scriptForFluxCalibration.py", "ipython.log", "casapy-2012-05-03T115433.log"],
    )
    _write_texts(folder, [f"{folder.name}.imaging.txt"])
    (folder / f"calibrated_all_{setup}.clean.fits").write_bytes(fits_bytes(seed=1))
    (folder / "Images").mkdir()
    (folder / "Images" / f"{setup}.residual.fits").write_bytes(fits_bytes(seed=2))
    for seed, (name, uid) in enumerate(execution_blocks.items()):
        _make_execution_block(folder / name, uid, seed=100 * seed)


def _make_execution_block(folder: Path, uid: str, *, seed: int) -> None:
    _write_texts(
        folder,
        [
            *("checklist.txt", "casapy-20120502-102144.log", "ipython.log", "qa2/textfile.txt"),
            *(f"{uid}.ms.listobs", f"{uid}.ms.wvrgcal", f"{uid}.ms.split.fluxscale"),
            *(f"{uid}.ms.scriptForCalibration.py", f"{uid}.ms.flagversions/FLAG_VERSION_LIST"),
            f"{uid}/ASDM.xml",
        ],
    )
    for part in (1, 2, 3):
        (folder / "qa2" / f"qa2_part{part}.png").write_bytes(png_bytes(seed=seed + part))
    (folder / f"{uid}.ms.split.setjy.field1.png").write_bytes(png_bytes(seed=seed))
    _make_tables(folder, f"{uid}.ms", seed=seed)


def _make_tables(folder: Path, name: str, *, seed: int) -> None:
    for offset, suffix in enumerate(("", ".split", ".split.cal")):
        recipe = Recipe(rows=ROW_COUNT, spectra=SPECTRA, odd_weights=False, seed=seed + offset)
        write_measurement_set(folder / (name + suffix), recipe)
    for offset, suffix in enumerate(TABLES):
        write_calibration_table(folder / f"{name}.{suffix}", seed=seed + offset)
        plots = folder / f"{name}.{suffix}.plots"
        plots.mkdir()
        for number, antenna in enumerate(ANTENNAS):
            plot = plots / f"{name}.{suffix}.{antenna}.png"
            plot.write_bytes(png_bytes(seed=seed + 10 * offset + number))


def _write_texts(folder: Path, names: list[str]) -> None:
    """Write short files that differ from each other, folders included."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        comment = "# " if path.suffix == ".py" else ""
        path.write_text(f"{comment}{folder.name}: {name}\n")
