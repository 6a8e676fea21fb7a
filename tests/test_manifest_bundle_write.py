"""Writing bundles: what other programs read, the largest size, wrong contents, and the bytes of two encoders."""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from qa2pack.manifest.bundle import encoder
from qa2pack.manifest.bundle.entry import Buffer, BundleEntry
from qa2pack.manifest.bundle.form import Form, largest_bytes
from qa2pack.manifest.bundle.gzip_format import BLOCK_BYTES
from qa2pack.manifest.bundle.write import write_bundle
from support.tools import needs_tool

ENGINES = (zlib_ng, zlib)
EDGES = (0, 1, 0xFFFF, 0x10000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7)
# Text, noise, a long run, and noise that repeats over the end of a block, so that dictionaries count.
NOISE = os.urandom(40_000)
MIXED = b"".join(b"line %d\n" % number for number in range(30_000)) + NOISE + bytes(700_000) + 3 * NOISE
NAMES: Sequence[bytes] = (
    b"a",
    b"d/" + b"n" * 120,
    b"d/" + b"m" * 250,
    b"/".join([b"f" * 90] * 3),
    b"not-\xff-utf-8",
    b"d/" + b"\xe9" * 130,
)


@pytest.fixture(params=ENGINES, ids=["zlib_ng", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Each module that compresses, in turn."""
    module: ModuleType = request.param
    monkeypatch.setattr(encoder, "engine", lambda: module)
    return module


def entry(path: bytes, size: int, *, mode: int = 0o644) -> BundleEntry:
    return BundleEntry(path, size, 1_500_000_000_000_000_000, mode)


def written(entries: Iterable[tuple[BundleEntry, Iterable[Buffer]]], form: Form, **how: int) -> bytes:
    out = io.BytesIO()
    write_bundle(out.write, form, entries, **how)
    return out.getvalue()


def of_files(names: Iterable[bytes], form: Form) -> bytes:
    return written([(entry(name, len(name)), [name]) for name in names], form)


@pytest.mark.parametrize("level", [1, 2, 6, 9])
def test_bytes_are_the_same_for_any_number_of_threads(engine: ModuleType, level: int) -> None:
    one, *others = (
        written([(entry(b"", len(MIXED)), [MIXED])], Form.GZ, level=level, threads=threads)
        for threads in (1, 2, 3, 8)
    )
    assert others == [one] * 3
    assert gzip.decompress(one) == MIXED


def test_what_repeats_over_the_end_of_a_block_is_found(engine: ModuleType) -> None:
    noise = NOISE[:30_000]
    data = bytes(BLOCK_BYTES - len(noise)) + noise + noise
    assert len(written([(entry(b"", len(data)), [data])], Form.GZ)) < 1.5 * len(noise)


def test_encoders_make_other_bytes_of_the_same_content(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for module in ENGINES:
        monkeypatch.setattr(encoder, "engine", lambda module=module: module)
        made.append(written([(entry(b"", len(MIXED)), [MIXED])], Form.GZ))
    assert made[0] != made[1]
    assert gzip.decompress(made[0]) == gzip.decompress(made[1])


def test_zlib_compresses_where_zlib_ng_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoder.engine() is zlib_ng
    monkeypatch.setitem(sys.modules, "zlib_ng", None)
    assert encoder.engine.__wrapped__() is zlib


@pytest.mark.parametrize("level", [1, 3, 6, 9])
def test_random_bytes_take_no_more_than_the_largest_size(engine: ModuleType, level: int) -> None:
    for size in EDGES:
        one = entry(b"name", size)
        data = os.urandom(size)
        for form in (Form.TGZ, Form.GZ):
            made = len(written([(one, [data])], form, level=level))
            assert made <= largest_bytes(form, [one]) < size + size // 1000 + 11_000
        assert len(written([(one, [data])], Form.TAR)) == largest_bytes(Form.TAR, [one])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("said", [0, 1, 999_999, 1_000_001, 1_000_512])
def test_content_of_another_length_than_said_is_refused(form: Form, threads: int, said: int) -> None:
    content = [bytes(600_000), bytes(400_000)]
    with pytest.raises(ValueError, match=f"not of {said} bytes"):
        written([(entry(b"name", said), content)], form, threads=threads)


def test_content_that_does_not_end_is_left_where_it_is_too_long() -> None:
    content = iter([bytes(100)] * 5)
    with pytest.raises(ValueError, match="not of 150 bytes"):
        written([(entry(b"name", 150), content)], Form.TGZ)
    assert len(list(content)) == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_content_raises_goes_through_and_no_thread_is_left(threads: int) -> None:
    def content() -> Iterator[bytes]:
        yield bytes(2_000_000)
        raise OSError("the disk fails")

    before = threading.enumerate()
    with pytest.raises(OSError, match="the disk fails"):
        written([(entry(b"name", 3_000_000), content())], Form.TGZ, threads=threads)
    assert threading.enumerate() == before


def test_what_write_raises_goes_through_and_no_thread_is_left() -> None:
    def write(piece: Buffer) -> None:
        if len(piece) > 100:
            raise OSError("no space left")

    before = threading.enumerate()
    with pytest.raises(OSError, match="no space left"):
        write_bundle(write, Form.GZ, [(entry(b"", 5_000_000), [os.urandom(5_000_000)])], threads=3)
    assert threading.enumerate() == before


@given(
    cuts=st.lists(st.integers(0, len(NOISE)), max_size=20), form=st.sampled_from(Form), step=st.integers(1, 70_000)
)
def test_pieces_of_a_content_do_not_matter(cuts: list[int], form: Form, step: int) -> None:
    edges = [0, *sorted(cuts), len(NOISE)]
    pieces = [NOISE[start:end] for start, end in pairwise(edges)]
    whole = written([(entry(b"name", len(NOISE)), [NOISE])], form)
    assert written([(entry(b"name", len(NOISE)), pieces)], form) == whole
    assert written([(entry(b"name", len(NOISE)), in_one_buffer(NOISE, step))], form) == whole


def in_one_buffer(data: bytes, step: int) -> Iterator[memoryview]:
    """Yield the data in pieces that each overwrite the one before, and then something else."""
    buffer = bytearray(step)
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        buffer[: len(piece)] = piece
        yield memoryview(buffer)[: len(piece)]
        buffer[:] = bytes(step)


def test_many_pieces_of_one_byte_and_blocks_that_end_with_a_piece_are_whole() -> None:
    data = os.urandom(2 * BLOCK_BYTES)
    halves = [
        data[:BLOCK_BYTES],
        *(bytes([byte]) for byte in data[BLOCK_BYTES : BLOCK_BYTES + 1000]),
        b"",
        data[BLOCK_BYTES + 1000 :],
    ]
    assert gzip.decompress(written([(entry(b"", len(data)), halves)], Form.GZ, threads=2)) == data


@pytest.mark.parametrize(
    ("mode", "kept"),
    [(0o644, 0o644), (0o100, 0o755), (0o010, 0o755), (0o001, 0o755), (0o6644, 0o644), (0o1000, 0o644), (0, 0o644)],
)
def test_each_executable_bit_makes_a_program(mode: int, kept: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(written([(entry(b"a", 0, mode=mode), [])], Form.TAR))) as tar:
        assert tar.next().mode == kept  # type: ignore[union-attr]


@pytest.mark.parametrize("form", [Form.TAR, Form.TGZ])
def test_bundle_of_nothing_is_an_empty_tar(form: Form) -> None:
    with tarfile.open(fileobj=io.BytesIO(written([], form))) as tar:
        assert tar.getnames() == []
    assert len(written([], form)) <= largest_bytes(form, [])


def test_compressed_file_of_nothing_or_of_two_is_refused() -> None:
    one, folder = entry(b"", 1), BundleEntry(b"d", 0, 0, 0o755, is_folder=True)
    for entries in ([], [one, one], [folder]):
        with pytest.raises(ValueError, match="holds one file"):
            written([(each, [bytes(each.size)]) for each in entries], Form.GZ)


def test_empty_file_is_a_compressed_file_of_no_bytes(engine: ModuleType) -> None:
    made = written([(entry(b"", 0), [])], Form.GZ)
    assert gzip.decompress(made) == b"" and len(made) == largest_bytes(Form.GZ, [entry(b"", 0)])


@pytest.mark.parametrize("form", [Form.TGZ, Form.GZ])
def test_gzip_takes_what_is_written(engine: ModuleType, tmp_path: Path, form: Form) -> None:
    path = tmp_path / "made.gz"
    path.write_bytes(written([(entry(b"name", len(MIXED)), [MIXED])], form, threads=2))
    assert subprocess.run(["gzip", "-tv", path], capture_output=True, text=True, check=True).stderr.endswith(" OK\n")


@pytest.mark.parametrize("form", [Form.TAR, Form.TGZ])
def test_gnu_tar_lists_and_unpacks_every_name(tmp_path: Path, form: Form) -> None:
    (tmp_path / "made").write_bytes(of_files(NAMES, form))
    listed = ran(["tar", "--quoting-style=literal", "-tf", "made"], tmp_path)
    assert listed.split(b"\n")[:-1] == list(NAMES)
    ran(["tar", "-xf", "made"], tmp_path)
    assert all((tmp_path / os.fsdecode(name)).read_bytes() == name for name in NAMES)


@pytest.mark.parametrize("form", [Form.TAR, Form.TGZ])
def test_bsdtar_unpacks_every_name(tmp_path: Path, form: Form) -> None:
    bsdtar = needs_tool("bsdtar")
    (tmp_path / "made").write_bytes(of_files(NAMES, form))
    assert len(ran([bsdtar, "-tf", "made"], tmp_path).splitlines()) == len(NAMES)
    ran([bsdtar, "-xf", "made"], tmp_path)
    assert all((tmp_path / os.fsdecode(name)).read_bytes() == name for name in NAMES)


def ran(command: Sequence[str], folder: Path) -> bytes:
    """Run a program that must end well and without a warning; return what it prints."""
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("cut", [1000, BLOCK_BYTES, len(MIXED)])
def test_writer_of_gzip_makes_the_bytes_that_pieces_have(cut: int) -> None:
    blocks = (MIXED[at : at + BLOCK_BYTES] for at in range(0, len(MIXED), BLOCK_BYTES))
    made: list[bytes] = []
    writer = encoder.GzipWriter(made.append, level=3)
    for at in range(0, len(MIXED), cut):
        writer.write(memoryview(MIXED)[at : at + cut])
    writer.finish()
    assert b"".join(made) == b"".join(encoder.gzip_pieces(blocks, level=3))
