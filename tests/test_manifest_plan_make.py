"""Plans as values: the same input gives the same plan, and what is known is not read again."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.casa.column_split import SplitSpec, TableShape
from qa2pack.manifest.format.record import NO_DIGEST, Entry
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.problem import Code, Refused
from support.in_process import Delivery, add_measurement_sets, age, make_reduction, write
from support.measurement_sets import Recipe
from support.opened_files import opened_paths
from support.snapshots import snapshot

NOW_NS = 1_800_000_000 * 10**9
TINY = Recipe(rows=6, spectra=((4, 2),))


class NoReader:
    """Stands for casacore where it must not be asked."""

    def prepare(self) -> None:
        raise AssertionError("casacore was asked to start")

    def describe(self, table: bytes) -> TableShape:
        raise AssertionError(f"casacore was asked about {table!r}")

    def measure(self, table: bytes, spec: SplitSpec) -> SplitSpec:
        raise AssertionError(f"casacore was asked to try {table!r}")


@pytest.fixture(scope="module")
def reduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reduction of two blocks, one of which has no `.split.cal`. Not to be changed."""
    origin = make_reduction(tmp_path_factory.mktemp("reduction") / "sb1")
    add_measurement_sets(origin, recipe=TINY)
    add_measurement_sets(
        make_reduction(origin, uid="uid___A002_X1_X2", block="X2"), recipe=TINY, uid="uid___A002_X1_X2", block="X2"
    )
    shutil.rmtree(origin / "X2/uid___A002_X1_X2.ms.split.cal")
    return origin


@pytest.fixture
def measured(reduction: Path, tmp_path: Path) -> Delivery:
    """A copy of that reduction that may be changed."""
    shutil.copytree(reduction, tmp_path / "sb1")
    return Delivery(tmp_path / "sb1", tmp_path / "2011.0.00229.S")


def entries(delivery: Delivery, mode: Mode, **choices: object) -> dict[bytes, Entry]:
    plan = delivery.plan(mode, **choices)
    return {entry.path: entry for blob in plan.stream.blobs() for entry in decode_record(blob).entries()}


HEADERS = {"calibrated_all.clean.fits", "table.dat"}  # each plan compares how long these are with what they say


def read_by(delivery: Delivery, step: Callable[[], object]) -> set[str]:
    """Return the names of the files of the origin that the step opens."""
    names = {path.name for path in delivery.origin.rglob("*") if path.is_file()}
    with opened_paths() as opened:
        step()
    return names & {os.path.basename(os.fsdecode(path)) for path in opened}


def plan_again(delivery: Delivery, mode: Mode, **choices: object) -> set[str]:
    """Plan without casacore, and return the names of the files of the origin that were opened for it."""
    return read_by(delivery, lambda: replace(delivery, reader=NoReader()).plan(mode, **choices)) - HEADERS


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolEngine]:
    monkeypatch.setattr("qa2pack.manifest.scan.walk.BATCH_FILES", 3)
    with PoolEngine(2) as engine:
        yield engine


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.HARD])
def test_same_input_gives_the_same_bytes_on_any_number_of_workers(
    measured: Delivery, two_workers: PoolEngine, mode: Mode
) -> None:
    measured.plan(mode, now_ns=NOW_NS)
    alone = Path(os.fsdecode(measured.package.plan)).read_bytes()
    shutil.rmtree(measured.package.control)
    replace(measured, engine=two_workers).plan(mode, now_ns=NOW_NS)
    assert Path(os.fsdecode(measured.package.plan)).read_bytes() == alone


def test_planning_again_gives_the_same_bytes(measured: Delivery) -> None:
    plans = []
    for _ in range(2):
        measured.plan(Mode.HARD, now_ns=NOW_NS)
        plans.append(Path(os.fsdecode(measured.package.plan)).read_bytes())
    assert plans[0] == plans[1]


def test_planning_changes_neither_origin_nor_package(measured: Delivery) -> None:
    measured.make(Mode.COPY)
    before = snapshot(measured.origin), snapshot(measured.path)
    measured.plan(Mode.HARD)
    assert (snapshot(measured.origin), snapshot(measured.path)) == before


def test_first_plan_reads_the_files(delivery: Delivery) -> None:
    assert "checklist.txt" in read_by(delivery, lambda: delivery.plan(Mode.HARD))


def test_fake_reads_no_file_ever(delivery: Delivery) -> None:
    assert read_by(delivery, lambda: delivery.plan(Mode.FAKE)) == set()


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD])
def test_second_plan_reads_nothing(measured: Delivery, mode: Mode) -> None:
    first = entries(measured, mode, now_ns=NOW_NS)
    assert plan_again(measured, mode, now_ns=NOW_NS) == set()
    assert entries(measured, mode, now_ns=NOW_NS) == first


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.FAKE])
def test_plan_after_apply_reads_nothing(measured: Delivery, mode: Mode) -> None:
    measured.make(mode)
    assert plan_again(measured, mode) == set()


def test_plan_in_another_mode_reads_nothing(measured: Delivery) -> None:
    measured.make(Mode.HARD)
    assert plan_again(measured, Mode.COPY) == set()


@pytest.mark.parametrize("append", [Append.GROUP, Append.MEMBER])
def test_plan_after_append_reads_nothing(measured: Delivery, append: Append) -> None:
    measured.make(Mode.HARD)
    other = replace(measured, origin=make_reduction(measured.origin.with_name("sb2"), seed=2))
    other.make(Mode.HARD, append=append)
    assert plan_again(measured, Mode.HARD) == set()
    assert plan_again(other, Mode.HARD, append=append) == set()


