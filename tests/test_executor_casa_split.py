import errno
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xxhash
from casacore import tables

from qa2pack.executor.casa.split import describe_table, measure_split, split_staged_table
from qa2pack.executor.casa.table_reader import TableReader
from qa2pack.executor.casa.weights import _CHUNK_ROWS
from qa2pack.manifest.casa.column_split import (
    Manager,
    OtherFilesError,
    SplitSpec,
    TableBrokenError,
    TableShape,
    plan_split,
)
from qa2pack.manifest.problem import Code
from support.inotify import writes_noted
from support.measurement_sets import Recipe, Shared, rename_subtable, write_calibration_table, write_measurement_set
from support.remembered_tables import RememberingReader
from support.staged_tables import file_sizes, measured_spec, read_arrays, read_cells, split_table, stage_table

FOLLOWING = {"WEIGHT", "SIGMA", "WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"}

BY_FILES = {
    "like CASA": Recipe(),
    "one window": Recipe(spectra=((4, 2),)),
    "windows of one row": Recipe(spectra=((4, 1), (16, 4), (7, 2)), block_rows=1),
    "spectrum columns": Recipe(spectrum_columns=True),
    "incremental weights": Recipe(shared=(Shared("IncrementalStMan", ("WEIGHT", "SIGMA")),)),
    "standard weights": Recipe(shared=(Shared("StandardStMan", ("WEIGHT", "SIGMA", "TIME")),)),
    "no rows": Recipe(rows=0),
}
LONGER_THAN_A_CHUNK = Recipe(rows=66_000, spectra=((1, 1), (1, 2)), block_rows=7, odd_weights=False)
WHOLE = {
    "tiles of DATA and MODEL_DATA": Recipe(shared=(Shared("TiledShapeStMan", ("DATA", "MODEL_DATA")),)),
    "tiles of all": Recipe(shared=(Shared("TiledShapeStMan", ("DATA", "MODEL_DATA", "CORRECTED_DATA")),)),
    "buckets of all": Recipe(shared=(Shared("StandardStMan", ("DATA", "CORRECTED_DATA", "ANTENNA1")),)),
    "buckets of each": Recipe(
        shared=(Shared("StandardStMan", ("DATA",)), Shared("StandardStMan", ("CORRECTED_DATA",)))
    ),
}
ALL = BY_FILES | WHOLE
REPRODUCIBLE = BY_FILES | {name: recipe for name, recipe in WHOLE.items() if name.startswith("tiles")}
KEPT = ["DATA", "CORRECTED_DATA"]

every_recipe = pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
either_column = pytest.mark.parametrize("keep", KEPT)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "u.ms.split"
    write_measurement_set(path)
    return path


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, int, str]]:
    return {
        str(path.relative_to(folder)): (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, digest)
        for path in sorted(folder.rglob("*"))
        for status in [path.stat()]
        for digest in [xxhash.xxh3_128_hexdigest(path.read_bytes()) if path.is_file() else ""]
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weight_by_casa(value: float) -> np.float32:
    sigma = np.float32(value)  # the product is one of single precision, the quotient is not
    return np.float32(1.0 / np.float64(sigma * sigma)) if sigma > np.finfo(np.float32).tiny else np.float32(0)


def sigma_by_casa(value: float) -> np.float32:
    weight = np.float32(value)
    return np.float32(1.0 / np.float64(np.sqrt(weight))) if weight > np.finfo(np.float32).tiny else np.float32(-1)


# --- what comes out


@pytest.mark.parametrize(
    "recipe", [Recipe(), WHOLE["tiles of all"], WHOLE["buckets of all"]], ids=["files", "tiles", "buckets"]
)
def test_rows_that_were_added_to_a_closed_table_are_there(tmp_path: Path, recipe: Recipe) -> None:
    """Their number is in the table's lock alone."""
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, recipe)
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.addrows(5)
    split_table(table, staged, "CORRECTED_DATA")
    before, after = read_cells(table), read_cells(staged)
    assert len(after["TIME"]) == recipe.rows + 5
    assert after["DATA"] == before["CORRECTED_DATA"]


