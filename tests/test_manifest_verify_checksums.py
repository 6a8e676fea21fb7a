"""Summing the files of a member: each read once, compared with the manifest, reported in any order."""

import hashlib
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.problem import Code
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify import checksums as summing
from qa2pack.manifest.verify.checksums import SumResult, sum_files
from support.in_process import UID, Delivery
from support.measurement_sets import write_calibration_table
from support.opened_files import opened_paths

ALGORITHMS = ("md5", "sha256")


def summed(delivery: Delivery) -> list[SumResult]:
    manifest = open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))
    root = delivery.package.member(b"group_ouss_id/member_ouss_id")
    return list(sum_files(root, manifest.stream.blobs(), ALGORITHMS, engine=InlineEngine(), progress=Silent()))


def sums_of(path: Path) -> tuple[str, ...]:
    return tuple(hashlib.new(name, path.read_bytes()).hexdigest() for name in ALGORITHMS)


def expected(delivery: Delivery) -> dict[bytes, tuple[str, ...]]:
    files = (path for path in delivery.member.rglob("*") if path.is_file())
    return {str(path.relative_to(delivery.member)).encode(): sums_of(path) for path in files}


def test_every_file_has_its_sums(delivery: Delivery) -> None:
    delivery.make()
    assert dict(pair for result in summed(delivery) for pair in result.sums) == expected(delivery)


def test_lock_that_was_written_to_since_is_summed_as_it_is(delivery: Delivery) -> None:
    table = delivery.origin / f"X8c/{UID}.ms.split.gcal"
    write_calibration_table(table)
    delivery.make(Mode.COPY)
    for lock in delivery.member.rglob("table.lock"):
        lock.write_bytes(b"opened by CASA")
    results = summed(delivery)
    assert [problem for result in results for problem in result.problems] == []
    assert dict(pair for result in results for pair in result.sums) == expected(delivery)


@pytest.mark.parametrize(("most_files", "most_bytes"), [(1, 1 << 20), (2, 1 << 20), (1000, 1), (1000, 7000)])
def test_batches_of_any_size_give_the_same_in_order(
    monkeypatch: pytest.MonkeyPatch, delivery: Delivery, most_files: int, most_bytes: int
) -> None:
    delivery.make()
    (whole,) = summed(delivery)
    monkeypatch.setattr(summing, "_BATCH_FILES", most_files)
    monkeypatch.setattr(summing, "_BATCH_BYTES", most_bytes)
    results = summed(delivery)
    assert len(results) > 1
    assert [result.number for result in results] == list(range(len(results)))
    assert [pair for result in results for pair in result.sums] == whole.sums


def test_a_file_is_opened_once_for_all_sums(delivery: Delivery) -> None:
    delivery.make()
    with opened_paths() as opened:
        summed(delivery)
    assert opened.count(b"scriptForImaging.py") == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), Code.CHANGED),
        (lambda path: path.write_bytes(b""), Code.TRUNCATED),
        (lambda path: path.write_bytes(bytes(9000)), Code.GROWN),
        (lambda path: path.unlink(), Code.MISSING),
        (lambda path: (path.unlink(), path.symlink_to("README")), Code.UNREADABLE),
        (lambda path: (path.unlink(), path.mkdir()), Code.WRONG_TYPE),
    ],
)
def test_a_file_that_is_not_as_packaged_has_no_sums(delivery: Delivery, change: object, code: Code) -> None:
    delivery.make(Mode.COPY)
    assert callable(change)
    change(delivery.member / "script/scriptForImaging.py")
    (result,) = summed(delivery)
    assert [(problem.code, problem.path) for problem in result.problems] == [(code, b"script/scriptForImaging.py")]
    assert b"script/scriptForImaging.py" not in dict(result.sums)


def test_a_folder_that_is_gone_is_reported(delivery: Delivery) -> None:
    delivery.make()
    (delivery.member / "script").rename(delivery.member / "elsewhere")
    (result,) = summed(delivery)
    assert [(problem.code, problem.path) for problem in result.problems] == [(Code.MISSING, b"script")]


def test_an_empty_member_gives_nothing(tmp_path: Path, delivery: Delivery) -> None:
    delivery.make()
    manifest = open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id"))
    empty = [blob for blob in manifest.stream.blobs() if not decode_record(blob).names]
    assert list(sum_files(b"/nowhere", empty, ALGORITHMS, engine=InlineEngine(), progress=Silent())) == []
