from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.spool import OrderedSpool, RecordSpool
from qa2pack.manifest.path import sort_key
from support.generated import PATHS, members, plain, record_of


@pytest.fixture
def spool() -> Iterator[RecordSpool]:
    spool = RecordSpool()
    yield spool
    spool.close()


def sorted_records(spool: RecordSpool) -> list[FolderRecord]:
    return [decode_record(blob) for _, blob in spool.sorted_blobs()]


@given(members(), st.randoms(use_true_random=False))
def test_records_come_back_in_the_order_of_a_stream(written: list[FolderRecord], random: object) -> None:
    spool = RecordSpool()
    shuffled = list(written)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for record in shuffled:
        spool.add(record.path, encode_record(record))
    assert [plain(record) for record in sorted_records(spool)] == [plain(record) for record in written]
    spool.close()


@given(st.lists(PATHS, unique=True))
def test_folder_comes_before_all_that_is_in_it(paths: list[bytes]) -> None:
    ordered = sorted(paths, key=sort_key)
    late = [(a, b) for i, a in enumerate(ordered) for b in ordered[:i] if b.startswith(a + b"/")]
    assert late == []


def test_records_of_one_folder_become_one(spool: RecordSpool) -> None:
    spool.add(b"qa", encode_record(record_of(b"qa", {b"b": 2})))
    spool.add(b"log", encode_record(record_of(b"log")))
    spool.add(b"qa", encode_record(record_of(b"qa", {b"a": 1}, folders=[b"sub"])))
    log, qa = sorted_records(spool)
    assert (log.path, qa.path, qa.names, qa.folders) == (b"log", b"qa", [b"a", b"b"], [b"sub"])


@pytest.mark.parametrize("is_late", [True, False])
def test_digest_of_a_big_file_is_put_in_before_or_after_its_record(spool: RecordSpool, is_late: bool) -> None:
    blob = encode_record(record_of(b"raw", {b"a": 1, b"b": 2}, digests=NO_DIGEST * 2))
    if is_late:
        spool.add(b"raw", blob)
    spool.add_digest(b"raw", b"b", b"x" * 16)
    if not is_late:
        spool.add(b"raw", blob)
    (record,) = sorted_records(spool)
    assert (record.digest(0), record.digest(1)) == (NO_DIGEST, b"x" * 16)


def test_records_can_be_asked_for_again(spool: RecordSpool) -> None:
    spool.add(b"a", encode_record(record_of(b"a")))
    assert list(spool.sorted_blobs()) == list(spool.sorted_blobs()) != []


def test_records_can_be_added_after_some_were_read() -> None:
    spool = RecordSpool()
    spool.add(b"b", encode_record(FolderRecord(b"b", folders=[b"long name to read over"])))
    spool.add(b"c", encode_record(FolderRecord(b"c")))
    next(spool.sorted_blobs())
    spool.add(b"a", encode_record(FolderRecord(b"a")))
    assert [decode_record(blob).path for _, blob in spool.sorted_blobs()] == [b"a", b"b", b"c"]


def test_pieces_come_back_in_the_order_of_their_numbers() -> None:
    spool = OrderedSpool()
    for number in (2, 0, 3, 1):
        spool.add(number, b"%d;" % number * number)
    assert list(spool.pieces()) == [b"", b"1;", b"2;2;", b"3;3;3;"]
    spool.close()
