"""Containers made of records: the size that was computed, what other programs read, ZIP64, and what is compressed."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action
from qa2pack.manifest.bundle.zip_header import zip_bytes
from qa2pack.manifest.format.delivery_form import DeliveryForm
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.chunk_entries import ChunkPart, Segment, shares
from qa2pack.tarsplit.container.framing import framing_of
from qa2pack.tarsplit.container.reader import DamagedError, EndedError, Gunzip, Reader
from qa2pack.tarsplit.container.writer import ContainerWriter, Output
from qa2pack.tarsplit.made import Made
from qa2pack.tarsplit.packing.partition import tar_bytes

CONTENTS = [b"", b"a" * 700, bytes(range(256)) * 9]
NAMES = [b"empty", b"letters", "µ".encode()]
MTIME = 1_340_000_000


@pytest.fixture
def part(tmp_path: Path) -> ChunkPart:
    """The entries of a folder with three files, read from a stream as a worker reads them."""
    count = len(NAMES)
    record = FolderRecord(
        path=b"data",
        names=NAMES,
        sizes=[len(content) for content in CONTENTS],
        mtimes=[MTIME * 10**9] * count,
        modes=[0o644] * count,
        actions=bytes([Action.COPY]) * count,
        digests=bytes(16 * count),
        inodes=[0] * count,
        ctimes=[0] * count,
    )
    path = tmp_path / "stream"
    with path.open("wb") as file:
        writer = StreamWriter(file, {"kind": "delivery"})
        start = writer.offset
        writer.folder(record.path, encode_record(record))
        end = writer.offset
    return ChunkPart(bytes(path), ((0, 1),), ((0, count),), (Segment(start, end, 0, 0),))


def container(part: ChunkPart, form: DeliveryForm, byte_count: int, *, told_bytes: int = 0, level: int = 0) -> bytes:
    """Return the container of the entries.

    Args:
        byte_count: its size before compression.
        told_bytes: what its framing is told of its size, which makes a zip one of ZIP64.
    """
    parts: list[bytes] = []
    sums = Sums(("md5",))
    framing = framing_of(Made(form, told_bytes or byte_count), b"P", part, folder_mtime=MTIME)
    output = Output(lambda piece: parts.append(bytes(piece)), sums)
    writer = ContainerWriter(output, framing, level=level)
    for share in shares(part):
        writer.add_header(framing.before_folder(share.record))
        for index, header in zip(share.files, framing.before_files(share), strict=True):
            writer.add_file(header, CONTENTS[index])
    writer.finish(byte_count)
    data = b"".join(parts)
    assert (output.byte_count, sums.result("md5")) == (len(data), hashlib.md5(data).hexdigest())
    return data


def zip_size(*, large: bool = False) -> int:
    sizes = {"file_count": 3, "folder_count": 1, "name_bytes": sum(map(len, NAMES)) + 4 * len("P/data/")}
    more = 0xFFFFFFFF if large else 0
    return zip_bytes(**sizes, content_bytes=sum(map(len, CONTENTS)) + more) - more


@pytest.mark.parametrize("large", [False, True])
def test_zip_has_the_size_that_was_computed_and_what_went_into_it(part: ChunkPart, large: bool) -> None:
    told = 0xFFFFFFFF if large else 0
    data = container(part, DeliveryForm.ZIP, zip_size(large=large), told_bytes=told)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["P/data/", "P/data/empty", "P/data/letters", "P/data/µ"]
        assert [archive.read(name) for name in archive.namelist()[1:]] == CONTENTS


def test_compressed_tar_is_the_tar(part: ChunkPart) -> None:
    size = tar_bytes(1 + 3 + 2 + 5)
    plain = container(part, DeliveryForm.TAR, size)
    packed = container(part, DeliveryForm.TGZ, size, level=6)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        assert tar.getnames() == ["P/data", "P/data/empty", "P/data/letters", "P/data/µ"]
    reader = Reader(Gunzip(io.BytesIO(packed).read).read)
    assert (reader.read(size), reader.rest()) == (plain, b"")


def test_damage_of_what_is_compressed_is_told_apart_from_a_missing_end(part: ChunkPart) -> None:
    size = tar_bytes(1 + 3 + 2 + 5)
    packed = container(part, DeliveryForm.TGZ, size, level=6)
    for data, expected in (
        (packed[:-1], EndedError),
        (packed[:-1] + bytes([packed[-1] ^ 1]), DamagedError),
        (packed + b"x", DamagedError),
        (packed[:20] + b"\xff" * 9 + packed[29:], DamagedError),
    ):
        reader = Reader(Gunzip(io.BytesIO(data).read).read)
        with pytest.raises(expected):
            _ = (reader.read(size), reader.rest())
