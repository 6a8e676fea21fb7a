"""Files that ask for more than they can be: memory, time, depth. What reads them refuses, and says so."""

import json
import os
import struct
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
import xxhash

from qa2pack.executor.tickets.check import check_tickets
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.alma.ticket_file import is_ticket_file
from qa2pack.manifest.casa.table_dat import TableNames, parse_table_file
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.wire import WireError, unpack
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.scan.table_look import look_into_table
from qa2pack.manifest.verify.sum_list import SumList, SumListError
from qa2pack.tarsplit.state import FinishedChunk, State, decode_state
from support.commands import run_here
from support.in_process import Delivery
from support.snapshots import snapshot

GREAT = 300 << 20
LITTLE = 64 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail if more than a little is asked for in between."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def with_holes(path: Path, start: bytes = b"", end: bytes = b"") -> None:
    """Write a great file that takes no room."""
    path.write_bytes(start)
    with path.open("r+b") as file:
        file.truncate(GREAT // tarfile.RECORDSIZE * tarfile.RECORDSIZE - len(end))
        file.seek(0, os.SEEK_END)
        file.write(end)


def great_name(path: Path) -> None:
    with_holes(path, header(tarfile.GNUTYPE_LONGNAME, GREAT - (1 << 20)))


def great_attributes(path: Path) -> None:
    with_holes(path, header(tarfile.XHDTYPE, GREAT - (1 << 20)))


def names_without_end(path: Path) -> None:
    path.write_bytes((header(tarfile.GNUTYPE_LONGNAME, 1) + b"a".ljust(512, b"\0")) * 5_000)
    os.truncate(path, 10_000 * tarfile.BLOCKSIZE // tarfile.RECORDSIZE * tarfile.RECORDSIZE)


def great_directory(path: Path) -> None:
    size = GREAT // tarfile.RECORDSIZE * tarfile.RECORDSIZE - 22
    with_holes(path, end=struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0))


BOMBS = pytest.mark.parametrize(
    ("suffix", "make"),
    [("tar", great_name), ("tar", great_attributes), ("tar", names_without_end), ("zip", great_directory)],
)


@BOMBS
def test_ticket_file_that_asks_for_memory_is_none_of_ours(
    suffix: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / f"x.ticket.{suffix}")
    with little_memory():
        assert not is_ticket_file(os.fsencode(tmp_path / f"x.ticket.{suffix}"))


@BOMBS
def test_ticket_file_that_asks_for_memory_is_damaged(
    suffix: str, make: Callable[[Path], None], delivery: Delivery
) -> None:
    delivery.make(Mode.COPY)
    path = delivery.path.with_name(f"{delivery.path.name}.ticket.{suffix}")
    path.unlink()
    make(path)
    with little_memory():
        (problem,) = check_tickets(delivery.package, OpenedFiles(), is_quick=True)
    assert problem.code is Code.TICKET_DAMAGED


def test_sum_list_of_one_line_that_fills_the_memory_lists_nothing(tmp_path: Path) -> None:
    with_holes(tmp_path / "list")
    sums = SumList(os.fsencode(tmp_path / "list"), Package(b"/data/2011.0.00229.S"), b"group/member")
    with little_memory(), pytest.raises(SumListError):
        sums.manifest_sum()


def state_text(fingerprint: object = "x", chunks: object = (), format_number: int = 2) -> bytes:
    """Return the text of a state of these values, with the right checksum."""
    wire = {"format": format_number, "fingerprint": fingerprint, "chunks": chunks}
    checksum = xxhash.xxh3_128_hexdigest(json.dumps(wire, sort_keys=True).encode())
    return json.dumps(wire | {"xxh128": checksum}).encode()


CHUNK = {"number": 1, "byte_count": 5, "xxh128": "a", "checksums": [["md5", "b"]], "stored": ""}


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[1]",
        state_text(format_number=3),
        state_text(chunks=5),
        state_text(fingerprint=5),
        state_text(chunks=[CHUNK | {"number": float("inf")}]),
        state_text(chunks=[CHUNK | {"number": "1"}]),
        state_text(chunks=[CHUNK | {"checksums": [["a"]]}]),
    ],
)
def test_state_of_a_delivery_that_makes_no_sense_is_none(text: bytes) -> None:
    assert decode_state(state_text(chunks=[CHUNK])) == State("x", (FinishedChunk(1, 5, "a", (("md5", "b"),)),))
    assert decode_state(text) is None