def test_plan_after_replacing_reads_nothing(delivery: Delivery) -> None:
    """Removing the old package takes links away and so changes the ctime of every file of the origin."""
    delivery.make(Mode.HARD)
    write(delivery.origin / "scriptForImaging.py", b"changed")
    delivery.make(Mode.HARD)
    assert plan_again(delivery, Mode.HARD) == set()


def test_plan_after_replacing_without_exchange_reads_nothing(measured: Delivery) -> None:
    measured.make(Mode.HARD)
    measured.plan(Mode.HARD)
    measured.apply(may_exchange=False)
    assert plan_again(measured, Mode.HARD) == set()


def test_rehashing_reads_everything(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    first = read_by(delivery, lambda: delivery.plan(Mode.HARD, rehash=True))
    assert first == {path.name for path in delivery.origin.rglob("*") if path.is_file()} - {"notes of the reducer"}


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: write(path, path.read_bytes()[::-1]),
    "size": lambda path: write(path, b"longer than it was" * 1000),
    "mtime": lambda path: os.utime(path, ns=(1, 1)),
    "another file of the same content": lambda path: (
        shutil.copy2(path, path.with_name("new")),
        path.with_name("new").rename(path),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_file_alone_is_read_again(delivery: Delivery, change: Callable[[Path], object]) -> None:
    delivery.make(Mode.HARD)
    change(delivery.origin / "scriptForImaging.py")
    assert read_by(delivery, lambda: delivery.plan(Mode.HARD)) == {"scriptForImaging.py", *HEADERS}


def test_file_that_was_just_written_is_read_again(delivery: Delivery) -> None:
    path = delivery.origin / "scriptForImaging.py"
    path.write_bytes(b"new")
    os.utime(path, ns=(2 * NOW_NS, 2 * NOW_NS))  # just written, however long the machine takes until the plan
    delivery.plan(Mode.HARD)
    assert read_by(delivery, lambda: delivery.plan(Mode.HARD)) == {"scriptForImaging.py", *HEADERS}


def test_file_that_changed_and_hid_it_is_read_again(delivery: Delivery) -> None:
    """Same size, same mtime, same inode: only the ctime tells."""
    delivery.make(Mode.COPY)
    path = delivery.origin / "scriptForImaging.py"
    before = path.read_bytes()
    write(path, before[::-1])
    found = entries(delivery, Mode.COPY)[b"script/scriptForImaging.py"]
    delivery.apply()
    assert (delivery.member / "script/scriptForImaging.py").read_bytes() == before[::-1] != before
    assert found.digest != NO_DIGEST


def test_changed_table_is_asked_about_again(measured: Delivery) -> None:
    measured.plan(Mode.HARD)
    table = measured.origin / "X2/uid___A002_X1_X2.ms.split"
    os.utime(table / "table.dat", ns=(5, 5))
    with pytest.raises(AssertionError, match="casacore was asked"):
        plan_again(measured, Mode.HARD)


def test_files_of_other_origins_are_not_taken_for_known(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    twin = delivery.origin.with_name("twin")
    shutil.copytree(delivery.origin, twin)
    other = replace(delivery, origin=twin)
    assert "checklist.txt" in read_by(other, lambda: other.plan(Mode.HARD))


def test_damaged_earlier_plan_is_no_source_and_no_obstacle(delivery: Delivery) -> None:
    delivery.plan(Mode.HARD)
    path = Path(os.fsdecode(delivery.package.plan))
    data = bytearray(path.read_bytes())
    data[data.index(b"X8c.checklist.txt")] ^= 1
    path.write_bytes(data)
    assert "checklist.txt" in read_by(delivery, lambda: delivery.plan(Mode.HARD))


@pytest.mark.parametrize(
    ("mode", "action"), [(Mode.FAKE, Action.DUMMY), (Mode.COPY, Action.COPY), (Mode.HARD, Action.LINK)]
)
def test_plan_names_for_every_file_what_is_done_with_it(delivery: Delivery, mode: Mode, action: Action) -> None:
    found = entries(delivery, mode)
    readme = found.pop(b"README")
    assert {entry.action for entry in found.values()} == {action}
    assert readme.action is (Action.DUMMY if mode is Mode.FAKE else Action.WRITE)
    assert found[b"qa/X8c.checklist.txt"].source == b"X8c/checklist.txt"


def test_plan_reports_what_of_the_old_package_stays_and_goes(delivery: Delivery) -> None:
    delivery.make(Mode.HARD)
    write(delivery.origin / "scriptForImaging.py", b"changed")
    write(delivery.origin / "scriptForMore.py", b"added")
    (delivery.origin / "calibrated_all.clean.fits").unlink()
    difference = delivery.plan(Mode.HARD).notes.difference
    assert difference is not None
    assert (difference.added, difference.removed, difference.changed) == (1, 1, 2)  # README changes with the tree
    assert difference.unchanged == 12


def test_plan_lists_what_is_left_out(delivery: Delivery) -> None:
    left_out = delivery.plan(Mode.HARD).notes.left_out
    assert [left.path for left in left_out] == [b"notes of the reducer"]


def test_strict_makes_warnings_refuse(delivery: Delivery) -> None:
    write(delivery.origin / "a b.fits", b"1")
    warnings = delivery.plan(Mode.FAKE).notes.warnings
    assert Code.W_NAME in [warning.code for warning in warnings]
    with pytest.raises(Refused) as caught:
        delivery.made(Mode.FAKE, strict=True)
    assert caught.value.problems == warnings


def test_excluded_names_are_not_in_the_plan(delivery: Delivery) -> None:
    found = entries(delivery, Mode.FAKE, exclude=("*.png",))
    assert [path for path in found if path.endswith(b".png")] == []


def test_ages_are_as_the_tests_need_them(measured: Delivery) -> None:
    age(measured.origin)
    assert {path.stat().st_mtime < 2e9 for path in measured.origin.rglob("*.py")} == {True}
