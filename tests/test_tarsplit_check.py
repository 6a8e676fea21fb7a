"""Checking a delivery with its sidecar alone: every kind of damage, at every kind of place, is found and named."""

import os
import random
import shutil
import tarfile
from pathlib import Path

import pytest

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit.check import compare_with_package, find_sidecars, verify_unpacked
from qa2pack.tarsplit.sidecar import Sidecar, open_sidecar
from support.deliveries import DAY, MEMBER, PROJECT, adopt, check, cut_up, extract, make_package, tars

STEM = f"{PROJECT}_{DAY}"
BIG = "product/b.fits"


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    chance = random.Random(3)
    files: dict[str | bytes, bytes] = {f"log/{number}.log": chance.randbytes(3000) for number in range(20)}
    package = make_package(tmp_path / PROJECT, {**files, BIG: chance.randbytes(2 << 20)})
    cut_up(package, tmp_path / "out", 40_000)
    return tmp_path / "out"


def sidecar_of(delivery: Path) -> Sidecar:
    return open_sidecar(os.fsencode(delivery / f"{STEM}.manifest"))


def found(delivery: Path) -> list[tuple[str, str]]:
    return [(problem.code, os.fsdecode(problem.path)) for problem in check(delivery)]


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x20
    path.write_bytes(data)


def test_whole_delivery_has_no_problems_though_the_package_is_gone(tmp_path: Path, delivery: Path) -> None:
    shutil.rmtree(tmp_path / PROJECT)
    shutil.rmtree(tmp_path / f"{PROJECT}.pack")
    with PoolEngine(2) as engine:
        assert check(delivery, engine) == []


def test_any_flipped_byte_is_found(delivery: Path) -> None:
    chunk = tars(delivery)[1]
    whole = chunk.read_bytes()
    for place in random.Random(5).sample(range(len(whole)), 200):
        flip(chunk, place)
        assert [path.partition("/")[0] for _, path in found(delivery)][:1] == [chunk.name], place
        chunk.write_bytes(whole)


def test_flipped_byte_of_a_file_is_reported_with_the_name_of_the_file(delivery: Path) -> None:
    chunk = next(path for path in tars(delivery) if path.stat().st_size > 1 << 20)
    flip(chunk, 1 << 20)
    assert found(delivery) == [(Code.CHANGED, f"{chunk.name}/{PROJECT}/{MEMBER}/{BIG}")]


@pytest.mark.parametrize("place", [-512, 3000])
def test_flipped_byte_beside_a_content_is_reported_with_the_name_of_the_file(delivery: Path, place: int) -> None:
    path = next(path for path in tars(delivery) if path.stat().st_size < 1 << 20)
    with tarfile.open(path) as archive:
        member = next(member for member in archive if member.name.endswith(".log"))
    flip(path, member.offset_data + place)
    assert found(delivery) == [(Code.CHANGED, f"{path.name}/{member.name}")]


def test_missing_chunk_is_named(delivery: Path) -> None:
    tars(delivery)[1].unlink()
    assert found(delivery) == [(Code.MISSING, f"{STEM}_002_of_004.tar")]


@pytest.mark.parametrize("kept", [0, 100, 512, 5000, 20_000])
def test_truncated_chunk_is_named(delivery: Path, kept: int) -> None:
    chunk = tars(delivery)[0]
    os.truncate(chunk, kept)
    assert (Code.TRUNCATED, chunk.name) in found(delivery)


def test_grown_chunk_is_named(delivery: Path) -> None:
    with tars(delivery)[0].open("ab") as file:
        file.write(bytes(10_240))
    assert found(delivery) == [(Code.GROWN, f"{STEM}_001_of_004.tar")]


def test_chunk_in_place_of_another_is_named(delivery: Path) -> None:
    first, second, *_ = tars(delivery)
    shutil.copy(second, first)
    assert {path.partition("/")[0] for _, path in found(delivery)} == {first.name}


@pytest.mark.parametrize("name", [f"{STEM}_005_of_005.tar", f"{STEM}_001_of_004.tar.part", f"{STEM}.state"])
def test_foreign_file_of_the_delivery_is_named(delivery: Path, name: str) -> None:
    (delivery / name).write_bytes(b"x")
    assert found(delivery) == [(Code.EXTRA, name)]


def test_file_of_no_delivery_is_no_matter(delivery: Path) -> None:
    (delivery / "notes.txt").write_text("mine")
    assert found(delivery) == []


def test_wrong_and_missing_checksum_files_are_named(delivery: Path) -> None:
    names = [f"{path.name}.md5sum" for path in tars(delivery)]
    (delivery / names[0]).write_text("0" * 32 + f"  {names[0].removesuffix('.md5sum')}\n")
    (delivery / names[1]).unlink()
    assert found(delivery) == [(Code.CHANGED, names[0]), (Code.MISSING, names[1])]


