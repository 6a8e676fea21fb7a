"""Mounts: which mount points are at or below a path, and which other mounts of a file system there are."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.fs import mount
from qa2pack.manifest.fs.mount import Mount, OtherMounts, mount_of, mount_points_in, other_mounts, places_of
from support.file_systems import mounted, small_disk


def test_mount_points_at_and_below_a_path_are_found_whatever_they_are_called(tmp_path: Path) -> None:
    name = "a b\\n\n"
    with small_disk(tmp_path / "other"), small_disk(tmp_path / name) as disk:
        inner = disk / "inner"
        with mounted(inner, "--bind", os.fspath(tmp_path)):
            expected = [os.fsencode(disk), os.fsencode(inner)]
            assert mount_points_in([os.fsencode(disk)]) == expected
            assert mount_points_in([os.fsencode(inner)]) == expected[1:]
            assert mount_points_in([os.fsencode(inner) + b"2"]) == []


def test_mount_point_under_another_mount_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    with small_disk(folder / "inner"), small_disk(folder):
        (folder / "inner").mkdir()
        assert mount_points_in([os.fsencode(folder)]) == [os.fsencode(folder)]


def test_file_system_that_is_mounted_twice_has_another_mount(tmp_path: Path) -> None:
    with small_disk(tmp_path / "one") as one:
        (one / "folder").mkdir()
        with mounted(tmp_path / "two", "--bind", os.fspath(one / "folder")) as two:
            others = other_mounts(os.fsencode(one))
            assert others == OtherMounts(os.fsencode(one), (os.fsencode(two),))
            assert others.have(os.fsencode(two / "file"))
            assert not others.have(os.fsencode(one / "folder/file"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/a/x", False), (b"/a/b", True), (b"/a/b/x", True), (b"/a/b/c/x", False), (b"/a/bc", False), (b"/z", False)],
)
def test_innermost_mount_counts(path: bytes, expected: bool) -> None:
    assert OtherMounts(b"/a/b/c", (b"/a/b",)).have(path) is expected
    assert OtherMounts(b"/a", (b"/a/b",)).have(path) is (expected or path.startswith(b"/a/b/c"))


def test_path_that_is_not_there_is_on_the_mount_of_the_folder_above(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        found = mount_of(os.fsencode(disk / "no/such/path"))
        assert found is not None
        assert (found.point, found.kind, found.source) == (os.fsencode(disk), "tmpfs", "tmpfs")
        assert "size=1024k" in found.options


def leads_into(path: bytes, folder: bytes) -> bool:
    here, there = places_of(path, folder)
    return here.leads_into(there)


def test_mounts_are_listed_once_for_all_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [iter(())]
    monkeypatch.setattr(mount, "_mounts", lists.pop)
    assert [place.path for place in places_of(b"/a/../b", b"/c", b"/d")] == [b"/b", b"/c", b"/d"]
    assert lists == []


def test_path_leads_into_a_folder_by_its_name_and_by_another_mount_of_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        inner = disk / "folder a/inner"
        inner.mkdir(parents=True)
        (tmp_path / "link").symlink_to(inner)
        with mounted(tmp_path / "again", "--bind", os.fspath(inner.parent)) as again:
            for path in (inner, inner / "no/such", tmp_path / "link", again, again / "inner", again / "no/such"):
                assert leads_into(os.fsencode(path), os.fsencode(inner.parent)), path
                assert leads_into(os.fsencode(path), os.fsencode(again)), path
            for path in (disk, disk / "folder a2", disk / "inner", tmp_path):
                assert not leads_into(os.fsencode(path), os.fsencode(inner.parent)), path
                assert not leads_into(os.fsencode(path), os.fsencode(again)), path


def test_exports_of_one_file_system_of_a_server_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel lists them: with `/` as the folder of each, and one device number."""
    mounts = [
        Mount(number, b"0:45", b"/", b"/mnt/" + point, "nfs4", f"[fe80::1]:/export/{export}", "rw")
        for number, point, export in ((b"1", b"home", "home"), (b"2", b"data", "data"), (b"3", b"in", "home/a"))
    ]
    monkeypatch.setattr(mount, "_mounts", lambda: iter(mounts))
    monkeypatch.setattr(
        mount, "_number_of", lambda path: next(each.number for each in mounts if path.startswith(each.point))
    )
    assert not leads_into(b"/mnt/data/a", b"/mnt/home/a")
    assert leads_into(b"/mnt/in/b", b"/mnt/home/a")
    assert leads_into(b"/mnt/home/a/b", b"/mnt/in")
    assert not leads_into(b"/mnt/home/ab", b"/mnt/in")
