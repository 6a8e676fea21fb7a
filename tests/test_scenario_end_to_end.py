"""From a reduction that CASA wrote, and from the documented project, to a verified package."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from casacore import tables

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import open_plan
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record
from support.in_process import Delivery, age
from support.snapshots import Seen, files, snapshot
from support.staged_tables import read_arrays, read_cells
from support.trees import expected_of_project229, make_project229

DATA_COLUMNS = {"DATA", "MODEL_DATA", "CORRECTED_DATA"}
BIG_BYTES = 100_000


@pytest.fixture(scope="module")
def origin(casa_reduction: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of one scheduling block of the real reduction, old enough for its digests to be trusted."""
    blocks = [path for path in sorted(casa_reduction.iterdir()) if any(path.glob("*/*.ms.split"))]
    copied = tmp_path_factory.mktemp("casa") / "sb1"
    shutil.copytree(blocks[0], copied, symlinks=True)
    age(copied)
    return copied


@pytest.fixture(scope="module")
def untouched(origin: Path) -> dict[str, Seen]:
    return snapshot(origin)


@pytest.fixture(scope="module")
def hard(origin: Path, untouched: dict[str, Seen]) -> Delivery:
    delivery = Delivery(origin, origin.parent / "2011.0.00229.S")
    delivery.make(Mode.HARD)
    return delivery


@pytest.fixture(scope="module")
def copied(origin: Path, untouched: dict[str, Seen]) -> Delivery:
    delivery = Delivery(origin, origin.parent / "2011.0.00230.S")
    delivery.make(Mode.COPY)
    return delivery


def split_tasks(delivery: Delivery) -> tuple[SplitTask, ...]:
    return open_plan(delivery.package.last_plan).notes.splits


def split_tables(delivery: Delivery) -> list[tuple[Path, Path, str]]:
    """Return origin, package and kept column of every measurement set that was split."""
    return [
        (delivery.origin / os.fsdecode(task.source), delivery.member / os.fsdecode(task.path), task.spec.keep)
        for task in split_tasks(delivery)
    ]


def planned(delivery: Delivery, mode: Mode) -> dict[bytes, Entry]:
    plan = delivery.plan(mode)
    return {entry.path: entry for blob in plan.stream.blobs() for entry in decode_record(blob).entries()}


def test_both_measurement_sets_of_a_block_are_split(hard: Delivery) -> None:
    names = [package.name.partition(".ms")[2] for _, package, _ in split_tables(hard)]
    assert {".split", ".split.cal"} == set(names)


def test_every_packaged_column_is_equal_to_the_origins_bit_by_bit(hard: Delivery) -> None:
    for source, package, keep in split_tables(hard):
        before, after = read_cells(source), read_cells(package)
        assert after.keys() == before.keys() - (DATA_COLUMNS - {"DATA"})
        changed = "WEIGHT" if keep == "DATA" else "SIGMA"
        expected = {name: cells for name, cells in before.items() if name in after and name != changed}
        expected["DATA"] = before[keep]
        assert {name: cells for name, cells in after.items() if name != changed} == expected


def test_weight_and_sigma_follow_the_column_that_is_kept(hard: Delivery) -> None:
    """In single precision, as CASA computes them, so that they are equal bit by bit."""
    one = np.float32(1)
    for source, package, keep in split_tables(hard):
        if keep == "DATA":
            expected = [one / (sigma * sigma) for sigma in read_arrays(source, "SIGMA")]
            found = read_arrays(package, "WEIGHT")
        else:
            expected = [one / np.sqrt(weight) for weight in read_arrays(source, "WEIGHT")]
            found = read_arrays(package, "SIGMA")
        assert [values.tobytes() for values in found] == [values.tobytes() for values in expected]
        assert {values.dtype for values in found} == {np.dtype(np.float32)}


@pytest.mark.parametrize("mode", ["hard", "copied"])
def test_origin_is_byte_identical_afterwards(
    mode: str, untouched: dict[str, Seen], request: pytest.FixtureRequest
) -> None:
    delivery: Delivery = request.getfixturevalue(mode)
    after = snapshot(delivery.origin)
    assert {path: replace(seen, nlink=0) for path, seen in after.items()} == {
        path: replace(seen, nlink=0) for path, seen in untouched.items()
    }


def test_every_file_shares_its_inode_with_the_origin_but_those_that_the_split_writes(hard: Delivery) -> None:
    inodes = {seen.inode for seen in files(hard.origin).values()}
    own = {path for path, seen in files(hard.member).items() if seen.inode not in inodes}
    written = {os.fsdecode(task.path + b"/" + name) for task in split_tasks(hard) for name, _ in task.spec.sizes}
    assert own == {"README", *written}
    assert sum((hard.member / path).stat().st_size for path in files(hard.member).keys() - own) > 100 * BIG_BYTES