@pytest.mark.parametrize(
    "name", ["T", "A-B", "ANTENNA1*2", "a, b", "'q'", "%", "\u00fc", "(p)", "-x", "x.y", "MODEL_DATA\n"]
)
def test_column_whose_name_is_a_formula_stays_what_it_is(tmp_path: Path, name: str) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, WHOLE["tiles of DATA and MODEL_DATA"])
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.addcols(tables.maketabdesc([tables.makescacoldesc(name, 0)]))
        opened.putcol(name, np.arange(opened.nrows(), dtype=np.int32))
    split_table(table, staged, "DATA")
    assert read_cells(staged)[name] == read_cells(table)[name]


@pytest.mark.parametrize("manager", ["StandardStMan", "IncrementalStMan", "TiledColumnStMan"])
@pytest.mark.parametrize("name", ["DATA ", "DATA*", "A[0]", '"q"', "\u00fc"])
def test_odd_column_that_shares_files_with_dropped_ones_keeps_its_values(
    tmp_path: Path, name: str, manager: str
) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(rows=6))
    columns = [name, "MODEL_DATA", "CORRECTED_DATA"]
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.removecols(columns[1:])
        shapes = [tables.makearrcoldesc(each, 0j, 2, shape=[4, 2], valuetype="complex") for each in columns]
        spec = {"DEFAULTTILESHAPE": np.array([2, 4, 2], dtype=np.int32)} if manager.startswith("Tiled") else {}
        opened.addcols(tables.maketabdesc(shapes), {"TYPE": manager, "NAME": "shared", "SPEC": spec})
        for number, each in enumerate(columns):
            opened.putcol(each, (np.arange(48) + 100 * number).reshape(6, 4, 2).astype(np.complex64))
    assert split_table(table, staged, "DATA").whole
    before, after = read_cells(table), read_cells(staged)
    assert before.keys() - after.keys() == {"MODEL_DATA", "CORRECTED_DATA"}
    assert {each: after[each] for each in (name, "DATA")} == {each: before[each] for each in (name, "DATA")}


def test_column_of_records_beside_shared_ones_keeps_its_values(tmp_path: Path) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, WHOLE["buckets of all"])
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.addcols(tables.maketabdesc([tables.makescacoldesc("REC", {}, valuetype="record")]))
        opened.putcell("REC", 2, {"a": {"b": 1}})
    split_table(table, staged, "DATA")
    with tables.table(str(staged), ack=False) as opened:
        assert opened.getcell("REC", 2) == {"a": {"b": 1}}


@pytest.mark.parametrize("recipe", [Recipe(), WHOLE["buckets of all"]], ids=["files", "rewritten"])
def test_keywords_name_the_tables_that_they_named(tmp_path: Path, recipe: Recipe) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "packaged" / "u.ms"
    staged.parent.mkdir()
    write_measurement_set(table, recipe)
    for path in (table / "ANTENNA" / "NEST", table / "FOLDER" / "DEEP", tmp_path / "beside.tab"):
        path.parent.mkdir(exist_ok=True)
        write_calibration_table(path)
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putkeyword("R", {"n": 3, "x": f"Table: {table}/FIELD", "inner": {"x": f"Table: {table}/ANTENNA/NEST"}})
        opened.putkeyword("OTHER_NAME", f"Table: {table}/FIELD")
        opened.putkeyword("NEST", f"Table: {table}/ANTENNA/NEST")
        opened.putcolkeyword("UVW", "SUB", {"a": {"b": f"Table: {table}/FOLDER/DEEP"}})
        opened.putcolkeyword("UVW", "BESIDE", f"Table: {tmp_path}/beside.tab")
        opened.putcolkeyword("DATA", "SOURCE", f"Table: {table}/FIELD")
    shutil.rmtree(table / "POINTING")  # it is packaged without it, with a warning
    split_table(table, staged, "DATA")
    before = keywords_of(table, ("", "UVW", "DATA"))
    assert keywords_of(staged, ("", "UVW", "DATA")) == before.replace(f"{tmp_path}/", f"{staged.parent}/")
    assert {path.name for path in staged.iterdir() if path.is_dir()} == {
        path.name for path in table.iterdir() if path.is_dir()
    }
    assert len(read_arrays(staged / "ANTENNA" / "NEST", "CPARAM")) == 40


