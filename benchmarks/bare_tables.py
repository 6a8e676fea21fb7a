"""What a plan and an apply of a reduction cannot do without: casacore, its calls for each table, digests and links.

A bare prototype of the same calls, to be read beside the jobs of a reduction: one process without manifests, journal,
checks, and limits for damaged tables. Run as `PYTHONPATH=tests python -m benchmarks.bare_tables SB OUT`, both on one
file system; it prints how many seconds each part takes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qa2pack.manifest.casa.column_split import SplitSpec

_OWN = {b"table.dat", b"table.info", b"table.lock"}


@contextmanager
def lap(name: str) -> Iterator[None]:
    """Print how many seconds the block took."""
    began = time.perf_counter()
    yield
    print(f"{time.perf_counter() - began:6.3f} s  {name}")


def planned(table: Path) -> "SplitSpec | None":
    """Open the table, and let casacore keep one data column of a skeleton of it; None if it has one only."""
    from qa2pack.executor.casa.skeleton import make_view
    from qa2pack.executor.casa.table import opened_table, read_shape
    from qa2pack.manifest.casa.column_split import plan_split
    from support.staged_tables import file_sizes

    with tempfile.TemporaryDirectory() as scratch:
        view = Path(scratch) / "view"
        make_view(os.fsencode(table), view)
        with opened_table(str(view)) as opened:
            shape = read_shape(opened)
    spec = plan_split(shape, file_sizes(table), "DATA")
    if spec:
        changed(table, spec, copied=set(spec.written) - _OWN)
    return spec


def changed(table: Path, spec: "SplitSpec", *, copied: set[bytes] | None = None) -> None:
    """Let casacore change the columns of the table, whose written files are copies, or of copies of those."""
    from qa2pack.executor.casa.drop_columns import follow_weights, keep_one_column
    from qa2pack.executor.casa.skeleton import make_skeleton, make_view
    from qa2pack.executor.casa.table import opened_table

    linked = set(spec.written) - _OWN if copied is None else set()
    with tempfile.TemporaryDirectory() as scratch:
        view, skeleton = Path(scratch) / "view", Path(scratch) / "skeleton"
        make_view(os.fsencode(table), view)
        make_skeleton(os.fsencode(table), skeleton, view=view, linked=linked, copied=copied or ())
        with opened_table(str(skeleton), writable=True) as split, opened_table(str(view)) as before:
            keep_one_column(split, spec)
            follow_weights(before, split, spec)
        if copied is None:
            for name in spec.placeholders:
                os.unlink(os.path.join(os.fsencode(table), name))
            for own in map(os.fsdecode, _OWN):
                shutil.copyfile(skeleton / own, table / own)


def main(origin: Path, out: Path) -> None:
    """Do it once."""
    with lap("numpy and casacore are imported"):
        from casacore import tables  # noqa: F401
    with lap("what calls them is imported"):
        from support.staged_tables import stage_table
    with lap("plan: tables are opened, and split on trial"):
        specs = {folder.parent: planned(folder.parent) for folder in sorted(origin.glob("*/*.split*/table.dat"))}
    split = {table: spec for table, spec in specs.items() if spec}
    dropped = {table / os.fsdecode(name) for table, spec in split.items() for name in spec.dropped}
    with lap("plan: what is kept is hashed, by two processes"):
        names = b"\0".join(bytes(path) for path in origin.rglob("*") if path.is_file() and path not in dropped)
        subprocess.run(
            ["xargs", "-0", "-P2", "-n1000", "xxhsum", "-q", "-H2"],
            input=names,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    with lap("apply: all other files are linked"):
        subprocess.run(["cp", "-al", origin, out], check=True)
    for table in split:
        subprocess.run(["rm", "-r", out / table.relative_to(origin)], check=True)
    with lap("apply: tables are linked and split"):
        for table, spec in split.items():
            staged = out / table.relative_to(origin)
            stage_table(table, staged, spec)
            changed(staged, spec)


if __name__ == "__main__":
    with lap("in all"):
        main(Path(sys.argv[1]), Path(sys.argv[2]))
