"""Which chunk each entry goes to: laws over any package and limit, and the rules one by one."""

import os
from collections.abc import Sequence
from itertools import accumulate, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.path import sort_key
from qa2pack.tarsplit.packing.best_fit import pack_sizes
from qa2pack.tarsplit.packing.partition import (
    Chunk,
    Fill,
    Measured,
    TooManyChunksError,
    capacity_blocks,
    cut_tables,
    partition,
    tar_bytes,
)

RECORD = 10240
MEMBER = b"sg_ouss_id/group_ouss_id/member_ouss_id"
FILLS = pytest.mark.parametrize("fill", list(Fill))


def room(blocks: int) -> int:
    """Return a limit that so many blocks of entries fit into."""
    return tar_bytes(blocks)


def package(*folders: tuple[str, Sequence[int], bool]) -> list[Measured]:
    """Return a package with a README of two blocks and these folders: path, blocks of the files, is a table."""
    return [
        Measured(MEMBER, 1, [2], readme=0),
        *(Measured(MEMBER + b"/" + os.fsencode(path), 1, files, is_table) for path, files, is_table in folders),
    ]


@st.composite
def packages(draw: st.DrawFn) -> list[Measured]:
    """Any small package, its folders in any order; some folders are tables, some tables lie in tables."""
    parts = st.sampled_from([b"a", b"b", b"a-b", b"c.ms"])
    paths = draw(st.sets(st.lists(parts, min_size=1, max_size=3).map(b"/".join), max_size=8))
    blocks = st.integers(1, 25) | st.integers(30, 60)
    made = [
        Measured(
            MEMBER + b"/" + path, draw(st.integers(1, 4)), draw(st.lists(blocks, max_size=4)), draw(st.booleans())
        )
        for path in paths
    ]
    return draw(st.permutations([Measured(MEMBER, 1, [draw(blocks)], readme=0), *made]))


LIMITS = st.integers(1, 6).map(lambda records: records * RECORD)


def folders_of(chunk: Chunk) -> list[int]:
    return [number for start, end in chunk.folders for number in range(start, end)]


def files_of(chunk: Chunk) -> list[int]:
    return [number for start, end in chunk.files for number in range(start, end)]


@given(folders=packages(), limit=LIMITS, fill=st.sampled_from(Fill))
def test_each_entry_is_in_exactly_one_chunk(folders: list[Measured], limit: int, fill: Fill) -> None:
    chunks = partition(folders, limit_bytes=limit, fill=fill)
    assert sorted(number for chunk in chunks for number in folders_of(chunk)) == list(range(len(folders)))
    file_count = sum(len(folder.file_blocks) for folder in folders)
    assert sorted(number for chunk in chunks for number in files_of(chunk)) == list(range(file_count))


@given(folders=packages(), limit=LIMITS, fill=st.sampled_from(Fill))
def test_chunk_has_the_size_of_its_entries_and_passes_the_limit_only_alone(
    folders: list[Measured], limit: int, fill: Fill
) -> None:
    ordered = sorted(folders, key=lambda folder: sort_key(folder.path))
    files = [blocks for folder in ordered for blocks in folder.file_blocks]
    for chunk in partition(folders, limit_bytes=limit, fill=fill):
        blocks = sum(ordered[number].blocks for number in folders_of(chunk))
        assert chunk.blocks == blocks + sum(files[number] for number in files_of(chunk)) > 0
        assert chunk.byte_count <= limit or len(folders_of(chunk)) + len(files_of(chunk)) == 1


@given(folders=packages(), limit=LIMITS, fill=st.sampled_from(Fill), data=st.data())
def test_order_of_the_input_does_not_matter(
    folders: list[Measured], limit: int, fill: Fill, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(folders))
    assert partition(folders, limit_bytes=limit, fill=fill) == partition(shuffled, limit_bytes=limit, fill=fill)


@given(folders=packages(), limit=LIMITS, fill=st.sampled_from(Fill))
def test_table_that_fits_is_in_one_chunk_with_all_below_it(folders: list[Measured], limit: int, fill: Fill) -> None:
    ordered = sorted(folders, key=lambda folder: sort_key(folder.path))
    starts = list(accumulate((len(folder.file_blocks) for folder in ordered), initial=0))
    chunks = partition(folders, limit_bytes=limit, fill=fill)
    for table in (folder for folder in ordered if folder.is_table):
        inside = [n for n, f in enumerate(ordered) if f is table or f.path.startswith(table.path + b"/")]
        blocks = sum(ordered[n].blocks + sum(ordered[n].file_blocks) for n in inside)
        if blocks > capacity_blocks(limit):
            continue
        files = {file for n in inside for file in range(starts[n], starts[n + 1])}
        holding = [c for c in chunks if set(folders_of(c)) & set(inside) or set(files_of(c)) & files]
        assert len(holding) == 1


@given(folders=packages(), limit=LIMITS, fill=st.sampled_from(Fill))
def test_readme_is_in_the_first_chunk(folders: list[Measured], limit: int, fill: Fill) -> None:
    assert files_of(partition(folders, limit_bytes=limit, fill=fill)[0])[0] == 0


@given(folders=packages(), limit=LIMITS)
def test_tight_is_never_more_than_order(folders: list[Measured], limit: int) -> None:
    tight = partition(folders, limit_bytes=limit, fill=Fill.TIGHT)
    assert len(tight) <= len(partition(folders, limit_bytes=limit, fill=Fill.ORDER))


