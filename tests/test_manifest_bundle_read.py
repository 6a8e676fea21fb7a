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


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def facts(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header of POSIX."""
    data = b"".join(b"%d %b\n" % (len(record) + 2 + len(str(len(record) + 4)), record) for record in records)
    return header("x", kind, len(data)) + data + bytes(-len(data) % 512)


END = bytes(1024)


@pytest.mark.parametrize(
    "data",
    [
        *(facts(b"mtime=" + value) + header("a") for value in (b"nan", b"inf", b"", b"1e9", b"9" * 400)),
        *(facts(b"size=" + value) + header("a") for value in (b"-1", b"1.5", b"x", b"9" * 5000)),
        *(facts(b"path=" + value) + header("a") for value in (b"../x", b"/etc/x", b"a/../b", b"", b"a\0b", b"a//b")),
        *(header(name) for name in ("../x", "/etc/x", ".", "..", "a/./b", "./", "././a")),
        *(header(name, tarfile.DIRTYPE) for name in ("..", "/", "../x", "a/../b")),
        *(facts(b"GNU.sparse.%b=1" % key) + header("a") for key in (b"major", b"size", b"map", b"realsize")),
        facts(b"path=one", kind=tarfile.XGLTYPE) + header("a"),
        header("x", tarfile.XHDTYPE, 6) + b"6 a=b\n"[:5].ljust(512, b"\0") + header("a"),
        header("x", tarfile.XHDTYPE, 4) + b"999999 path=b\n".ljust(512, b"\0") + header("a"),
        header("x", tarfile.XHDTYPE, 4) + b"0 a=".ljust(512, b"\0") + header("a"),
        header("x", tarfile.GNUTYPE_LONGNAME, 4) + b"../y".ljust(512, b"\0") + header("a"),
        header("a", tarfile.GNUTYPE_SPARSE)[:482] + b"\1" + header("a")[483:],
        header("a", b"Z"),
        header("a", size=-1),
        facts(b"comment=c"),
    ],
)
def test_crafted_entry_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        list(found(data + END, Form.TAR))


@given(data=st.binary(max_size=2000), kind=st.sampled_from(b"0157LKxgXSZ"), place=st.integers(0, 511))
def test_bytes_of_any_kind_raise_only_that_error(data: bytes, kind: int, place: int) -> None:
    crafted = bytearray(header("a", bytes([kind]), len(data)) + data + bytes(-len(data) % 512) + header("b") + END)
    if place not in range(148, 156):
        crafted[place] = (data or b"\x80")[0]
        total = sum(crafted[:148]) + sum(crafted[156:512]) + 8 * 32
        crafted[148:156] = b"%06o\0 " % total
    with suppress(BundleError):
        for path, _ in found(bytes(crafted), Form.TAR):
            assert path
            assert not path.startswith((b"/", b"../"))


def test_headers_without_end_take_no_memory_and_no_stack() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = facts(b"comment=" + b"c" * 500_000, kind=tarfile.XGLTYPE)
    endless = b"".join(packer.compress(block) for _ in range(300)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match="more than a MiB"):
        list(found(endless, Form.TGZ))
    with pytest.raises(BundleError, match="more than a MiB"):
        list(found(facts() * 3000 + header("a") + END, Form.TAR))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB


@pytest.mark.parametrize("cut", [1, 511, 512, 1023, 1024])
def test_tar_without_its_end_is_cut_short(cut: int) -> None:
    whole = header("a", size=512) + bytes(512) + header("b") + END
    assert [path for path, _ in found(whole, Form.TAR)] == [b"a", b"b"]
    for data in (whole[:-cut], header("a", size=512) + bytes(512 - min(cut, 512))):
        with pytest.raises(BundleError, match="cut short"):
            list(found(data, Form.TAR))


def test_bytes_before_a_cut_are_handed_out() -> None:
    content = os.urandom(3_000_000)
    packed, taken = written({b"one": content}, Form.GZ), b""
    with pytest.raises(BundleError, match="cut short"):
        for _, blocks in read_bundle(io.BytesIO(packed[:-100_000]).read, Form.GZ):
            for block in blocks:
                taken += block
    assert content.startswith(taken)
    assert len(taken) > len(content) - 300_000


def test_content_that_is_not_taken_is_passed_over() -> None:
    data = written(SOME, Form.TGZ)
    assert [entry.path for entry, _ in read_bundle(io.BytesIO(data).read, Form.TGZ)] == list(SOME)


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
    (tmp_path / "top/d/empty").mkdir(parents=True)
    (tmp_path / "top/d/a").write_bytes(b"a" * 3000)
    for named in ("d", "./d", "."):
        subprocess.run(["tar", f"--format={form}", "-czf", "x.tgz", "-C", "top", named], cwd=tmp_path, check=True)
        files = dict(found((tmp_path / "x.tgz").read_bytes(), Form.TGZ))
        assert files == {b"d": None, b"d/empty": None, b"d/a": b"a" * 3000}


@pytest.mark.parametrize("form", ["ustar", "gnutar", "pax"])
def test_tars_of_bsdtar_are_read(tmp_path: Path, form: str) -> None:
    needs_tool("bsdtar")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(b"a" * 3000)
    (tmp_path / f"d/{'b' * 90}").write_bytes(b"b")
    subprocess.run(["bsdtar", f"--format={form}", "-czf", "x.tgz", "d"], cwd=tmp_path, check=True)
    files = dict(found((tmp_path / "x.tgz").read_bytes(), Form.TGZ))
    assert files == {b"d": None, b"d/a": b"a" * 3000, b"d/" + b"b" * 90: b"b"}


def test_archives_of_git_are_read() -> None:
    comment = facts(b"comment=0123456789abcdef", kind=tarfile.XGLTYPE)  # the commit, before the first entry
    assert dict(found(comment + header("a") + END, Form.TAR)) == {b"a": b""}


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