def test_checksum_file_of_the_sidecar_is_compared_if_it_is_there(delivery: Path) -> None:
    sums = delivery / f"{STEM}.manifest.md5sum"
    sums.write_text(sums.read_text().upper())
    assert found(delivery) == [(Code.CHANGED, sums.name)]
    sums.unlink()
    assert found(delivery) == []  # the first program wrote none


def test_checksum_file_of_another_algorithm_is_not_of_the_delivery(delivery: Path) -> None:
    (delivery / f"{STEM}.manifest.sha256sum").write_text("x")
    assert found(delivery) == [(Code.EXTRA, f"{STEM}.manifest.sha256sum")]


def replace_by(kind: str, path: Path) -> None:
    """Put something else in the place of a file."""
    path.rename(path.parent.parent / "elsewhere")
    match kind:
        case "a link":
            path.symlink_to("../elsewhere")
        case "a named pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()


@pytest.mark.parametrize("kind", ["a link", "a named pipe", "a folder"])
def test_what_is_in_place_of_a_chunk_is_named_and_not_followed(delivery: Path, kind: str) -> None:
    chunk = tars(delivery)[0]
    replace_by(kind, chunk)
    problem = Problem(Code.WRONG_TYPE, os.fsencode(chunk.name), "a file", kind)
    assert check(delivery) == [problem]


@pytest.mark.parametrize("kind", ["a link", "a named pipe", "a folder"])
@pytest.mark.parametrize("of", ["*.tar.md5sum", "*.manifest.md5sum"])
def test_what_is_in_place_of_a_checksum_file_is_named(delivery: Path, kind: str, of: str) -> None:
    sums = next(iter(sorted(delivery.glob(of))))
    replace_by(kind, sums)
    problem = Problem(Code.WRONG_TYPE, os.fsencode(sums.name), "a file", kind)
    assert check(delivery) == [problem]


def test_huge_checksum_file_is_not_that_of_the_chunk(delivery: Path) -> None:
    sums = next(iter(sorted(delivery.glob("*.tar.md5sum"))))
    os.truncate(sums, 1 << 40)
    (problem,) = check(delivery)
    assert (problem.code, problem.path) == (Code.CHANGED, os.fsencode(sums.name))
    assert "a file of 1.0 TiB" in str(problem.found)


def test_damaged_sidecar_is_refused(delivery: Path) -> None:
    flip(delivery / f"{STEM}.manifest", 300)
    with pytest.raises(StreamError, match="damaged"):
        sidecar_of(delivery)


def test_manifest_of_a_member_is_no_sidecar(tmp_path: Path, delivery: Path) -> None:
    (manifest,) = (tmp_path / f"{PROJECT}.pack/manifests").iterdir()
    with pytest.raises(StreamError, match="is the manifest of a member, not the manifest of a delivery"):
        open_sidecar(os.fsencode(manifest))


def test_sidecars_are_found_by_their_names(delivery: Path) -> None:
    assert find_sidecars(os.fsencode(delivery)) == [f"{STEM}.manifest".encode()]


def test_unpacked_tree_is_verified_by_the_sidecar(tmp_path: Path, delivery: Path) -> None:
    extract(delivery, tmp_path / "unpacked")
    tree = tmp_path / "unpacked" / PROJECT

    def problems() -> list[tuple[str, bytes]]:
        engine = InlineEngine()
        found = verify_unpacked(sidecar_of(delivery), os.fsencode(tree), engine=engine, progress=Silent())
        return [(problem.code, problem.path) for problem in found]

    assert problems() == []
    flip(tree / MEMBER / BIG, 5)
    (tree / MEMBER / "log/more.log").write_text("more")
    (tree / MEMBER / "qa").rmdir()
    assert sorted(problems()) == [
        (Code.CHANGED, f"{MEMBER}/{BIG}".encode()),
        (Code.EXTRA, f"{MEMBER}/log/more.log".encode()),
        (Code.MISSING, f"{MEMBER}/qa".encode()),
    ]


def against(delivery: Path, package: Package) -> list[tuple[str, bytes]]:
    problems = compare_with_package(sidecar_of(delivery), package, read_state(package), OpenedFiles())
    return [(problem.code, problem.path) for problem in problems]


def test_delivery_is_distinguished_from_one_of_a_changed_package(tmp_path: Path, delivery: Path) -> None:
    package = Package(os.fsencode(tmp_path / PROJECT))
    assert against(delivery, package) == []
    (tmp_path / PROJECT / MEMBER / "log/more.log").write_text("more")
    (tmp_path / PROJECT / MEMBER / "qa/plots").mkdir()
    shutil.rmtree(tmp_path / f"{PROJECT}.pack")
    adopt(tmp_path / PROJECT)
    assert against(delivery, package) == [
        (Code.CHANGED, f"{MEMBER}/log".encode()),
        (Code.CHANGED, f"{MEMBER}/qa".encode()),
        (Code.MISSING, f"{MEMBER}/qa/plots".encode()),
    ]
