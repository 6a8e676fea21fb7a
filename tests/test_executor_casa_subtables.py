from pathlib import Path

import pytest
from casacore import tables

from qa2pack.executor.casa.subtables import refuse_other_names
from support.measurement_sets import write_calibration_table


def test_name_that_the_table_did_not_have_is_refused(tmp_path: Path) -> None:
    for name in ("view", "copy", "copy/SUB"):
        write_calibration_table(tmp_path / name, rows=1)
    refuse_other_names(tmp_path / "view", tmp_path / "copy")
    with tables.table(str(tmp_path / "copy"), readonly=False, ack=False) as opened:
        opened.putkeyword("R", {"inner": {"x": f"Table: {tmp_path}/copy/SUB"}})
    with pytest.raises(RuntimeError, match="SUB"):
        refuse_other_names(tmp_path / "view", tmp_path / "copy")
    refuse_other_names(tmp_path / "copy", tmp_path / "view")
