"""What is missing in a reduction, by the checks of Cycle 0, and what belongs to another kind of delivery."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.manifest.layout.completeness import completeness_warnings
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, drafts_of
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.problem import Code
from support.trees import make_project229, make_tree

LAYOUT = load_layout("cycle0")
UIDS = {
    "X8c": "uid___A002_X3c9295_X8c",
    "X528": "uid___A002_X3dc0e7_X528",
    "X1e0": "uid___A002_X3c9295_X1e0",
}


def block(folder: str) -> list[str]:
    """Return what a complete execution block has, one path a line, each for another check."""
    uid = f"{folder}/{UIDS[folder]}"
    tables = [f"{uid}.ms.split/table.dat", f"{uid}.ms.split.cal/table.dat", f"{uid}.ms.tsys/table.dat"]
    qa = [f"{folder}/checklist.txt", f"{folder}/qa2/qa2_part1.png", f"{folder}/qa2/textfile.txt"]
    return [*tables, f"{uid}.ms.scriptForCalibration.py", *qa, f"{folder}/ipython.log"]


def reduction(*folders: str) -> list[str]:
    """Return a complete reduction with these execution blocks."""
    return ["image.fits", *(line for folder in folders for line in block(folder))]


def found(
    root: Path,
    lines: Sequence[str],
    *,
    exclude: Sequence[str] = (),
    columns: Mapping[bytes, Sequence[str]] | None = None,
    project: str = "2011.0.00229.S",
    layout: Layout = LAYOUT,
) -> list[tuple[Code, str, str, str]]:
    """Return code, path, and what was expected and found, of all warnings for an origin with these lines."""
    make_tree(root, lines)
    origin = survey(os.fsencode(root), opaque=layout.is_opaque)
    choice = choose(origin, layout, include=(), exclude=exclude, origin_path=os.fsencode(root))
    held = columns or {}
    packaged = drafts_of(origin, choice, held)
    package = os.fsencode(f"/data/{project}")
    warnings = completeness_warnings(origin, choice, packaged, columns=held, package=package)
    return [(each.code, os.fsdecode(each.path), str(each.expected), str(each.found)) for each in warnings]


def without(lines: Sequence[str], part: str) -> list[str]:
    """Return the lines without those that hold this text, of which there are some."""
    kept = [line for line in lines if part not in line]
    assert kept != lines
    return kept


@pytest.mark.parametrize("scheduling_block", ["IRC10216_setup3_b6_run_x2", "IRC10216_setup4_b6_run_x2"])
def test_documented_project_is_complete(tmp_path: Path, scheduling_block: str) -> None:
    assert found(make_project229(tmp_path) / scheduling_block, []) == []


def test_reduction_with_one_of_each_is_complete(tmp_path: Path) -> None:
    assert found(tmp_path, reduction("X8c", "X528")) == []


EMPTIED = {
    "raw": ".ms.split/",
    "calibrated": ".split.cal/",
    "calibration": ".tsys/",
    "script": ".py",
    "qa": ".txt",
    "log": ".log",
    "product": ".fits",
}


@pytest.mark.parametrize("role", EMPTIED)
def test_role_that_is_empty_is_named_with_what_was_expected(tmp_path: Path, role: str) -> None:
    lines = without(reduction("X8c"), EMPTIED[role])
    if role == "qa":
        lines = without(lines, "qa2_part1")
    ((code, path, expected, _),) = found(tmp_path, lines)
    assert (code, path) == (Code.W_ROLE_EMPTY, role)
    assert "folder" in expected, "where it is looked for"


def test_role_is_not_empty_because_of_an_exclude(tmp_path: Path) -> None:
    assert found(tmp_path, reduction("X8c"), exclude=["*.fits", "*.log"]) == []


LACKING = {
    "raw measurement set": "X528/uid___A002_X3dc0e7_X528.ms.split/",
    "calibrated data": "X528/uid___A002_X3dc0e7_X528.ms.split.cal/",
    "calibration tables": "X528/uid___A002_X3dc0e7_X528.ms.tsys",
    "scriptForCalibration.py": "X528/uid___A002_X3dc0e7_X528.ms.scriptFor",
    "checklist": "X528/checklist",
    "QA2 plots": "X528/qa2/qa2_part1.png",
    "QA2 text": "X528/qa2/textfile.txt",
    "log": "X528/ipython.log",
}


@pytest.mark.parametrize("what", LACKING)
def test_block_that_lacks_what_its_sibling_has_is_named_with_it(tmp_path: Path, what: str) -> None:
    lines = without(reduction("X8c", "X528"), LACKING[what])
    assert found(tmp_path, lines) == [(Code.W_BLOCK_INCOMPLETE, "X528", what, "these only in X8c")]


@pytest.mark.parametrize("what", LACKING)
def test_what_no_block_has_is_missed_in_none(tmp_path: Path, what: str) -> None:
    lines = without(reduction("X8c", "X528"), LACKING[what])
    lines = without(lines, LACKING[what].replace("X528", "X8c").replace("X3dc0e7", "X3c9295"))
    assert Code.W_BLOCK_INCOMPLETE not in {code for code, *_ in found(tmp_path, lines)}


def test_one_line_per_block_and_siblings_lists_all_that_is_lacking(tmp_path: Path) -> None:
    lines = without(without(reduction("X8c", "X528", "X1e0"), "X528/ipython.log"), "X528/checklist")
    lines = without(without(lines, "X1e0/qa2/textfile.txt"), "X1e0/checklist")
    assert [each[1:] for each in found(tmp_path, lines)] == [
        ("X1e0", "checklist", "these only in X8c"),
        ("X1e0", "QA2 text", "these only in X528, X8c"),
        ("X528", "checklist", "these only in X8c"),
        ("X528", "log", "these only in X1e0, X8c"),
    ]


def test_file_beside_the_blocks_counts_for_the_block_of_its_uid(tmp_path: Path) -> None:
    script = f"{UIDS['X528']}.ms.scriptForCalibration.py"
    lines = [*without(reduction("X8c", "X528"), f"X528/{script}"), script]
    assert found(tmp_path, lines) == []


def test_calibrated_data_made_from_the_raw_ones_are_not_missed(tmp_path: Path) -> None:
    lines = without(reduction("X8c", "X528"), "X528.ms.split.cal")
    raw = os.fsencode(f"X528/{UIDS['X528']}.ms.split")
    assert found(tmp_path, lines, columns={raw: ["DATA", "CORRECTED_DATA"]}) == []


def test_excluded_file_is_not_missed_in_its_block(tmp_path: Path) -> None:
    assert found(tmp_path, reduction("X8c", "X528"), exclude=["X528/checklist.txt"]) == []


def test_what_is_excluded_in_all_that_have_it_is_missed_in_none(tmp_path: Path) -> None:
    lines = without(reduction("X8c", "X528"), "X528/checklist")
    assert found(tmp_path, lines, exclude=["checklist.txt"]) == []


def test_excluded_block_is_not_compared(tmp_path: Path) -> None:
    lines = without(reduction("X8c", "X528"), "X528/checklist")
    assert found(tmp_path, lines, exclude=["X528"]) == []


@pytest.mark.parametrize("code", ["2011.0.00229.S", "2012.A.00012.S", "2013.1.00001.T", "0000.0.00000.CSV"])
def test_project_codes_are_known(tmp_path: Path, code: str) -> None:
    assert found(tmp_path, reduction("X8c"), project=code) == []


@pytest.mark.parametrize("name", ["package", "2011.0.229.S", "2011.0.00229", "2011.0.00229.s", "2011.0.00229.S_2012"])
def test_name_that_is_no_project_code_is_named(tmp_path: Path, name: str) -> None:
    ((code, path, _, _),) = found(tmp_path, reduction("X8c"), project=name)
    assert (code, path) == (Code.W_PROJECT_CODE, f"/data/{name}")


OTHER_DELIVERIES = {
    "pipeline-20161018T083342/html/index.html": "a pipeline run",
    "deep/pipeline-20161018T083342/html/index.html": "a pipeline run",
    "uid___A001_X87c_X69.weblog.tgz": "a pipeline run",
    "uid___A001_X87c_X69.pipeline_manifest.xml": "a pipeline run",
    "products/uid___A001_X87c_X69.casa_piperestorescript.py": "a pipeline run",
    "MOUS_uid___A001_X87c_X69/notes": "a pipeline run",
    "2011.0.00230.S/sg_ouss_id/group_ouss_id/member_ouss_id/README": "a package that was made already",
    "2011.0.00230.S.pack/manifests/one": "a package that was made already",
    "science_goal.uid___A001_X87c_X67/README": "a package that was made already",
}


@pytest.mark.parametrize("line", OTHER_DELIVERIES)
def test_what_belongs_to_another_delivery_is_named(tmp_path: Path, line: str) -> None:
    warnings = found(tmp_path, [*reduction("X8c"), line])
    assert [code for code, *_ in warnings] == [Code.W_OTHER_DELIVERY]
    assert line.startswith(warnings[0][1])
    assert OTHER_DELIVERIES[line] in warnings[0][3]


def test_many_names_of_one_delivery_are_one_warning(tmp_path: Path) -> None:
    lines = ["a.weblog.tgz", "b.weblog.tgz", "c.casa_pipescript.py"]
    ((_, path, _, words),) = found(tmp_path, [*reduction("X8c"), *lines])
    assert (path, words) == ("a.weblog.tgz", "what belongs to a pipeline run, and 2 more names of one")


def test_other_delivery_that_is_excluded_is_not_named(tmp_path: Path) -> None:
    lines = [*reduction("X8c"), "old/a.weblog.tgz"]
    assert found(tmp_path, lines, exclude=["old"]) == []


@pytest.mark.parametrize("name", ["pipeline-notes.txt", "weblog.txt", "MOUS_notes.txt", "raw/notes.txt"])
def test_names_that_are_only_like_those_of_another_delivery_are_no_sign(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, [*reduction("X8c"), name]) == []


def test_layout_without_checks_misses_nothing(tmp_path: Path) -> None:
    assert found(tmp_path, ["X8c/a.weblog.tgz"], project="x", layout=replace(LAYOUT, checks=())) == []
