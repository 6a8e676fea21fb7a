"""Real measurement sets and calibration tables, small, laid out as CASA lays them out.

Every data column has a tiled storage manager of its own unless the recipe says that columns share one.
Visibilities, weights and flags come from the recipe's seed, so the same recipe gives the same values. Rows of
the spectral windows alternate, as a correlator writes them.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

DATA_COLUMNS = ("DATA", "MODEL_DATA", "CORRECTED_DATA")

_INCREMENTAL = (
    "ARRAY_ID",
    "EXPOSURE",
    "FEED1",
    "FEED2",
    "FIELD_ID",
    "INTERVAL",
    "OBSERVATION_ID",
    "PROCESSOR_ID",
    "SCAN_NUMBER",
    "STATE_ID",
    "TIME",
    "TIME_CENTROID",
)
_STANDARD = ("FLAG_ROW", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID")
_TILED_BY_SHAPE = ("FLAG_CATEGORY", "FLAG", "WEIGHT", "SIGMA", "WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")


@dataclass(frozen=True, slots=True)
class Shared:
    """Columns that share one storage manager."""

    manager: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a measurement set is made of.

    Attributes:
        spectra: (channels, polarisations) of each spectral window.
        block_rows: so many rows of one spectral window follow each other before the next one has its turn.
        odd_weights: give rows with a weight of zero, below the smallest normal float, and huge.
        unfilled_rows: how many of the last rows are left without arrays.
        spectrum_columns: also write WEIGHT_SPECTRUM and SIGMA_SPECTRUM.
        shared: storage managers that hold more than one column.
    """

    rows: int = 120
    spectra: tuple[tuple[int, int], ...] = ((8, 2), (16, 4))
    columns: tuple[str, ...] = DATA_COLUMNS
    block_rows: int = 3
    odd_weights: bool = True
    unfilled_rows: int = 0
    spectrum_columns: bool = False
    shared: tuple[Shared, ...] = ()
    seed: int = 1


def write_measurement_set(path: Path, recipe: Recipe | None = None) -> None:
    """Make the measurement set at `path`, which must not exist; its folder must."""
    recipe = recipe or Recipe()
    with tables.default_ms(str(path), _description(recipe), _managers(recipe)) as table:
        table.addrows(recipe.rows)
        _fill_rows(table, recipe)
        if "MODEL_DATA" in recipe.columns:
            # As CASA's imager leaves it: a keyword that only means something with its column.
            table.putcolkeyword("MODEL_DATA", "CHANNEL_SELECTION", np.array([[0, 8]], dtype=np.int32))
    _fill_subtables(path, recipe)


def write_multi_measurement_set(path: Path, recipe: Recipe | None = None) -> None:
    """Make a table at `path` that joins two measurement sets in its folder `SUBMSS`, as CASA's `partition` does."""
    parts = [path / "SUBMSS" / f"{path.name}.{number:04}.ms" for number in range(2)]
    parts[0].parent.mkdir(parents=True)
    for part in parts:
        write_measurement_set(part, recipe)
    new = path.with_name("joined")
    joined = tables.table([str(part) for part in parts], ack=False)
    joined.rename(str(new))
    joined.flush()
    del joined
    for file in new.iterdir():
        file.rename(path / file.name)
    new.rmdir()


