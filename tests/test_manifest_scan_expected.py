"""The totals of a scan, counted beside it: as many files and bytes as it then finds and reads."""

import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from qa2pack.manifest.actions import Action
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES
from qa2pack.manifest.scan.batches import FileBatch, ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.expected import ExpectedTotals
from support.in_process import Delivery, age, make_reduction, write


class Phases:
    """Keeps the phases, and adds up what is done."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int, int]] = []
        self.done = (0, 0)

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.phases.append((name, file_count, byte_count))

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.done = (self.done[0] + file_count, self.done[1] + byte_count)


def tree(root: Path, *, exclude: tuple[str, ...] = (), omit: frozenset[bytes] = frozenset()) -> SubtreeBatch:
    options = ScanOptions(os.fsencode(root), Action.COPY, exclude=exclude)
    return SubtreeBatch(options, (Subtree(b"a", b"a", omit),))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "a/one", bytes(10))
    write(tmp_path / "a/b/two", bytes(20))
    write(tmp_path / "a/b/table.lock", bytes(400))
    write(tmp_path / "a/b/c/three", bytes(30))
    write(tmp_path / "elsewhere", bytes(5))
    (tmp_path / "a/link").symlink_to("../elsewhere")
    (tmp_path / "a/to nothing").symlink_to("nothing")
    return tmp_path


def test_files_and_bytes_below_a_folder_are_counted(root: Path) -> None:
    expected = ExpectedTotals([tree(root)])
    assert expected.go_on(1e9)
    assert (expected.file_count, expected.byte_count) == (5, 65)


def test_what_is_left_out_is_not_counted(root: Path) -> None:
    expected = ExpectedTotals([tree(root, exclude=("two",), omit=frozenset([b"one"]))])
    assert expected.go_on(1e9)
    assert (expected.file_count, expected.byte_count) == (3, 35)


def test_single_files_are_counted_and_placeholders_have_no_bytes(root: Path) -> None:
    read = ScanOptions(os.fsencode(root), Action.COPY)
    unread = ScanOptions(os.fsencode(root), Action.DUMMY, is_hashing=False)
    files = (b"a/one", b"gone"), (b"a/b/two",)
    expected = ExpectedTotals([FileBatch(read, b"", *files[:1] * 2), FileBatch(unread, b"", *files[1:] * 2)])
    assert expected.go_on(1e9)
    assert (expected.file_count, expected.byte_count) == (2, 10)


def test_count_goes_on_where_its_time_was_up(root: Path) -> None:
    expected = ExpectedTotals([tree(root), tree(root)])
    assert not expected.go_on(0)
    assert (expected.file_count, expected.byte_count) == (0, 0)
    turns = 1
    while not expected.go_on(turns / 10_000):  # all turns together get so much longer each time
        turns += 1
    assert turns > 1
    assert (expected.file_count, expected.byte_count) == (10, 130)


@pytest.mark.parametrize("is_hashing", [True, False])
def test_time_is_up_within_a_large_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hashing: bool) -> None:
    """Where each look at a file waits for a server, those at all of them took longer than the scan."""
    for number in range(300):
        write(tmp_path / "a" / str(number), b"1")
    clock = count()
    monkeypatch.setattr("qa2pack.manifest.scan.expected.time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    options = ScanOptions(os.fsencode(tmp_path), Action.COPY, is_hashing=is_hashing)
    names = tuple(f"a/{number}".encode() for number in range(300))
    for batch in (SubtreeBatch(options, (Subtree(b"a", b"a"),)), FileBatch(options, b"", names, names)):
        expected = ExpectedTotals([batch])
        assert not expected.go_on(100)  # two ticks of the clock
        assert 0 < expected.file_count < 100


def test_totals_are_reported_when_the_first_batch_leaves_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qa2pack.manifest.scan.expected._PART", 1e9)  # however fast the files are read
    write(tmp_path / "a/small", bytes(10))
    for name in ("big", "bigger"):
        os.truncate(write(tmp_path / "a" / name, b""), BIG_FILE_BYTES)
    reported = Phases()
    gather([tree(tmp_path)], phase="scan", engine=InlineEngine(), progress=reported).spool.close()
    assert reported.phases == [("scan", 0, 0), ("scan", 3, 2 * BIG_FILE_BYTES + 10)]
    assert reported.done == (3, 2 * BIG_FILE_BYTES + 10)


def test_small_scan_has_no_need_of_totals(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.manifest.scan.expected._PART", 1e9)  # there would be time for them
    reported = Phases()
    gather([tree(root)], phase="scan", engine=InlineEngine(), progress=reported).spool.close()
    assert reported.phases == [("scan", 0, 0)]


def test_bytes_whose_digests_are_known_are_not_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("qa2pack.manifest.scan.expected._PART", 1e9)  # however fast the files are read
    delivery = Delivery(make_reduction(tmp_path / "origin"), tmp_path / "2011.0.00229.S")
    age(delivery.origin)
    delivery.plan()
    os.truncate(write(delivery.origin / "casapy-new.log", b""), BIG_FILE_BYTES)
    os.truncate(write(delivery.origin / "casapy-newer.log", b""), BIG_FILE_BYTES)
    reported = Phases()
    delivery.made(progress=reported).gathered.spool.close()
    assert reported.phases[-1][2] == reported.done[1] == 2 * BIG_FILE_BYTES
