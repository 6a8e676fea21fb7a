import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import FolderRecord, merge_records, with_digests
from qa2pack.manifest.format.record_codec import (
    absolute_sources,
    check_columns,
    check_record,
    decode_record,
    encode_record,
    grouped_blobs,
    record_path,
)
from qa2pack.manifest.format.wire import WireError
from qa2pack.manifest.path import UnsafePathError
from support.generated import plain, record_of, records

UNSAFE_NAMES = [b"..", b".", b"a/b", b"/a", b"/"]
UNSAFE_PATHS = [b"..", b"a/../b", b"a//b", b"a/./b", b"a/", b"a/..", b"./a"]


def wire(record: FolderRecord, **columns: object) -> bytes:
    """Return the record as it would come from a writer that checks nothing."""
    names = FolderRecord.__slots__
    values = dict(zip(names, msgpack.unpackb(encode_record(record)), strict=True))
    packed: bytes = msgpack.packb([columns.get(name, values[name]) for name in names])
    return packed


@given(records())
def test_decoding_inverts_encoding(record: FolderRecord) -> None:
    assert plain(decode_record(encode_record(record))) == plain(record)


@given(records())
def test_path_is_read_without_the_rest(record: FolderRecord) -> None:
    assert record_path(encode_record(record)) == record.path


@given(records())
def test_parts_of_a_folder_merge_to_the_whole(record: FolderRecord) -> None:
    count = len(record.names)
    evens, odds = record.selected(range(0, count, 2)), record.selected(range(1, count, 2))
    assert list(merge_records([odds, evens]).entries()) == list(record.entries())


def test_merged_record_names_the_subfolders_of_all_parts() -> None:
    parts = [record_of(folders=[b"b"]), record_of(folders=[b"a"]), record_of(sizes={b"x": 1})]
    assert merge_records(parts).folders == [b"a", b"b"]


def test_merged_record_does_not_depend_on_the_order_of_its_parts() -> None:
    one = record_of(sizes={b"a": 1}, device=1, source=b"X1")
    other = record_of(sizes={b"b": 2}, device=2, source=b"X2")
    assert merge_records([one, other]) == merge_records([other, one])


def test_source_of_a_file_is_its_name_in_the_source_folder_unless_it_has_another() -> None:
    record = record_of(sizes={b"a": 1}, source=b"X1")
    assert record.source_path(0) == b"X1/a"
    assert replace(record, source_names=[b"sub/b"]).source_path(0) == b"X1/sub/b"


def test_digest_is_replaced_where_it_is_given() -> None:
    record = with_digests(record_of(sizes={b"a": 1, b"b": 2}), {1: b"x" * 16})
    assert (record.digest(0), record.digest(1)) == (bytes(range(1, 17)), b"x" * 16)


def test_entry_shows_one_file() -> None:
    (entry,) = record_of(b"qa", {b"a.png": 12}).entries()
    assert (entry.path, entry.size, entry.action, entry.source) == (b"qa/a.png", 12, Action.COPY, b"a.png")


@pytest.mark.parametrize("column", ["names", "folders"])
@pytest.mark.parametrize("name", [*UNSAFE_NAMES, b"a\0..", b"..\0a", b"a\0\0b", b"\0", b"a\0"])
def test_unsafe_name_is_refused(column: str, name: bytes) -> None:
    with pytest.raises(UnsafePathError):
        decode_record(wire(record_of(sizes={b"a": 1}), **{column: name}))


@pytest.mark.parametrize("path", [*UNSAFE_PATHS, b"/a", b"a\0b"])
def test_unsafe_folder_is_refused(path: bytes) -> None:
    with pytest.raises(UnsafePathError):
        decode_record(wire(record_of(), path=path))


@pytest.mark.parametrize("column", ["source", "source_names"])
@pytest.mark.parametrize("path", [*UNSAFE_PATHS, b"//a", b"/a/../b", b"/.."])
def test_source_with_a_detour_is_refused(column: str, path: bytes) -> None:
    with pytest.raises(UnsafePathError):
        absolute_sources(wire(record_of(sizes={b"a": 1}), **{column: path}))


