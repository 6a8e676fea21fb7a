"""Reading bundles: what was written, what other programs write, and what is damaged or hostile."""

import gzip
import io
import os
import resource
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form, form_of, largest_bytes
from qa2pack.manifest.bundle.read import BundleError, read_bundle
from qa2pack.manifest.bundle.write import write_bundle
from support.tools import needs_tool

Files = Mapping[bytes, bytes | None]
SOME: Files = {b"d": None, b"d/a": b"a" * 3000, b"d/empty": b"", b"d/not-\xff-utf-8": b"x" * 600, b"z" * 150: b"long"}
NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: not {b"/", b"\0"} & {bytes([c]) for c in name})
TREES = st.dictionaries(
    NAMES.filter(lambda name: name not in (b".", b"..")), st.none() | st.binary(max_size=2000), max_size=5
)


def entry(path: bytes, data: bytes | None) -> BundleEntry:
    return BundleEntry(path, len(data or b""), 1_500_000_000_000_000_000, 0o644, data is None)


def written(files: Files, form: Form, *, threads: int = 1, level: int = 6) -> bytes:
    out = io.BytesIO()
    entries = ((entry(path, data), [data] if data else []) for path, data in files.items())
    size, _ = write_bundle(out.write, form, entries, threads=threads, level=level)
    assert size == len(out.getvalue()) <= largest_bytes(form, (entry(path, data) for path, data in files.items()))
    return out.getvalue()


def found(data: bytes, form: Form) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield what is read, up to an error."""
    for each, blocks in read_bundle(io.BytesIO(data).read, form):
        yield each.path, None if each.is_folder else b"".join(blocks)


@given(files=TREES, form=st.sampled_from([Form.TAR, Form.TGZ]), threads=st.integers(1, 3), level=st.integers(1, 9))
def test_what_was_written_is_read(files: Files, form: Form, threads: int, level: int) -> None:
    data = written(files, form, threads=threads, level=level)
    assert dict(found(data, form)) == files
    assert data == written(files, form, level=level), "the bytes do not depend on the number of threads"


@given(data=st.binary(max_size=3000), repeated=st.integers(1, 200))
def test_compressed_file_is_read(data: bytes, repeated: int) -> None:
    packed = written({b"one": data * repeated}, Form.GZ, threads=2)
    assert gzip.decompress(packed) == data * repeated
    assert list(found(packed, Form.GZ)) == [(b"", data * repeated)]


def test_random_bytes_take_no_more_than_the_largest_size() -> None:
    data = os.urandom(700_000)
    assert len(written({b"one": data}, Form.GZ)) <= largest_bytes(Form.GZ, [entry(b"one", data)]) < len(data) + 1000


@pytest.mark.parametrize(
    ("path", "form"),
    [(b"a.tar", Form.TAR), (b"a.tgz", Form.TGZ), (b"a.tar.gz", Form.TGZ), (b"a.gz", Form.GZ), (b"a.zip", None)],
)
def test_suffix_tells_the_form(path: bytes, form: Form | None) -> None:
    assert form_of(path) is form


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("form", [Form.TGZ, Form.GZ])
def test_cut_compressed_bundle_is_refused(form: Form, part: float) -> None:
    data = written(SOME if form is Form.TGZ else {b"a": os.urandom(2000)}, form)
    with pytest.raises(BundleError):
        list(found(data[: max(1, int(part * len(data)) - 1)], form))


@given(place=st.integers(min_value=10))
def test_flipped_bit_of_a_compressed_tar_gives_no_other_content(place: int) -> None:
    data = bytearray(written(SOME, Form.TGZ))
    data[place % (len(data) - 10) + 10] ^= 1  # behind the header of gzip, which has times and names
    with suppress(BundleError):
        assert dict(found(bytes(data), Form.TGZ)) == SOME, "it is a bit that means nothing"


def test_files_before_the_damage_are_handed_out() -> None:
    files = {b"first": os.urandom(300_000), b"second": os.urandom(300_000)}
    data, seen = written(files, Form.TGZ), {}
    with pytest.raises(BundleError, match="cut short"):
        for path, content in found(data[:-200_000], Form.TGZ):
            seen[path] = content
    assert seen == {b"first": files[b"first"]}


def test_bad_header_in_the_middle_is_refused() -> None:
    data = bytearray(written({b"a": b"a" * 512, b"b": b"b" * 512}, Form.TAR))
    data[1024 + 148] ^= 1  # the checksum of the second header
    with pytest.raises(BundleError, match="no entry"):
        list(found(bytes(data), Form.TAR))


def tar_of(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            tar.addfile(member)
    return out.getvalue()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(BundleError, match="no plain file"):
        list(found(tar_of(member), Form.TAR))


def test_long_facts_of_an_entry_and_what_expands_take_no_memory() -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 33
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(member.tobuf(tarfile.GNU_FORMAT))
    bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match="more than a MiB"):
        list(found(bomb, Form.TGZ))
    for _, blocks in read_bundle(io.BytesIO(bomb).read, Form.GZ):
        assert sum(map(len, blocks)) == (512 << 20) + 512
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize("padding", [b"", bytes(100)])
def test_several_members_of_gzip_are_one_file(padding: bytes) -> None:
    data = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two") + padding
    assert list(found(data, Form.GZ)) == [(b"", b"onetwo")]


def test_other_bytes_behind_a_gzip_file_are_refused() -> None:
    with pytest.raises(BundleError):
        list(found(gzip.compress(b"one") + b"other", Form.GZ))


@pytest.mark.parametrize("form", ["v7", "ustar", "gnu", "pax"])
def test_tars_of_another_program_are_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "d/empty").mkdir(parents=True)
    (tmp_path / "d/a").write_bytes(b"a" * 3000)
    subprocess.run(["tar", f"--format={form}", "-czf", "x.tgz", "d"], cwd=tmp_path, check=True)
    files = dict(found((tmp_path / "x.tgz").read_bytes(), Form.TGZ))
    assert files == {b"d": None, b"d/empty": None, b"d/a": b"a" * 3000}


def test_other_programs_unpack_what_is_written(tmp_path: Path) -> None:
    needs_tool("bsdtar")
    (tmp_path / "x.tgz").write_bytes(written(SOME, Form.TGZ))
    for program in ("tar", "bsdtar"):
        folder = tmp_path / program
        folder.mkdir()
        subprocess.run(
            [program, "-xzf", tmp_path / "x.tgz", "-C", folder], check=True, env={**os.environ, "LC_ALL": "C"}
        )
        root = os.fsencode(folder)
        for path, data in SOME.items():
            target = os.path.join(root, path)
            assert Path(os.fsdecode(target)).read_bytes() == data if data is not None else os.path.isdir(target)


def test_largest_size_of_a_tar_is_its_size() -> None:
    files: Files = {b"%03d" % number: b"" for number in range(100)} | {b"n" * 120: b"1"}
    assert len(written(files, Form.TAR)) == largest_bytes(Form.TAR, (entry(*file) for file in files.items()))
