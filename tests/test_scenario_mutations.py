"""Control files changed at random and sealed again with right checksums: only the documented errors come out.

The long version, `make torture`, tries many thousands; every run of the same version tries the same ones.
"""

import os
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgpack
import pytest
import xxhash

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import JournalError, create_journal, read_journal
from qa2pack.executor.transaction.journal_records import Begin, Commit, End, Publishing, Staged
from qa2pack.executor.transaction.recovery import phase_of
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.format.files import open_manifest, open_plan
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import absolute_sources
from qa2pack.manifest.format.stream import StreamError, peek_stream
from qa2pack.manifest.format.wire import WireError
from qa2pack.manifest.path import UnsafePathError
from qa2pack.manifest.problem import Refused
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.verify.package import verify_package
from qa2pack.pack.audit.catalogue import opened_catalogue
from qa2pack.pack.audit.make import AuditOptions, audit
from qa2pack.pack.audit.shelved import Shelved, Standing
from qa2pack.pack.export.json_lines import json_lines
from qa2pack.pack.jobs.engines import Workers
from qa2pack.tarsplit.check import check_delivery
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.sidecar import open_sidecar
from qa2pack.tarsplit.state import EarlierVersion, FinishedChunk, State, decode_state, encode_state
from support.deliveries import DAY, cut_up
from support.in_process import Delivery, add_measurement_sets
from support.journals import framed, sound_payloads
from support.measurement_sets import Recipe

DOCUMENTED = (StreamError, JournalError, WireError, UnsafePathError)
ODD_VALUES = (None, 0, -1, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "x", "good", b"", b"/", b"/a\0b", b"\xff")
FRAME = struct.Struct("<cI")
START_BYTES = 10
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 1.5, float("nan")),
    *("", "x", "..", "a\0b", b"", b"..", b"/", b"a//b", b"\0", b"\xff", b"x" * 70_000),
    *([], [[]], {}, {"a": 1}, [1, 2, 3], msgpack.Timestamp(0, 0), msgpack.ExtType(5, b"x")),
)


