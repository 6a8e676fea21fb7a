import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.casa.column_split import (
    ColumnMissingError,
    LossyManagerError,
    Manager,
    SplitSpec,
    TableBrokenError,
    TableShape,
    Weights,
    is_table_file,
    manager_files,
    own_files,
    plan_split,
    weight_pairs,
)

TILED = "TiledShapeStMan"
OWN = {b"table.dat": 10, b"table.info": 11, b"table.lock": 12}


def shape_of(*managers: Manager, is_measurement_set: bool = True) -> TableShape:
    columns = tuple(name for manager in managers for name in manager.columns)
    return TableShape(columns, managers, is_measurement_set)


def tiled(sequence: int, *columns: str) -> Manager:
    return Manager(sequence, TILED, columns)


def files_of(shape: TableShape) -> dict[bytes, int]:
    tiles = {b"%s_TSM%d" % (each.header, n): 1000 + n for each in shape.managers for n in (0, 1) if each.is_tiled}
    return OWN | {each.header: 100 + each.sequence for each in shape.managers} | tiles


def planned(shape: TableShape, keep: str) -> SplitSpec:
    spec = plan_split(shape, files_of(shape), keep)
    assert spec is not None
    return spec


CASA = shape_of(
    Manager(1, "IncrementalStMan", ("TIME",)),
    tiled(2, "DATA"),
    tiled(20, "FLAG"),
    tiled(21, "WEIGHT"),
    tiled(22, "SIGMA"),
    tiled(23, "MODEL_DATA"),
    tiled(24, "CORRECTED_DATA"),
)


def test_table_that_is_no_measurement_set_is_packaged_as_it_is() -> None:
    shape = shape_of(tiled(1, "DATA"), tiled(2, "MODEL_DATA"), is_measurement_set=False)
    assert plan_split(shape, files_of(shape), "DATA") is None


@pytest.mark.parametrize(
    "columns", [("DATA",), ("FLOAT_DATA",), ("FLOAT_DATA", "LAG_DATA"), ("MODEL_DATA",), ()], ids=str
)
def test_measurement_set_of_one_data_column_or_single_dish_is_packaged_as_it_is(columns: tuple[str, ...]) -> None:
    shape = shape_of(*(tiled(number, name) for number, name in enumerate(("FLAG", *columns))))
    assert plan_split(shape, files_of(shape), columns[0] if columns else "DATA") is None


def test_corrected_data_alone_is_renamed() -> None:
    spec = planned(shape_of(tiled(1, "CORRECTED_DATA"), tiled(2, "FLAG")), "CORRECTED_DATA")
    assert (spec.drop, spec.dropped, spec.whole) == ((), (), False)


@pytest.mark.parametrize(
    "kind",
    ["DyscoStMan", "CompressComplex", "ScaledComplexData<Complex,Short>", "BitFlagsEngine<uChar   ", "Plug-in"],
)
def test_table_is_never_rewritten_where_values_that_stay_would_change(kind: str) -> None:
    shape = shape_of(Manager(1, kind, ("DATA",)), tiled(2, "CORRECTED_DATA"))
    with pytest.raises(LossyManagerError, match="keeps DATA"):
        plan_split(shape, files_of(shape), "DATA")


def test_compressed_column_may_be_dropped() -> None:
    shape = shape_of(Manager(1, "DyscoStMan", ("MODEL_DATA",)), tiled(2, "DATA"))
    assert planned(shape, "DATA").drop == ("MODEL_DATA",)


def test_compressed_data_alone_are_packaged_as_they_are() -> None:
    shape = shape_of(Manager(1, "DyscoStMan", ("DATA",)))
    assert plan_split(shape, files_of(shape), "DATA") is None


def test_column_that_is_not_there_is_refused() -> None:
    shape = shape_of(tiled(1, "MODEL_DATA"), tiled(2, "CORRECTED_DATA"))
    with pytest.raises(ColumnMissingError, match="no column DATA to keep, only MODEL_DATA, CORRECTED_DATA"):
        plan_split(shape, files_of(shape), "DATA")


