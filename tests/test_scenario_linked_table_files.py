"""Files of a table that are symlinks to files elsewhere in the origin are packaged as what they lead to.

Those that the split of a measurement set rewrites, too: the package gets its own, and the origin keeps both.
"""

import os
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code, Refused
from support.in_process import UID, Delivery, age
from support.measurement_sets import Recipe, write_measurement_set
from support.origin_bytes import roll_back
from support.snapshots import contents

TABLE = f"{UID}.ms.split.cal"
REWRITTEN = ("table.dat", "table.info", "table.lock", "table.f19")  # the last one has the weights
PLACEHOLDER = "table.f21"  # the first file of a column that is dropped
pytestmark = pytest.mark.in_casa


def linked(delivery: Delivery, folder: Path) -> Path:
    """Make a measurement set with files that lie in another folder; return it."""
    table = delivery.origin / "X8c" / TABLE
    write_measurement_set(table, Recipe(rows=12))
    folder.mkdir()
    for name in (*REWRITTEN, PLACEHOLDER, "table.f0"):
        (table / name).rename(folder / name)
        (table / name).symlink_to(os.path.relpath(folder / name, table))
    age(delivery.origin)
    return table


def column_names(table: Path) -> list[str]:
    with tables.table(str(table), ack=False) as opened:
        opened.getcol("DATA", nrow=1)
        assert opened.nrows() == 12
        return [name for name in opened.colnames() if name.endswith("DATA")]


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_table_with_linked_files_is_split_as_any_other(delivery: Delivery, mode: Mode) -> None:
    table = linked(delivery, delivery.origin / "parts")
    before = contents(delivery.origin)
    for _ in range(2):  # the second time they are known
        delivery.plan(mode)
        delivery.apply(keep_previous=KeepPrevious.YES)
        assert delivery.problems() == []
    packaged = delivery.member / "calibrated" / TABLE
    assert column_names(packaged) == ["DATA"]
    assert not any(path.is_symlink() for path in packaged.iterdir())
    assert all((table / name).is_symlink() for name in REWRITTEN)
    roll_back(delivery)
    roll_back(delivery)
    assert contents(delivery.origin) == before


def test_linked_files_outside_of_the_origin_have_their_own_rule(delivery: Delivery) -> None:
    table = linked(delivery, delivery.origin.parent / "outside")
    with pytest.raises(Refused) as caught:
        delivery.plan(Mode.COPY)
    assert {each.code for each in caught.value.problems} == {Code.LINK_OUTSIDE}
    assert {each.path for each in caught.value.problems} >= {os.fsencode(table / name) for name in REWRITTEN}
    delivery.make(Mode.COPY, follow_outside=True)
    assert delivery.problems() == []
    assert column_names(delivery.member / "calibrated" / TABLE) == ["DATA"]


def test_linked_lock_may_be_written_to_after_the_plan_as_any_other(delivery: Delivery) -> None:
    """It is the lock of the table, whatever the name of the file that it leads to."""
    table = linked(delivery, delivery.origin / "parts")
    lock = (table / "table.lock").resolve().rename(delivery.origin / "parts/of the table")
    (table / "table.lock").unlink()
    (table / "table.lock").symlink_to("../../parts/of the table")
    delivery.plan(Mode.COPY)
    os.utime(lock)
    delivery.apply()
    assert delivery.problems() == []
    assert column_names(delivery.member / "calibrated" / TABLE) == ["DATA"]
