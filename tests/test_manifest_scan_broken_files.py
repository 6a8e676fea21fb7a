"""Empty and broken products are packaged, and reported when planning."""

import bz2
import gzip
import lzma
import os
import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.scan import broken_files
from support.in_process import Delivery, write


def fits(*axes: int, data: bytes = b"", start: str = "SIMPLE  =                    T", **more: str) -> bytes:
    """Return a unit of 16 bit FITS."""
    cards = [start, "BITPIX  =                   16", f"NAXIS   = {len(axes):20} / axes"]
    cards += [f"NAXIS{number:<3}= {axis:20}" for number, axis in enumerate(axes, 1)]
    cards += [f"{name:8}= {value:>20}" for name, value in more.items()]
    header = "".join(f"{card:80}" for card in [*cards, *[f"HISTORY {number}" for number in range(40)], "END"])
    return header.encode() + b" " * (-len(header) % 2880) + data + bytes(-len(data) % 2880)


IMAGE = fits(100, 100, data=b"x" * 20000)
TABLE = fits(30, 100, data=b"x" * 16000, start="XTENSION= 'BINTABLE'", PCOUNT="5000", GCOUNT="1")
GROUPS = fits(0, 4, 5, data=b"x" * 10000, GROUPS="T", PCOUNT="5", GCOUNT="200")
PACKED = gzip.compress(bytes(range(256)) * 400, mtime=0)  # the bytes are the names of tests: the same each time
AS_PRODUCTS = (
    Include("*.[fF][iI][tT]*", "product"),
    Include("*.gz", "product"),
    Include("*.tgz", "product"),
    Include("*.zip", "product"),
    Include("packed.*", "product"),
)


def _reported(delivery: Delivery, mode: Mode = Mode.COPY) -> list[tuple[Code, str]]:
    warnings = delivery.made(mode, include=AS_PRODUCTS).notes.warnings
    kinds = {Code.W_EMPTY, Code.W_BROKEN}
    return [(each.code, os.path.basename(os.fsdecode(each.path))) for each in warnings if each.code in kinds]


ZST = b"\x28\xb5\x2f\xfd" + bytes(9)


@pytest.fixture
def sound(delivery: Delivery) -> Delivery:
    """A reduction with whole files only."""
    for name, data in {
        "whole.fits.gz": PACKED,
        "two.in.a.row.gz": PACKED + PACKED,
        "padded.tgz": PACKED + bytes(512),
        "many.zeros.gz": gzip.compress(bytes(100 << 20), 1),
        "image.fits": IMAGE,
        "image.and.table.fits": fits() + TABLE + TABLE,
        "random.groups.fits": GROUPS,
        "special.records.fit": IMAGE + bytes(2880),
        "packed.bz2": bz2.compress(IMAGE),
        "packed.tar.xz": lzma.compress(IMAGE),
        "packed.zst": ZST,
        "packed.zip": b"PK\x03\x04" + bytes(18),
        "empty.zip": b"PK\x05\x06" + bytes(18),
        "spanned.zip": b"PK\x07\x08" + bytes(18),
    }.items():
        write(delivery.origin / name, data)
    return delivery


def test_whole_files_are_not_reported(sound: Delivery) -> None:
    assert _reported(sound) == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE])
@pytest.mark.parametrize(
    "name",
    [
        *("a.fits", "a.fits.gz", "A.FITS.gz", "a.tgz", "a.zip"),
        *("packed.tar", "packed.png", "packed.jpg", "packed.jpeg", "packed.gif"),
        *("packed.pdf", "packed.ps", "packed.eps", "packed.html"),
    ],
)
def test_empty_file_that_never_is_empty_is_reported(sound: Delivery, name: str, mode: Mode) -> None:
    write(sound.origin / name, b"")
    assert _reported(sound, mode) == [(Code.W_EMPTY, name)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.fits.gz", b"<html>not found</html>"),
        ("a.gz", PACKED[:100]),
        ("a.tgz", PACKED[:-1]),
        ("a.gz", PACKED[:12]),
        ("a.gz", PACKED[:60] + b"\xff\xff\xff\xff" + PACKED[64:]),
        ("a.gz", PACKED[:-8] + bytes(4) + PACKED[-4:]),
        ("a.gz", PACKED + PACKED[:40]),
        ("a.zip", PACKED),
        ("packed.bz2", PACKED),
        ("packed.xz", PACKED),
        ("packed.zst", PACKED),
        ("a.fits", IMAGE[:-1]),
        ("a.fits", IMAGE[:-2880]),
        ("a.FIT", IMAGE[:5000]),
        ("a.fits", IMAGE[:2880]),
        ("a.fits", IMAGE[:100]),
        ("a.fits", IMAGE + b"rest"),
        ("a.fits", IMAGE + TABLE[:-2880]),
        ("a.fits", fits() + TABLE[:3000]),
        ("a.fits", GROUPS[:-2880]),
        ("a.fits", b"SIMPLE  =                    T".ljust(80) * 72),
        ("a.fits", fits(10**18, 10**18)),
        ("a.fits", b"<html>not found</html>"),
        ("a.fits", bytes(5760)),
    ],
)
def test_broken_file_is_reported(sound: Delivery, name: str, data: bytes) -> None:
    write(sound.origin / name, data)
    assert _reported(sound) == [(Code.W_BROKEN, name)]


