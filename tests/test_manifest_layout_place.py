"""What the rules of Cycle 0 make of an origin: the documented project, and each rule by itself."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.layout import template
from qa2pack.manifest.layout.include import Include, parse_include
from qa2pack.manifest.layout.item import Item, Placement
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose, measurement_sets, place
from qa2pack.manifest.layout.survey import Kind, Node, survey
from qa2pack.manifest.problem import Code, Problem
from support.trees import expected_of_project229, make_project229, make_tree

LAYOUT = load_layout("cycle0")
U = "uid___A002_X3c9295_X8c"
V = "uid___A002_X3dc0e7_X528"
MARK = f"X8c/{U}.ms.scriptForCalibration.py"
OTHER_MARK = f"X528/{V}.ms.scriptForCalibration.py"


@dataclass(frozen=True)
class Placed:
    """A placement in a form that is easy to compare."""

    raw: Placement

    @property
    def paths(self) -> dict[str, str]:
        """From source to destination, without the scripts that only mark execution blocks."""
        pairs = ((os.fsdecode(item.source), os.fsdecode(item.path)) for item in self.raw.items)
        return {source: path for source, path in pairs if not source.endswith(".ms.scriptForCalibration.py")}

    @property
    def left_out(self) -> dict[str, str]:
        return {os.fsdecode(left.path): left.reason for left in self.raw.left_out}

    @property
    def problems(self) -> list[tuple[Code, str]]:
        return [(problem.code, os.fsdecode(problem.path)) for problem in self.raw.problems]

    @property
    def warnings(self) -> list[tuple[Code, str]]:
        return [(problem.code, os.fsdecode(problem.path)) for problem in self.raw.warnings]

    def columns(self) -> dict[str, str | None]:
        return {os.fsdecode(item.path): item.column for item in self.raw.items if item.is_tree}


def placed(
    root: Path,
    *lines: str,
    include: Iterable[str] = (),
    exclude: Sequence[str] = (),
    columns: Mapping[bytes, Sequence[str]] | None = None,
) -> Placed:
    """Make an origin with these lines and place it."""
    make_tree(root, lines)
    origin = survey(os.fsencode(root), opaque=LAYOUT.is_opaque)
    choice = choose(
        origin,
        LAYOUT,
        origin_path=os.fsencode(root),
        include=tuple(map(parse_include, include)),
        exclude=exclude,
    )
    return Placed(place(origin, choice, columns or {}))


def placed_by_rules(origin: Node) -> Placement:
    return place(origin, choose(origin, LAYOUT, origin_path=b"/origin"), {})


@pytest.mark.parametrize("scheduling_block", ["IRC10216_setup3_b6_run_x2", "IRC10216_setup4_b6_run_x2"])
def test_documented_project_is_placed_exactly_as_documented(tmp_path: Path, scheduling_block: str) -> None:
    result = placed(make_project229(tmp_path) / scheduling_block).raw
    got = [(item.source + b"/" * item.is_tree, item.path + b"/" * item.is_tree) for item in result.items]
    named = sorted((source.decode(), path.decode()) for source, path in got)
    assert named == sorted(expected_of_project229(scheduling_block))
    assert (result.problems, result.warnings) == ((), ())


def test_everything_else_of_the_documented_project_is_left_out_with_its_reason(tmp_path: Path) -> None:
    left_out = placed(make_project229(tmp_path) / "IRC10216_setup4_b6_run_x2").left_out
    block = "X3c9295_X1e0/uid___A002_X3c9295_X1e0"
    assert left_out == {
        block: "raw observation (ASDM): the archive has it",
        f"{block}.ms": "measurement set before the a-priori calibration",
        f"{block}.ms.flagversions": "flag backups",
        f"{block}.ms.split.flagversions": "flag backups",
        f"{block}.ms.split.cal.flagversions": "flag backups",
    }


def test_notes_and_empty_folders_of_the_documented_project_are_listed(tmp_path: Path) -> None:
    left_out = placed(make_project229(tmp_path) / "IRC10216_setup3_b6_run_x2").left_out
    assert left_out["IRC10216_setup3_b6_runx2.imaging.txt"] == "no rule of layout cycle0 takes it"
    assert left_out["Combined"] == "empty"
    assert left_out["calibrated.ms"] == "concatenation of the calibrated measurement sets"


def test_execution_block_folder_can_be_the_origin_itself(tmp_path: Path) -> None:
    root = make_project229(tmp_path) / "IRC10216_setup3_b6_run_x2" / "X8c"
    got = placed(root)
    expected = {
        source.rstrip("/").removeprefix("X8c/"): path.rstrip("/")
        for source, path in expected_of_project229("IRC10216_setup3_b6_run_x2")
        if source.startswith("X8c/") and not source.endswith(".py")
    }
    assert got.paths == expected


@pytest.mark.parametrize(
    "name",
    [
        f"{U}.ms/table.dat",
        f"{U}.ms.split/table.dat",
        f"{U}.ms.split.cal/table.dat",
        f"{U}.ms.scriptForCalibration.py",
    ],
)
def test_each_mark_makes_an_execution_block_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    got = placed(tmp_path, f"Calibration_Xab1/{name}", "Calibration_Xab1/ipython.log")
    assert got.paths["Calibration_Xab1/ipython.log"] == f"log/{U}__ipython.log"


def test_origin_without_an_execution_block_is_a_problem(tmp_path: Path) -> None:
    got = placed(tmp_path, "X8c/ipython.log", f"X8c/deep/{U}.ms/table.dat")
    assert (Code.NO_PLACE, "") in got.problems


def test_excluding_the_only_execution_block_is_a_problem(tmp_path: Path) -> None:
    assert placed(tmp_path, MARK, exclude=["X8c"]).problems == [(Code.NO_PLACE, "")]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (f"X8c/{U}.ms.split/table.dat", f"raw/{U}.ms.split"),
        (f"X8c/{U}.ms.split/ANTENNA/", f"raw/{U}.ms.split"),
        (f"X8c/{U}.ms.split.cal/table.dat", f"calibrated/{U}.ms.split.cal"),
        (f"X8c/{U}.ms.split_fixed.cal/table.dat", f"calibrated/{U}.ms.split_fixed.cal"),
        ("X8c/X.target.ms.split.cal/table.dat", "calibrated/X.target.ms.split.cal"),
        (f"X8c/{U}.ms.tsys.fdm/table.dat", f"calibration/{U}.calibration/{U}.ms.tsys.fdm"),
        (f"X8c/{U}.ms.cloud_offsets/table.dat", f"calibration/{U}.calibration/{U}.ms.cloud_offsets"),
        (f"X8c/{U}.ms.split.cal.ampli_inf/table.dat", f"calibration/{U}.calibration/{U}.ms.split.cal.ampli_inf"),
        (f"X8c/{U}.ms.split_fixed.bandpass/table.dat", f"calibration/{U}.calibration/{U}.ms.split_fixed.bandpass"),
        ("X8c/antpos.cal/table.dat", f"calibration/{U}.calibration/antpos.cal"),
        (f"X8c/{V}.ms.wvr/table.dat", f"calibration/{U}.calibration/{V}.ms.wvr"),
        (f"X8c/{U}.ms.split.fluxscale", f"calibration/{U}.calibration/{U}.ms.split.fluxscale"),
        (f"X8c/{U}.ms.tsys.plots/a.png", f"calibration/{U}.calibration.plots/{U}.ms.tsys.plots"),
        (f"X8c/{U}.ms.split_fixed.tsys.plots/a", f"calibration/{U}.calibration.plots/{U}.ms.split_fixed.tsys.plots"),
        ("X8c/tsys.plots.overlayTime/a.png", f"calibration/{U}.calibration.plots/tsys.plots.overlayTime"),
        (f"X8c/{U}.ms.flagcmd.png", f"calibration/{U}.calibration.plots/{U}.ms.flagcmd.png"),
        (f"X8c/{U}_qa2_part1.png", f"qa/{U}_qa2_part1.png"),
        ("X8c/summary.qa2.pdf", f"qa/{U}__summary.qa2.pdf"),
        ("X8c/X8c.qa2.txt", "qa/X8c.qa2.txt"),
        ("X8c/old.checklist.txt", f"qa/{U}__old.checklist.txt"),
        ("X8c/Checklist", "qa/X8c.checklist.txt"),
        ("X8c/qa2/checklist", "qa/X8c.checklist.txt"),
        ("X8c/qa2/a.jpg", f"qa/{U}__a.jpg"),
        ("checklist.txt", "qa/checklist.txt"),
        ("final.qa2-summ.txt", "qa/final.qa2-summ.txt"),
        ("casa-2012.log", "log/casa-2012.log"),
        ("X8c/casa-2012.log", f"log/{U}__casa-2012.log"),
        ("scriptForImaging.py", "script/scriptForImaging.py"),
        ("X8c/scriptForX.py", "script/scriptForX.py"),
        ("Combined/scriptForImaging.py", "script/scriptForImaging.py"),
        ("a.fits.gz", "product/a.fits.gz"),
        ("X8c/a.fits", "product/a.fits"),
        ("Images/a/b/c.fits", "product/c.fits"),
        (f"{U}.ms.split.cal.ampli_inf/table.dat", f"calibration/{U}.calibration/{U}.ms.split.cal.ampli_inf"),
        (
            f"Combined/{U}.ms.split.cal.ampli_inf/table.dat",
            f"calibration/{U}.calibration/{U}.ms.split.cal.ampli_inf",
        ),
    ],
)
def test_rule(tmp_path: Path, source: str, path: str) -> None:
    got = placed(tmp_path, MARK, source)
    assert list(got.paths.values()) == [path]
    assert got.problems == []


@pytest.mark.parametrize(
    "source",
    [
        f"X8c/{U}/Main.xml",
        f"X8c/{U}_v1.ms/table.dat",
        f"X8c/{U}.ms.flagversions/a",
        "calibrated_all.ms/table.dat",
        "Combined/a.image/a.fits",
        "a.sumwt/table.dat",
        "X8c/a.image/table.dat",
        "X8c/a.image.pbcor/table.dat",
        "X8c/tclean.last",
        "notes.txt",
        "scripts.py",
        "X8c/plot.png",
        "X8c/old/a.fits",
        "X8c/asdm/ASDM.xml",
        "Combined/ipython.log",
        "Combined/a.cal/x.fits/table.dat",
        f"{V}.ms.split.cal.ampli_inf/table.dat",
    ],
)
def test_what_is_not_packaged_is_left_out(tmp_path: Path, source: str) -> None:
    got = placed(tmp_path, MARK, source)
    assert got.paths == {}
    assert len(got.left_out) == 1
    assert (got.problems, got.warnings) == ([], [])


@pytest.mark.parametrize(
    "name", [f"{U}.ms.split_fixed", "other.ms", "X.target.ms.split", f"{U}.ms.split.cal.contsub"]
)
def test_measurement_set_that_no_rule_names_is_left_out_with_a_warning(tmp_path: Path, name: str) -> None:
    got = placed(tmp_path, MARK, f"X8c/{name}/table.dat")
    assert got.paths == {}
    assert got.warnings == [(Code.W_LOOKS_LIKE_MS, f"X8c/{name}")]


def test_excluded_measurement_set_is_not_warned_of(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, f"X8c/{U}.ms.split_fixed/table.dat", exclude=["*split_fixed"])
    assert (got.left_out, got.warnings) == ({f"X8c/{U}.ms.split_fixed": "excluded by *split_fixed"}, [])


def test_folder_of_which_nothing_is_taken_is_one_line(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "notes/a/b.txt", "notes/c.last")
    assert got.left_out == {"notes": "nothing in it is packaged"}


def test_folder_of_which_something_is_taken_lists_the_rest(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "Images/a.fits", "Images/b.txt")
    assert got.left_out == {"Images/b.txt": "no rule of layout cycle0 takes it"}


def test_scripts_of_two_blocks_that_meet_both_get_their_uid(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, OTHER_MARK, "X8c/scriptForX.py", "X528/scriptForX.py")
    assert got.paths == {
        "X8c/scriptForX.py": f"script/{U}__scriptForX.py",
        "X528/scriptForX.py": f"script/{V}__scriptForX.py",
    }


def test_products_of_sibling_folders_that_meet_get_their_folders(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "x.fits", "Images/x.fits", "Images/a/x.fits", "X8c/x.fits")
    assert got.paths == {
        "x.fits": "product/x.fits",
        "Images/x.fits": "product/Images__x.fits",
        "Images/a/x.fits": "product/Images__a__x.fits",
        "X8c/x.fits": f"product/{U}__x.fits",
    }


def test_two_blocks_that_end_alike_meet_and_both_are_named(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, OTHER_MARK, "X8c/X8c.checklist.txt", "X528/X8c.checklist.txt")
    (problem,) = got.raw.problems
    assert problem == Problem(
        Code.COLLISION, b"qa/X8c.checklist.txt", expected="X528/X8c.checklist.txt", found="X8c/X8c.checklist.txt"
    )


def test_two_spellings_of_a_checklist_meet(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "X8c/checklist.txt", "X8c/Checklist.txt")
    assert got.problems == [(Code.COLLISION, "qa/X8c.checklist.txt")]


def test_name_that_its_uid_makes_too_long_is_a_problem(tmp_path: Path) -> None:
    name = "n" * 247 + ".jpg"
    assert placed(tmp_path, MARK, f"X8c/{name}").problems == [(Code.NAME_TOO_LONG, f"X8c/{name}")]


def test_include_takes_what_no_rule_takes(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "notes.txt", "Images/deep/notes.txt", include=["notes.txt=product"])
    assert got.paths == {
        "notes.txt": "product/notes.txt",
        "Images/deep/notes.txt": "product/Images__deep__notes.txt",
    }


def test_templates_are_read_when_a_layout_is_loaded_and_not_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(template, "_VARIABLE")  # what reads a template
    assert placed(tmp_path, MARK, "a.txt", include=["a.txt=product"]).paths == {"a.txt": "product/a.txt"}


def test_include_beats_rules(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "a.fits", "tclean.last", include=["a.fits=qa", "*.last=log"])
    assert got.paths == {"a.fits": "qa/a.fits", "tclean.last": "log/tclean.last"}


def test_first_include_wins(tmp_path: Path) -> None:
    assert placed(tmp_path, MARK, "a", include=["a=qa", "?=log"]).paths == {"a": "qa/a"}


def test_exclude_beats_include(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "a.fits", include=["a.fits=qa"], exclude=["*.fits"])
    assert (got.paths, got.left_out) == ({}, {"a.fits": "excluded by *.fits"})


def test_include_with_a_slash_is_for_one_place(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "notes.txt", "X8c/notes.txt", include=["X8c/notes.txt=qa"])
    assert got.paths == {"X8c/notes.txt": f"qa/{U}__notes.txt"}


@pytest.mark.parametrize(("source", "taken"), [("X8c/notes.txt", "X8c/notes.txt"), ("X8c/old/t/a", "X8c/old")])
def test_include_into_calibration_goes_to_the_blocks_own_folder(tmp_path: Path, source: str, taken: str) -> None:
    got = placed(tmp_path, MARK, source, include=["notes.txt=calibration", "old=calibration"])
    assert got.paths == {taken: f"calibration/{U}.calibration/{Path(taken).name}"}


def test_include_of_a_folder_takes_it_whole(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "extra/a.txt", "extra/b/c.txt", include=["extra=product"])
    assert [(item.path, item.is_tree) for item in got.raw.items if item.folder == b"product"] == [
        (b"product/extra", True)
    ]


def test_include_never_takes_an_execution_block_whole(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "X8c/a.fits", include=["X8*=product"])
    assert got.paths == {"X8c/a.fits": "product/a.fits"}


def test_included_measurement_set_keeps_one_column(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, f"X8c/{U}.ms.split_a/table.dat", include=["*.split_a=calibrated"])
    assert got.columns() == {f"calibrated/{U}.ms.split_a": "DATA"}
    assert got.warnings == []


SPLIT = f"X8c/{U}.ms.split"


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        (None, "DATA"),
        (("DATA", "MODEL_DATA", "CORRECTED_DATA"), "DATA"),
        (("MODEL_DATA", "CORRECTED_DATA"), "CORRECTED_DATA"),
        (("FLOAT_DATA",), None),
    ],
)
def test_calibrated_keeps_data_or_what_there_is(
    tmp_path: Path, columns: tuple[str, ...] | None, kept: str | None
) -> None:
    known = {} if columns is None else {f"{SPLIT}.cal".encode(): columns}
    got = placed(tmp_path, f"{SPLIT}.cal/table.dat", columns=known)
    assert got.columns() == {f"calibrated/{U}.ms.split.cal": kept}
    assert got.warnings == []


@pytest.mark.parametrize(
    "columns", [("FLOAT_DATA", "CORRECTED_DATA"), ("MODEL_DATA", "FLOAT_DATA"), ("LAG_DATA", "MODEL_DATA")]
)
def test_raw_keeps_what_was_observed_where_there_is_no_data(tmp_path: Path, columns: tuple[str, ...]) -> None:
    got = placed(tmp_path, f"{SPLIT}/table.dat", columns={SPLIT.encode(): columns})
    (observed,) = {"FLOAT_DATA", "LAG_DATA"}.intersection(columns)
    assert (got.columns()[f"raw/{U}.ms.split"], got.warnings) == (observed, [])


def test_calibrated_data_in_raw_are_warned_of(tmp_path: Path) -> None:
    got = placed(tmp_path, f"{SPLIT}/table.dat", columns={SPLIT.encode(): ("MODEL_DATA", "CORRECTED_DATA")})
    assert got.columns()[f"raw/{U}.ms.split"] == "CORRECTED_DATA"
    assert got.warnings == [(Code.W_RAW_IS_CALIBRATED, SPLIT)]


@pytest.mark.parametrize(("name", "folder"), [(SPLIT, "raw"), (f"{SPLIT}.cal", "calibrated")])
def test_table_with_a_model_alone_is_warned_of(tmp_path: Path, name: str, folder: str) -> None:
    got = placed(tmp_path, f"{name}/table.dat", columns={name.encode(): ("MODEL_DATA",)})
    assert got.columns() == {f"{folder}/{name[4:]}": None}
    assert got.warnings == [(Code.W_MODEL_ALONE, name)]


def test_block_without_calibrated_data_gets_them_from_its_raw_data(tmp_path: Path) -> None:
    columns = {SPLIT.encode(): ("DATA", "CORRECTED_DATA")}
    got = placed(tmp_path, f"{SPLIT}/table.dat", columns=columns)
    assert [(item.source, item.path, item.column) for item in got.raw.items] == [
        (SPLIT.encode(), f"calibrated/{U}.ms.split.cal".encode(), "CORRECTED_DATA"),
        (SPLIT.encode(), f"raw/{U}.ms.split".encode(), "DATA"),
    ]


def test_block_with_calibrated_data_keeps_its_own(tmp_path: Path) -> None:
    columns = {SPLIT.encode(): ("DATA", "CORRECTED_DATA")}
    got = placed(tmp_path, f"{SPLIT}/table.dat", f"{SPLIT}.cal/table.dat", columns=columns)
    assert (set(got.paths), got.problems) == ({SPLIT, f"{SPLIT}.cal"}, [])


def test_raw_data_without_corrected_data_make_no_calibrated_data(tmp_path: Path) -> None:
    got = placed(tmp_path, f"{SPLIT}/table.dat", columns={SPLIT.encode(): ("DATA",)})
    assert got.paths == {SPLIT: f"raw/{U}.ms.split"}


def test_measurement_sets_are_the_tables_of_which_one_column_is_kept(tmp_path: Path) -> None:
    make_tree(tmp_path, [f"{SPLIT}/table.dat", f"X8c/{U}.ms.wvr/table.dat", "X8c/a/table.dat", "X8c/b/table.dat"])
    origin = survey(os.fsencode(tmp_path), opaque=LAYOUT.is_opaque)
    include = [Include("a", "raw"), Include("b", "raw")]
    choice = choose(origin, LAYOUT, origin_path=os.fsencode(tmp_path), include=include, exclude=["b"])
    assert measurement_sets(origin, choice) == (b"X8c/a", SPLIT.encode())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("X8c/gone.txt -> nowhere", Code.LINK_DANGLING),
        ("X8c/self -> self", Code.LINK_LOOP),
        ("X8c/up -> ..", Code.LINK_LOOP),
        ("X8c/out -> /etc/hostname/..", Code.LINK_DANGLING),
        ("X8c/out -> /", Code.LINK_LOOP),
        ("X8c/out -> /proc", Code.LINK_OUTSIDE),
    ],
)
def test_link_that_cannot_be_packaged_is_a_problem(tmp_path: Path, line: str, code: Code) -> None:
    assert placed(tmp_path, MARK, line).problems == [(code, line.partition(" -> ")[0])]


@pytest.mark.parametrize("name", ["tclean.last", f"{U}.ms", f"{U}.ms.flagversions"])
def test_link_under_a_name_that_is_never_packaged_is_no_problem(tmp_path: Path, name: str) -> None:
    got = placed(tmp_path, MARK, f"X8c/{name} -> /proc")
    assert (got.problems, list(got.left_out)) == ([], [f"X8c/{name}"])


def test_excluded_link_is_no_problem(tmp_path: Path) -> None:
    assert placed(tmp_path, MARK, "X8c/gone -> nowhere", exclude=["gone"]).problems == []


def test_pipe_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert placed(tmp_path, MARK).problems == [(Code.SPECIAL_FILE, "pipe")]


def test_linked_file_is_packaged_under_the_links_name(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "store/1234", "a.fits -> store/1234")
    assert got.paths == {"store/1234": "product/a.fits"}


def test_block_with_two_uids_is_warned_of(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, f"X8c/{U}.ms/table.dat", f"X8c/{V}.ms/table.dat", "X8c/ipython.log")
    assert got.warnings == [(Code.W_SEVERAL_UIDS, "X8c")]
    assert got.paths == {"X8c/ipython.log": f"log/{U}__ipython.log"}


def test_tables_of_a_block_with_two_uids_are_filed_under_their_own(tmp_path: Path) -> None:
    lines = [f"X8c/{V}.ms/table.dat", f"X8c/{V}.ms.wvr/table.dat", f"X8c/{U}.ms.wvr/table.dat"]
    assert placed(tmp_path, MARK, *lines).paths == {
        f"X8c/{U}.ms.wvr": f"calibration/{U}.calibration/{U}.ms.wvr",
        f"X8c/{V}.ms.wvr": f"calibration/{V}.calibration/{V}.ms.wvr",
    }


@pytest.mark.parametrize("mark", [f"X8c/old/{V}.ms.split", f"old/X8c/{U}.ms.split"], ids=["inside", "copy"])
def test_execution_block_inside_another_and_a_copy_of_one_are_warned_of(tmp_path: Path, mark: str) -> None:
    got = placed(tmp_path, MARK, f"{mark}/table.dat")
    blocks = [warning for warning in got.warnings if warning[0] in (Code.W_NESTED_EB, Code.W_DEEPER_SB)]
    assert blocks == [(Code.W_NESTED_EB, mark.rpartition("/")[0])]
    assert got.paths == {}


@pytest.mark.parametrize("lines", [[], [MARK]], ids=["none in the origin", "one in the origin"])
def test_folders_of_other_execution_blocks_are_named_as_scheduling_blocks(tmp_path: Path, lines: list[str]) -> None:
    got = placed(tmp_path, *lines, f"sb2/X528/{V}.ms/table.dat", "deep/sb3/a/uid___A002_X1_X1.ms.split/table.dat")
    blocks = [(each.path, each.found) for each in got.raw.warnings if each.code is Code.W_DEEPER_SB]
    assert blocks == [(b"deep/sb3", "1 execution block: a"), (b"sb2", "1 execution block: X528")]
    assert Code.W_NESTED_EB not in {code for code, _ in got.warnings}


def test_folder_with_a_copy_and_another_execution_block_is_named_as_a_scheduling_block(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, f"sb2/X8c/{U}.ms.split/table.dat", f"sb2/X528/{V}.ms/table.dat")
    blocks = [(each.code, each.path, each.found) for each in got.raw.warnings if each.path.startswith(b"sb2")]
    assert (Code.W_DEEPER_SB, b"sb2", "2 execution blocks: X528, X8c") in blocks
    assert Code.W_NESTED_EB not in {code for code, _, _ in blocks}


def test_origin_that_is_an_execution_block_has_no_scheduling_blocks_in_it(tmp_path: Path) -> None:
    got = placed(tmp_path, f"{U}.ms.scriptForCalibration.py", f"old/a/{V}.ms/table.dat")
    assert (Code.W_NESTED_EB, "old/a") in got.warnings
    assert Code.W_DEEPER_SB not in {code for code, _ in got.warnings}


def test_excluded_deep_execution_block_is_not_warned_of(tmp_path: Path) -> None:
    assert placed(tmp_path, MARK, f"old/X528/{V}.ms/table.dat", exclude=["old"]).warnings == []


def test_tree_with_a_name_that_receivers_refuse_is_warned_of(tmp_path: Path) -> None:
    got = placed(tmp_path, MARK, "X8c/my tsys.plots/a.png")
    assert got.warnings == [(Code.W_NAME, f"calibration/{U}.calibration.plots/my tsys.plots")]


def test_names_that_differ_in_case_only_are_warned_of(tmp_path: Path) -> None:
    assert placed(tmp_path, MARK, "a.fits", "A.fits").warnings == [(Code.W_CASE, "product/a.fits")]


NAMES = st.sampled_from(
    [
        *(b"a.fits", b"X.fits", b"checklist.txt", b"Checklist", b"scriptForX.py", b"notes.txt"),
        *(name.encode() for name in (f"{U}.ms.split", f"{U}.ms.split.cal", f"{U}.ms.wvr", f"{V}.ms", "qa2")),
    ]
)
LEAVES = st.builds(Node, NAMES, st.sampled_from([Kind.FILE, Kind.TABLE, Kind.BROKEN_LINK]))
FOLDERS = st.recursive(
    LEAVES,
    lambda nodes: st.builds(
        Node,
        st.sampled_from([b"X8c", b"X528", b"Images", b"qa2"]),
        st.just(Kind.FOLDER),
        children=st.lists(nodes, max_size=5, unique_by=lambda node: node.name).map(tuple),
    ),
    max_leaves=20,
)


def sourced(node: Node, path: bytes = b"") -> Node:
    """Return the node with the sources that a survey would give."""
    children = tuple(sourced(child, (path + b"/" + child.name).lstrip(b"/")) for child in node.children)
    return Node(node.name, node.kind, source=path, children=children)


ORIGINS = st.lists(FOLDERS, max_size=5, unique_by=lambda node: node.name).map(
    lambda nodes: sourced(Node(b"", Kind.FOLDER, children=tuple(nodes)))
)


def leaves(node: Node) -> list[bytes]:
    if node.kind is not Kind.FOLDER:
        return [node.source]
    return [leaf for child in node.children for leaf in leaves(child)]


def is_spoken_of(path: bytes, placement: Placement) -> bool:
    """Tell whether a path, or a folder around it, is packaged, left out or a problem."""
    reported = {item.source for item in placement.items} | {left.path for left in placement.left_out}
    reported |= {problem.path for problem in placement.problems}
    parts = path.split(b"/")
    return any(b"/".join(parts[:count]) in reported for count in range(1, len(parts) + 1))


@given(ORIGINS)
def test_nothing_is_dropped_silently(origin: Node) -> None:
    placement = placed_by_rules(origin)
    assert [leaf for leaf in leaves(origin) if not is_spoken_of(leaf, placement)] == []


@given(ORIGINS)
def test_nothing_meets_silently(origin: Node) -> None:
    placement = placed_by_rules(origin)
    paths = [item.path for item in placement.items]
    is_reported = any(problem.code is Code.COLLISION for problem in placement.problems)
    assert is_reported is not (len(set(paths)) == len(paths))


@given(ORIGINS)
def test_everything_packaged_lies_in_the_folder_of_its_role(origin: Node) -> None:
    items: tuple[Item, ...] = placed_by_rules(origin).items
    assert all(item.folder in {role.folder for role in LAYOUT.roles} for item in items)
