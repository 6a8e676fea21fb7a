import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings

from qa2pack.manifest.format import stream
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.stream import VERSION, StreamError, open_stream, peek_stream
from support.generated import members, plain, record_of, stream_bytes

# Hypothesis runs many examples with one tmp_path, and each of them writes the file again.
rewriting = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

SMALL = stream_bytes(
    [record_of(folders=[b"qa"]), record_of(b"qa", {b"a.png": 3})], {"kind": "manifest"}, {"totals": [1, 2]}
)
MANY = [record_of(b"%05d" % number, {b"x" * 200 + b"%d" % n: n for n in range(5)}) for number in range(4000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stream"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A stream of several MiB, so that its index has several places."""
    file = tmp_path_factory.mktemp("stream") / "many"
    file.write_bytes(stream_bytes(MANY))
    return os.fsencode(file)


def reason(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(StreamError) as caught:
        open_stream(os.fsencode(path))
    return caught.value.reason


@rewriting
@given(members())
def test_stream_gives_back_what_was_written(path: Path, written: list[FolderRecord]) -> None:
    path.write_bytes(stream_bytes(written, {"kind": "plan", "n": 1}, {"left": [b"\xff"]}))
    stream = open_stream(os.fsencode(path))
    assert [plain(decode_record(blob)) for blob in stream.blobs()] == [plain(record) for record in written]
    assert (stream.header, stream.notes) == ({"kind": "plan", "n": 1}, {"left": [b"\xff"]})
    assert stream.folder_count == len(written)


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    unnoticed = []
    for offset in range(len(SMALL)):
        for bit in range(8):
            data = bytearray(SMALL)
            data[offset] ^= 1 << bit
            path.write_bytes(data)
            try:
                open_stream(os.fsencode(path))
                unnoticed.append((offset, bit))
            except StreamError:
                pass
    assert unnoticed == []


def test_every_truncation_is_noticed(path: Path) -> None:
    for length in range(1, len(SMALL)):
        assert "truncated" in reason(path, SMALL[:length]), length


def test_bytes_behind_the_end_are_noticed(path: Path) -> None:
    assert "end is damaged" in reason(path, SMALL + b"\0")


def test_part_that_was_cut_out_is_noticed(path: Path) -> None:
    assert "is damaged" in reason(path, SMALL[:60] + SMALL[80:])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(100), b"\n", b"qa2PACK\n" + bytes(100)])
def test_foreign_file_is_called_foreign(path: Path, data: bytes) -> None:
    assert reason(path, data) == "is not a plan or manifest of this program"


def test_newer_version_is_called_newer(path: Path) -> None:
    newer = SMALL[:8] + struct.pack("<H", VERSION + 1) + b"whatever comes then"
    assert reason(path, newer) == "has format version 2; this program reads up to 1: use a newer one"


def test_damage_in_the_middle_is_called_damage(path: Path) -> None:
    middle = SMALL.index(b"a.png")
    assert "checksum" in reason(path, SMALL[:middle] + b"b" + SMALL[middle + 1 :])


def test_missing_file_is_no_damaged_one(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_stream(os.fsencode(path))


@pytest.mark.parametrize("number", [0, 1, 700, 2000, 3998, 3999])
def test_folder_is_found_through_the_index(many: bytes, number: int) -> None:
    stream = open_stream(many)
    assert len(stream.index) > 2
    assert stream.find(b"%05d" % number) == encode_record(MANY[number])


@pytest.mark.parametrize("path", [b"", b"00000/x", b"01999a", b"zzz"])
def test_folder_that_is_not_there_is_not_found(many: bytes, path: bytes) -> None:
    assert open_stream(many).find(path) is None


def test_looking_for_a_late_folder_does_not_read_the_early_ones(many: bytes) -> None:
    found = next(iter(open_stream(many).blobs_from(b"03999")))
    assert decode_record(found).path > b"03000"


@pytest.mark.parametrize("read", [open_stream, peek_stream])
def test_nothing_is_unpacked_before_the_checksum_is_compared(
    path: Path, read: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    middle = SMALL.index(b"a.png")
    path.write_bytes(SMALL[:middle] + b"b" + SMALL[middle + 1 :])
    monkeypatch.setattr(stream, "unpack_map", pytest.fail)
    with pytest.raises(StreamError, match="its checksum does not fit"):
        read(os.fsencode(path))


def sealed(path: Path, frames: list[tuple[bytes, object]]) -> bytes:
    """Write a stream of these frames, whatever they hold, with a right checksum; return its path."""
    data = bytearray(struct.pack("<8sH", b"qa2pack\n", VERSION))
    places = {}
    for kind, value in frames:
        places[kind] = len(data)
        payload = value if isinstance(value, bytes) else msgpack.packb(value)
        data += struct.pack("<cI", kind, len(payload)) + payload
    data += struct.pack("<QQ", places[b"N"], places[b"T"])
    path.write_bytes(data + xxhash.xxh3_128_digest(data) + b"qa2end.\n")
    return os.fsencode(path)


ONE = encode_record(record_of(sizes={b"a": 1}))
COLUMNS = msgpack.unpackb(ONE)
SOUND: list[tuple[bytes, object]] = [
    (b"H", {}),
    (b"F", ONE),
    (b"N", {}),
    (b"T", {"folders": 1, "index": [[b"", 16]]}),
]
VALUES: tuple[object, ...] = (None, "text", -1.5, [b"a"], {}, b"odd")
ILL_TYPED: dict[str, tuple[int, object]] = {
    "header that is a list": (0, [1]),
    "header that is empty": (0, b""),
    "header with a number for a name": (0, {1: 2}),
    "notes that are a number": (2, 7),
    "notes with something behind them": (2, b"\x80\x80"),
    "notes of thousand lists in each other": (2, b"\x91" * 100_000 + b"\x90"),
    "list of milliards": (2, b"\x81\xa1a\xdd\xff\xff\xff\xff"),
    "moment for a map": (2, b"\xd6\xff\0\0\0\0"),
    "index without places": (3, {"folders": 1, "index": [[1, 2]]}),
    "index with another place": (3, {"folders": 1, "index": [[b"", 17]]}),
    "index with another folder": (3, {"folders": 1, "index": [[b"qa", 16]]}),
    "other number of folders": (3, {"folders": 2, "index": [[b"", 16]]}),
    "record that is a map": (1, {}),
    "record without a column": (1, COLUMNS[:-1]),
    **{
        f"{name} as {type(value).__name__}": (1, [*COLUMNS[:i], value, *COLUMNS[i + 1 :]])
        for i, name in enumerate(FolderRecord.__slots__)
        for value in VALUES
        if not (value == b"odd" and name in {"path", "names", "folders", "source", "source_names"})
    },
    "action that is none": (1, [*COLUMNS[:6], b"\x63", *COLUMNS[7:]]),
}


@pytest.mark.parametrize(("number", "value"), ILL_TYPED.values(), ids=ILL_TYPED)
def test_wrong_type_under_a_right_checksum_is_damage(path: Path, number: int, value: object) -> None:
    assert open_stream(sealed(path, SOUND)).folder_count == 1
    frames = [*SOUND]
    frames[number] = (frames[number][0], value)
    with pytest.raises(StreamError, match="is damaged"):
        open_stream(sealed(path, frames))


@pytest.mark.parametrize("folders", [[b"qa", b""], [b"", b""], [b"a/b", b"a"]])
def test_folders_out_of_order_under_a_right_checksum_are_damage(path: Path, folders: list[bytes]) -> None:
    frames = [(b"F", encode_record(record_of(folder))) for folder in folders]
    with pytest.raises(StreamError, match="not sorted"):
        open_stream(sealed(path, [SOUND[0], *frames, SOUND[2], (b"T", {"folders": 2, "index": [[folders[0], 16]]})]))


@pytest.mark.parametrize("read", [open_stream, peek_stream])
def test_frame_of_a_file_full_of_holes_asks_for_no_memory(path: Path, read: Callable[[bytes], object]) -> None:
    size = 300 << 20  # more than notes can hold
    with path.open("wb") as file:
        file.write(struct.pack("<8sH", b"qa2pack\n", VERSION) + struct.pack("<cI", b"H", 1) + b"\x80")
        notes_offset = file.tell()
        file.write(struct.pack("<cI", b"N", size))
        file.seek(size, os.SEEK_CUR)
        trailer_offset = file.tell()
        trailer = msgpack.packb({"folders": 0, "index": []})
        file.write(struct.pack("<cI", b"T", len(trailer)) + trailer)
        file.write(struct.pack("<QQ", notes_offset, trailer_offset) + bytes(16) + b"qa2end.\n")
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="is damaged"):
            read(os.fsencode(path))
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("number", [0, 3])
def test_header_or_trailer_of_more_than_it_can_hold_is_not_read(path: Path, number: int) -> None:
    frames = [*SOUND]
    frames[number] = (frames[number][0], bytes((16 << 20) + 1))
    name = sealed(path, frames)
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="is damaged"):
            open_stream(name)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
