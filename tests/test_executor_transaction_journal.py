import os
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import msgpack
import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.transaction.journal import (
    JournalDamagedError,
    JournalError,
    continue_journal,
    create_journal,
    read_journal,
)
from qa2pack.executor.transaction.journal_records import (
    Begin,
    Commit,
    Discard,
    End,
    Published,
    Publishing,
    Record,
    Staged,
)
from qa2pack.manifest.format.member_field import member_to_wire
from support.journals import BEGIN, REST, framed, frames_of


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


@pytest.mark.parametrize("last", [Staged(2, 5), Commit(12, had_manifests=True, had_tickets=(b"tar", b"zip")), End(1)])
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


def frames_written(path: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    """Write a journal in which counts that may be lost stand between and behind durable records."""
    journal = create_journal(path, BEGIN, Disk())
    journal.append(Staged(1, 1))
    journal.append_durably(Published())
    journal.append(Staged(2, 2))
    journal.append(Staged(3, 3))
    journal.close()
    whole = Path(os.fsdecode(path)).read_bytes()
    return whole, frames_of(whole)


def test_every_flipped_bit_before_the_last_mark_is_damage(path: bytes) -> None:
    whole, frames = frames_written(path)
    last_mark, _ = frames[4]
    believed = []
    for offset in range(last_mark):
        data = bytearray(whole)
        data[offset] ^= 1 << offset % 8
        Path(os.fsdecode(path)).write_bytes(data)
        with suppress(JournalDamagedError):
            believed.append((offset, read_journal(path)))
    assert believed == []


def test_going_on_over_damage_is_refused_and_changes_nothing(path: bytes) -> None:
    whole, frames = frames_written(path)
    damaged = whole[: frames[3][0]] + whole[frames[3][1] :]
    Path(os.fsdecode(path)).write_bytes(damaged)
    with pytest.raises(JournalDamagedError, match="missing in its middle"):
        continue_journal(path, Disk())
    assert Path(os.fsdecode(path)).read_bytes() == damaged


@pytest.mark.parametrize("lost", [4, 5])
def test_lost_frame_behind_all_that_was_synced_is_a_torn_tail(path: bytes, lost: int) -> None:
    """A power cut may lose what was not synced in any order; a mark, too, is such a frame."""
    whole, frames = frames_written(path)
    start, end = frames[lost]
    Path(os.fsdecode(path)).write_bytes(whole[:start] + bytes(end - start) + whole[end:])
    assert read_journal(path) == (BEGIN, Staged(1, 1), Published())


def test_journal_that_goes_on_is_marked_whole(path: bytes) -> None:
    """A record that could have been lost before is on the disk when the journal was written again."""
    whole, frames = frames_written(path)
    continue_journal(path, Disk()).close()
    again = Path(os.fsdecode(path)).read_bytes()
    assert again.startswith(whole)
    start, _ = frames[-1]
    Path(os.fsdecode(path)).write_bytes(again[: start + 1] + bytes([again[start + 1] ^ 1]) + again[start + 2 :])
    with pytest.raises(JournalDamagedError):
        read_journal(path)


def test_journal_that_does_not_report_how_it_began_is_damaged(path: bytes) -> None:
    whole = written(path, [Published()])
    Path(os.fsdecode(path)).write_bytes(whole[frames_of(whole)[1][1] :])
    with pytest.raises(JournalDamagedError, match="first record"):
        read_journal(path)


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
    Path(os.fsdecode(path)).write_bytes(written(path + b".whole", []) + framed(payload))
    with pytest.raises(JournalError, match="does not know"):
        read_journal(path)


def test_publishing_is_a_word_again(path: bytes) -> None:
    create_journal(path, replace(BEGIN, publishing=Publishing.MEMBER), Disk()).close()
    (begin,) = read_journal(path)
    assert isinstance(begin, Begin)
    assert begin.publishing is Publishing.MEMBER


@pytest.mark.parametrize(
    "transaction", ["../../../home/x", "", ".", "..", "/x", "a/b", "t1", "20261123T020000-abcdef01\n", 7, None]
)
def test_transaction_with_a_name_that_is_never_given_is_damage(transaction: object, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "journal")
    create_journal(path, replace(BEGIN, transaction=transaction), Disk()).close()  # type: ignore[arg-type]
    with pytest.raises(JournalDamagedError, match="transaction"):
        read_journal(path)


@pytest.mark.parametrize(
    "values",
    [
        *({"group": group} for group in (b"../../home", b".", b"..", b"a//b", b"/a", b"a/..", b"a\0b", "text", 7)),
        *({"member": member} for member in (b"", b".", b"..", b"a/b", b"/a", b"a\0b", "text", 7)),
        {"above": b"../x"},
        {"above": b"/x"},
        {"publishing": "rename", "renamed_from": b"a/b"},
        {"publishing": "rename", "renamed_from": b""},
    ],
)
def test_folder_that_could_be_elsewhere_is_damage(values: dict[str, object], path: bytes) -> None:
    _write_first_record(path, BEGIN, values)
    with pytest.raises(JournalDamagedError, match="is damaged"):
        read_journal(path)


def test_member_that_is_the_package_itself_is_read(path: bytes) -> None:
    _write_first_record(path, BEGIN, {"group": b"", "member": b"."})
    (begin,) = read_journal(path)
    assert isinstance(begin, Begin)
    assert begin.member == b"."


def _write_first_record(path: bytes, record: Record, values: dict[str, object]) -> None:
    fields = member_to_wire(asdict(record)) if isinstance(record, Begin) else asdict(record)
    payload = msgpack.packb({"kind": type(record).__name__, **fields, **values})
    Path(os.fsdecode(path)).write_bytes(framed(payload))


def test_ticket_file_with_a_suffix_of_a_path_is_damage(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path / "journal")
    journal = create_journal(path, BEGIN, Disk())
    journal.append_durably(Commit(12, had_manifests=True, had_tickets=(b"tar", b"/../../x")))
    journal.close()
    with pytest.raises(JournalDamagedError, match="ticket"):
        read_journal(path)


WRONG_VALUES: dict[str, tuple[Record, dict[str, object]]] = {
    "text for a number": (Staged(1, 1), {"file_count": "1"}),
    "truth for a number": (Staged(1, 1), {"file_count": True}),
    "fraction for a number": (Staged(1, 1), {"byte_count": 1.5}),
    "number below zero": (Staged(1, 1), {"byte_count": -1}),
    "text for bytes": (BEGIN, {"group": "group_ouss_id"}),
    "bytes for text": (BEGIN, {"transaction": b"t"}),
    "nothing for bytes": (BEGIN, {"plan": None}),
    "number for a truth": (BEGIN, {"keeps_previous": 1}),
    "text for a list": (Commit(1, True, ()), {"had_tickets": "tar"}),
    "list of numbers": (Commit(1, True, ()), {"had_tickets": [1]}),
}


@pytest.mark.parametrize(("record", "values"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_record_with_a_value_of_another_type_is_damage(
    path: bytes, record: Record, values: dict[str, object]
) -> None:
    fields = member_to_wire(asdict(record)) if isinstance(record, Begin) else asdict(record)
    payload = msgpack.packb({"kind": type(record).__name__, **fields, **values})
    Path(os.fsdecode(path)).write_bytes(written(path + b".whole", []) + framed(payload))
    with pytest.raises(JournalDamagedError, match="is damaged"):
        read_journal(path)


@pytest.mark.parametrize("mark", ["2", None, [], -1, 2.0, b"2"])
def test_mark_that_is_no_number_is_damage(path: bytes, mark: object) -> None:
    whole = written(path + b".whole", [])
    Path(os.fsdecode(path)).write_bytes(whole + framed(msgpack.packb({"frames on disk": mark})))
    with pytest.raises(JournalDamagedError, match="is damaged"):
        read_journal(path)


def test_what_is_kept_only_if_small_is_known_again(path: bytes) -> None:
    begin = replace(BEGIN, keeps_if_small=True)
    commit = Commit(12, had_manifests=True, had_tickets=(), keeps_previous=False)
    journal = create_journal(path, begin, Disk())
    journal.append_durably(commit)
    journal.close()
    assert read_journal(path) == (begin, commit)
