"""Locks of tables are no content: whoever opens a table writes to them, and a move leaves the origin its own."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from support.in_process import UID, Delivery, add_measurement_sets
from support.origin_bytes import roll_back

LOCK = f"{UID}.ms.split.cal/POINTING/table.lock"
TAKE = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
every_mode = pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])


@pytest.fixture
def tables(delivery: Delivery) -> Delivery:
    add_measurement_sets(delivery.origin)
    return delivery


def packaged(delivery: Delivery) -> Path:
    return delivery.member / "calibrated" / LOCK


def at_origin(delivery: Delivery) -> Path:
    return delivery.origin / "X8c" / LOCK


def test_move_leaves_the_origin_its_own_locks(tables: Delivery) -> None:
    before = at_origin(tables).read_bytes()
    tables.make(Mode.MOVE)
    assert [path for path in tables.origin.rglob("table.lock") if path.is_symlink()] == []
    assert (at_origin(tables).read_bytes(), packaged(tables).read_bytes()) == (before, before)
    assert not at_origin(tables).samefile(packaged(tables))


@every_mode
def test_lock_that_is_written_to_is_no_change(tables: Delivery, mode: Mode) -> None:
    tables.make(mode)
    for lock in (packaged(tables), at_origin(tables), *tables.member.glob("calibrated/*/table.lock")):
        lock.write_bytes(b"opened by CASA")
    assert tables.problems() == []
    roll_back(tables)
    assert not tables.member.exists()


@every_mode
def test_table_that_was_opened_since_the_plan_is_no_changed_origin(tables: Delivery, mode: Mode) -> None:
    tables.plan(mode)
    for lock in tables.origin.rglob("table.lock"):
        lock.write_bytes(b"opened by CASA")
    tables.apply()
    assert tables.problems() == []


def can_be_taken(lock: Path) -> bool:
    """Tell whether another process gets the lock."""
    done = subprocess.run([sys.executable, "-S", "-c", TAKE, lock], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


@every_mode
def test_lock_that_this_process_holds_stays_its_own(tables: Delivery, mode: Mode) -> None:
    """Closing any descriptor of the file would give the lock back, as POSIX has it."""
    locks = sorted(tables.origin.rglob("table.lock"))
    held = [path.open("r+b") for path in locks]
    for file in held:
        fcntl.lockf(file, fcntl.LOCK_EX)
    tables.make(mode)
    assert tables.problems() == []
    lost = [lock for lock in locks[:6] if can_be_taken(lock)]
    assert lost == []
    for file in held:
        file.close()


@every_mode
def test_table_that_was_opened_is_no_difference_to_the_package(tables: Delivery, mode: Mode) -> None:
    tables.make(Mode.COPY)
    for lock in tables.origin.rglob("table.lock"):
        lock.write_bytes(b"opened by CASA")
    found = tables.plan(mode).notes.difference
    assert found is not None
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
