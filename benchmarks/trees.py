"""Deterministic reduction folders to measure with: many small files, a few big ones, or both."""

import os
import random
from pathlib import Path

_UID = "uid___A002_X3c9295_X8c"
_SMALL_SIZES = (200, 1000, 2000, 4000, 8000, 20000)
_BLOCK_BYTES = 1 << 20


def make_small(root: Path, file_count: int) -> None:
    """Make an origin with so many small files in folders of a hundred, inside one plots folder."""
    block = _start(root)
    plots = block / f"{_UID}.ms.split.bandpass.plots"
    chance = random.Random(1)
    for number in range(0, file_count, 100):
        folder = plots / f"d{number // 5000:04d}" / f"e{number // 100:05d}"
        folder.mkdir(parents=True)
        for index in range(min(100, file_count - number)):
            (folder / f"plot{index:03d}.png").write_bytes(chance.randbytes(chance.choice(_SMALL_SIZES)))


def make_big(root: Path, total_bytes: int, *, file_bytes: int = 256 << 20) -> None:
    """Make an origin that holds its bytes in a few big FITS files."""
    block = _start(root)
    chance = random.Random(2)
    for number in range(max(1, total_bytes // file_bytes)):
        with open(block / f"image{number:02d}.fits", "wb") as file:
            for _ in range(file_bytes // _BLOCK_BYTES):
                file.write(chance.randbytes(_BLOCK_BYTES))


def _start(root: Path) -> Path:
    block = root / "SB" / "X8c"
    block.mkdir(parents=True)
    (block / f"{_UID}.ms.scriptForCalibration.py").write_text("# calibration\n")
    return block


def count_files(root: Path) -> int:
    """Return how many files the tree holds."""
    return sum(len(files) for _, _, files in os.walk(root))