def frames_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and payload of each frame of a stream."""
    frames: list[tuple[bytes, bytes]] = []
    start = START_BYTES
    while not frames or frames[-1][0] != b"T":
        kind, length = FRAME.unpack_from(data, start)
        start += FRAME.size + length
        frames.append((kind, data[start - length : start]))
    return frames


def sealed(start: bytes, frames: list[tuple[bytes, bytes]]) -> bytes:
    """Return the stream of these frames, its checksum right."""
    data, places = bytearray(start), {b"N": 0, b"T": 0}
    for kind, payload in frames:
        places[kind] = len(data)
        data += FRAME.pack(kind, len(payload)) + payload
    data += struct.pack("<QQ", places[b"N"], places[b"T"])
    return bytes(data) + xxhash.xxh3_128_digest(data) + b"qa2end.\n"


def changed_value(value: Any, chance: random.Random) -> Any:
    """Return the value with one thing in it, at any depth, replaced, gone or twice there."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys or chance.random() < 0.1:
        return (
            changed_bytes(value, chance)
            if value and type(value) is bytes and chance.random() < 0.5
            else chance.choice(ODD)
        )
    key = chance.choice(keys)
    match chance.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, list):
            value.insert(key, value[key])
        case _:
            value[key] = changed_value(value[key], chance)
    return value


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with a few of them others, gone, or more of them."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed) + 1)
        changed[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(changed)


def changed_payload(payload: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return changed_bytes(payload, chance)
    return bytes(msgpack.packb(changed_value(msgpack.unpackb(payload), chance)))


def changed_stream(data: bytes, chance: random.Random) -> bytes:
    """Return the stream with one frame of another content, or with its frames in another order or number."""
    frames = frames_of(data)
    number = chance.randrange(len(frames))
    match chance.randrange(12):
        case 0:
            del frames[number]
        case 1:
            frames.insert(chance.randrange(len(frames)), frames[number])
        case 2:
            frames[number] = (chance.choice([b"H", b"F", b"N", b"T", b"X"]), frames[number][1])
        case _:
            number = chance.choice([0, number, len(frames) - 2, len(frames) - 1])
            frames[number] = (frames[number][0], changed_payload(frames[number][1], chance))
    return sealed(data[:START_BYTES], frames)


def changed_journal(data: bytes, chance: random.Random) -> bytes:
    payloads = list(sound_payloads(data))
    number = chance.randrange(len(payloads))
    payloads[number] = changed_payload(payloads[number], chance)
    return b"".join(map(framed, payloads))


def changed_catalogue(data: bytes, chance: random.Random) -> bytes:
    """Return the catalogue with one value of another type or content, or with a few of its bytes others."""
    if chance.random() < 0.3:
        start = chance.randrange(len(data))
        return data[:start] + chance.randbytes(4) + data[start + 4 :]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as catalogue:
        catalogue.deserialize(data[:18] + b"\1\1" + data[20:])  # not in WAL mode, which nothing in memory has
        table = chance.choice(["package", "package", "member"])
        names = [name for (name,) in catalogue.execute(f"SELECT name FROM pragma_table_info('{table}')")]
        with suppress(sqlite3.Error, OverflowError):  # it takes no such value
            catalogue.execute(f"UPDATE {table} SET {chance.choice(names)} = ?", (chance.choice(ODD_VALUES),))
        return catalogue.serialize()


Use = Callable[[bytes], object]


def passed(path: Path, change: Callable[[bytes, random.Random], bytes], use: Use, *, count: int) -> list[str]:
    """Return which changes let anything but a documented error out."""
    whole, faults = path.read_bytes(), []
    for seed in range(count):
        path.write_bytes(change(whole, random.Random(seed)))
        try:
            with suppress(*DOCUMENTED):
                use(os.fsencode(path))
        except Exception as error:  # which one is what is asked
            faults.append(f"{seed}: {error!r}")
    path.write_bytes(whole)
    return faults


@pytest.fixture
def made(delivery: Delivery) -> Delivery:
    add_measurement_sets(delivery.origin, recipe=Recipe(rows=6, spectra=((4, 2),)))
    return delivery


COUNTS = pytest.mark.parametrize("count", [250, pytest.param(20_000, marks=pytest.mark.torture)])


@COUNTS
def test_changed_manifest_is_damaged_or_compared(made: Delivery, count: int) -> None:
    made.make(Mode.COPY)
    package = made.package

    def use(path: bytes) -> None:
        with suppress(StreamError):
            peek_stream(path)
        list(verify_package(package, OpenedFiles(), is_quick=True, engine=InlineEngine(), progress=Silent()))
        list(json_lines(package, [open_manifest(path)]))

    path = Path(os.fsdecode(package.manifest(b"group_ouss_id/member_ouss_id")))
    assert passed(path, changed_stream, use, count=count) == []


@COUNTS
def test_changed_plan_is_damaged_or_refused(made: Delivery, count: int) -> None:
    made.plan(Mode.HARD)

    def use(path: bytes) -> None:
        plan = open_plan(path)
        for blob in (*plan.stream.blobs(), *(task.before for task in plan.notes.splits)):
            absolute_sources(blob)
        list(json_lines(made.package, [plan]))

    assert passed(Path(os.fsdecode(made.package.plan)), changed_stream, use, count=count) == []


@COUNTS
def test_changed_manifest_of_a_delivery_is_damaged_or_compared(made: Delivery, tmp_path: Path, count: int) -> None:
    made.make(Mode.COPY)
    cut_up(made.package, tmp_path / "out", 40_000)

    def use(path: bytes) -> None:
        place = Folder(os.path.dirname(path))
        list(check_delivery(open_sidecar(path), place, engine=InlineEngine(), progress=Silent()))

    (path,) = (tmp_path / "out").glob(f"*_{DAY}.manifest")
    assert passed(path, changed_stream, use, count=count) == []


@COUNTS
def test_changed_state_of_a_delivery_is_noticed(tmp_path: Path, count: int) -> None:
    """What it says of a tar, as its md5, would be given out with the delivery."""
    chunks = (FinishedChunk(0, 5, "5" * 32, (("md5", "a" * 32),)), FinishedChunk(1, 6, "6" * 32, (), "etag"))
    whole = State("f" * 32, chunks, ((1, EarlierVersion(2, "b" * 128)),))
    path = tmp_path / "state"
    path.write_bytes(encode_state(whole))

    def use(name: bytes) -> None:
        assert decode_state(Path(os.fsdecode(name)).read_bytes()) in (None, whole)

    use(os.fsencode(path))
    assert decode_state(path.read_bytes()) == whole
    assert passed(path, changed_bytes, use, count=count) == []


@COUNTS
def test_changed_catalogue_is_damaged_or_has_values_of_its_types(
    delivery: Delivery, tmp_path: Path, count: int
) -> None:
    delivery.make(Mode.COPY)
    path = tmp_path / "catalogue.sqlite"
    audit(AuditOptions((os.fsencode(delivery.path.parent),), os.fsencode(path)), Workers(jobs=1))

    def shelf(name: bytes) -> list[Shelved]:
        with opened_catalogue(name) as catalogue:
            catalogue.limit_to([b"/"])
            catalogue.summary()
            return list(catalogue.shelf())

    (sound,) = map(astuple, shelf(os.fsencode(path)))

    def use(name: bytes) -> None:
        with suppress(Refused):
            for package in shelf(name):
                assert package.standing in Standing
                found = zip(sound, astuple(package), strict=True)
                assert all(new is None or type(new) is type(old) for old, new in found if old is not None)

    assert passed(path, changed_catalogue, use, count=count) == []


@COUNTS
def test_changed_journal_is_damaged_or_unknown(tmp_path: Path, count: int) -> None:
    path = tmp_path / "journal"
    begin = Begin(
        "20261123T020000-abcdef01", b"p" * 16, Publishing.EXCHANGE, b"g/m", True, 3, 5, "b", "here", "me", 7, 8
    )
    journal = create_journal(os.fsencode(path), begin, Disk())
    journal.append(Staged(2, 5))
    journal.append_durably(Commit(12, True, (b"zip", b"tar")))
    journal.append_durably(End(9))
    journal.close()
    assert passed(path, changed_journal, lambda name: phase_of(read_journal(name)), count=10 * count) == []