@pytest.mark.parametrize("column", ["path", "names", "folders", "source", "source_names"])
@pytest.mark.parametrize("filling", [b"\0", b"/"])
def test_column_without_a_name_in_it_asks_for_little_memory(column: str, filling: bytes) -> None:
    size = 1 << 18
    blob = wire(record_of(sizes={b"a": 1}), **{column: filling * size})
    tracemalloc.start()
    try:
        with pytest.raises((UnsafePathError, WireError)):
            decode_record(blob)
        assert tracemalloc.get_traced_memory()[1] < 6 * size
    finally:
        tracemalloc.stop()


def test_safe_names_that_look_unsafe_are_taken() -> None:
    record = record_of(b"...", dict.fromkeys([b"...", b".a", b"..a", b"a..", b"\n", b"-", b"\xff"], 1))
    assert plain(decode_record(encode_record(record))) == plain(record)


def test_sources_outside_are_listed() -> None:
    record = record_of(sizes={b"a": 1, b"b": 2})
    assert absolute_sources(encode_record(record)) == []
    assert absolute_sources(encode_record(replace(record, source=b"/elsewhere"))) == [b"/elsewhere"]
    assert absolute_sources(encode_record(replace(record, source_names=[b"x/a", b"/etc/b"]))) == [b"/etc/b"]


@given(records())
def test_every_absolute_source_is_listed(record: FolderRecord) -> None:
    found = absolute_sources(encode_record(record))
    outside = [record.source_path(i) for i in range(len(record.names)) if record.source_path(i).startswith(b"/")]
    assert all(any(path.startswith(reported) for reported in found) for path in outside)
    assert all(reported.startswith(b"/") for reported in found)


@pytest.mark.parametrize(
    "columns",
    [
        {"sizes": b""},
        {"sizes": b"12345"},
        {"mtimes": bytes(16)},
        {"modes": b""},
        {"actions": b""},
        {"actions": b"\xff"},
        {"digests": bytes(15)},
        {"inodes": b""},
        {"ctimes": b""},
        {"names": b"b\0a"},
        {"names": b"a\0a"},
        {"source_names": b"a\0b"},
        {"folders": b"b\0a"},
        {"path": 1},
        {"names": "a"},
        {"source": None},
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_record(wire(record_of(sizes={b"a": 1}), **columns))
    with pytest.raises(ValueError, match=r"."):
        check_record(wire(record_of(sizes={b"a": 1}), **columns))


@pytest.mark.parametrize("columns", [{"names": b"b\0a"}, {"names": b"a\0a"}, {"folders": b"b\0a"}])
@pytest.mark.parametrize("read", [decode_record, check_record])
def test_names_that_are_not_sorted_are_refused(read: Callable[[bytes], object], columns: dict[str, object]) -> None:
    with pytest.raises(WireError, match="not sorted"):
        read(wire(record_of(sizes={b"a": 1, b"b": 2}), **columns))


@pytest.mark.parametrize("columns", [{"sizes": b""}, {"ctimes": bytes(16)}, {"digests": b""}, {"names": b"a\0b"}])
def test_columns_of_other_lengths_are_refused_without_a_look_at_paths(columns: dict[str, object]) -> None:
    check_columns(wire(record_of(sizes={b"a": 1})))
    with pytest.raises(WireError):
        check_columns(wire(record_of(sizes={b"a": 1}), **columns))


@pytest.mark.parametrize("read", [decode_record, check_record, absolute_sources])
def test_source_folder_of_two_parts_is_refused(read: Callable[[bytes], object]) -> None:
    with pytest.raises(UnsafePathError):
        read(wire(record_of(sizes={b"a": 1}), source=b"a\0b"))


@pytest.mark.parametrize("length", [1, 31, 32, 255, 256, 70_000])
def test_path_of_any_length_is_read_without_the_rest(length: int) -> None:
    assert record_path(encode_record(record_of(b"p" * length))) == b"p" * length


def test_records_are_grouped_until_they_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa2pack.manifest.format.record_codec._GROUP_BYTES", 10)
    blobs = [b"1234", b"123456", b"1", b"12345678", b"1", b"12345678901234", b"12"]
    groups = [tuple(blobs[:2]), tuple(blobs[2:5]), tuple(blobs[5:6]), tuple(blobs[6:])]
    assert list(grouped_blobs(blobs)) == groups


@pytest.mark.parametrize("blob", [b"", b"\xc0", msgpack.packb([1, 2]), msgpack.packb({}), b"\xff" * 20])
def test_what_is_no_record_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        absolute_sources(blob)