def test_keyword_that_cannot_be_put_right_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "u.ms"
    write_measurement_set(table, WHOLE["buckets of all"])
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putkeyword("R", {"KEY_NAME": f"Table: {table}/FIELD"})
    main = table / "table.dat"
    main.write_bytes(main.read_bytes().replace(b"KEY_NAME", b"KEY.NAME"))  # a dot divides the names of records
    with pytest.raises(TableBrokenError) as caught:
        measured_spec(table, "DATA")
    assert caught.value.code is Code.TABLE_NOT_REWRITTEN


def keywords_of(table: Path, columns: tuple[str, ...]) -> str:
    with tables.table(str(table), ack=False) as opened:
        return repr([opened.getcolkeywords(name) if name else opened.getkeywords() for name in columns])


def test_folder_in_a_table_that_is_rewritten_may_have_any_name(tmp_path: Path) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, WHOLE["buckets of all"])
    write_calibration_table(tmp_path / "t")
    os.rename(tmp_path / "t", os.fsencode(table) + b"/y\xfe")
    split_table(table, staged, "DATA")
    assert (b"y\xfe") in os.listdir(os.fsencode(staged))


def test_table_that_opens_and_cannot_be_rewritten_is_not_called_broken(tmp_path: Path) -> None:
    table = tmp_path / "u.ms"
    write_measurement_set(table, WHOLE["buckets of all"])
    rename_subtable(table, b"FIELD", b"FIEL\xfe")
    with pytest.raises(TableBrokenError) as caught:
        measured_spec(table, "DATA")
    assert caught.value.code is Code.TABLE_NOT_REWRITTEN


def test_stored_values_of_a_virtual_column_go_with_it(tmp_path: Path) -> None:
    """They are visibilities that no folder of the package may hold, whatever the name of their column."""
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(rows=6))
    engine = {
        "TYPE": "MappedArrayEngine<Complex ,DComplex>",
        "NAME": "mapped",
        "SPEC": {"SOURCENAME": "CORRECTED_DATA", "TARGETNAME": "STORED"},
    }
    with tables.table(str(table), readonly=False, ack=False) as opened:
        corrected = opened.getdesc()["CORRECTED_DATA"]
        virtual = {**corrected, "dataManagerType": engine["TYPE"], "dataManagerGroup": engine["NAME"]}
        opened.removecols(["CORRECTED_DATA"])
        opened.addcols(tables.maketabdesc([tables.makearrcoldesc("STORED", 0j, 2, valuetype="dcomplex")]))
        opened.addcols({"CORRECTED_DATA": virtual}, engine)
        for row in range(opened.nrows()):
            opened.putcell("CORRECTED_DATA", row, np.ones((4, 2), dtype=np.complex64))
    split_table(table, staged, "DATA")
    before, after = read_cells(table), read_cells(staged)
    assert before.keys() - after.keys() == {"MODEL_DATA", "CORRECTED_DATA", "STORED"}
    assert after["DATA"] == before["DATA"]


@every_recipe
@either_column
def test_every_kept_column_is_bit_equal(tmp_path: Path, recipe: Recipe, keep: str) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, recipe)
    split_table(table, staged, keep)
    before, after = read_cells(table), read_cells(staged)
    assert after["DATA"] == before[keep]
    assert after.keys() == before.keys() - {"MODEL_DATA", "CORRECTED_DATA"}
    assert all(after[name] == before[name] for name in after.keys() - FOLLOWING - {"DATA"})