def counted(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def test_sets_of_keywords_without_end_are_given_up() -> None:
    fields = struct.pack(">I", 0x7FFFFFFF) + counted(b"RecordDesc") + struct.pack(">II", 2, 0xFFFFFF)
    sets = struct.pack(">I", 0x40000000) + counted(b"TableRecord") + struct.pack(">I", 1) + fields
    table = b"\xbe\xbe\xbe\xbe" + struct.pack(">I", 1000) + counted(b"Table") + struct.pack(">I", 2)
    # Each names its first field with all that stand behind it, so each goes on to the end.
    behind = [struct.pack(">I", count * (len(sets) + 4)) for count in range(20)]
    data = (
        table + bytes(8) + counted(b"PlainTable") + b"".join(sets + each for each in behind[::-1]) + bytes(2_000_000)
    )
    reads = _Counted(data)
    assert parse_table_file(reads).names() == TableNames()
    assert reads.taken < 1_000_000


class _Counted(bytes):
    """Bytes that count the pieces that are taken of them."""

    taken = 0

    def __getitem__(self, key: object) -> bytes:  # type: ignore[override]
        self.taken += 1
        return super().__getitem__(key)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
def test_description_of_a_table_that_is_no_file_names_none(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "table.dat")
    assert look_into_table(os.fsencode(tmp_path)).names == TableNames()


@pytest.mark.parametrize("name", ["manifests", "finished", "staging", "previous"])
@pytest.mark.parametrize("verb", ["plan", "apply", "rollback", "adopt", "verify", "status", "show", "log"])
def test_link_in_place_of_a_folder_of_the_control_folder_is_refused(
    name: str, verb: str, delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY, append="member")
    place = Path(os.fsdecode(delivery.package.control)) / name
    elsewhere = delivery.path.with_name("elsewhere")
    if place.exists():
        place.rename(elsewhere)
    else:
        elsewhere.mkdir()
    place.symlink_to(elsewhere)
    before = snapshot(delivery.path.parent)
    words = ("--append", "member", "--mode", "copy") if verb == "plan" else ()
    ran = run_here(capsys, verb, *((delivery.origin,) if verb == "plan" else ()), delivery.path, *words)
    assert ran.code == 1
    assert f"a link to {elsewhere}" in ran.err
    assert snapshot(delivery.path.parent) == before


def test_list_that_takes_many_times_its_bytes_in_memory_is_none_of_ours() -> None:
    with pytest.raises(WireError):
        unpack(msgpack.packb([0] * 100_000))


@pytest.mark.parametrize("empty", [b"\x90", b"\x80"], ids=["lists", "maps"])
def test_lists_of_nothing_are_none_of_ours(empty: bytes) -> None:
    """Each takes one byte on disk, and 64 in memory."""
    thousand = b"\xdc\x03\xe8" + empty * 1000
    with pytest.raises(WireError, match="more lists and maps"):
        unpack(b"\x81\xa8left_out\x9f" + thousand * 15)


def test_readme_header_that_is_no_text_of_a_person_is_refused(delivery: Delivery) -> None:
    path = delivery.path.with_name("README.header.txt")
    with_holes(path)
    with little_memory(), pytest.raises(Refused) as caught:
        delivery.plan(Mode.COPY, readme=os.fsencode(path))
    (problem,) = caught.value.problems
    assert (problem.path, "MiB" in str(problem.found)) == (os.fsencode(path), True)
