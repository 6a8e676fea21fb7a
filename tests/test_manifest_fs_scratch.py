"""Scratch folders are gone when they are left, and when their run was killed, the next one removes them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.fs.private_folder import private_folder
from qa2pack.manifest.fs.scratch import SCRATCH_PREFIX, scratch_folder
from support.commands import ROOT
from support.worlds import Change, Scenario, make_world

_HOLD = """
import os, sys, time
from qa2pack.manifest.fs.private_folder import private_folder
from qa2pack.manifest.fs.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "table").mkdir()
    (folder / "table" / "to the origin").symlink_to(sys.argv[1])
    if sys.argv[2:] and os.fork() != 0:
        os._exit(0)
    print(folder, os.getpid(), flush=True)
    time.sleep(600)
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_path_is_absolute_where_the_folder_for_temporary_files_is_named_from_here(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """casacore's process looks from another folder; Python makes every other name absolute itself."""
    monkeypatch.chdir(temporary)
    monkeypatch.setenv("TMPDIR", ".")
    monkeypatch.setattr(tempfile, "tempdir", None)
    with scratch_folder() as folder:
        assert folder.parent == temporary


@contextmanager
def holder(origin: Path, *arguments: str) -> Iterator[tuple[Path, int]]:
    """Yield the scratch folder that another process holds, and that process; it is killed in the end."""
    command = [sys.executable, "-c", _HOLD, str(origin), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        folder, pid = process.stdout.readline().rsplit(maxsplit=1)
        try:
            yield Path(folder), int(pid)
        finally:
            kill(int(pid))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_its_end(pid: int) -> None:
    """Wait until a process has ended, whether or not it was reaped."""
    with suppress(FileNotFoundError):
        while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
            time.sleep(0.002)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    (folder / "table.dat").write_text("data")
    return folder


def test_folder_is_gone_afterwards(temporary: Path) -> None:
    with scratch_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_folder_of_a_killed_run_is_swept_and_what_it_links_to_stays(temporary: Path, origin: Path) -> None:
    with holder(origin) as (folder, pid):
        kill(pid)
        wait_for_its_end(pid)
    assert (folder / "table").is_dir()
    with scratch_folder():
        assert not folder.exists()
    assert list(temporary.iterdir()) == []
    assert (origin / "table.dat").read_text() == "data"


def test_folder_of_a_live_run_stays(origin: Path) -> None:
    with holder(origin) as (folder, _):
        with scratch_folder():
            pass
        assert (folder / "table").is_dir()


def test_folder_that_a_child_of_a_dead_run_still_uses_stays(origin: Path) -> None:
    with holder(origin, "leave a child") as (folder, _):
        with scratch_folder():
            pass
        assert (folder / "table").is_dir()


def test_own_folder_stays_when_another_one_is_made() -> None:
    with scratch_folder() as outer:
        with scratch_folder() as inner:
            assert inner != outer
        assert outer.is_dir()


def test_private_copies_of_a_killed_run_are_removed_by_the_next(temporary: Path) -> None:
    copy = (
        "import os\nfrom qa2pack.manifest.fs.private_folder import PrivateFolder\n"
        "folder = PrivateFolder()\nfolder.file_of(b'content')\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", copy], env=environment(), check=False)
    (left,) = temporary.iterdir()
    with private_folder() as folder:
        assert os.listdir(folder) == []
        assert not left.exists()
    assert list(temporary.iterdir()) == []


@root_only
def test_folder_of_another_user_stays(temporary: Path) -> None:
    folder = temporary / f"{SCRATCH_PREFIX}theirs"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with scratch_folder():
        assert folder.is_dir()


def test_links_and_other_names_stay(temporary: Path, origin: Path) -> None:
    (temporary / f"{SCRATCH_PREFIX}link").symlink_to(origin)
    (temporary / "qa2pack-of-somebody").mkdir()
    (temporary / f"{SCRATCH_PREFIX}file").touch()
    with scratch_folder():
        pass
    assert sorted(path.name for path in temporary.iterdir()) == [
        "qa2pack-of-somebody",
        f"{SCRATCH_PREFIX}file",
        f"{SCRATCH_PREFIX}link",
    ]
    assert (origin / "table.dat").exists()


def test_plan_that_was_killed_leaves_nothing_for_long(temporary: Path, tmp_path: Path) -> None:
    world = make_world(tmp_path, Scenario(Change.NEW, Mode.COPY))
    origin, package = str(world.origins / "before"), os.fsdecode(world.package.path)
    command = [sys.executable, "-m", "qa2pack.pack", "plan", origin, package, "--rehash", "--mode", "copy"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(temporary.glob(f"{SCRATCH_PREFIX}*/*")):
        assert process.poll() is None
    process.kill()
    process.wait()
    deadline = time.monotonic() + 600
    while subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 6:
        assert time.monotonic() < deadline
    assert list(temporary.glob(f"{SCRATCH_PREFIX}*")) == []
