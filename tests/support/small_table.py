"""A table of one column, made by a child process that loads casacore itself."""

import os
from pathlib import Path

from qa2pack.executor.casa.environment import PROBE_COLUMN
from qa2pack.executor.casa.table import create_table


def make_table(work: Path) -> list[str]:
    create_table(str(work / "table"), {"A": PROBE_COLUMN}, {})
    return sorted(os.listdir(work / "table"))
