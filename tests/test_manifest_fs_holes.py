"""Sparse files need the room of their data, not that of their size."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs.holes import HOLE_BYTES, hole_bytes
from support.file_systems import small_disk
from support.in_process import Delivery, make_reduction, write

STEP = HOLE_BYTES


@pytest.mark.parametrize(
    ("data_at", "size", "holes"),
    [
        ([], 10 * STEP, 10 * STEP),
        ([0], 10 * STEP, 9 * STEP),
        ([3 * STEP + 5, 3 * STEP + 9000, 7 * STEP], 10 * STEP + 1, 8 * STEP + 1),
        ([STEP // 2], STEP, 0),
        ([0], 4, 0),
    ],
)
def test_holes_are_what_a_copy_does_not_write(tmp_path: Path, data_at: list[int], size: int, holes: int) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(size)
        for position in data_at:
            file.seek(position)
            file.write(b"x")
        file.flush()
        os.fsync(file.fileno())  # blocks are given to it then
    assert hole_bytes(os.fsencode(path), path.stat()) == holes


@pytest.mark.parametrize("is_replacing", [False, True])
def test_sparse_file_that_is_bigger_than_the_disk_is_copied(tmp_path: Path, is_replacing: bool) -> None:
    origin = make_reduction(tmp_path / "sb1")
    image = write(origin / "calibrated_all.clean.fits", b"x")
    os.truncate(image, 64 << 20)
    with small_disk(tmp_path / "small", size=1_600_000) as disk:
        delivery = Delivery(origin, disk / "2011.0.00229.S")
        delivery.make(Mode.COPY)
        if is_replacing:
            delivery.make(Mode.COPY)
        assert delivery.plan(Mode.COPY).notes.new_bytes >= 0
        assert delivery.problems() == []