def test_package_opens_with_its_subtables_wherever_it_is_moved(hard: Delivery, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(hard.path, moved)
    member = moved / hard.member.relative_to(hard.path)
    for _, package, _ in split_tables(hard):
        with tables.table(str(member / package.relative_to(hard.member)), ack=False) as table:
            keywords = table.getkeywords()
            paths = [value.removeprefix("Table: ") for value in keywords.values() if str(value).startswith("Table: ")]
            assert len(paths) > 8
            assert [path for path in paths if not path.startswith(str(moved))] == []
            for path in paths:
                tables.table(path, ack=False).close()


@pytest.mark.parametrize("mode", ["hard", "copied"])
def test_package_verifies(mode: str, request: pytest.FixtureRequest) -> None:
    delivery: Delivery = request.getfixturevalue(mode)
    assert delivery.problems() == []


def test_copy_shares_no_inode(copied: Delivery) -> None:
    assert {seen.nlink for seen in files(copied.member).values()} == {1}


def test_only_the_files_of_storage_managers_that_stay_are_copied(copied: Delivery) -> None:
    tasks = split_tasks(copied)
    for task, (source, package, _) in zip(tasks, split_tables(copied), strict=True):
        with tables.table(str(source), ack=False) as table:
            gone = [
                info["SEQNR"] for info in table.getdminfo().values() if set(info["COLUMNS"]) <= set(task.spec.drop)
            ]
        assert len(gone) == len(task.spec.drop)
        left_behind = {path.name for path in source.iterdir()} - {path.name for path in package.iterdir()}
        numbers = {int(name.removeprefix("table.f").partition("_")[0]) for name in left_behind}
        assert numbers == set(gone)


def test_copied_and_linked_packages_hold_the_same(copied: Delivery, hard: Delivery) -> None:
    def held(delivery: Delivery) -> dict[str, str]:
        return {path: seen.digest for path, seen in files(delivery.member).items() if path != "README"}

    assert held(copied) == held(hard)


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.HARD, Mode.COPY])
def test_sizes_in_the_plan_are_those_of_the_package_exactly(hard: Delivery, tmp_path: Path, mode: Mode) -> None:
    sizes = {os.fsencode(path): (hard.member / path).stat().st_size for path in files(hard.member)}
    found = planned(replace(hard, path=tmp_path / "2011.0.00229.S"), mode)
    assert {path: entry.size for path, entry in found.items()} == sizes


def test_casacore_can_be_let_loose_on_the_package_without_reaching_the_origin(
    copied: Delivery, untouched: dict[str, Seen], tmp_path: Path
) -> None:
    shutil.copytree(copied.path, tmp_path / "package")
    member = tmp_path / "package" / copied.member.relative_to(copied.path)
    for _, package, _ in split_tables(copied):
        with tables.table(str(member / package.relative_to(copied.member)), readonly=False, ack=False) as table:
            table.putcol("DATA", np.zeros_like(table.getcol("DATA", 0, 1)), 0, 1)
    assert {path: seen.digest for path, seen in files(copied.origin).items()} == {
        path: seen.digest for path, seen in untouched.items() if seen.kind == "file"
    }


PROJECT = {"IRC10216_setup3_b6_run_x2": Append.NOTHING, "IRC10216_setup4_b6_run_x2": Append.MEMBER}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documented project in fake mode: the first block, and the second as a member."""
    folder = tmp_path_factory.mktemp("project")
    make_project229(folder / "project229")
    for name, append in PROJECT.items():
        Delivery(folder / "project229" / name, folder / "2011.0.00229.S").make(Mode.FAKE, append=append)
    return folder


def packaged(member: Path, expected: list[tuple[str, str]]) -> set[str]:
    """Return what the member holds, each tree that is packaged as a whole as one line."""
    trees = [path for _, path in expected if path.endswith("/")]
    names = [f"{path.relative_to(member)}{'/' * path.is_dir()}" for path in member.rglob("*")]
    filled = {name for name in names if any(other != name and other.startswith(name) for other in names)}
    return {name for name in names if name in trees or not (name in filled or name.startswith(tuple(trees)))}


@pytest.mark.parametrize(("block", "member"), list(zip(PROJECT, ["", "2"], strict=True)))
def test_documented_project_is_packaged_line_by_line(project: Path, block: str, member: str) -> None:
    expected = expected_of_project229(block)
    folder = project / f"2011.0.00229.S/sg_ouss_id/group_ouss_id/member_ouss_id{member}"
    assert len(expected) > 30
    assert packaged(folder, expected) - {"README"} == {path for _, path in expected}


def test_documented_project_verifies(project: Path) -> None:
    assert Delivery(project, project / "2011.0.00229.S").problems() == []


def test_every_tree_of_the_documented_project_is_whole(project: Path) -> None:
    """Nothing inside of a table that is packaged whole is missing; measurement sets of the tree cannot be opened."""
    block = "IRC10216_setup3_b6_run_x2"
    member = project / "2011.0.00229.S/sg_ouss_id/group_ouss_id/member_ouss_id"
    for source, path in expected_of_project229(block):
        if path.endswith("/"):
            assert names_below(member / path) == names_below(project / "project229" / block / source), path


def names_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
