import os
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.header import TableNote
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.table_files import SplitSources, omitted_names, scan_split_sources
from qa2pack.manifest.problem import Code
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.scan.batches import ScanOptions
from support.in_process import OF_THE_REDUCTION_NS, write
from support.opened_files import opened_paths

SPEC = SplitSpec(
    keep="CORRECTED_DATA",
    drop=("DATA",),
    written=(b"table.dat", b"table.f3", b"table.info"),
    placeholders=(b"table.f17",),
    dropped=(b"table.f17", b"table.f17_TSM1"),
    sizes=((b"table.dat", 90), (b"table.f3", 5), (b"table.f9", 7), (b"table.info", 4)),
)
NOTE = TableNote(b"X8c/U.ms.split", "CORRECTED_DATA", b"f" * 16, ("DATA", "CORRECTED_DATA"), SPEC)
PATH = b"raw/U.ms.split"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    table = tmp_path / "X8c/U.ms.split"
    for name, size in (("table.dat", 100), ("table.f3", 5), ("table.info", 4), ("table.f17", 10)):
        write(table / name, b"x" * size).chmod(0o640)
    write(table / "table.f17_TSM1", b"x" * 1000)
    return tmp_path


def scanned(origin: Path, mode: Mode = Mode.HARD, **options: object) -> SplitSources:
    wanted = ScanOptions(os.fsencode(origin), Action.COPY)
    return scan_split_sources(
        {PATH: NOTE, b"raw/whole.ms.split": replace(NOTE, spec=None)},
        replace(wanted, **options),  # type: ignore[arg-type]
        mode,
        known={},
        engine=InlineEngine(),
        progress=Silent(),
    )


def test_what_the_split_starts_from_is_scanned(origin: Path) -> None:
    before = decode_record(scanned(origin).tasks[PATH].before)
    assert before.names == [b"table.dat", b"table.f17", b"table.f3", b"table.info"]
    assert [before.digest(i) for i in range(4)] == [xxhash.xxh3_128_digest(b"x" * size) for size in (100, 10, 5, 4)]


def test_what_the_split_leaves_has_its_sizes_and_no_digest_yet(origin: Path) -> None:
    result = decode_record(scanned(origin).results[PATH])
    assert (result.names, list(result.sizes)) == (
        [b"table.dat", b"table.f3", b"table.f9", b"table.info"],
        [90, 5, 7, 4],
    )
    assert result.digests == NO_DIGEST * 4
    assert set(result.actions) == {Action.SPLIT}
    assert set(result.inodes) == {0}


def test_file_that_only_then_exists_takes_after_the_tables_own(origin: Path) -> None:
    result = decode_record(scanned(origin).results[PATH])
    assert (result.mtimes[2], result.modes[2]) == (OF_THE_REDUCTION_NS, 0o640)


def test_saved_bytes_are_those_of_the_dropped_files(origin: Path) -> None:
    assert scanned(origin).tasks[PATH].saved_bytes == 1010


def test_table_that_needs_no_split_is_passed_over(origin: Path) -> None:
    assert list(scanned(origin).tasks) == [PATH]


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.TICKET])
def test_placeholders_of_the_result_have_its_sizes_and_nothing_is_read(origin: Path, mode: Mode) -> None:
    with opened_paths() as opened:
        result = decode_record(scanned(origin, mode, is_hashing=False).results[PATH])
    assert (set(result.actions), list(result.sizes)) == ({Action.DUMMY}, [90, 5, 7, 4])
    assert [path for path in opened if os.path.basename(path).startswith(b"table.")] == []


@pytest.mark.parametrize("name", ["table.dat", "table.f3", "table.f17"])
def test_file_that_cannot_be_read_is_a_problem(origin: Path, name: str) -> None:
    (origin / "X8c/U.ms.split" / name).unlink()
    found = scanned(origin)
    assert [problem.code for problem in found.problems] == [Code.UNREADABLE]
    assert found.tasks == {}


def test_nothing_that_the_split_touches_is_packaged_as_it_is() -> None:
    assert omitted_names(SPEC) == {b"table.dat", b"table.f3", b"table.info", b"table.f17", b"table.f17_TSM1"}


def test_file_that_is_a_symlink_counts_as_the_one_that_it_leads_to(origin: Path) -> None:
    table = origin / "X8c/U.ms.split"
    (table / "table.info").rename(origin / "other.info")
    (table / "table.info").symlink_to("../../other.info")
    before = decode_record(scanned(origin).tasks[PATH].before)
    assert (before.names[3], before.source_path(3)) == (b"table.info", b"other.info")
    assert before.digest(3) == xxhash.xxh3_128_digest(b"x" * 4)


@pytest.mark.parametrize(
    ("target", "code"),
    [("/etc/hostname", Code.LINK_OUTSIDE), ("nowhere", Code.LINK_DANGLING), ("table.info", Code.LINK_LOOP)],
)
def test_symlink_that_leads_to_no_file_of_the_origin_is_a_problem(origin: Path, target: str, code: Code) -> None:
    table = origin / "X8c/U.ms.split"
    (table / "table.info").unlink()
    (table / "table.info").symlink_to(target)
    assert [problem.code for problem in scanned(origin).problems] == [code]