def test_all_files_of_the_columns_that_go_are_dropped_and_no_others() -> None:
    spec = planned(CASA, "CORRECTED_DATA")
    # table.f2 goes, table.f20 and its like, whose names begin with it, stay.
    assert spec.dropped == (
        b"table.f2",
        b"table.f23",
        b"table.f23_TSM0",
        b"table.f23_TSM1",
        b"table.f2_TSM0",
        b"table.f2_TSM1",
    )
    assert spec.drop == ("DATA", "MODEL_DATA")


OTHERS = dict.fromkeys(
    (
        b"table.notes.txt",
        b"table.png",
        b"table.f23.bak",
        b"table.f23_TSM0.md5",
        b"table.f23 (copy)",
        b"table.f21_old",
        b"table.f21\n",
        b"table.figure",
        b"table.mfx",
        b"table.dat.orig",
    ),
    7,
)


def test_file_of_the_user_is_not_the_tables_whatever_its_name_begins_with() -> None:
    by_files = plan_split(CASA, files_of(CASA) | OTHERS, "DATA")
    assert by_files == planned(CASA, "DATA")
    shared = shape_of(tiled(21, "DATA", "MODEL_DATA"), tiled(23, "FLAG"))
    assert plan_split(shared, files_of(shared) | OTHERS, "DATA") == planned(shared, "DATA")
    assert not any(map(is_table_file, OTHERS))


@pytest.mark.parametrize("name", ["i", "_TSM0", "_TSM12", "-shapes", "data", "meta", "seqnr", ".bp"])
def test_what_a_manager_adds_to_its_name_is_the_tables(name: str) -> None:
    files = (b"table.f12" + name.encode(), b"table.f1" + name.encode())
    assert set(own_files((*OTHERS, *files))) == set(files)
    assert manager_files(tiled(1), files) == files[1:]
    assert all(map(is_table_file, files))


def test_headers_of_the_columns_that_go_are_placeholders() -> None:
    assert planned(CASA, "CORRECTED_DATA").placeholders == (b"table.f2", b"table.f23")


@pytest.mark.parametrize(("keep", "number"), [("DATA", 21), ("CORRECTED_DATA", 22), ("MODEL_DATA", None)])
def test_only_the_weights_that_follow_are_written(keep: str, number: int | None) -> None:
    header = b"table.f%d" % (number or 0)
    weights = {header, header + b"_TSM0", header + b"_TSM1"} if number else set()
    assert set(planned(CASA, keep).written) == {*OWN, *weights}


def test_sizes_of_tiled_weights_are_known_at_once() -> None:
    assert planned(CASA, "DATA").sizes == ((b"table.f21", 121), (b"table.f21_TSM0", 1000), (b"table.f21_TSM1", 1001))


def test_sizes_of_incremental_weights_are_not_known() -> None:
    weights = (Manager(4, "IncrementalStMan", ("WEIGHT",)), tiled(5, "SIGMA"))
    spec = planned(shape_of(tiled(1, "DATA"), tiled(2, "MODEL_DATA"), *weights), "DATA")
    assert spec.written == (b"table.dat", b"table.f4", b"table.info", b"table.lock")
    assert spec.sizes == ()


def test_missing_lock_file_is_not_asked_for() -> None:
    files = files_of(CASA)
    del files[b"table.lock"]
    spec = plan_split(CASA, files, "DATA")
    assert spec is not None
    assert b"table.lock" not in spec.written


