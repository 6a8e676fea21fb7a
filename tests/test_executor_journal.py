import os
import struct
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
import xxhash

from executor.disk import Disk
from executor.journal import (
    Begin,
    Commit,
    Discard,
    End,
    JournalError,
    Published,
    Publishing,
    Record,
    Resume,
    RollBack,
    Staged,
    Stale,
    SyncFailed,
    continue_journal,
    create_journal,
    read_journal,
)

BEGIN = Begin(
    transaction="20261123T020000-abcdef01",
    plan=b"p" * 16,
    publishing=Publishing.EXCHANGE,
    group=b"group_ouss_id",
    member=b"member_ouss_id",
    keeps_previous=True,
    file_count=3,
    byte_count=2**40,
    boot="b",
    host="here",
    user="reducer",
    pid=7,
    at_ns=10**18,
)
REST: list[Record] = [
    Staged(2, 5),
    Resume("b2", "there", "other", 8, 10**18 + 1),
    Stale(4),
    SyncFailed(),
    Commit(root_inode=12, had_manifests=True, had_tickets=False),
    Published(),
    Discard(),
    RollBack(10**18 + 2),
    End(10**18 + 3),
]


class Counting(Disk):
    """Counts what is brought to the disk."""

    def __init__(self) -> None:
        self.synced: list[str] = []

    def fsync(self, fd: int) -> None:
        self.synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        super().fsync(fd)


@pytest.fixture
def path(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "journal")


def written(path: bytes, records: list[Record]) -> bytes:
    """Write a journal that begins as every one does, and return its bytes."""
    journal = create_journal(path, BEGIN, Disk())
    for record in records:
        journal.append(record)
    journal.close()
    return Path(os.fsdecode(path)).read_bytes()


def test_records_come_back_as_they_were_written(path: bytes) -> None:
    written(path, REST)
    assert read_journal(path) == (BEGIN, *REST)


def test_no_journal_has_no_records(path: bytes) -> None:
    assert read_journal(path) == ()


@pytest.mark.parametrize("last", [Staged(2, 5), Commit(12, had_manifests=True, had_tickets=True), End(1)])
def test_every_torn_tail_is_ignored(path: bytes, last: Record) -> None:
    whole = written(path, [Published(), last])
    start = len(written(path + b".short", [Published()]))
    for length in range(start, len(whole)):
        Path(os.fsdecode(path)).write_bytes(whole[:length])
        assert read_journal(path) == (BEGIN, Published()), length


def test_every_flipped_bit_of_the_last_record_makes_it_not_count(path: bytes) -> None:
    whole = written(path, [Published(), End(5)])
    start = len(written(path + b".short", [Published()]))
    counted = []
    for offset in range(start, len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[offset] ^= 1 << bit
            Path(os.fsdecode(path)).write_bytes(data)
            if read_journal(path) != (BEGIN, Published()):
                counted.append((offset, bit))
    assert counted == []


@pytest.mark.parametrize("cut", [1, 5, 12, 20])
def test_going_on_takes_a_torn_tail_away_first(path: bytes, cut: int) -> None:
    whole = written(path, [Published(), End(5)])
    Path(os.fsdecode(path)).write_bytes(whole[:-cut])
    journal = continue_journal(path, Disk())
    journal.append(Discard())
    journal.close()
    assert read_journal(path) == (BEGIN, Published(), Discard())


def test_going_on_appends(path: bytes) -> None:
    before = written(path, [Published()])
    journal = continue_journal(path, Disk())
    journal.append(End(5))
    journal.close()
    assert Path(os.fsdecode(path)).read_bytes().startswith(before)
    assert read_journal(path) == (BEGIN, Published(), End(5))


def test_new_journal_and_its_name_are_on_disk(path: bytes, tmp_path: Path) -> None:
    disk = Counting()
    create_journal(path, BEGIN, disk).close()
    assert disk.synced == ["journal.new", tmp_path.name]


def test_only_durable_records_wait_for_the_disk(path: bytes) -> None:
    disk = Counting()
    journal = create_journal(path, BEGIN, disk)
    disk.synced.clear()
    journal.append(Staged(1, 1))
    assert disk.synced == []
    journal.append_durably(Published())
    assert disk.synced == ["journal"]
    journal.close()


@pytest.mark.parametrize("wire", [{"kind": "Teleport"}, {"kind": "Staged", "file_count": 1}, {}, [1], None])
def test_sound_record_that_is_not_understood_is_no_torn_tail(path: bytes, wire: object) -> None:
    """It comes from a newer program, so what it says must not be ignored."""
    payload = msgpack.packb(wire)
    frame = struct.pack("<IQ", len(payload), xxhash.xxh3_64_intdigest(payload)) + payload
    Path(os.fsdecode(path)).write_bytes(written(path + b".whole", []) + frame)
    with pytest.raises(JournalError, match="does not know"):
        read_journal(path)


def test_publishing_is_a_word_again(path: bytes) -> None:
    create_journal(path, replace(BEGIN, publishing=Publishing.MEMBER), Disk()).close()
    (begin,) = read_journal(path)
    assert isinstance(begin, Begin)
    assert begin.publishing is Publishing.MEMBER
