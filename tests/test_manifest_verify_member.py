import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import files_with_bad_records, open_manifest, save_durably
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES
from qa2pack.manifest.fs.throttle import PacedEngine
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.verify.package import verify_package
from support.in_process import Delivery, write
from support.snapshots import snapshot

PICTURE = b"qa/uid___A002_X3c9295_X8c__qa2_part1.png"
TABLE = b"calibration/uid___A002_X3c9295_X8c.calibration/uid___A002_X3c9295_X8c.ms.tsys"
EMPTY = b"raw"

Damage = Callable[[Path], None]


@pytest.fixture
def made(delivery: Delivery) -> Delivery:
    """A package of copies, so that damaging it leaves the origin as it is."""
    delivery.make(Mode.COPY)
    return delivery


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_link(path: Path) -> None:
    package = next(folder for folder in path.parents if folder.name == "2011.0.00229.S")
    path.symlink_to(path.rename(package.with_name("elsewhere")))


def become_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"")


FILES = {
    "changed byte": (change, Code.CHANGED),
    "truncated": (truncate, Code.TRUNCATED),
    "grown": (grow, Code.GROWN),
    "missing": (Path.unlink, Code.MISSING),
    "folder in its place": (become_folder, Code.WRONG_TYPE),
    "pipe in its place": (become_pipe, Code.WRONG_TYPE),
    "link to the same content in its place": (become_link, Code.WRONG_TYPE),
}
FOLDERS = {
    "missing": (shutil.rmtree, Code.MISSING),
    "file in its place": (become_file, Code.WRONG_TYPE),
    "link to the same content in its place": (become_link, Code.WRONG_TYPE),
}


def test_package_as_it_was_made_has_no_problem(made: Delivery) -> None:
    assert made.problems() == []


def test_verifying_changes_nothing(made: Delivery) -> None:
    before = snapshot(made.path.parent)
    made.problems()
    assert snapshot(made.path.parent) == before


