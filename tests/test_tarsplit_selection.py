"""Which delivery set a file is in, and where the entries of a set are among all entries."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.format.delivery_row import (
    DeliveryRow,
    check_row,
    escaped,
    expression_of,
    filled,
    named,
)
from qa2pack.manifest.path import UnsafePathError
from qa2pack.tarsplit.packing.bins import without
from qa2pack.tarsplit.selection import Selection, SetShare, spread

FILES = (
    b"README",
    b"qa/a.png",
    b"qa/deep/b.png",
    b"product/a.fits",
    b"product/a.txt",
    b"log/casa.log",
    b"logs/x.log",
)


def row(select: str, *, also: bool = False) -> DeliveryRow:
    return DeliveryRow(select, b"x.tar", (select,), also=also)


def selected(*rows: str | DeliveryRow) -> dict[bytes, list[int]]:
    """Return the sets of each file, of sets that select one path each; of none there is nothing."""
    selection = Selection(each if isinstance(each, DeliveryRow) else row(each) for each in rows)
    found = {}
    for path in FILES:
        folder, _, name = path.rpartition(b"/")
        if shares := [share.set for share in selection.shares(folder, [name]) if share.files]:
            found[path] = shares
    return found


@pytest.mark.parametrize(
    ("select", "files"),
    [
        ("README", {b"README"}),
        ("qa/**", {b"qa/a.png", b"qa/deep/b.png"}),
        ("qa/*", {b"qa/a.png"}),
        ("qa/*/*", {b"qa/deep/b.png"}),
        ("log/**", {b"log/casa.log"}),
        ("log*/**", {b"log/casa.log", b"logs/x.log"}),
        ("*/*.fits", {b"product/a.fits"}),
        ("**", set(FILES)),
        ("*", {b"README"}),
        ("product/[!b]?txt", {b"product/a.txt"}),
        ("qa", set()),
    ],
)
def test_path_selects(select: str, files: set[bytes]) -> None:
    assert selected(select) == {path: [0] for path in files}


def test_first_set_that_selects_a_file_has_it() -> None:
    found = selected("product/*.fits", "product/**", "**")
    assert found == {path: [2] for path in FILES} | {b"product/a.fits": [0], b"product/a.txt": [1]}
    assert selected("qa/**", "README").keys().isdisjoint({b"log/casa.log", b"product/a.txt"})


def test_set_beside_the_others_has_what_it_selects_and_takes_nothing_from_them() -> None:
    found = selected(row("**", also=True), "product/*.fits", row("product/*", also=True), "product/**")
    assert found == {path: [0] for path in FILES} | {b"product/a.fits": [1, 0, 2], b"product/a.txt": [3, 0, 2]}


def test_folder_without_files_goes_with_what_selects_all_below_it() -> None:
    selection = Selection([row("qa/*"), row("qa/**"), row("qa/deep/**", also=True)])
    empty = {folder: list(selection.shares(folder, [])) for folder in (b"", b"qa", b"qa/deep", b"log")}
    below = SetShare(1, [], has_folder=True)
    assert empty == {b"": [], b"qa": [below], b"qa/deep": [below, SetShare(2, [], has_folder=True)], b"log": []}


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted).map(tuple), max_size=8)


@given(flags=st.lists(st.booleans(), max_size=30), taken=SPANS)
def test_what_is_left_of_spans_is_what_is_not_taken(flags: list[bool], taken: list[tuple[int, int]]) -> None:
    spans = [(index, index + 1) for index, flag in enumerate(flags) if flag]
    left = without(spans, taken)
    gone = {index for start, end in taken for index in range(start, end)}
    assert [index for start, end in left for index in range(start, end)] == [
        start for start, _ in spans if start not in gone
    ]
    assert all(first[1] < then[0] for first, then in pairwise(left))


@given(flags=st.lists(st.booleans(), max_size=60), data=st.data())
def test_spans_of_a_part_are_found_among_all(flags: list[bool], data: st.DataObject) -> None:
    places = array("Q", [index for index, flag in enumerate(flags) if flag])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(places)), max_size=6)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    found = list(spread(spans, places))
    assert [place for start, end in found for place in range(start, end)] == [
        places[index] for start, end in spans for index in range(start, end)
    ]
    assert all(start < end for start, end in found)


@given(value=st.binary(min_size=1, max_size=20).filter(lambda value: b"/" not in value and b"\0" not in value))
def test_value_with_braces_stays_what_it_is(value: bytes) -> None:
    file = b"{project}_" + escaped(value) + b"_{part}.tar"
    name = named(filled(file, {"project": b"P{part}", "date": b""}), {"part": b"001"})
    assert name == b"P{part}_" + value + b"_001.tar"
    assert expression_of(filled(file, {"project": b"P{part}"})).fullmatch(name)


@pytest.mark.parametrize(
    "row",
    [
        DeliveryRow("a", b"a.tar", ()),
        DeliveryRow("a", b"a.tar", ("",)),
        DeliveryRow("a", b"a_{part}_of_{parts}.tar", ("x",)),
        DeliveryRow("a", b"a_{part}.tar", ("x",), 5),
        DeliveryRow("a", b"a.tar", ("x",), 5),
        DeliveryRow("a", b"a_{part}_{parts}.txt", ("x",), 5),
    ],
)
def test_row_that_makes_no_sense_is_damage(row: DeliveryRow) -> None:
    with pytest.raises(ValueError, match="delivery set"):
        check_row(row)


@pytest.mark.parametrize("file", [b"../a.tar", b"a/b.tar", b"", b"..", b"a\0.tar"])
def test_row_whose_file_is_no_name_is_damage(file: bytes) -> None:
    with pytest.raises(UnsafePathError):
        check_row(DeliveryRow("a", file, ("x",)))
