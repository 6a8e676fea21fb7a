"""Other file systems than the one that tests run on: in memory, small, read-only, mounted twice."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools import needs_tool

_PLACES = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"))


@contextmanager
def folder_elsewhere(near: Path) -> Iterator[Path]:
    """Yield an empty folder on another file system than `near`."""
    others = [place for place in _PLACES if os.access(place, os.W_OK) and place.stat().st_dev != near.stat().st_dev]
    if not others:
        pytest.skip("there is no second file system to write to")
    folder = Path(tempfile.mkdtemp(prefix="qa2pack-test-", dir=others[0]))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[Path]:
    """Mount something at `place` and yield it; `arguments` are those of mount(8) before the place."""
    place.mkdir(exist_ok=True)
    done = subprocess.run([needs_tool("mount"), *arguments, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)  # a manifest may be open for the next look into it


@contextmanager
def small_disk(place: Path, *, size: int = 1 << 20, inodes: int = 1000) -> Iterator[Path]:
    """Mount an empty file system in memory with room for so many bytes and inodes."""
    with mounted(place, "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "tmpfs") as disk:
        yield disk


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Mount `folder` once more at `place`, where nothing can be written."""
    with mounted(place, "--bind", os.fspath(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield place
