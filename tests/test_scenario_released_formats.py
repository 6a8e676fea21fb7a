"""Files of released formats are read for ever, and today's program writes the same bytes. See tests/data/golden."""

import os
from pathlib import Path

import pytest

from qa2pack.executor.transaction.journal import read_journal
from qa2pack.manifest.format.files import Described, open_manifest, open_plan
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.format.stream import open_stream
from qa2pack.tarsplit.sidecar import open_sidecar
from support.deliveries import PROJECT
from support.generated import plain
from support.golden import GOLDEN, NOTES, RECORDS, WRITERS, header
from support.journals import BEGIN, REST


def golden(name: str) -> bytes:
    return os.fsencode(GOLDEN / name)


def test_every_golden_file_is_compared() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {*WRITERS, "README.md"}


@pytest.mark.parametrize("name", WRITERS)
def test_bytes_are_those_of_the_release(tmp_path: Path, name: str) -> None:
    assert WRITERS[name](tmp_path) == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("kind", StreamKind)
def test_plan_and_manifest_of_the_release_are_read(kind: StreamKind) -> None:
    read: Described = open_plan(golden("plan")) if kind is StreamKind.PLAN else open_manifest(golden("manifest"))
    assert (read.header, read.notes) == (header(kind), NOTES)
    assert [plain(decode_record(blob)) for blob in read.stream.blobs()] == [plain(record) for record in RECORDS]


def test_stream_of_the_release_is_read() -> None:
    stream = open_stream(golden("stream"))
    assert (stream.header, stream.notes) == ({"kind": "manifest"}, {"totals": [1, 2]})
    assert [plain(decode_record(blob)) for blob in stream.blobs()] == [plain(record) for record in RECORDS]


def test_journal_of_the_release_is_read() -> None:
    assert read_journal(golden("journal")) == (BEGIN, *REST)


def test_sidecar_of_the_release_is_read() -> None:
    sidecar = open_sidecar(golden("delivery.manifest"))
    assert sidecar.header.project == PROJECT.encode()
    assert sum(chunk.file_count for chunk in sidecar.chunks) == 6
    assert [name for name, _ in sidecar.chunks[0].checksums] == ["md5", "sha256", "xxh128"]