@given(sizes=st.lists(st.integers(1, 12), max_size=5))
def test_packing_uses_the_fewest_bins_there_can_be(sizes: list[int]) -> None:
    def fits(bins: tuple[int, ...]) -> bool:
        return all(sum(s for s, b in zip(sizes, bins, strict=True) if b == bin) <= 12 for bin in set(bins))

    numbers = pack_sizes(sizes, 12)
    fewest = min(len(set(bins)) for bins in product(range(len(sizes)), repeat=len(sizes)) if fits(bins))
    assert fits(tuple(numbers))
    assert len(set(numbers)) == fewest


def test_packing_finds_what_largest_first_misses() -> None:
    # Largest first leaves a 6 over: 44+17, 24+24+8, 22+21+8+6. The search finds 44+8+8, 24+24+6+6, 22+21+17.
    sizes = [44, 24, 24, 22, 21, 17, 8, 8, 6, 6]
    assert len(set(pack_sizes(sizes, 61))) == 3


def one_by_one(sizes: Sequence[int], capacity: int) -> list[list[int]]:
    """Return which of the sizes go together if each goes to the last bin that is not for a too large one alone."""
    bins: list[list[int]] = []
    current: list[int] | None = None
    for index, size in enumerate(sizes):
        if size > capacity:
            bins.append([index])
            continue
        if current is None or sum(sizes[i] for i in current) + size > capacity:
            current = []
            bins.append(current)
        current.append(index)
    return bins


@given(
    sizes=st.lists(st.lists(st.integers(1, 25) | st.integers(30, 60), max_size=9), min_size=1, max_size=5),
    limit=LIMITS,
)
def test_order_fills_as_if_files_came_one_by_one(sizes: list[list[int]], limit: int) -> None:
    folders = [Measured(b"%02d" % number, 1, blocks) for number, blocks in enumerate(sizes)]
    capacity = capacity_blocks(limit)
    entries = [1] * len(folders) + [blocks for folder in sizes for blocks in folder]
    chunks = partition(folders, limit_bytes=limit, fill=Fill.ORDER)
    found = [[*folders_of(chunk), *(len(folders) + file for file in files_of(chunk))] for chunk in chunks]
    assert found == one_by_one(entries, capacity)


def test_order_fills_in_the_order_of_paths() -> None:
    chunks = partition(package(("b", [5, 5], False), ("a", [5, 5], False)), limit_bytes=room(18), fill=Fill.ORDER)
    assert [chunk.files for chunk in chunks] == [((0, 3),), ((3, 5),)]


@FILLS
def test_file_above_the_limit_has_a_chunk_of_its_own(fill: Fill) -> None:
    chunks = partition(package(("a", [3, 100, 3], False)), limit_bytes=room(18), fill=fill)
    assert sorted(chunk.files for chunk in chunks) == [((0, 2), (3, 4)), ((2, 3),)]


@FILLS
def test_chunk_that_is_exactly_full_takes_no_more(fill: Fill) -> None:
    folders = package(("a", [14], False))
    assert [chunk.byte_count for chunk in partition(folders, limit_bytes=RECORD, fill=fill)] == [RECORD]
    folders = package(("a", [15], False))
    assert len(partition(folders, limit_bytes=RECORD, fill=fill)) == 2


def test_readmes_of_all_members_are_in_the_first_chunk() -> None:
    members = [Measured(MEMBER + number, 1, [2], readme=0) for number in (b"", b"2", b"3")]
    raw = [Measured(MEMBER + number + b"/raw", 1, [16], False) for number in (b"", b"2", b"3")]
    chunks = partition(members + raw, limit_bytes=RECORD, fill=Fill.ORDER)
    assert set(files_of(chunks[0])) == {0, 2, 4}


@FILLS
def test_table_that_does_not_fit_is_cut_and_its_small_subtables_are_not(fill: Fill) -> None:
    folders = package(("t", [10, 10], True), ("t/SUB", [5, 5], True))
    chunks = partition(folders, limit_bytes=room(18), fill=fill)
    assert len([chunk for chunk in chunks if {3, 4} & set(files_of(chunk))]) == 1
    assert cut_tables(folders, room(18)) == (MEMBER + b"/t",)


@FILLS
def test_too_many_chunks_are_refused_with_a_limit_that_is_enough(fill: Fill) -> None:
    folders = package(("a", [15] * 1500, False))
    with pytest.raises(TooManyChunksError) as refused:
        partition(folders, limit_bytes=RECORD, fill=fill)
    assert refused.value.chunk_count > 999
    assert len(partition(folders, limit_bytes=refused.value.enough_bytes, fill=fill)) <= 999


def test_tight_fills_the_gaps_with_many_small_files() -> None:
    folders = package(("a", [1] * 5000, False), ("b", [1500, 1500, 1500], False))
    chunks = partition(folders, limit_bytes=room(3000), fill=Fill.TIGHT)
    assert len(chunks) == -(-sum(chunk.blocks for chunk in chunks) // capacity_blocks(room(3000)))


@FILLS
def test_table_that_fills_a_chunk_exactly_stays_together(fill: Fill) -> None:
    folders = package(("t", [10, 7], True))
    chunks = partition(folders, limit_bytes=RECORD, fill=fill)
    assert [(chunk.folders, chunk.files) for chunk in chunks] == [(((0, 1),), ((0, 1),)), (((1, 2),), ((1, 3),))]
