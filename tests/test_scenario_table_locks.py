"""Locks of tables are no content but for the number of rows: whoever opens a table writes to them.

A move leaves the origin its own.
"""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.cli import main
from support.in_process import UID, Delivery, age
from support.measurement_sets import Recipe, write_measurement_set
from support.origin_bytes import roll_back

LOCK = f"{UID}.ms.split.cal/POINTING/table.lock"
TAKE = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
COUNT = "import sys; from casacore import tables; print(tables.table(sys.argv[1], ack=False).nrows())"
ROWS = 5
FIELD = f"{UID}.ms.split.cal/FIELD"
pytestmark = pytest.mark.in_casa
every_mode = pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])


@pytest.fixture
def measured(delivery: Delivery) -> Delivery:
    write_measurement_set(delivery.origin / "X8c" / f"{UID}.ms.split.cal", Recipe(rows=12))
    age(delivery.origin)
    return delivery


def packaged(delivery: Delivery) -> Path:
    return delivery.member / "calibrated" / LOCK


def at_origin(delivery: Delivery) -> Path:
    return delivery.origin / "X8c" / LOCK


def use(lock: Path) -> None:
    """Write what a program that waits for the table writes."""
    lock.write_bytes(b"\0\0\0\1 process 7 on node 3".ljust(260) + lock.read_bytes()[260:])


def add_rows(table: Path) -> None:
    """Add rows to a table that was closed before: their number is in its lock, and not in its `table.dat`."""
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.addrows(ROWS)


def row_count(table: Path) -> int:
    """Return the number of rows that another process finds, which does not remember the table."""
    done = subprocess.run([sys.executable, "-c", COUNT, table], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_move_leaves_the_origin_its_own_locks(measured: Delivery) -> None:
    before = at_origin(measured).read_bytes()
    measured.make(Mode.MOVE)
    assert [path for path in measured.origin.rglob("table.lock") if path.is_symlink()] == []
    assert (at_origin(measured).read_bytes(), packaged(measured).read_bytes()) == (before, before)
    assert not at_origin(measured).samefile(packaged(measured))


@every_mode
def test_lock_that_is_written_to_is_no_change(measured: Delivery, mode: Mode) -> None:
    measured.make(mode)
    for lock in (packaged(measured), at_origin(measured), *measured.member.glob("calibrated/*/table.lock")):
        use(lock)
    assert measured.problems() == []
    roll_back(measured)
    assert not measured.member.exists()


@every_mode
def test_table_that_was_opened_since_the_plan_is_no_changed_origin(measured: Delivery, mode: Mode) -> None:
    measured.plan(mode)
    for lock in measured.origin.rglob("table.lock"):
        use(lock)
    measured.apply()
    assert measured.problems() == []


def can_be_taken(lock: Path) -> bool:
    """Tell whether another process gets the lock."""
    done = subprocess.run([sys.executable, "-S", "-c", TAKE, lock], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


@every_mode
def test_lock_that_this_process_holds_stays_its_own(measured: Delivery, mode: Mode) -> None:
    """Closing any descriptor of the file would give the lock back, as POSIX has it."""
    locks = sorted(measured.origin.rglob("table.lock"))
    held = [path.open("r+b") for path in locks]
    for file in held:
        fcntl.lockf(file, fcntl.LOCK_EX)
    measured.make(mode)
    assert measured.problems() == []
    lost = [lock for lock in locks[:6] if can_be_taken(lock)]
    assert lost == []
    for file in held:
        file.close()


@every_mode
def test_table_that_was_opened_is_no_difference_to_the_package(measured: Delivery, mode: Mode) -> None:
    measured.make(Mode.COPY)
    for lock in measured.origin.rglob("table.lock"):
        use(lock)
    found = measured.plan(mode).notes.difference
    assert found is not None
    assert (found.added, found.removed, found.changed) == (0, 0, 0)


@every_mode
def test_rows_that_only_the_lock_knows_are_verified(measured: Delivery, mode: Mode) -> None:
    table = measured.origin / "X8c" / FIELD
    add_rows(table)
    measured.make(mode)
    packaged_table = measured.member / "calibrated" / FIELD
    assert row_count(packaged_table) == row_count(table) == 1 + ROWS
    lock = packaged_table / "table.lock"
    right = lock.read_bytes()
    for wrong in (b"", b"\0" * len(right), right[:283] + b"\1"):
        lock.write_bytes(wrong)
        assert [(each.code, each.expected) for each in measured.problems()] == [(Code.CHANGED, "6 rows")]
    lock.write_bytes(right)
    assert measured.problems() == []


def test_rows_that_only_the_lock_knows_are_adopted(measured: Delivery) -> None:
    add_rows(measured.origin / "X8c" / FIELD)
    measured.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(measured.package.control))
    assert main(["adopt", str(measured.path)]) == 0
    assert main(["verify", str(measured.path)]) == 0
    lock = measured.member / "calibrated" / FIELD / "table.lock"
    lock.write_bytes(bytes(lock.stat().st_size))
    assert main(["verify", str(measured.path)]) == 3


def test_lock_is_repaired_from_one_that_tells_the_same_rows(measured: Delivery) -> None:
    add_rows(measured.origin / "X8c" / FIELD)
    measured.make(Mode.COPY)
    packaged_table = measured.member / "calibrated" / FIELD
    (packaged_table / "table.lock").unlink()
    assert main(["repair", str(measured.path)]) == 0
    assert row_count(packaged_table) == 1 + ROWS
    assert measured.problems() == []


def test_lock_whose_rows_nobody_knows_is_not_made(measured: Delivery) -> None:
    add_rows(measured.origin / "X8c" / FIELD)
    measured.make(Mode.COPY)
    (measured.origin / "X8c" / FIELD / "table.lock").write_bytes(b"\0" * 300)
    (measured.member / "calibrated" / FIELD / "table.lock").unlink()
    assert main(["repair", str(measured.path)]) == 3
    assert measured.found() == [(Code.MISSING, f"calibrated/{FIELD}/table.lock".encode())]


def test_lock_that_a_failing_disk_does_not_give_is_not_taken_for_empty(
    measured: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured.plan(Mode.COPY)

    def fail(*_: object, **__: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("qa2pack.executor.stage.folder.read_lock", fail)
    with pytest.raises(OSError, match="Input/output error"):
        measured.apply()
    assert not measured.member.exists()


def test_lock_that_this_user_may_not_read_is_linked(measured: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("qa2pack.manifest.scan.lock_rows.read_lock", refuse)
    measured.make(Mode.HARD)
    assert packaged(measured).samefile(at_origin(measured))


def test_number_of_rows_is_not_shown_as_a_digest(measured: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    measured.make(Mode.COPY)
    capsys.readouterr()
    assert main(["export", str(measured.path), "--format", "json"]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    locks = [entry for entry in entries if str(entry.get("path")).endswith("table.lock")]
    assert {entry["xxh128"] for entry in locks} == {None}
