"""Latency: which file systems are measured, and whether they answer late."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.fs import latency
from qa2pack.manifest.fs.latency import answers_late, useful_calls
from qa2pack.manifest.fs.mount import Mount
from support.commands import ROOT
from support.file_systems import made_disk, overlay, small_disk
from support.in_process import write
from support.tools import needs_workers


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
    mount = None if kind is None else Mount(b"1", b"0:50", b"/", b"/", kind, "server:/export", "rw")
    monkeypatch.setattr(latency, "mount_of", lambda _: mount)
    with small_disk(tmp_path / "disk") as disk:
        assert is_late(disk)


@pytest.mark.parametrize(
    ("limit", "expected"), [(3, 1), (39, 1), (40, 2), (64, 8), (160, 32), (1 << 20, 32), (resource.RLIM_INFINITY, 32)]
)
def test_no_more_calls_are_useful_than_the_limit_of_open_files_allows(
    monkeypatch: pytest.MonkeyPatch, limit: int, expected: int
) -> None:
    monkeypatch.setattr(latency, "answers_late", lambda _: True)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert useful_calls([b"/late"]) == expected


# Each open waits, as for a server, so that as many files are open as there are calls.
_SLOW_PACK = """
import os, resource, sys, time
from qa2pack.manifest.fs import latency
from qa2pack.pack.cli import main

def slow(*arguments, really_open=os.open, **named):
    fd = really_open(*arguments, **named)
    time.sleep(0.002)
    return fd

os.open, latency.LATE_SECONDS, latency._is_local = slow, 0.0, lambda *_: False
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


@needs_workers
@pytest.mark.parametrize("limit", [40, 64])
def test_folders_that_answer_late_are_packaged_and_received_with_few_open_files(tmp_path: Path, limit: int) -> None:
    origin, package = tmp_path / "origin", tmp_path / "package"
    for number in range(400):
        write(origin / f"{number % 9}/{number % 130}/{number}.png", b"%d" % number)
    plan = ["plan", os.fspath(origin), os.fspath(package), "--mode", "copy", "--layout", "as-is"]
    tars, received = os.fspath(tmp_path / "tars"), tmp_path / "received/package"
    received.parent.mkdir()
    split = ["tarsplit", os.fspath(package), "-n", "2012-06-20", "-o", tars]
    steps = [
        ["apply", os.fspath(package)],
        ["verify", os.fspath(package)],
        split,
        ["receive", tars, os.fspath(received)],
    ]
    for words in (plan, *steps):
        done = subprocess.run(
            [sys.executable, "-c", _SLOW_PACK, str(limit), *words],
            env={**os.environ, "PYTHONPATH": os.fspath(ROOT)},
            capture_output=True,
            check=False,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
