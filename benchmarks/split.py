"""How long the split of a measurement set takes, against the size of its visibilities: it should not matter.

Run as `PYTHONPATH=tests python -m benchmarks.split [--dir FOLDER] [--rows N] [GB ...]`. Tables like those of CASA are
made with tiles really written, staged by hard links, and split. Printed is the median of some rounds, beside a plain
copy of the files of one data column. With --rows the tables have so many rows instead of many channels: what
takes time then is computing the weights.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from casacore import tables

from executor.split import describe_table, measure_split, split_staged_table
from manifest.table import plan_split
from measurement_sets import Recipe, write_measurement_set
from splitting import file_sizes, stage_table

CHANNELS, POLARISATIONS = 3840, 2
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gigabytes", metavar="GB", type=float, nargs="*", default=[0.1, 1.0, 4.0])
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where the tables are made")
    parser.add_argument("--rows", type=int, help="make tables of so many rows, of few channels, instead")
    options = parser.parse_args()
    print(f"{'GB':>6} {'rows':>9} {'describe':>10} {'measure':>10} {'split':>10} {'copy of DATA':>13}   (ms)")
    for gigabytes in options.gigabytes:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="split-benchmark-") as folder:
            measure(Path(folder), gigabytes * 1e9, options.rows)


def measure(folder: Path, size_bytes: float, row_count: int | None) -> None:
    """Make one table and print its line."""
    table = folder / "u.ms.split"
    channels = CHANNELS if row_count is None else max(1, int(size_bytes / (3 * 8 * POLARISATIONS * row_count)))
    rows = row_count or int(size_bytes / (3 * 8 * channels * POLARISATIONS))
    make_table(table, rows, channels)
    name = os.fsencode(table)
    spec = plan_split(describe_table(name), file_sizes(table), "CORRECTED_DATA")
    assert spec is not None
    spec = measure_split(name, spec)
    splits = []
    for number in range(ROUNDS):
        staged = folder / f"staged{number}"
        stage_table(table, staged, spec)
        splits.append(timed(partial(split_staged_table, os.fsencode(staged), spec)))
        shutil.rmtree(staged)
    described = statistics.median(timed(partial(describe_table, name)) for _ in range(ROUNDS))
    measured = statistics.median(timed(partial(measure_split, name, spec)) for _ in range(ROUNDS))
    biggest = max(table.glob("table.f*_TSM*"), key=lambda path: path.stat().st_size)
    copied = timed(partial(shutil.copyfile, biggest, folder / "copy"))
    (folder / "copy").unlink()
    total = sum(path.stat().st_size for path in table.iterdir()) / 1e9
    print(
        f"{total:6.2f} {rows:9d} {described * 1e3:10.1f} {measured * 1e3:10.1f}"
        f" {statistics.median(splits) * 1e3:10.1f} {copied * 1e3:13.1f}",
        flush=True,
    )


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


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