def _large(length: int) -> bytes:
    """Return a gzip file above the size up to which all are unpacked; the same each time."""
    return gzip.compress(random.Random(1).randbytes(length), 0, mtime=0)


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.gz", "A.FITS.gz"])
def test_large_tar_or_image_that_breaks_off_is_reported(delivery: Delivery, name: str) -> None:
    whole = _large(2880 * 512 * 4)
    write(delivery.origin / name, whole)
    assert _reported(delivery) == []
    for broken in (whole[: 5 << 20], whole[:-1000], whole[:-1], whole[:-1000] + bytes(1000)):
        write(delivery.origin / name, broken)
        assert _reported(delivery) == [(Code.W_BROKEN, name)]


def test_large_file_that_is_whole_but_for_its_length_is_not_reported(delivery: Delivery) -> None:
    two = _large((1 << 20) - 104) + _large(5 << 20)
    assert two[(1 << 20) - 1 :].startswith(b"\x1f\x8b")  # so that two readings have one of these bytes each
    for name, data in {
        "odd.length.tgz": _large((5 << 20) + 1),
        "padded.tgz": _large(5 << 20) + bytes(512),
        "two.fits.gz": two,
        "two.in.a.row.tgz": two + _large(1),
    }.items():
        write(delivery.origin / name, data)
    assert _reported(delivery) == []
    write(delivery.origin / "two.fits.gz", two[:-1000])
    assert _reported(delivery) == [(Code.W_BROKEN, "two.fits.gz")]


def test_large_file_with_a_doubtful_end_is_unpacked_up_to_a_limit(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken_files, "_DOUBTFUL_BYTES", 1 << 20)
    write(delivery.origin / "a.tgz", _large((5 << 20) + 1))
    assert _reported(delivery) == [(Code.W_BROKEN, "a.tgz")]


def test_plan_that_reads_no_content_reports_no_broken_file(sound: Delivery) -> None:
    write(sound.origin / "a.gz", b"no gzip")
    assert _reported(sound, Mode.FAKE) == []


def test_broken_file_that_the_package_has_already_is_not_reported_again(sound: Delivery) -> None:
    write(sound.origin / "a.gz", b"no gzip")
    sound.make(Mode.MOVE, include=AS_PRODUCTS)
    assert _reported(sound, Mode.MOVE) == []


@pytest.mark.parametrize("data", [os.urandom, bytes], ids=["more to read", "more to unpack"])
def test_gzip_that_takes_long_to_unpack_is_not_unpacked_to_its_end(
    delivery: Delivery, data: Callable[[int], bytes]
) -> None:
    size = 4 << 20 if data is os.urandom else 100 << 20
    write(delivery.origin / "a.gz", gzip.compress(data(size), 1)[:-8])
    assert _reported(delivery) == []


class _CountedZlib:
    """The module zlib, with what is given to it counted."""

    def __init__(self) -> None:
        self.member_count = self.given_bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(zlib, name)

    def decompressobj(self, **options: Any) -> "_CountedMember":
        self.member_count += 1
        return _CountedMember(self, zlib.decompressobj(**options))


class _CountedMember:
    def __init__(self, counted: _CountedZlib, unpacking: Any) -> None:
        self._counted, self._unpacking = counted, unpacking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unpacking, name)

    def decompress(self, data: bytes, most: int) -> Any:
        self._counted.given_bytes += len(data)
        return self._unpacking.decompress(data, most)


EMPTY = gzip.compress(b"", mtime=0)


def test_work_on_empty_members_of_gzip_is_in_proportion_to_the_file(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _CountedZlib()
    monkeypatch.setattr(broken_files, "zlib", counted)
    write(delivery.origin / "a.gz", EMPTY * 30_000 + PACKED[:-1])
    assert _reported(delivery) == [(Code.W_BROKEN, "a.gz")]
    assert counted.given_bytes < 20 * os.path.getsize(delivery.origin / "a.gz")  # of which each copies what is left


def test_empty_members_of_gzip_reach_the_limit_too(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _CountedZlib()
    monkeypatch.setattr(broken_files, "zlib", counted)
    write(delivery.origin / "a.gz", EMPTY * 200_000 + PACKED[:-1])
    assert _reported(delivery) == []
    assert counted.member_count <= (64 << 20) / 1024 + 1
    monkeypatch.setattr(broken_files, "_DOUBTFUL_BYTES", 1 << 20)
    write(delivery.origin / "a.gz", EMPTY * 300_000)  # its end says that it is empty
    counted.member_count = 0
    assert _reported(delivery) == [(Code.W_BROKEN, "a.gz")]
    assert counted.member_count <= (1 << 20) / 1024 + 1


def test_end_of_what_bgzip_writes_is_no_doubtful_one(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_files, "_DOUBTFUL_BYTES", 1 << 20)
    end = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    data = gzip.compress(os.urandom(1 << 16), 1) * 70 + end
    write(delivery.origin / "a.gz", data)
    assert _reported(delivery) == []
    write(delivery.origin / "a.gz", data[:-1])
    assert _reported(delivery) == [(Code.W_BROKEN, "a.gz")]


def test_broken_file_is_reported_again_though_its_digest_is_known(sound: Delivery) -> None:
    write(sound.origin / "a.fits.gz", b"no gzip")
    sound.make(Mode.COPY, include=AS_PRODUCTS)
    assert _reported(sound) == [(Code.W_BROKEN, "a.fits.gz")]


def test_plan_that_is_strict_refuses_an_empty_product(sound: Delivery) -> None:
    write(sound.origin / "a.fits", b"")
    with pytest.raises(Refused) as refused:
        sound.made(Mode.COPY, strict=True)
    assert Code.W_EMPTY in {problem.code for problem in refused.value.problems}
