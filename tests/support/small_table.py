"""A table of one column, made by a child process that loads casacore itself."""

import os
from pathlib import Path

from qa2pack.executor.casa.table import create_table

ONE_COLUMN = {
    "A": {
        "valueType": "int",
        "dataManagerType": "StandardStMan",
        "dataManagerGroup": "StandardStMan",
        "option": 0,
        "maxlen": 0,
        "comment": "",
        "keywords": {},
    }
}


def make_table(work: Path) -> list[str]:
    create_table(str(work / "table"), ONE_COLUMN, {})
    return sorted(os.listdir(work / "table"))
