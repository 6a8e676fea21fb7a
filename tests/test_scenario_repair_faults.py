"""Repair of a bundle from the origin and of a file from a delivery, with a fault on some of its calls.

After each fault the package is what it was or what it becomes, and the same command finishes. The calls are those of
the disk on which packages are changed; another module writes what is taken out of a tar, with faults of its own.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.bundled import TAR, Bundled
from support.commands import run_redirected
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped

NOTE = Path("log/note.txt")
FAULTS = (Fault.STOP_BEFORE, Fault.ENOSPC, Fault.STOP_HALFWAY, Fault.EIO)
STRIDE = 9  # calls between those that are tried


@dataclass(frozen=True, slots=True)
class Damaged:
    """A damaged package, and the one that a repair makes of it.

    Attributes:
        home: with the package `P`, its control folder, and a delivery `out` that has the note.
    """

    home: Path
    whole: dict[str, bytes]

    def copy(self, folder: Path) -> Path:
        """Return the package in a copy of the folder."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.home, folder)
        return folder / "P"


def content(package: Path) -> dict[str, bytes]:
    return {str(path.relative_to(package)): path.read_bytes() for path in package.rglob("*") if path.is_file()}


@pytest.fixture
def damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Damaged:
    bundled = Bundled(tmp_path, capsys)
    bundled.make()
    whole = content(bundled.package)
    home = tmp_path / "home"
    cut = ("tarsplit", bundled.package, "-n", "2012-06-20", "--size", "10240", "--output", home / "out")
    assert bundled.run(*cut).code == 0
    for tar in (home / "out").glob("*.tar"):
        if b"cal/all.tgz" in tar.read_bytes():
            tar.unlink()
    (bundled.package / TAR).write_bytes(b"damaged")
    for note in (bundled.package / NOTE, bundled.origin / "note.txt"):
        note.unlink()
    for name in ("P", "P.pack"):
        (tmp_path / name).rename(home / name)
    return Damaged(home, whole)


def repair(package: Path) -> int:
    return run_redirected("repair", package, "--from", package.with_name("out"), "--jobs", "1").code


def check_finishes(damaged: Damaged, package: Path) -> None:
    """Check that the package is the old or the new one, and that the same command makes it the new one."""
    found, old = content(package), content(damaged.home / "P")
    assert found in (old, damaged.whole)
    assert repair(package) == 0
    assert content(package) == damaged.whole
    assert not {"fetched", "fetched.lock", "staging"} & set(os.listdir(f"{package}.pack"))


@pytest.fixture
def with_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Any]]:
    """Let all that repairs change this disk."""

    def use(disk: CountingDisk) -> CountingDisk:
        for module in ("apply", "fetched"):
            monkeypatch.setattr(f"qa2pack.pack.jobs.{module}.Disk", lambda: disk)
        return disk

    yield use


def test_fault_in_a_repair(damaged: Damaged, tmp_path: Path, with_disk: Callable[[Any], Any]) -> None:
    counting = with_disk(CountingDisk())
    package = damaged.copy(tmp_path / "copy")
    assert repair(package) == 0
    assert content(package) == damaged.whole
    for turn, at in enumerate(range(0, len(counting.calls), STRIDE)):
        package = damaged.copy(tmp_path / "copy")
        disk = with_disk(FaultyDisk(FAULTS[turn % len(FAULTS)], at))
        with suppress(Stopped):
            assert repair(package) in (1, 4), counting.calls[at]
        assert disk.has_failed
        with_disk(CountingDisk())
        check_finishes(damaged, package)


@pytest.mark.parametrize("step", ["write_all", "publish_part", "rename"])
def test_fault_where_a_file_is_taken_out_of_a_tar(
    damaged: Damaged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "a disk")

    package = damaged.copy(tmp_path / "copy")
    with monkeypatch.context() as patch:
        patch.setattr(f"qa2pack.tarsplit.content_copy.{step}", fail)
        assert repair(package) == 1
    check_finishes(damaged, package)
