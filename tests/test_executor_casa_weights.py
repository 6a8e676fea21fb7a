"""Weights by channel as CASA's split makes them: by option, in commands and in packages.

The rules were found by running split of CASA 6.7 on such tables; all columns came out equal, bit by bit.
"""

from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.casa.column_split import Weights
from qa2pack.manifest.format.files import open_plan
from qa2pack.pack.cli import main
from support.in_process import UID, Delivery, age
from support.measurement_sets import Recipe, write_measurement_set
from support.staged_tables import read_cells

UNFILLED = 4
RECIPE = Recipe(rows=40, unfilled_rows=UNFILLED, odd_weights=False, spectrum_columns=True)


def make_table(delivery: Delivery, *, drop: str = "") -> Path:
    """Make the one measurement set of the block, with both kinds of weights by channel or without one of them."""
    table = delivery.origin / f"X8c/{UID}.ms.split"
    write_measurement_set(table, RECIPE)
    if drop:
        with tables.table(str(table), readonly=False, ack=False) as opened:
            opened.removecols([drop])
    age(delivery.origin)
    return table


def packaged(delivery: Delivery, weights: Weights) -> tuple[Path, Path]:
    """Return the tables of the package that keep DATA and CORRECTED_DATA."""
    delivery.make(Mode.HARD, weights=weights)
    assert delivery.problems() == []
    return delivery.member / f"raw/{UID}.ms.split", delivery.member / f"calibrated/{UID}.ms.split.cal"


def arrays(table: Path, column: str) -> list[Any]:
    with tables.table(str(table), ack=False) as opened:
        return [opened.getcell(column, row) for row in range(opened.nrows() - UNFILLED)]


def are_equal(found: list[Any], expected: list[Any]) -> bool:
    return len(found) == len(expected) > 0 and all(map(np.array_equal, found, expected))


def test_weights_and_noise_agree_without_the_option(delivery: Delivery) -> None:
    make_table(delivery)
    for table in packaged(delivery, Weights.CONSISTENT):
        assert all(map(np.allclose, arrays(table, "WEIGHT_SPECTRUM"), inverse_squares(table, "SIGMA_SPECTRUM")))


def inverse_squares(table: Path, column: str) -> list[Any]:
    return [np.float32(1) / (cell * cell) for cell in arrays(table, column)]


def inverse_roots(table: Path, column: str) -> list[Any]:
    return [np.float32(1) / np.sqrt(cell) for cell in arrays(table, column)]


def test_weights_by_channel_stay_where_data_are_kept(delivery: Delivery) -> None:
    origin = make_table(delivery)
    raw, calibrated = packaged(delivery, Weights.CASA)
    for column in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"):
        assert read_cells(raw)[column] == read_cells(origin)[column]
    assert are_equal(arrays(raw, "WEIGHT"), inverse_squares(origin, "SIGMA"))
    assert are_equal(arrays(calibrated, "SIGMA_SPECTRUM"), inverse_roots(origin, "WEIGHT_SPECTRUM"))
    assert read_cells(calibrated)["WEIGHT_SPECTRUM"] == read_cells(origin)["WEIGHT_SPECTRUM"]


def test_missing_noise_by_channel_is_added(delivery: Delivery) -> None:
    origin = make_table(delivery, drop="SIGMA_SPECTRUM")
    raw, calibrated = packaged(delivery, Weights.CASA)
    same = [
        np.broadcast_to(sigma, shape.shape)
        for sigma, shape in zip(arrays(origin, "SIGMA"), arrays(origin, "DATA"), strict=True)
    ]
    assert are_equal(arrays(raw, "SIGMA_SPECTRUM"), same)
    assert are_equal(arrays(calibrated, "SIGMA_SPECTRUM"), inverse_roots(origin, "WEIGHT_SPECTRUM"))
    assert are_equal(arrays(raw, "DATA"), arrays(origin, "DATA"))
    assert are_equal(arrays(calibrated, "DATA"), arrays(origin, "CORRECTED_DATA"))
    for table in (raw, calibrated):
        assert read_cells(table)["SIGMA_SPECTRUM"][-UNFILLED:] == [None] * UNFILLED
        assert read_cells(table)["WEIGHT_SPECTRUM"] == read_cells(origin)["WEIGHT_SPECTRUM"]


def test_no_noise_by_channel_is_added_without_the_option(delivery: Delivery) -> None:
    make_table(delivery, drop="SIGMA_SPECTRUM")
    for table in packaged(delivery, Weights.CONSISTENT):
        assert "SIGMA_SPECTRUM" not in read_cells(table)


def test_option_reaches_the_plan_also_where_an_earlier_one_knows_the_table(delivery: Delivery) -> None:
    make_table(delivery)
    for options, expected in (((), Weights.CONSISTENT), (("--casa-weights",), Weights.CASA)):
        code = main(["plan", str(delivery.origin), str(delivery.path), "--mode", "hard", "--quiet", *options])
        found = {task.spec.weights for task in open_plan(delivery.package.plan).notes.splits}
        assert (code, found) == (0, {expected})
