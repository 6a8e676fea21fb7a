"""Deterministic reduction folders to measure with. Run as `python -m benchmarks.trees KIND DIR SIZE`.

As a process of its own, because the peak memory of a measured command counts what its parent held when it was
started.
"""

import os
import random
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_UID = "uid___A002_X3c9295_X8c"
_SMALL_SIZES = (200, 1000, 2000, 4000, 8000, 20000)
_TINY_SIZES = (100, 500, 1000, 2000)
_BLOCK_BYTES = 1 << 20
_BIG_FILE_BYTES = 256 << 20
_TABLE_BYTES = 300_000_000
_BUNDLED_BYTES = 10 << 20
_BUNDLES = """\
readme = false
[[folder]]
name = "product"
[[place]]
name = "top"
[[rule]]
kind = "tree"
match = "*"
to = "product/all.tgz!SB/{name}"
"""
_CALIBRATION = ("wvr", "tsys", "antpos", "split.bandpass", "split.phase_int", "split.phase_inf", "split.ampli_inf",
                "split.flux_inf", "split.flux_short_inf", "split.phasediff_inf")  # fmt: skip


def make_small(root: Path, file_count: int, *, sizes: tuple[int, ...] = _SMALL_SIZES) -> None:
    """Make an origin with so many small files in folders of a hundred, inside one plots folder."""
    _write_plots(_start(root) / f"{_UID}.ms.split.bandpass.plots", file_count, sizes=sizes)


def make_tiny(root: Path, file_count: int) -> None:
    """Make an origin as `make_small` does, of files that take one page of memory each: a million fit into 5 GiB."""
    make_small(root, file_count, sizes=_TINY_SIZES)


def make_big(root: Path, total_bytes: int, *, file_bytes: int = _BIG_FILE_BYTES) -> None:
    """Make an origin that holds its bytes in a few big FITS files."""
    block = _start(root)
    for number in range(max(1, total_bytes // file_bytes)):
        _write_random(block / f"image{number:02d}.fits", min(file_bytes, total_bytes), seed=number)


def make_one(root: Path, total_bytes: int) -> None:
    """Make an origin that holds its bytes in a single file."""
    make_big(root, total_bytes, file_bytes=total_bytes)


def make_mixed(root: Path, block_count: int) -> None:
    """Make a reduction of so many execution blocks, of some 800 MB and 2,000 files each; needs `PYTHONPATH=tests`."""
    from benchmarks.tables import make_table
    from support.measurement_sets import write_calibration_table

    models = root / "models"
    models.mkdir(parents=True)
    make_table(models / "split", rows=_TABLE_BYTES // (3 * 8 * 2 * 3840), channels=3840)
    write_calibration_table(models / "calibration")
    for number in range(block_count):
        uid = f"uid___A002_X3c9295_X{number + 0x8C:x}"
        block = root / "SB" / uid.rpartition("_")[2]
        for name in (f"{uid}.ms.split", f"{uid}.ms.split.cal"):
            shutil.copytree(models / "split", block / name)
        for kind in _CALIBRATION:
            shutil.copytree(models / "calibration", block / f"{uid}.ms.{kind}")
            _write_plots(block / f"{uid}.ms.{kind}.plots", 180, sizes=_SMALL_SIZES)
        for name in (f"{uid}.ms.scriptForCalibration.py", "casapy-20120502-102144.log", "checklist.txt"):
            (block / name).write_text(f"{name} of {uid}\n")
        _write_random(root / "SB" / f"target{number}.clean.fits", 100 << 20, seed=number)
    shutil.rmtree(models)


def make_bundled(root: Path, total_bytes: int) -> None:
    """Make a folder as it goes into bundles: by bytes five tenths images, three logs and two plots.

    Blocks of it repeat, farther apart than any compression of this kind looks back. `bundles.toml` is its layout.
    """
    image, log = image_bytes(), log_bytes()
    (root / "SB").mkdir(parents=True)
    (root / "bundles.toml").write_text(_BUNDLES)
    for number in range(max(1, total_bytes // _BUNDLED_BYTES)):
        folder = root / "SB" / f"block{number:03d}"
        folder.mkdir()
        (folder / "image.fits").write_bytes(image * 5)
        (folder / "casapy.log").write_bytes(log * 3)
        _write_random(folder / "plots.png", 2 * _BLOCK_BYTES, seed=number)


def image_bytes() -> bytes:
    """Return a MiB of an image: noise as wide as a beam, and nothing outside a circle."""
    import numpy as np

    side, beam = 512, np.exp(-(np.arange(-4, 5) ** 2) / 6)
    noise = np.random.default_rng(1).normal(0, 1e-3, (side, side))
    for axis in (0, 1):
        noise = sum(np.roll(noise, shift - 4, axis) * weight for shift, weight in enumerate(beam))
    y, x = np.mgrid[:side, :side] - side / 2
    return bytes(np.where(x * x + y * y < (side / 2) ** 2, noise, np.nan).astype(">f4").tobytes())


def log_bytes() -> bytes:
    """Return a MiB of a log as CASA writes it."""
    chance = random.Random(1)
    lines = (
        f"2012-05-02 10:{number // 60 % 60:02d}:{number % 60:02d}\tINFO\tgaincal::calib\tspw {chance.randrange(8)} "
        f"antenna DV{chance.randrange(25):02d}: chisq={chance.random():.5f}, {chance.randrange(9999)} good\n"
        for number in range(20_000)
    )
    return "".join(lines).encode()[:_BLOCK_BYTES]


def main() -> None:
    """Make the tree that is named on the command line."""
    kind, root, size = sys.argv[1:]
    MAKERS[kind](Path(root), int(size))


def count_files(root: Path) -> int:
    """Return how many files the tree holds."""
    return sum(len(files) for _, _, files in os.walk(root))


MAKERS: Mapping[str, Callable[[Path, int], None]] = {
    "small": make_small,
    "tiny": make_tiny,
    "big": make_big,
    "one": make_one,
    "mixed": make_mixed,
    "bundled": make_bundled,
    "cold": make_big,
    "late": make_small,
}


def _start(root: Path) -> Path:
    block = root / "SB" / "X8c"
    block.mkdir(parents=True)
    (block / f"{_UID}.ms.scriptForCalibration.py").write_text("# calibration\n")
    return block


def _write_plots(plots: Path, file_count: int, *, sizes: tuple[int, ...]) -> None:
    chance = random.Random(1)
    for number in range(0, file_count, 100):
        folder = plots / f"d{number // 5000:04d}" / f"e{number // 100:05d}"
        folder.mkdir(parents=True)
        for index in range(min(100, file_count - number)):
            (folder / f"plot{index:03d}.png").write_bytes(chance.randbytes(chance.choice(sizes)))


def _write_random(path: Path, size: int, *, seed: int) -> None:
    chance = random.Random(seed)
    with open(path, "wb") as file:
        for done in range(0, size, _BLOCK_BYTES):
            file.write(chance.randbytes(min(_BLOCK_BYTES, size - done)))


if __name__ == "__main__":
    main()