def test_reason_is_in_words_where_the_description_is_no_file(table: Path) -> None:
    (table / "table.dat").unlink()
    os.mkfifo(table / "table.dat")
    with pytest.raises(TableBrokenError) as caught:
        describe_table(os.fsencode(table))
    assert caught.value.reason == f"No such file or directory: {table}/table.dat"


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("name", ["like CASA", "standard weights", "incremental weights", "buckets of all"])
def test_order_of_bytes_is_that_of_the_table(tmp_path: Path, name: str, order: str) -> None:
    """It need not be the one of this machine, nor the one that casacore takes for new tables."""
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(tmp_path / "first", ALL[name])
    with tables.table(str(tmp_path / "first"), ack=False) as first:
        first.copy(str(table), deep=True, valuecopy=True, endian=order).close()
    split_table(table, staged, "CORRECTED_DATA")
    before, after = read_cells(table), read_cells(staged)
    assert after["DATA"] == before["CORRECTED_DATA"]
    assert all(after[column] == before[column] for column in after.keys() - FOLLOWING - {"DATA"})


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
@every_recipe
@pytest.mark.parametrize("suffix", ["", "_SPECTRUM"])
def test_weight_and_sigma_follow_the_rule_of_casa(tmp_path: Path, recipe: Recipe, suffix: str) -> None:
    if suffix and not recipe.spectrum_columns:
        recipe = replace(recipe, spectrum_columns=True)
    table = tmp_path / "u.ms"
    write_measurement_set(table, recipe)
    for keep, written, read, rule in (
        ("DATA", "WEIGHT", "SIGMA", weight_by_casa),
        ("CORRECTED_DATA", "SIGMA", "WEIGHT", sigma_by_casa),
    ):
        split_table(table, tmp_path / keep, keep)
        found = read_arrays(tmp_path / keep, written + suffix)
        expected = [np.vectorize(rule, otypes=[np.float32])(cell) for cell in read_arrays(table, read + suffix)]
        assert [cell.tobytes() for cell in found] == [cell.tobytes() for cell in expected]
        assert read_cells(tmp_path / keep)[read + suffix] == read_cells(table)[read + suffix]


def test_weights_far_down_a_long_table_follow_the_rule(tmp_path: Path) -> None:
    write_measurement_set(tmp_path / "u.ms", LONGER_THAN_A_CHUNK)
    split_table(tmp_path / "u.ms", tmp_path / "staged", "DATA")
    sigma, weight = (
        read_arrays(path, name) for path, name in ((tmp_path / "u.ms", "SIGMA"), (tmp_path / "staged", "WEIGHT"))
    )
    assert all(np.array_equal(weight[row], np.float32(1) / sigma[row] ** 2) for row in range(65_000, 66_000))


def test_weights_that_share_a_file_are_not_read_where_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_CHUNK_ROWS, "WEIGHT", 500)
    # WEIGHT is stored once for all rows, SIGMA for each: an incremental manager moves SIGMA away when WEIGHT changes.
    table, staged, rows = tmp_path / "u.ms", tmp_path / "staged", 8000
    shared = (Shared("IncrementalStMan", ("WEIGHT", "SIGMA")),)
    write_measurement_set(table, Recipe(rows=rows, spectra=((1, 4),), unfilled_rows=rows - 1, shared=shared))
    sigma = np.random.default_rng(1).uniform(1, 2, size=(rows, 4)).astype(np.float32)
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putcol("SIGMA", sigma)
    split_table(table, staged, "DATA")
    assert np.array_equal(read_arrays(staged, "SIGMA"), sigma)
    assert np.array_equal(read_arrays(staged, "WEIGHT"), np.float32(1) / np.square(sigma))


