"""Keywords that name tables, in bytes that were made to harm: the work is in proportion to the bytes."""

import struct
from pathlib import Path
from typing import Any

import pytest
from casacore import tables

from qa2pack.manifest.casa.aips_io import Reader, UnreadableTableError
from qa2pack.manifest.casa.table_keywords import Named, keywords

COUNT = 2000


class CountedBytes(bytes):
    """Bytes that count how many of them are copied."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        self.copied += len(found)
        return found


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def text(data: bytes) -> bytes:
    return number(len(data)) + data


def start(kind: bytes, version: int = 2) -> bytes:
    return number(0x7F) + text(kind) + number(version)


def subtable(name_bytes: int) -> bytes:
    """Return a set of keywords with one subtable, whose name is said to have that many bytes."""
    field = text(b"SUB") + number(12) + text(b"") + text(b"")
    description = number(4 + len(b"RecordDesc") + 4 + 4 + 4 + len(field)) + text(b"RecordDesc") + number(2)
    return start(b"TableRecord", 1) + description + number(1) + field + number(0) + number(name_bytes)


HALF = 1 << 17
HARMFUL = {
    "kind": start(b"TableRecord", 1) + number(0x7F) + number(HALF),
    "name": start(b"TableRecord", 1) + start(b"RecordDesc") + number(1) + number(HALF),
    "name of a description": start(b"TableRecord", 1)
    + start(b"RecordDesc")
    + number(1)
    + text(b"SUB")
    + number(12)
    + number(HALF),
    "comment": start(b"TableRecord", 1) + start(b"RecordDesc") + number(1) + text(b"A") + number(5) + number(HALF),
    "name of a table": subtable(HALF),
}


@pytest.mark.parametrize("which", HARMFUL)
def test_long_texts_of_many_sets_are_not_copied_each_time(which: str) -> None:
    data = CountedBytes(HARMFUL[which] * COUNT + bytes(2 * HALF))
    list(keywords(data))
    assert data.copied < 10 * len(data)


def test_sets_within_each_other_are_read_once(tmp_path: Path) -> None:
    """As an image of many channels has them, each with a beam of its own."""
    beams = {f"*{channel}": {"major": {"unit": "arcsec", "value": 1.0}} for channel in range(4000)}
    path = tmp_path / "image"
    with tables.table(str(path), tables.maketabdesc([tables.makescacoldesc("A", 0)]), ack=False) as table:
        table.putkeyword("imageinfo", {"perplanebeams": beams})
        tables.table(str(tmp_path / "OTHER"), tables.maketabdesc([tables.makescacoldesc("A", 0)]), ack=False).close()
        table.putcolkeyword("A", "T", f"Table: {tmp_path / 'OTHER'}")
    found = [named for _, named in keywords((path / "table.dat").read_bytes())]
    assert found == [Named.SUBTABLE]


def test_bound_on_texts_leaves_the_names_that_come_before() -> None:
    data = subtable(5) + b"FIRST" + subtable(HALF) * COUNT + b"x" * HALF
    assert next(keywords(data)) == (b"FIRST", Named.SUBTABLE)


def test_texts_that_lie_in_each_other_end_at_a_bound() -> None:
    reader = Reader(text(bytes(1 << 20)) + bytes(1 << 10))
    reader.text()
    reader.at = 0
    with pytest.raises(UnreadableTableError, match="without an end"):
        reader.text()
