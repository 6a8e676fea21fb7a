"""Zip headers: what other programs read of a zip that is made of them, small and of ZIP64."""

import os
import stat
import subprocess
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from qa2pack.manifest.bundle.zip_header import (
    ZipEntry,
    central_header,
    descriptor,
    end_of_directory,
    is_large,
    local_header,
    zip_bytes,
)
from support.tools import needs_tool

CONTENT = {
    ZipEntry(b"P/", 0, 1_340_000_000, 0o755): b"",
    ZipEntry(b"P/a.txt", 7, 1_340_000_001, 0o644): b"content",
    ZipEntry(b"P/empty", 0, 0, 0o644): b"",
    ZipEntry("P/µ".encode(), 3, 5_000_000_000, 0o755): b"\0\1\2",
    ZipEntry(b"P/\xff\\", 1, 1_340_000_000, 0o644): b"x",
}


def made(*, large: bool) -> bytes:
    """Return a zip of the contents, as its writer puts the headers together."""
    data, directory = b"", b""
    for entry, content in CONTENT.items():
        crc = zlib.crc32(content)
        directory += central_header(entry, crc=crc, offset=len(data), large=large)
        data += local_header(entry, large=large) + content
        data += b"" if entry.is_folder else descriptor(crc, entry.size, large=large)
    end = end_of_directory(entry_count=len(CONTENT), offset=len(data), size=len(directory), large=large)
    return data + directory + end


@pytest.mark.parametrize("large", [False, True])
def test_zip_is_read_by_python(large: bool) -> None:
    with zipfile.ZipFile(BytesIO(made(large=large))) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
        assert [archive.read(info) for info in infos] == list(CONTENT.values())
        assert [info.filename for info in infos[:4]] == ["P/", "P/a.txt", "P/empty", "P/µ"]
        assert infos[4].filename.encode("cp437") == b"P/\xff\\", "the bytes themselves"
        assert [info.external_attr >> 16 for info in infos[:2]] == [0o40755, 0o100644]
        assert [info.date_time[0] for info in infos[1:4]] == [2012, 1980, 2107]


@pytest.mark.parametrize("large", [False, True])
def test_zip_is_unpacked_by_unzip(tmp_path: Path, large: bool) -> None:
    unzip = needs_tool("unzip")
    (tmp_path / "a.zip").write_bytes(made(large=large))
    subprocess.run([unzip, "-q", "a.zip"], cwd=tmp_path, env={"TZ": "Pacific/Apia", "LC_ALL": "C.UTF-8"}, check=True)
    for entry, content in list(CONTENT.items())[
        1:4
    ]:  # the last has no name in UTF-8, which each program reads as it likes
        path = os.fsencode(tmp_path) + b"/" + entry.name
        status = os.stat(path)
        assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (entry.mode, min(entry.mtime, 0x7FFFFFFF))
        with open(path, "rb") as file:
            assert file.read() == content


@pytest.mark.parametrize("large", [False, True])
def test_size_is_known_beforehand(large: bool) -> None:
    counts = {"file_count": 4, "folder_count": 1, "name_bytes": sum(len(entry.name) for entry in CONTENT)}
    more = 0xFFFFFFFF if large else 0
    size = zip_bytes(**counts, content_bytes=sum(entry.size for entry in CONTENT) + more) - more
    assert size == len(made(large=large))


def test_zip64_begins_where_its_numbers_no_longer_fit() -> None:
    assert [is_large(size, 1) for size in (0xFFFFFFFE, 0xFFFFFFFF)] == [False, True]
    assert [is_large(1, count) for count in (0xFFFE, 0xFFFF)] == [False, True]
    small = zip_bytes(file_count=0xFFFE, folder_count=0, name_bytes=0, content_bytes=0)
    large = zip_bytes(file_count=0xFFFF, folder_count=0, name_bytes=0, content_bytes=0)
    assert large - small > 0xFFFF * 50
