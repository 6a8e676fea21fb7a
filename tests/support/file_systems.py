"""Other file systems than the one that tests run on: in memory, small, read-only, mounted twice."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from support.tools import needs_tool

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
    mount, umount = needs_tool("mount"), needs_tool("umount")
    if not place.is_file():
        place.mkdir(exist_ok=True)
    done = subprocess.run([mount, *arguments, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run([umount, "--lazy", place], check=True)  # a manifest may be open for the next look into it


@contextmanager
def mounted_by_rclone(place: Path, source: Path) -> Iterator[Path]:
    """Mount a folder as an object store, without a cache: no file is changed that was begun."""
    rclone, fusermount = needs_tool("rclone"), needs_tool("fusermount3")
    place.mkdir()
    source.mkdir()
    command: list[str | Path] = [rclone, "mount", source, place, "--config", os.devnull]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as mount:
        try:
            while not place.is_mount():
                if mount.poll() is not None and mount.stderr:
                    pytest.skip(f"this user may not mount: {mount.stderr.read().decode().strip()}")
                time.sleep(0.02)
            yield place
        finally:
            subprocess.run([fusermount, "-u", "-z", place], check=mount.poll() is None)


@contextmanager
def small_disk(place: Path, *, size: int = 1 << 20, inodes: int = 1000) -> Iterator[Path]:
    """Mount an empty file system in memory with room for so many bytes and inodes."""
    with mounted(place, "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "tmpfs") as disk:
        yield disk


def count_no_inodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each file system say that it has inodes and none is free, as mounts of object stores do that take files."""
    ask = os.statvfs

    def saying_none(path: bytes) -> os.statvfs_result:
        told = list(ask(path))
        told[5:8] = 1_000_000_000, 0, 0  # f_files, f_ffree, f_favail
        return os.statvfs_result(told)

    monkeypatch.setattr(os, "statvfs", saying_none)


@contextmanager
def file_in_memory() -> Iterator[IO[bytes]]:
    """Yield an open file in shared memory, whose path names one that outlives no restart."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm cannot be written here")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        yield file


@contextmanager
def read_only(folder: Path, place: Path) -> Iterator[Path]:
    """Mount `folder` once more at `place`, where nothing can be written."""
    with mounted(place, "--bind", os.fspath(folder)):
        subprocess.run([needs_tool("mount"), "-o", "remount,ro,bind", place], check=True)
        yield place


@contextmanager
def marked(path: Path, mark: str) -> Iterator[Path]:
    """Mark a file or folder as immutable (`i`) or append-only (`a`), which only root may."""
    done = subprocess.run([_tool("chattr"), f"+{mark}", path], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be marked here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run([_tool("chattr"), f"-{mark}", path], check=True)


@contextmanager
def made_disk(place: Path, make: list[str]) -> Iterator[Path]:
    """Make a file system in an image beside the place with a command, mount it there, and yield it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    image = place.with_name(place.name + ".image")
    with open(image, "wb") as file:
        file.truncate(512 << 20)
    subprocess.run([_tool(make[0]), *make[1:], image], check=True, capture_output=True)
    with mounted(place, "-o", "loop", os.fspath(image)) as disk:
        yield disk


@contextmanager
def quota_disk(place: Path, limit_bytes: int) -> Iterator[Path]:
    """Yield a folder with a quota: its disk has room, and once the quota is used up btrfs takes no byte more."""
    with made_disk(place, ["mkfs.btrfs", "-q", "-M"]) as disk:
        tool, folder = _tool("btrfs"), os.fspath(disk / "limited")
        for words in (["quota", "enable", os.fspath(disk)], ["subvolume", "create", folder]):
            subprocess.run([tool, *words], check=True, capture_output=True)
        subprocess.run([tool, "qgroup", "limit", str(limit_bytes), folder], check=True)
        yield Path(folder)


@contextmanager
def overlay(lower: Path, place: Path) -> Iterator[Path]:
    """Mount a copy of `lower` with an empty layer above it on the same file system, as a container has it."""
    with small_disk(place.with_name(place.name + ".layers"), size=64 << 20, inodes=10000) as layers:
        upper, work = layers / "upper", layers / "work"
        upper.mkdir()
        work.mkdir()
        subprocess.run(["cp", "-a", lower, layers / "lower"], check=True)
        options = f"lowerdir={layers / 'lower'},upperdir={upper},workdir={work},redirect_dir=off"
        with mounted(place, "-t", "overlay", "-o", options, "overlay") as disk:
            yield disk


@contextmanager
def exfat_disk(place: Path) -> Iterator["ExfatDisk"]:
    """Mount an empty exFAT: no hard links, no colons, case is folded, and inode numbers are others at each mount."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    make, losetup, umount = _tool("mkfs.exfat"), _tool("losetup"), needs_tool("umount")
    image = place.with_name(place.name + ".image")
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    subprocess.run([make, image], check=True, capture_output=True)
    done = subprocess.run([losetup, "-f", "--show", image], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"there is no loop device here: {done.stderr.strip()}")
    place.mkdir()
    disk = ExfatDisk(place, done.stdout.strip())
    try:
        disk.mount()
        yield disk
    finally:
        subprocess.run([umount, "--lazy", place], check=False, capture_output=True)
        subprocess.run([losetup, "-d", disk.device], check=True)


@dataclass(frozen=True, slots=True)
class ExfatDisk:
    """A mounted exFAT, which can be taken off and mounted again."""

    path: Path
    device: str

    def mount(self) -> None:
        """Mount it; skip the test where that cannot be done."""
        done = subprocess.run(
            [_tool("mount.exfat-fuse"), self.device, self.path], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"exFAT cannot be mounted here: {done.stderr.strip()}")

    def mount_again(self) -> None:
        """Take it off and mount it again: numbers are given to files in the order in which they are asked for."""
        subprocess.run([needs_tool("umount"), self.path], check=True)
        self.mount()


def _tool(name: str) -> str:
    """Return the path of a tool of the system; skip the test where there is none."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
    if path is None:
        pytest.skip(f"there is no {name} here")
    return path
