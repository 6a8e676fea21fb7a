"""Latency: which file systems are measured, and whether they answer late."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.fs import latency
from qa2pack.manifest.fs.latency import answers_late
from qa2pack.manifest.fs.mount import Mount
from support.file_systems import made_disk, overlay, small_disk


@pytest.fixture(autouse=True)
def all_measured_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "LATE_SECONDS", 0.0)


def is_late(disk: Path) -> bool:
    (disk / "a").touch()
    assert os.major(disk.stat().st_dev) == 0, "as that of a file system behind a network"
    return answers_late(os.fsencode(disk)) or answers_late(os.fsencode(disk / "a"))


def test_btrfs_on_a_disk_of_this_machine_is_not_measured(tmp_path: Path) -> None:
    with made_disk(tmp_path / "disk", ["mkfs.btrfs", "-q", "-M"]) as disk:
        assert not is_late(disk)


def test_memory_of_this_machine_is_not_measured(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        assert not is_late(disk)


def test_layers_of_a_container_are_not_measured(tmp_path: Path) -> None:
    (tmp_path / "lower").mkdir()
    with overlay(tmp_path / "lower", tmp_path / "disk") as disk:
        assert not is_late(disk)


@pytest.mark.parametrize("kind", ["nfs4", "fuse.sshfs", "lustre", "unheard-of", None])
def test_kind_that_may_be_behind_a_network_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    mount = None if kind is None else Mount(b"1", b"0:50", b"/", kind, "server:/export", "rw")
    monkeypatch.setattr(latency, "mount_of", lambda _: mount)
    with small_disk(tmp_path / "disk") as disk:
        assert is_late(disk)