def test_split_of_the_corrected_column_equals_the_one_made_by_casa(casa_reduction: Path, tmp_path: Path) -> None:
    made_by_casa = sorted(casa_reduction.glob("*/*/*.ms.split.cal"))
    assert len(made_by_casa) == 3
    for number, expected in enumerate(made_by_casa):
        table, staged = tmp_path / f"t{number}", tmp_path / f"s{number}"
        shutil.copytree(expected.with_suffix(""), table)
        split_table(table, staged, "CORRECTED_DATA")
        ours, theirs = read_cells(staged), read_cells(expected)
        assert {name: ours[name] == theirs[name] for name in ours} == dict.fromkeys(ours, True)


@either_column
def test_cells_without_a_value_stay_without(tmp_path: Path, keep: str) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(rows=9, unfilled_rows=3))
    split_table(table, staged, keep)
    assert {name: cells[6:] for name, cells in read_cells(staged).items() if name in FOLLOWING} == {
        "WEIGHT": [None] * 3,
        "SIGMA": [None] * 3,
    }


def test_keyword_of_the_imager_goes_with_its_column(table: Path, tmp_path: Path) -> None:
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putcolkeyword("CORRECTED_DATA", "CHANNEL_SELECTION", np.array([[0, 8]], dtype=np.int32))
        opened.putcolkeyword("CORRECTED_DATA", "KEPT", 7)
    split_table(table, tmp_path / "staged", "CORRECTED_DATA")
    with tables.table(str(tmp_path / "staged"), ack=False) as opened:
        assert opened.getcolkeywords("DATA") == {"KEPT": 7}


def test_single_dish_data_keep_their_name_and_values(tmp_path: Path) -> None:
    table, staged = tmp_path / "uid.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(columns=("FLOAT_DATA", "CORRECTED_DATA")))
    before = read_cells(table)
    split_table(table, staged, "FLOAT_DATA")
    after = read_cells(staged)
    del before["CORRECTED_DATA"]
    assert after == before


def test_corrected_data_alone_comes_out_as_data(tmp_path: Path) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(columns=("CORRECTED_DATA",)))
    split_table(table, staged, "CORRECTED_DATA")
    assert read_cells(staged)["DATA"] == read_cells(table)["CORRECTED_DATA"]


@pytest.mark.parametrize("recipe", [BY_FILES["like CASA"], WHOLE["tiles of all"]], ids=["files", "whole"])
def test_split_table_works_where_it_is_moved_and_without_its_origin(tmp_path: Path, recipe: Recipe) -> None:
    table, staged, package = tmp_path / "u.ms", tmp_path / "staged", tmp_path / "package" / "raw" / "u.ms"
    write_measurement_set(table, recipe)
    split_table(table, staged, "DATA")
    shutil.rmtree(table)
    package.parent.mkdir(parents=True)
    staged.rename(package)
    with tables.table(str(package), ack=False) as opened:
        assert opened.getkeyword("ANTENNA") == f"Table: {package}/ANTENNA"
        assert {Path(name).parent for name in opened.getsubtables()} == {package}
        assert opened.query("ANTENNA1 == 1 && any(FLAG) || mscal.ant1name() == 'DA41'").nrows() > 0
    with tables.table(f"{package}::SPECTRAL_WINDOW", ack=False) as windows:
        assert windows.getcol("NUM_CHAN").tolist() == [8, 16]


# --- which files


@every_recipe
@either_column
def test_measured_sizes_and_names_are_exact(tmp_path: Path, recipe: Recipe, keep: str) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, recipe)
    spec = split_table(table, staged, keep)
    staying = {name: size for name, size in file_sizes(table).items() if name not in (*spec.dropped, *spec.written)}
    assert file_sizes(staged) == staying | dict(spec.sizes)
    assert set(spec.dropped) == file_sizes(table).keys() - file_sizes(staged).keys()
    assert not spec.estimated
    assert {path.name for path in staged.iterdir() if path.is_dir()} == {
        path.name for path in table.iterdir() if path.is_dir()
    }