@pytest.mark.parametrize(("damage", "code"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("path", [PICTURE, TABLE + b"/table.f0", b"README"], ids=["picture", "table", "README"])
def test_damaged_file_is_found(made: Delivery, path: bytes, damage: Damage, code: Code) -> None:
    damage(made.member / os.fsdecode(path))
    assert made.found() == [(code, path)]


@pytest.mark.parametrize(("damage", "code"), FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize("path", [EMPTY, TABLE + b"/SPECTRAL_WINDOW"], ids=["empty role", "subtable"])
def test_damaged_folder_is_found(made: Delivery, path: bytes, damage: Damage, code: Code) -> None:
    damage(made.member / os.fsdecode(path))
    assert (code, path) in made.found()


KINDS: dict[str, tuple[bytes, Damage]] = {
    "a folder": (PICTURE, become_folder),
    "a named pipe": (PICTURE, become_pipe),
    "a link": (PICTURE, become_link),
    "a file": (TABLE, become_file),
}


@pytest.mark.parametrize("kind", KINDS)
def test_problem_says_what_is_in_the_place(made: Delivery, kind: str) -> None:
    path, damage = KINDS[kind]
    damage(made.member / os.fsdecode(path))
    problem = next(problem for problem in made.problems() if problem.path.endswith(path))
    assert (problem.code, problem.found) == (Code.WRONG_TYPE, kind)


def test_nothing_behind_a_link_counts_as_being_there(made: Delivery) -> None:
    become_link(made.member / os.fsdecode(TABLE))
    assert made.found() == [(Code.WRONG_TYPE, TABLE), (Code.MISSING, TABLE + b"/SPECTRAL_WINDOW")]


@pytest.mark.parametrize("folder", [b"", b"raw", b"qa", TABLE], ids=["member", "empty role", "role", "table"])
@pytest.mark.parametrize(
    ("make", "code"),
    [(Path.touch, Code.EXTRA), (Path.mkdir, Code.EXTRA_FOLDER), (os.mkfifo, Code.EXTRA)],
    ids=["file", "empty folder", "pipe"],
)
def test_extra_thing_is_found(made: Delivery, folder: bytes, make: Callable[[Path], None], code: Code) -> None:
    make(made.member / os.fsdecode(folder) / "extra")
    assert made.found() == [(code, folder + b"/extra" if folder else b"extra")]


def test_every_changed_byte_of_a_file_is_found(made: Delivery) -> None:
    path = made.member / "qa/X8c.checklist.txt"
    data = path.read_bytes()[:64]
    write(made.origin / "X8c/checklist.txt", data)
    made.make(Mode.COPY)
    unnoticed = []
    for offset in range(len(data)):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        if made.found() != [(Code.CHANGED, b"qa/X8c.checklist.txt")]:
            unnoticed.append(offset)
    assert unnoticed == []


def test_quick_finds_all_but_changed_content(made: Delivery) -> None:
    change(made.member / os.fsdecode(PICTURE))
    assert made.found(is_quick=True) == []
    truncate(made.member / "README")
    assert made.found(is_quick=True) == [(Code.TRUNCATED, b"README")]


@pytest.fixture
def big(delivery: Delivery) -> Path:
    """A file above the size at which files are compared by themselves, with a hole for most of it."""
    write(delivery.origin / "big.fits", b"begin")
    os.truncate(delivery.origin / "big.fits", BIG_FILE_BYTES + 5)
    delivery.make(Mode.COPY)
    return delivery.member / "product/big.fits"


BIG = {
    "changed at the begin": (lambda path: _overwrite(path, 0), Code.CHANGED),
    "changed at the end": (lambda path: _overwrite(path, BIG_FILE_BYTES + 4), Code.CHANGED),
    "truncated": (truncate, Code.TRUNCATED),
    "grown": (grow, Code.GROWN),
    "missing": (Path.unlink, Code.MISSING),
}


def _overwrite(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"x")


@pytest.mark.parametrize(("damage", "code"), BIG.values(), ids=BIG)
def test_damaged_big_file_is_found(delivery: Delivery, big: Path, damage: Damage, code: Code) -> None:
    assert delivery.problems() == []
    damage(big)
    assert delivery.found() == [(code, b"product/big.fits")]


def test_placeholders_are_right_while_they_are_empty(delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    assert delivery.problems() == []
    grow(delivery.member / os.fsdecode(PICTURE))
    (delivery.member / "README").unlink()
    assert delivery.found() == [(Code.MISSING, b"README"), (Code.GROWN, PICTURE)]


def test_damage_of_many_files_is_all_found(made: Delivery) -> None:
    paths = [path for path in sorted(made.member.rglob("*")) if path.is_file()]
    for path in paths:
        grow(path)
    found = made.found()
    assert {code for code, _ in found} == {Code.GROWN}
    assert {os.fsdecode(path) for _, path in found} == {str(path.relative_to(made.member)) for path in paths}


class Parts:
    """Keeps the files and bytes that are reported at a time."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Nothing."""

    def advance(self, *, file_count: int = 0, byte_count: int = 0) -> None:
        self.parts.append((file_count, byte_count))

    @property
    def sums(self) -> list[int]:
        return [sum(counts) for counts in zip(*self.parts, strict=True)]


def test_what_takes_long_is_done_and_reported_in_parts_and_finds_the_same(
    made: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(made.member / os.fsdecode(PICTURE))
    (made.member / "README").unlink()
    write(made.member / os.fsdecode(TABLE) / "extra", b"x")

    def found(progress: Parts) -> list[Problem]:
        engine = PacedEngine(InlineEngine(), 1 << 40)
        return list(verify_package(made.package, OpenedFiles(), is_quick=False, engine=engine, progress=progress))

    whole, parts = Parts(), Parts()
    problems = found(whole)
    monkeypatch.setattr("qa2pack.manifest.verify.member._BATCH_SECONDS", -1.0)
    assert found(parts) == problems
    assert len(problems) == 3
    assert parts.sums == whole.sums
    assert len(whole.parts) == 1
    assert max(files for files, _ in parts.parts) <= 2


FORGED: dict[str, dict[str, object]] = {
    "folder that climbs": {"path": b"script/../../x"},
    "name that climbs": {"names": [b"..", b"scriptForImaging.py"]},
    "names out of order": {"names": [b"z", b"scriptForImaging.py"]},
}


@pytest.mark.parametrize("columns", FORGED.values(), ids=FORGED)
def test_record_that_makes_no_sense_under_a_right_checksum_is_damage_of_the_manifest(
    made: Delivery, columns: dict[str, object]
) -> None:
    path = made.package.manifest(b"group_ouss_id/member_ouss_id")
    manifest = open_manifest(path)
    records = [decode_record(blob) for blob in manifest.stream.blobs()]
    forged = [replace(record, **columns) if record.path == b"script" else record for record in records]  # type: ignore[arg-type]
    save_durably(path, manifest.header, manifest.notes, [(record.path, encode_record(record)) for record in forged])
    assert {problem.code for problem in made.problems()} == {Code.MANIFEST_DAMAGED}
    assert list(files_with_bad_records(made.package)) == [path]
