"""Empty and broken products are packaged, and told when planning."""

import gzip
import os

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.role import Role
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.problem import Code, PlanRefused
from support.in_process import Delivery, write

PACKED = gzip.compress(bytes(range(256)) * 400, mtime=0)  # the bytes are the names of tests: the same each time
AS_PRODUCTS = (Include("*.gz", Role.PRODUCT), Include("*.tgz", Role.PRODUCT), Include("*.zip", Role.PRODUCT))


def _print_result(delivery: Delivery, mode: Mode = Mode.COPY) -> list[tuple[Code, str]]:
    warnings = delivery.made(mode, include=AS_PRODUCTS).notes.warnings
    kinds = {Code.W_EMPTY, Code.W_BROKEN}
    return [(each.code, os.path.basename(os.fsdecode(each.path))) for each in warnings if each.code in kinds]


@pytest.fixture
def sound(delivery: Delivery) -> Delivery:
    """A reduction with whole files only."""
    for name, data in {
        "whole.fits.gz": PACKED,
        "two.in.a.row.gz": PACKED + PACKED,
        "padded.tgz": PACKED + bytes(512),
        "many.zeros.gz": gzip.compress(bytes(100 << 20), 1),
    }.items():
        write(delivery.origin / name, data)
    return delivery


def test_whole_files_are_not_told(sound: Delivery) -> None:
    assert _print_result(sound) == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE])
@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz", "A.FITS.gz", "a.tgz", "a.zip"])
def test_empty_file_that_never_is_empty_is_told(sound: Delivery, name: str, mode: Mode) -> None:
    write(sound.origin / name, b"")
    assert _print_result(sound, mode) == [(Code.W_EMPTY, name)]


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
    ],
)
def test_broken_file_is_told(sound: Delivery, name: str, data: bytes) -> None:
    write(sound.origin / name, data)
    assert _print_result(sound) == [(Code.W_BROKEN, name)]


def test_broken_file_is_told_again_though_its_digest_is_known(sound: Delivery) -> None:
    write(sound.origin / "a.fits.gz", b"no gzip")
    sound.make(Mode.COPY, include=AS_PRODUCTS)
    assert _print_result(sound) == [(Code.W_BROKEN, "a.fits.gz")]


def test_plan_that_is_strict_refuses_an_empty_product(sound: Delivery) -> None:
    write(sound.origin / "a.fits", b"")
    with pytest.raises(PlanRefused) as refused:
        sound.made(Mode.COPY, is_strict=True)
    assert Code.W_EMPTY in {problem.code for problem in refused.value.problems}
