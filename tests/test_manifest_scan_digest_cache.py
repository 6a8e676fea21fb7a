import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.file_state import FileState, state_of
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import Stream, open_stream
from qa2pack.manifest.scan.digest_cache import KnownDigests, KnownFolder, KnownStream
from support.generated import record_of, stream_bytes
from support.in_process import write

SECOND_NS = 10**9
SCANNED_NS = 1000 * SECOND_NS
DIGEST = bytes(range(1, 17))
RECORD = record_of(
    b"qa", {b"a.png": 12}, source=b"X1/qa2", mtimes=[900 * SECOND_NS], ctimes=[950 * SECOND_NS], inodes=[77], device=4
)
STATE = FileState(size=12, mtime_ns=900 * SECOND_NS, ctime_ns=950 * SECOND_NS, inode=77, device=4)


def known_of(*records: FolderRecord) -> KnownFolder:
    return KnownFolder([(encode_record(record), SCANNED_NS) for record in records])


def test_digest_of_a_source_in_the_same_state_is_known() -> None:
    assert known_of(RECORD).digest(b"X1/qa2/a.png", STATE) == DIGEST


@pytest.mark.parametrize("attribute", ["size", "mtime_ns", "ctime_ns", "inode", "device"])
def test_digest_of_a_source_in_another_state_is_not_known(attribute: str) -> None:
    other = replace(STATE, **{attribute: getattr(STATE, attribute) + 1})
    assert known_of(RECORD).digest(b"X1/qa2/a.png", other) is None


@pytest.mark.parametrize("column", ["", "sizes", "mtimes", "ctimes", "inodes", "device"])
def test_digests_of_a_folder_are_known_while_all_states_are_the_same(tmp_path: Path, column: str) -> None:
    status = write(tmp_path / "a.png", b"content").stat()
    state = state_of(status)
    record = replace(
        RECORD,
        sizes=[state.size],
        mtimes=[state.mtime_ns],
        ctimes=[state.ctime_ns],
        inodes=[state.inode],
        device=state.device,
    )
    if column:
        value: Any = getattr(record, column)
        changes: dict[str, Any] = {column: value + 1 if column == "device" else [value[0] + 1]}
        record = replace(record, **changes)
    known = KnownFolder([(encode_record(record), state.mtime_ns + SECOND_NS)])
    found = known.unchanged(b"X1/qa2", [b"a.png"], [status])
    assert (found and found.digests) == (None if column else DIGEST)


def test_digest_of_another_source_is_not_known() -> None:
    assert known_of(RECORD).digest(b"X2/qa2/a.png", STATE) is None


def test_digest_that_was_never_taken_is_not_known() -> None:
    assert known_of(replace(RECORD, digests=NO_DIGEST)).digest(b"X1/qa2/a.png", STATE) is None


@pytest.mark.parametrize(("age_ns", "is_known"), [(-1, False), (0, False), (20_000_000, False), (20_000_001, True)])
def test_file_written_while_the_clock_stood_still_is_not_known(age_ns: int, is_known: bool) -> None:
    mtime_ns = SCANNED_NS - age_ns
    known = known_of(replace(RECORD, mtimes=[mtime_ns]))
    assert (known.digest(b"X1/qa2/a.png", replace(STATE, mtime_ns=mtime_ns)) is not None) is is_known


def test_any_of_several_records_may_know_it() -> None:
    linked = replace(RECORD, ctimes=[960 * SECOND_NS])
    known = known_of(RECORD, linked)
    found = [known.digest(b"X1/qa2/a.png", replace(STATE, ctime_ns=n * SECOND_NS)) for n in (950, 960, 970)]
    assert found == [DIGEST, DIGEST, None]


@pytest.fixture
def streams(tmp_path: Path) -> tuple[KnownStream, ...]:
    """Two streams, the first over several places of its index."""
    many = [record_of(b"%04d" % n, {b"x" * 200 + b"%d" % i: i for i in range(5)}) for n in range(3000)]
    for name, written in (("one", many), ("two", [RECORD])):
        (tmp_path / name).write_bytes(stream_bytes(written))
    paths = [os.fsencode(tmp_path / name) for name in ("one", "two")]
    return tuple(KnownStream(path, SCANNED_NS, open_stream(path).digest) for path in paths)


@pytest.mark.parametrize("order", [range(0, 3000, 7), range(2999, -1, -501), (5, 5, 2500, 4, 4, 2999)])
def test_folders_are_found_in_any_order(streams: tuple[KnownStream, ...], order: range) -> None:
    known = KnownDigests(streams)
    name = b"x" * 200 + b"3"
    identity = FileState(size=3, mtime_ns=5, ctime_ns=7, inode=4, device=0)
    folders = [known.folder(b"%04d" % number) for number in order]
    assert [folder.digest(name, identity) for folder in folders if folder] == [DIGEST] * len(folders)


def test_folders_of_several_batches_in_turn_are_found_with_a_read_of_each_place(
    streams: tuple[KnownStream, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownDigests(streams[:1])
    read: list[int] = []
    blobs_of = Stream.blobs

    def counted(stream: Stream, offset: int | None = None) -> Iterator[bytes]:
        read.append(1)
        return blobs_of(stream, offset)

    monkeypatch.setattr(Stream, "blobs", counted)
    for step in range(0, 700, 100):
        for batch in range(0, 2800, 700):
            assert known.folder(b"%04d" % (batch + step)) is not None
    assert len(read) <= len(open_stream(streams[0].path).index)


def test_folder_that_no_stream_has_is_not_known(streams: tuple[KnownStream, ...]) -> None:
    known = KnownDigests(streams)
    assert [known.folder(path) for path in (b"", b"0000/a", b"zzz", b"q")] == [None] * 4


def test_second_stream_is_asked_too(streams: tuple[KnownStream, ...]) -> None:
    assert KnownDigests(streams).folder(b"qa") is not None


def test_damaged_stream_knows_nothing(streams: tuple[KnownStream, ...]) -> None:
    path = Path(os.fsdecode(streams[1].path))
    path.write_bytes(path.read_bytes()[:-1])
    assert KnownDigests(streams).folder(b"qa") is None