@pytest.mark.parametrize(
    "managers",
    [
        (tiled(1, "DATA", "MODEL_DATA"),),
        (tiled(1, "DATA"), Manager(2, "StandardStMan", ("MODEL_DATA", "ANTENNA1"))),
        (tiled(1, "DATA"), Manager(2, "StandardStMan", ("MODEL_DATA",))),
        (tiled(1, "DATA"), tiled(2, "MODEL_DATA"), Manager(3, "StManAipsIO", ("FLAG",))),
    ],
    ids=["tiles shared", "buckets shared", "no header", "unknown manager"],
)
def test_table_whose_columns_have_no_files_of_their_own_is_written_as_a_whole(managers: tuple[Manager, ...]) -> None:
    shape = shape_of(*managers)
    spec = planned(shape, "DATA")
    assert spec.whole
    assert spec.written == tuple(sorted(files_of(shape)))


def test_table_in_one_container_file_is_written_as_a_whole() -> None:
    spec = plan_split(CASA, OWN | {b"table.mf": 1, b"notes.txt": 2}, "DATA")
    assert spec is not None
    assert (spec.whole, spec.written) == (True, (b"table.dat", b"table.info", b"table.lock", b"table.mf"))


def test_columns_that_stay_may_share_a_manager() -> None:
    spec = planned(shape_of(tiled(1, "DATA", "FLAG"), tiled(2, "MODEL_DATA")), "DATA")
    assert not spec.whole


@pytest.mark.parametrize(
    ("columns", "keep", "pairs"),
    [
        ("WEIGHT SIGMA", "DATA", (("SIGMA", "WEIGHT"),)),
        ("WEIGHT SIGMA", "CORRECTED_DATA", (("WEIGHT", "SIGMA"),)),
        ("WEIGHT SIGMA WEIGHT_SPECTRUM", "DATA", (("SIGMA", "WEIGHT"),)),
        (
            "WEIGHT SIGMA WEIGHT_SPECTRUM SIGMA_SPECTRUM",
            "CORRECTED_DATA",
            (("WEIGHT", "SIGMA"), ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")),
        ),
        ("WEIGHT SIGMA", "FLOAT_DATA", ()),
    ],
)
def test_weights_follow_the_column_that_is_kept(columns: str, keep: str, pairs: tuple[tuple[str, str], ...]) -> None:
    assert weight_pairs(columns.split(), keep, Weights.CONSISTENT) == pairs


def test_weights_by_channel_stay_where_casa_leaves_them() -> None:
    columns = ("WEIGHT", "SIGMA", "WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
    assert weight_pairs(columns, "DATA", Weights.CASA) == (("SIGMA", "WEIGHT"),)
    assert weight_pairs(columns, "CORRECTED_DATA", Weights.CASA) == (
        ("WEIGHT", "SIGMA"),
        ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"),
    )


@given(
    homes=st.lists(st.integers(0, 9), min_size=7, max_size=7),
    kinds=st.lists(st.sampled_from([TILED, "StandardStMan", "IncrementalStMan"]), min_size=10, max_size=10),
    keep=st.sampled_from(["DATA", "CORRECTED_DATA"]),
)
def test_no_file_of_a_column_that_stays_is_ever_dropped(homes: list[int], kinds: list[str], keep: str) -> None:
    names = ("DATA", "MODEL_DATA", "CORRECTED_DATA", "WEIGHT", "SIGMA", "FLAG", "TIME")
    grouped = {home: tuple(n for n, h in zip(names, homes, strict=True) if h == home) for home in homes}
    shape = shape_of(*(Manager(home, kinds[home], columns) for home, columns in grouped.items()))
    spec = planned(shape, keep)
    staying = {each.header for each in shape.managers if not set(spec.drop).issuperset(each.columns)}
    assert staying.isdisjoint(spec.dropped)
    assert set(spec.written).isdisjoint(spec.dropped)
    assert files_of(shape).keys() >= {*spec.written, *spec.dropped}
    assert set(spec.dropped) >= set(spec.placeholders)


@pytest.mark.parametrize(
    "error", [TableBrokenError(b"/o/\x1b[31mt", "no \n luck"), ColumnMissingError("DATA", ("MODEL_DATA",))]
)
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))
    assert str(error).isprintable()