@pytest.mark.parametrize("recipe", REPRODUCIBLE.values(), ids=REPRODUCIBLE)
def test_same_table_gives_the_same_bytes(tmp_path: Path, recipe: Recipe) -> None:
    table = tmp_path / "u.ms"
    write_measurement_set(table, recipe)
    split_table(table, tmp_path / "one", "CORRECTED_DATA")
    lock = table / "table.lock"
    lock.write_bytes(b"of processes that wait".ljust(260) + lock.read_bytes()[260:])
    split_table(table, tmp_path / "two", "CORRECTED_DATA")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_names_of_an_estimated_split_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.executor.casa.rewrite._TRIAL_BYTES", 0)
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(rows=5000, shared=(Shared("TiledShapeStMan", ("DATA", "MODEL_DATA")),)))
    spec = split_table(table, staged, "DATA")
    sizes = dict(spec.sizes)
    assert spec.estimated
    assert sizes.keys() == file_sizes(staged).keys()
    assert sum(sizes.values()) == pytest.approx(sum(file_sizes(staged).values()), rel=0.1)


@pytest.mark.parametrize(
    "shapes", [(None, (8, 2)), ((4, 2), (8, 2), None, (4, 2), (2, 2))], ids=["undefined", "other"]
)
def test_names_of_an_estimated_split_are_exact_whatever_shape_the_first_rows_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shapes: tuple[tuple[int, int] | None, ...]
) -> None:
    monkeypatch.setattr("qa2pack.executor.casa.rewrite._TRIAL_BYTES", 0)
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, Recipe(rows=30, unfilled_rows=30, shared=WHOLE["tiles of all"].shared))
    with tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putcol("DATA_DESC_ID", np.zeros(30, dtype=np.int32))
        for row, shape in enumerate(shapes):
            if shape is not None:
                opened.putcell("FLAG", row, np.ones(shape, dtype=bool))
    spec = split_table(table, staged, "DATA")
    assert dict(spec.sizes).keys() == file_sizes(staged).keys()
    assert read_cells(staged)["FLAG"] == read_cells(table)["FLAG"]


def test_files_that_were_not_foreseen_are_not_put_into_the_table(tmp_path: Path) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, WHOLE["tiles of all"])
    spec = measured_spec(table, "DATA")
    unforeseen = next(each for each in spec.sizes if b"_TSM" in each[0])
    stage_table(table, staged, spec)
    before = contents(staged)
    with pytest.raises(OtherFilesError) as caught:
        split_staged_table(
            os.fsencode(staged), replace(spec, sizes=tuple(each for each in spec.sizes if each != unforeseen))
        )
    assert (caught.value.expected, caught.value.found) == ("no other file", os.fsdecode(unforeseen[0]))
    assert before.items() <= contents(staged).items()


def test_big_files_that_stay_are_the_origins_own(table: Path, tmp_path: Path) -> None:
    spec = split_table(table, tmp_path / "staged", "DATA")
    assert not spec.whole
    staying = file_sizes(table).keys() - {*spec.written, *spec.dropped}
    assert len(staying) > 20
    assert all(
        os.path.samefile(table / os.fsdecode(name), tmp_path / "staged" / os.fsdecode(name)) for name in staying
    )


def test_remains_of_a_stopped_split_are_swept(tmp_path: Path) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, WHOLE["tiles of all"])
    spec = measured_spec(table, "DATA")
    stage_table(table, staged, spec)
    (staged / ".split").mkdir()
    (staged / ".split" / "table.f99").touch()
    split_staged_table(os.fsencode(staged), spec)
    assert file_sizes(staged) == dict(spec.sizes)
    assert not (staged / ".split").exists()


