"""Measure the modules that can compress bundles: size and time of each level, in one thread.

    python -m benchmarks.encoders [FILE ...] [--page PAGE]

The data are an image, a log and random bytes, as trees for benchmarks have them, and the files that are given, such
as a tar of tables. Blocks are compressed as the writer of bundles does it. What is not installed is left out.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.machine import this_machine
from benchmarks.page import fill, markdown_table
from benchmarks.trees import image_bytes, log_bytes
from qa2pack.manifest.bundle import encoder

_MODULES = {"zlib": range(1, 10), "zlib_ng.zlib_ng": range(1, 10), "isal.isal_zlib": range(1, 4)}
_BLOCK_BYTES = 256 << 10
_LEAST_BYTES = 16 << 20
_ROUNDS = 3


def main() -> int:
    """Print a line for each module and level, and put them on the page that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--page", type=Path, help="put the table between the marks on this page")
    asked = parser.parse_args()
    contents = {"image": image_bytes(), "log": log_bytes(), "random": os.urandom(1 << 20)}
    contents |= {path.name: path.read_bytes() for path in asked.files}
    head = ("module", "level", *contents)
    rows = []
    for row in _rows([content * -(-_LEAST_BYTES // len(content)) for content in contents.values()]):
        print("  ".join(cell.rjust(14) for cell in row), flush=True)
        rows.append(row)
    if asked.page:
        words = (
            f"{this_machine(Path()).sentence()} MB a second of one processor, and the part of the size that is left."
        )
        fill(asked.page, "encoders", f"{words}\n\n{markdown_table(head, rows)}")
    return 0


def _rows(contents: Sequence[bytes]) -> Iterator[tuple[str, ...]]:
    for name, levels in _MODULES.items():
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for level in levels:
            cells = (_cell(*_measured(module, level, content), len(content)) for content in contents)
            yield name.partition(".")[0], str(level), *cells


def _cell(seconds: float, size: int, content_bytes: int) -> str:
    return f"{content_bytes / 1e6 / seconds:.0f}, {size / content_bytes:.3f}"


def _measured(module: ModuleType, level: int, content: bytes) -> tuple[float, int]:
    """Return the least seconds of a processor in some rounds, and the size."""
    encoder.engine = lambda: module  # type: ignore[assignment]
    blocks = [content[start : start + _BLOCK_BYTES] for start in range(0, len(content), _BLOCK_BYTES)]
    found = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        size = sum(map(len, encoder.gzip_pieces(blocks, level=level)))
        found.append(time.process_time() - start)
    return min(found), size


if __name__ == "__main__":
    sys.exit(main())
