"""How many bytes a plan needs, and how many a folder takes."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from qa2pack.executor.space import enough_bytes, free_bytes, free_inodes, needed_bytes, used_bytes
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.format.opened_files import OpenedFiles
from support.file_systems import count_no_inodes, small_disk
from support.in_process import Delivery, write

HALF_BLOCK = 2048


def test_needed_is_the_content_and_half_a_block_for_each_file(delivery: Delivery) -> None:
    plan = delivery.plan(Mode.COPY)

    def needed(new_files: int, new_bytes: int) -> int:
        notes = replace(plan.notes, new_files=new_files, new_bytes=new_bytes)
        return needed_bytes(delivery.package, plan.header, notes, OpenedFiles())

    assert needed(3, 100_000) - needed(0, 0) == 100_000 + 3 * HALF_BLOCK
    assert needed(3, 1) - needed(0, 0) == 1 + HALF_BLOCK, "empty files have no block"


def test_enough_is_a_whole_block_for_each_file_and_its_place_in_two_manifests(delivery: Delivery) -> None:
    plan = delivery.plan(Mode.COPY)
    limits = [f(delivery.package, plan.header, plan.notes, OpenedFiles()) for f in (enough_bytes, needed_bytes)]
    assert limits[0] - limits[1] == plan.notes.new_files * HALF_BLOCK + plan.notes.file_count * 256


def test_free_is_reported_of_the_disk_of_the_control_folder(delivery: Delivery) -> None:
    with small_disk(Path(os.fsdecode(delivery.package.control)), size=1 << 20) as control:
        assert free_bytes(delivery.package) == 1 << 20
        (control / "filling").write_bytes(bytes(1 << 20))
        assert free_bytes(delivery.package) == 0


def test_count_of_no_free_inode_is_believed_if_no_file_can_be_made(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", inodes=3) as disk:
        folder = os.fsencode(disk)
        assert free_inodes(folder) == 2, "one is of the disk's own folder"
        for name in ("one", "other"):
            write(disk / name, b"")
        assert free_inodes(folder) == 0


def test_count_of_no_free_inode_is_not_believed_if_a_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_no_inodes(monkeypatch)
    assert free_inodes(os.fsencode(tmp_path)) is None
    assert os.listdir(tmp_path) == []


def test_used_is_what_removing_a_folder_frees(tmp_path: Path) -> None:
    alone = [write(tmp_path / "folder" / name, b"1" * 5000) for name in ("one", "below/another")]
    os.truncate(write(tmp_path / "folder/holes", b""), 1 << 30)
    os.link(write(tmp_path / "elsewhere", b"1" * 50_000), tmp_path / "folder/shared")
    write(tmp_path / "other", b"1" * 50_000)
    (tmp_path / "folder/link").symlink_to("../other")
    assert used_bytes(os.fsencode(tmp_path / "folder")) == sum(path.stat().st_blocks * 512 for path in alone) > 0
