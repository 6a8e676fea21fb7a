"""Removing and moving away what is ours: nothing outside of it is touched, and done again it is fine."""

import os
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.remove import ensure_folder, move_away, remove_tree
from qa2pack.executor.stop_signals import NEVER, InterruptedByUser, Stop


def remove(path: Path, *, stop: Stop = NEVER) -> None:
    remove_tree(Disk(), os.fsencode(path), stop=stop)


def test_tree_goes_with_all_in_it_and_what_its_links_lead_to_stays(tmp_path: Path) -> None:
    (tmp_path / "tree/a/b").mkdir(parents=True)
    (tmp_path / "tree/a/file").write_bytes(b"1")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_bytes(b"2")
    (tmp_path / "tree/a/link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "tree")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["kept", "kept/file"]


def test_single_file_goes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    remove(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    remove(tmp_path / "link")
    assert os.listdir(tmp_path) == ["kept"]


def test_nothing_there_is_fine(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")


def test_no_folder_stays_open(tmp_path: Path) -> None:
    (tmp_path / "tree/a/b").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    remove(tmp_path / "tree")
    assert len(os.listdir("/proc/self/fd")) == before


def test_stop_is_seen_before_anything_of_a_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"1")
    stop = Stop()
    stop.is_requested = True
    with pytest.raises(InterruptedByUser):
        remove(tmp_path / "tree", stop=stop)
    assert (tmp_path / "tree/file").exists()


def test_moving_away_again_changes_nothing(tmp_path: Path) -> None:
    path, target = os.fsencode(tmp_path / "old"), os.fsencode(tmp_path / "kept")
    (tmp_path / "old").write_bytes(b"old")
    move_away(Disk(), path, target)
    move_away(Disk(), path, target)
    (tmp_path / "old").write_bytes(b"new")
    move_away(Disk(), path, target)
    assert ((tmp_path / "kept").read_bytes(), (tmp_path / "old").read_bytes()) == (b"old", b"new")


def test_folder_is_made_once_with_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for mode in (0o700, 0o777):
            ensure_folder(Disk(), os.fsencode(tmp_path / f"{mode:o}"), mode)
            ensure_folder(Disk(), os.fsencode(tmp_path / f"{mode:o}"), mode)
        ensure_folder(Disk(), os.fsencode(tmp_path / "plain"))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()}
    assert modes == {"700": 0o700, "777": 0o755, "plain": 0o755}