@pytest.mark.parametrize("name", [b"not\xffutf8", b"line\nbreak 'quote' $1"], ids=["not UTF-8", "odd"])
@pytest.mark.parametrize("recipe", [BY_FILES["like CASA"], WHOLE["tiles of all"]], ids=["files", "whole"])
def test_any_path_will_do(tmp_path: Path, name: bytes, recipe: Recipe) -> None:
    made, staged = tmp_path / "u.ms", tmp_path / os.fsdecode(b"staged" + name)
    write_measurement_set(made, recipe)
    table = made.rename(tmp_path / os.fsdecode(name))
    split_table(table, staged, "CORRECTED_DATA")
    cells = read_cells(table.rename(made))
    assert read_cells(staged.rename(tmp_path / "staged"))["DATA"] == cells["CORRECTED_DATA"]


# --- what the origin feels of it


@every_recipe
@either_column
def test_origin_is_the_same_afterwards(tmp_path: Path, recipe: Recipe, keep: str) -> None:
    table = tmp_path / "u.ms"
    write_measurement_set(table, recipe)
    before = snapshot(table)
    split_table(table, tmp_path / "staged", keep)
    assert snapshot(table) == before


@pytest.mark.parametrize("recipe", [BY_FILES["like CASA"], WHOLE["buckets of all"]], ids=["files", "whole"])
def test_no_file_of_the_origin_is_ever_opened_for_writing(tmp_path: Path, recipe: Recipe) -> None:
    table, staged = tmp_path / "u.ms", tmp_path / "staged"
    write_measurement_set(table, recipe)
    (table / "table.lock").unlink()
    spec = measured_spec(table, "DATA")
    stage_table(table, staged, spec)
    with writes_noted([table, *table.rglob("*")]) as noted:
        describe_table(os.fsencode(table))
        measure_split(os.fsencode(table), spec)
        split_staged_table(os.fsencode(staged), spec)
    assert noted == set()


def test_opening_for_writing_would_be_noted(table: Path) -> None:
    paths = [table, *table.rglob("*")]
    with writes_noted(paths) as noted, tables.table(str(table), readonly=False, ack=False) as opened:
        opened.putcell("SIGMA", 0, opened.getcell("SIGMA", 0))
    assert table / "table.f20_TSM1" in noted