def write_compressed_measurement_set(path: Path) -> None:
    """Make a measurement set whose DATA are compressed with loss, as LOFAR's DP3 does; CORRECTED_DATA are not."""
    kept = {"datamanagertype": "DyscoStMan", "datamanagergroup": "Dysco", "valuetype": "complex"}
    data = tables.makearrcoldesc("DATA", 0j, shape=[8, 4], options=5, **kept)
    manager = {
        "TYPE": "DyscoStMan",
        "NAME": "Dysco",
        "SEQNR": 0,
        "COLUMNS": ["DATA"],
        "SPEC": {
            "dataBitCount": 8,
            "weightBitCount": 8,
            "distribution": "TruncatedGaussian",
            "normalization": "AF",
            "studentTNu": 0.0,
            "distributionTruncation": 2.5,
        },
    }
    corrected = tables.makearrcoldesc("CORRECTED_DATA", 0j, ndim=2, valuetype="complex")
    random = np.random.default_rng(1)
    with tables.default_ms(str(path), tables.maketabdesc([data, corrected]), {"*1": manager}) as table:
        first, second = np.tile(np.triu_indices(5), 3)  # Dysco wants several times, and each baseline once in each
        table.addrows(first.size)
        table.putcol("ANTENNA1", first.astype(np.int32))
        table.putcol("ANTENNA2", second.astype(np.int32))
        table.putcol("TIME", 4.8e9 + np.arange(first.size) // (first.size // 3) * 6.0)
        for column in ("DATA", "CORRECTED_DATA"):
            for row in range(first.size):
                table.putcell(column, row, _complex_noise(random, (8, 4)))


def rename_subtable(table: Path, name: bytes, new: bytes) -> None:
    """Give a subtable another name of the same length, which need not be text."""
    main = table / "table.dat"
    main.write_bytes(main.read_bytes().replace(b"././" + name, b"././" + new))
    (table / os.fsdecode(name)).rename(table / os.fsdecode(new))


def select_rows(table: Path, selection: Path) -> None:
    """Make a table that holds the first rows of another one, and nothing but their numbers."""
    with tables.table(str(table), ack=False) as opened:
        opened.query("rownumber() <= 5", name=str(selection)).close()


def write_calibration_table(path: Path, *, rows: int = 40, seed: int = 1) -> None:
    """Make a table of antenna gains, all in one storage manager, as `gaincal` does."""
    random = np.random.default_rng(seed)
    description = tables.maketabdesc(
        [
            tables.makescacoldesc("TIME", 0.0),
            tables.makescacoldesc("SPECTRAL_WINDOW_ID", 0),
            tables.makescacoldesc("ANTENNA1", 0),
            tables.makearrcoldesc("CPARAM", 0j, ndim=2, valuetype="complex"),
            tables.makearrcoldesc("FLAG", False, ndim=2),
        ]
    )
    with tables.table(str(path), description, nrow=rows, ack=False) as table:
        table.putinfo({"type": "Calibration", "subType": "G Jones"})
        table.putkeyword("VisCal", "G Jones")
        table.putcol("TIME", 4.8e9 + np.arange(rows, dtype=float))
        table.putcol("ANTENNA1", np.arange(rows, dtype=np.int32) % 8)
        table.putcol("CPARAM", _complex_noise(random, (rows, 1, 2)))
        table.putcol("FLAG", np.zeros((rows, 1, 2), dtype=bool))


def _description(recipe: Recipe) -> dict[str, Any]:
    description: dict[str, Any] = tables.required_ms_desc()
    complete = tables.complete_ms_desc()
    extra = recipe.columns
    if recipe.spectrum_columns:
        extra += ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
    for name in extra:
        description[name] = dict(complete[name])
    for name in (*extra, "FLAG"):
        description[name]["ndim"] = 2
    return description


def _managers(recipe: Recipe) -> dict[str, dict[str, Any]]:
    tiled = [name for name in _TILED_BY_SHAPE if recipe.spectrum_columns or not name.endswith("_SPECTRUM")]
    groups = [
        *(Shared("IncrementalStMan", (name,)) for name in _INCREMENTAL),
        *(Shared("StandardStMan", (name,)) for name in _STANDARD),
        Shared("TiledColumnStMan", ("UVW",)),
        *(Shared("TiledShapeStMan", (name,)) for name in (*tiled, *recipe.columns)),
    ]
    taken = {name for group in recipe.shared for name in group.columns}
    groups = [group for group in groups if not taken.intersection(group.columns)] + list(recipe.shared)
    return {f"*{number}": _manager(number, group) for number, group in enumerate(groups, start=1)}


def _manager(number: int, group: Shared) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    if group.manager == "TiledColumnStMan" and group.columns == ("UVW",):
        spec["DEFAULTTILESHAPE"] = np.array([3, 1024], dtype=np.int32)
    elif group.manager == "TiledShapeStMan":
        spec["DEFAULTTILESHAPE"] = np.array(_tile(group.columns[0]), dtype=np.int32)
    return {
        "TYPE": group.manager,
        "NAME": f"{group.manager}_{group.columns[0]}",
        "SEQNR": number,
        "SPEC": spec,
        "COLUMNS": list(group.columns),
    }


def _tile(column: str) -> tuple[int, ...]:
    if column in {"WEIGHT", "SIGMA"}:
        return (4, 256)
    return (4, 8, 1, 64) if column == "FLAG_CATEGORY" else (4, 8, 64)


def _fill_rows(table: Any, recipe: Recipe) -> None:
    random = np.random.default_rng(recipe.seed)
    rows = np.arange(recipe.rows)
    spectrum = (rows // recipe.block_rows) % len(recipe.spectra)
    table.putcol("DATA_DESC_ID", spectrum.astype(np.int32))
    table.putcol("ANTENNA1", (rows % 5).astype(np.int32))
    table.putcol("ANTENNA2", (rows % 5 + 1).astype(np.int32))
    table.putcol("SCAN_NUMBER", (1 + rows // 50).astype(np.int32))
    for column in ("TIME", "TIME_CENTROID"):
        table.putcol(column, 4.8e9 + (rows // 20).astype(float))
    for column in ("INTERVAL", "EXPOSURE"):
        table.putcol(column, np.full(recipe.rows, 6.048))
    table.putcol("UVW", random.normal(size=(recipe.rows, 3)))
    for number, (channels, polarisations) in enumerate(recipe.spectra):
        chosen = np.flatnonzero(spectrum[: recipe.rows - recipe.unfilled_rows] == number)
        if chosen.size:
            _fill_spectrum(table.selectrows(chosen), recipe, random, (chosen.size, channels, polarisations))


def _fill_spectrum(rows: Any, recipe: Recipe, random: np.random.Generator, shape: tuple[int, int, int]) -> None:
    count, _, polarisations = shape
    for column in recipe.columns:
        noise = _complex_noise(random, shape)
        rows.putcol(column, noise.real if column == "FLOAT_DATA" else noise)
    rows.putcol("FLAG", random.random(shape) < 0.1)
    for column in ("WEIGHT", "SIGMA"):
        rows.putcol(column, _weights(random, (count, polarisations), odd=recipe.odd_weights))
    if recipe.spectrum_columns:
        for column in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"):
            rows.putcol(column, _weights(random, shape, odd=recipe.odd_weights))


def _weights(random: np.random.Generator, shape: tuple[int, ...], *, odd: bool) -> Any:
    values = random.uniform(0.01, 50.0, size=shape).astype(np.float32)
    if odd:
        ends = np.array([0.0, -1.0, 1e-38, np.finfo(np.float32).tiny, 1e-42, 3e38, 1e20, np.nan], dtype=np.float32)
        values.flat[: ends.size] = ends[: values.size]
    return values


def _complex_noise(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(np.complex64)


def _fill_subtables(path: Path, recipe: Recipe) -> None:
    count = len(recipe.spectra)
    with _subtable(path, "SPECTRAL_WINDOW", count) as table:
        for row, (channels, _) in enumerate(recipe.spectra):
            _put_spectral_window(table, row, channels)
    with _subtable(path, "POLARIZATION", count) as table:
        for row, (_, polarisations) in enumerate(recipe.spectra):
            types = {1: [9], 2: [9, 12], 4: [9, 10, 11, 12]}[polarisations]
            table.putcell("CORR_TYPE", row, np.array(types, dtype=np.int32))
            products = [[(kind - 9) // 2, (kind - 9) % 2] for kind in types]
            table.putcell("CORR_PRODUCT", row, np.array(products, dtype=np.int32))
            table.putcell("NUM_CORR", row, polarisations)
    with _subtable(path, "DATA_DESCRIPTION", count) as table:
        table.putcol("SPECTRAL_WINDOW_ID", np.arange(count, dtype=np.int32))
        table.putcol("POLARIZATION_ID", np.arange(count, dtype=np.int32))
    with _subtable(path, "ANTENNA", 6) as table:
        table.putcol("NAME", [f"DA{41 + row}" for row in range(6)])
        table.putcol("POSITION", np.random.default_rng(recipe.seed).normal(2.2e6, 100.0, size=(6, 3)))
    with _subtable(path, "FIELD", 1) as table:
        table.putcell("NAME", 0, "IRC+10216")
        for column in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            table.putcell(column, 0, np.array([[2.557, 0.232]]))


def _put_spectral_window(table: Any, row: int, channels: int) -> None:
    width = 488281.25
    table.putcell("NUM_CHAN", row, channels)
    table.putcell("NAME", row, f"spw{row}")
    table.putcell("REF_FREQUENCY", row, 2.3e11 + row * 2e9)
    table.putcell("TOTAL_BANDWIDTH", row, channels * width)
    table.putcell("CHAN_FREQ", row, 2.3e11 + row * 2e9 + width * np.arange(channels))
    for column in ("CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION"):
        table.putcell(column, row, np.full(channels, width))


def _subtable(path: Path, name: str, rows: int) -> Any:
    table = tables.table(str(path / name), readonly=False, ack=False)
    table.addrows(rows - table.nrows())
    return table
