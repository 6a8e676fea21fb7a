"""The tar headers: what is written is what every reader reads, in exactly the length that was computed."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qa2pack.manifest.bundle.tar_header import (
    BLOCK_BYTES,
    file_header,
    file_headers,
    folder_header,
    header_bytes,
    padded,
)
from support.tools import needs_tool

GIB = 1 << 30
_NAMES = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
_PLAIN = st.text("ab.-", min_size=1, max_size=120).map(str.encode)
PATHS = st.lists(_NAMES | _PLAIN, min_size=1, max_size=5).map(b"/".join)
SIZES = st.integers(0, 9 * GIB) | st.sampled_from([8 * GIB - 1, 8 * GIB, 1 << 50])


def read_first(header: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(header), mode="r:", errorlevel=2) as archive:
        member = archive.next()
    assert member is not None
    return member


@given(path=PATHS, size=SIZES, mtime=st.integers(0, (1 << 33) - 1), mode=st.sampled_from([0o644, 0o755]))
@example(path=b"a" * 100, size=0, mtime=0, mode=0o644)
@example(path=b"a" * 101, size=0, mtime=0, mode=0o644)
@example(path=b"a" * 155 + b"/" + b"b" * 100, size=0, mtime=0, mode=0o644)
@example(path=b"a" * 156 + b"/" + b"b" * 100, size=0, mtime=0, mode=0o644)
@example(path=b"a" * 155 + b"/" + b"b" * 101, size=8 * GIB, mtime=0, mode=0o644)
@example(path=b"\xff" * 155 + b"/" + b"b" * 101, size=8 * GIB, mtime=0, mode=0o644)
def test_python_reads_the_header_as_it_was_meant(path: bytes, size: int, mtime: int, mode: int) -> None:
    header = file_header(path, size=size, mtime=mtime, mode=mode)
    member = read_first(header)
    assert (os.fsencode(member.name), member.size, member.mtime, member.mode) == (path, size, mtime, mode)
    assert (member.isreg(), member.uid, member.gid, member.uname, member.gname) == (True, 0, 0, "root", "root")
    assert member.offset_data == len(header) == header_bytes(path, size)


@given(path=PATHS, size=SIZES, mtime=st.integers(-1, 1 << 33), mode=st.sampled_from([0o644, 0o755]))
@example(path=b"a" * 49 + b"/" + b"b" * 50, size=0, mtime=0, mode=0o644)
@example(path=b"a" * 50 + b"/" + b"b" * 50, size=0, mtime=0, mode=0o644)
@example(path=b"\xff" * 155 + b"/" + b"\xff" * 100, size=8 * GIB - 1, mtime=(1 << 33) - 1, mode=0o755)
@example(path=b"a" * 156 + b"/" + b"b", size=0, mtime=0, mode=0o644)
def test_header_made_with_those_of_its_folder_is_the_same(path: bytes, size: int, mtime: int, mode: int) -> None:
    folder, _, name = (b"2011.01234.S/" + path).rpartition(b"/")
    made = list(file_headers(folder, [(name, size, mtime, mode), (b"z" + name[1:], size, mtime, mode)]))
    assert made[0] == file_header(folder + b"/" + name, size=size, mtime=mtime, mode=mode)
    assert made[1] == file_header(folder + b"/z" + name[1:], size=size, mtime=mtime, mode=mode)


@given(path=PATHS)
@example(path=b"a" * 99)
@example(path=b"a" * 100)
@example(path=b"a/" + b"b" * 254)
def test_python_reads_the_header_of_a_folder(path: bytes) -> None:
    header = folder_header(path, mtime=7, mode=0o755)
    member = read_first(header)
    assert (os.fsencode(member.name), member.isdir(), member.size) == (path, True, 0)
    assert len(header) == header_bytes(path + b"/")


@pytest.mark.parametrize("length", range(985, 1005))
def test_pax_record_counts_its_own_digits(length: int) -> None:
    # From 991 on the digits of the length make the length itself longer.
    member = read_first(file_header(b"n" * length, size=1, mtime=1, mode=0o644))
    assert member.name == "n" * length


@pytest.mark.parametrize(
    ("path", "size", "length"),
    [(b"a" * 100, 0, 512), (b"a" * 101, 0, 1536), (b"a", 8 * GIB - 1, 512), (b"a", 8 * GIB, 1536)],
)
def test_what_fits_into_one_block_takes_one(path: bytes, size: int, length: int) -> None:
    assert len(file_header(path, size=size, mtime=0, mode=0o644)) == length


def test_time_before_1970_is_written_as_1970() -> None:
    assert read_first(file_header(b"a", size=0, mtime=-5, mode=0o644)).mtime == 0


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
def test_padding_fills_the_last_block(size: int) -> None:
    assert padded(size) % BLOCK_BYTES == 0
    assert 0 <= padded(size) - size < BLOCK_BYTES


@pytest.mark.parametrize("tool", ["tar", "bsdtar"])
@pytest.mark.parametrize(
    "path", [b"p/short", b"p/" + b"x" * 200, b"p/" + b"\xe9" * 120, "p/ü".encode(), b"d" * 120 + b"/" + b"n" * 90]
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_tools_list_a_file_above_8_gib_without_a_word(tmp_path: Path, tool: str, path: bytes, locale: str) -> None:
    needs_tool(tool)
    size = 8 * GIB + 1
    archive = tmp_path / "a.tar"
    with archive.open("wb") as file:
        file.write(file_header(path, size=size, mtime=1_300_000_000, mode=0o644))
        file.truncate(header_bytes(path, size) + padded(size) + 1024)
    command: list[str | Path] = [tool, "-tvf", archive, *(["--quoting-style=literal"] if tool == "tar" else [])]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": locale})
    assert (done.returncode, done.stderr) == (0, b"")
    assert str(size).encode() in done.stdout
    assert len(done.stdout.splitlines()) == 1