def test_link_where_a_copy_is_needed_is_refused(table: Path, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    spec = measured_spec(table, "DATA")
    stage_table(table, staged, spec)
    weights = next(name for name in map(os.fsdecode, spec.written) if "TSM" in name)
    (staged / weights).unlink()
    (staged / weights).hardlink_to(table / weights)
    before = snapshot(table)
    with pytest.raises(ValueError, match=f"staged/{weights} must be staged as a copy"):
        split_staged_table(os.fsencode(staged), spec)
    assert snapshot(table) == before


def test_staged_table_that_casacore_cannot_split_is_an_error_of_the_system(table: Path, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    spec = measured_spec(table, "DATA")
    stage_table(table, staged, spec)
    (staged / os.fsdecode(spec.placeholders[0])).unlink()
    with pytest.raises(OSError, match=re.escape(f"{staged}/{os.fsdecode(spec.placeholders[0])}")) as caught:
        split_staged_table(os.fsencode(staged), spec)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, os.fsencode(staged))


def test_table_in_use_by_another_process_is_described_at_once(table: Path) -> None:
    holder = (
        "import sys; from casacore.tables import table\n"
        "t = table(sys.argv[1], readonly=False, lockoptions='permanent', ack=False)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(table)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert describe_table(os.fsencode(table)).is_measurement_set
        process.communicate()


# --- describing


def test_shape_says_what_the_table_holds(table: Path) -> None:
    shape = describe_table(os.fsencode(table))
    assert shape.data_columns == ("DATA", "MODEL_DATA", "CORRECTED_DATA")
    assert shape.is_measurement_set
    assert Manager(20, "TiledShapeStMan", ("SIGMA",)) in shape.managers


def test_calibration_table_is_no_measurement_set(tmp_path: Path) -> None:
    write_calibration_table(tmp_path / "u.ms.split.phase_int")
    shape = describe_table(os.fsencode(tmp_path / "u.ms.split.phase_int"))
    assert (shape.is_measurement_set, shape.data_columns) == (False, ())


def test_table_in_one_file_is_split(tmp_path: Path) -> None:
    table, staged = tmp_path / "uid.ms", tmp_path / "staged"
    settings = tmp_path / "casarc"
    settings.write_text("table.storage.option: multifile\n")
    make = f"from support.measurement_sets import *; write_measurement_set(Path({str(table)!r}), Recipe(rows=12))"
    environment = {**os.environ, "CASARCFILES": str(settings), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", make], check=True, env=environment)
    assert (table / "table.mf").exists()
    split_table(table, staged, "CORRECTED_DATA")
    assert read_cells(staged)["DATA"] == read_cells(table)["CORRECTED_DATA"]


def test_table_behind_links_is_described(table: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in table.iterdir():
        (linked / path.name).symlink_to(path)
    assert describe_table(os.fsencode(linked)) == describe_table(os.fsencode(table))


@pytest.mark.parametrize(
    "name", ["table.dat", "table.f1", "table.f14", "table.f20", "table.f20_TSM1", "table.f22_TSM2"]
)
def test_missing_file_is_reported(table: Path, name: str) -> None:
    (table / name).unlink()
    with pytest.raises(TableBrokenError):
        describe_table(os.fsencode(table))


@pytest.mark.parametrize("name", ["table.dat", "table.f1", "table.f14", "table.f20", "table.f22_TSM2"])
def test_cut_file_is_reported(table: Path, name: str) -> None:
    os.truncate(table / name, (table / name).stat().st_size // 2)
    with pytest.raises(TableBrokenError):
        describe_table(os.fsencode(table))


@pytest.mark.parametrize("name", ["table.dat", "table.f1", "table.f14", "table.f20"])
def test_garbage_is_reported(table: Path, name: str) -> None:
    (table / name).write_bytes(np.random.default_rng(1).bytes((table / name).stat().st_size))
    with pytest.raises(TableBrokenError) as caught:
        describe_table(os.fsencode(table))
    assert caught.value.path == os.fsencode(table)


def test_name_that_is_no_text_is_reported(table: Path) -> None:
    description = table / "table.dat"
    description.write_bytes(description.read_bytes().replace(b"FLAG_ROW", b"FLAG\xffROW"))
    with pytest.raises(TableBrokenError, match=r"(?i)decode"):
        describe_table(os.fsencode(table))


def test_reason_names_the_table_and_no_scratch_folder(table: Path) -> None:
    (table / "table.f1").unlink()
    with pytest.raises(TableBrokenError) as caught:
        describe_table(os.fsencode(table))
    assert f"{table}/table.f1" in caught.value.reason
    assert "qa2pack-" not in caught.value.reason


def test_damage_in_the_description_never_ends_the_process(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    whole = (table / "table.dat").read_bytes()
    random = np.random.default_rng(7)
    answers = set()
    for _ in range(30):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=8):
            damaged[place] ^= 1 << int(random.integers(8))
        (table / "table.dat").write_bytes(damaged)
        try:
            describe_table(os.fsencode(table))
        except TableBrokenError as error:
            answers.add(error.reason)
    assert len(answers) > 5
    assert list(scratch.iterdir()) == []


def answers(reader: TableReader, table: Path) -> tuple[TableShape, SplitSpec]:
    shape = reader.describe(os.fsencode(table))
    spec = plan_split(shape, file_sizes(table), "DATA")
    assert spec
    return shape, reader.measure(os.fsencode(table), spec)


def test_reader_of_worlds_remembers_the_answers_about_a_table_while_it_is_the_same(table: Path) -> None:
    for recipe in (BY_FILES["like CASA"], BY_FILES["standard weights"]):
        shutil.rmtree(table)
        write_measurement_set(table, recipe)
        first = answers(RememberingReader(), table)
        again = answers(RememberingReader(), table)
        assert first == answers(TableReader(), table)
        assert all(one is other for one, other in zip(first, again, strict=True))
