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

from benchmarks.page import fill, markdown_table
from benchmarks.tables import POLARISATIONS, make_table
from qa2pack.executor.casa.split import describe_table, measure_split, split_staged_table
from qa2pack.manifest.casa.column_split import plan_split
from support.staged_tables import file_sizes, stage_table

CHANNELS = 3840
ROUNDS = 7
HEAD = ("GB", "rows", "describe, ms", "measure, ms", "split, ms", "copy of DATA, ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gigabytes", metavar="GB", type=float, nargs="*", default=[0.1, 1.0, 4.0])
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where the tables are made")
    parser.add_argument("--rows", type=int, help="make tables of so many rows, of few channels, instead")
    parser.add_argument("--page", type=Path, help="put the table between the marks on this page")
    options = parser.parse_args()
    rows = []
    for gigabytes in options.gigabytes:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="split-benchmark-") as folder:
            rows.append(measure(Path(folder), gigabytes * 1e9, options.rows))
            print(*rows[-1], sep="  ", flush=True)
    table = markdown_table(HEAD, rows)
    print(table)
    if options.page:
        fill(options.page, "table split", table)


def measure(folder: Path, size_bytes: float, row_count: int | None) -> tuple[str, ...]:
    """Make one table and return its line."""
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
    times = (described, measured, statistics.median(splits), copied)
    return f"{total:.2f}", f"{rows:,}", *(f"{seconds * 1e3:.1f}" for seconds in times)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
