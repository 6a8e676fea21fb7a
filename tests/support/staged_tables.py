"""Staging and splitting tables as applying a plan does it, and reading tables cell by cell."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from casacore import tables

from qa2pack.executor.casa.split import describe_table, measure_split, split_staged_table
from qa2pack.manifest.casa.column_split import SplitSpec, plan_split


def file_sizes(table: Path) -> dict[bytes, int]:
    """Return the regular files in the folder itself."""
    return {os.fsencode(path.name): path.stat().st_size for path in table.iterdir() if path.is_file()}


def measured_spec(table: Path, keep: str) -> SplitSpec:
    """Plan and measure the split of a table that needs one."""
    spec = plan_split(describe_table(os.fsencode(table)), file_sizes(table), keep)
    assert spec is not None
    return measure_split(os.fsencode(table), spec)


def stage_table(table: Path, staged: Path, spec: SplitSpec) -> None:
    """Lay out what `split_staged_table` expects: links, except for what will be written."""
    copied = {*spec.written, *spec.placeholders}

    def stage(source: str, target: str) -> None:
        if Path(source).parent == table and os.fsencode(Path(source).name) in copied:
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    def left_out(folder: str, names: list[str]) -> set[str]:
        gone = set(spec.dropped) - copied if Path(folder) == table else set()
        return {name for name in names if os.fsencode(name) in gone}

    shutil.copytree(table, staged, copy_function=stage, ignore=left_out)


def split_table(table: Path, staged: Path, keep: str) -> SplitSpec:
    """Plan, stage and split."""
    spec = measured_spec(table, keep)
    stage_table(table, staged, spec)
    split_staged_table(os.fsencode(staged), spec)
    return spec


def read_cells(table: Path) -> dict[str, list[tuple[tuple[int, ...], bytes] | None]]:
    """Return shape and bytes of every cell, None where it is undefined, by column."""
    with tables.table(str(table), ack=False) as opened:
        return {name: [_cell(opened, name, row) for row in range(opened.nrows())] for name in opened.colnames()}


def _cell(table: Any, column: str, row: int) -> tuple[tuple[int, ...], bytes] | None:
    if not table.iscelldefined(column, row):
        return None
    value = np.asarray(table.getcell(column, row))
    return value.shape, value.tobytes()


def read_arrays(table: Path, column: str) -> list[Any]:
    """Return the column's array of each row."""
    with tables.table(str(table), ack=False) as opened:
        return [opened.getcell(column, row) for row in range(opened.nrows())]
