"""Disks that cannot do what Linux's own can: what the plan says of them, and that it is done where it can be."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.probe.package_disk import check_disk, has_holes, make_control
from qa2pack.executor.transaction.paths import probe_folder
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.layout.include import Include, parse_include
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Refused
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.file_systems import (
    ExfatDisk,
    exfat_disk,
    folder_elsewhere,
    made_disk,
    mounted,
    mounted_by_rclone,
    overlay,
)
from support.in_process import Delivery, make_reduction, write
from support.origin_bytes import read_files, roll_back

IMAGE = b"calibrated_all.clean.fits"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ExfatDisk]:
    with exfat_disk(tmp_path / "disk") as mounted:
        yield mounted


class Unlinking(Disk):
    """A disk without hard links; mounts by rclone answer as a broken one does."""

    def __init__(self, number: int = errno.EPERM) -> None:
        self._number = number

    def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        raise OSError(self._number, os.strerror(self._number))


class Unbending(Disk):
    """A disk without symbolic links."""

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
        raise OSError(38, "Function not implemented")


class Erring(Disk):
    """A disk without symbolic links that answers as a broken one does, as mounts by rclone."""

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error", name)


class Broken(Erring):
    """A disk that takes neither link nor file in the origin."""

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        if name == b".qa2pack.probe":
            raise OSError(errno.EIO, "Input/output error", name)
        return super().create(name, dir_fd=dir_fd, mode=mode)


class Rewriting(Disk):
    """A disk that rewrites absolute symbolic links, as sshfs does with transform_symlinks."""

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
        super().symlink(os.path.relpath(target, os.readlink(b"/proc/self/fd/%d" % dir_fd)), name, dir_fd=dir_fd)


class Short(Disk):
    """A disk on which the path of the package is too long for a symlink."""

    def symlink(self, target: bytes, name: bytes, *, dir_fd: int | None = None) -> None:
        raise OSError(errno.ENAMETOOLONG, "File name too long", name)


class Choosy(Disk):
    """A disk that takes no colons, and drops dots at the end without a word."""

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        if b":" in name:
            raise FileNotFoundError(2, "No such file or directory")
        return super().create(name.rstrip(b"."), dir_fd=dir_fd, mode=mode)


def with_image_of(size: int, blob: bytes) -> bytes:
    """Return the record with that size of the image."""
    record = decode_record(blob)
    sizes = [size if name == IMAGE else each for name, each in zip(record.names, record.sizes, strict=True)]
    return encode_record(replace(record, sizes=sizes))


def refused(
    delivery: Delivery, disk: Disk, mode: Mode, include: tuple[Include, ...] = (), size: int = 1
) -> list[tuple[Code, bytes]]:
    made = delivery.made(mode, include=include)
    delivery.path.with_name(delivery.path.name + ".pack").mkdir()
    blobs = ((path, with_image_of(size, blob)) for path, blob in made.gathered.spool.sorted_blobs())
    try:
        check_disk(delivery.package, made.header, blobs, disk)
    except Refused as error:
        return [(problem.code, problem.path) for problem in error.problems]
    finally:
        assert os.listdir(delivery.package.control) == [], "what was tried is gone"
    return []


def test_mount_by_rclone_that_changes_no_file_is_refused_by_the_plan_with_its_path_and_the_way_out(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted_by_rclone(tmp_path / "mount", tmp_path / "store") as disk:
        package = disk / delivery.path.name
        for _ in range(2):  # what the first one leaves is an error of its own
            ran = run_here(capsys, "plan", delivery.origin, package, "--mode", "copy")
            assert ran.code == 1
            assert ran.err.startswith("pack plan: access-denied: this mount by rclone changes no file")
            assert f"with the option --vfs-cache-mode=writes first.\n  Path: {package}.pack/lock\n" in ran.err
            assert not (disk / f"{package.name}.pack/plan").exists()


@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO])
@pytest.mark.parametrize("mode", [Mode.HARD, Mode.MOVE])
def test_mode_that_links_is_refused_by_the_plan_on_a_disk_without_links(
    delivery: Delivery, mode: Mode, number: int
) -> None:
    where = os.fsencode(delivery.path.parent)
    assert refused(delivery, Unlinking(number), mode) == [(Code.NO_HARD_LINKS, where)]


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE])
def test_mode_that_makes_files_needs_no_links(delivery: Delivery, mode: Mode) -> None:
    assert refused(delivery, Unlinking(), mode) == []


@pytest.mark.parametrize("disk", [Unbending(), Erring()])
def test_move_is_refused_by_the_plan_on_a_disk_without_symlinks(delivery: Delivery, disk: Disk) -> None:
    before = state_of(delivery.origin)
    found = refused(delivery, disk, Mode.MOVE)
    assert [code for code, _ in found] == [Code.NO_SYMLINKS]
    assert found[0][1].startswith(os.fsencode(delivery.origin))
    assert state_of(delivery.origin) == before


def test_broken_disk_is_not_taken_for_one_without_symlinks(delivery: Delivery) -> None:
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        refused(delivery, Broken(), Mode.MOVE)


def test_move_is_refused_by_the_plan_on_a_disk_that_rewrites_symlinks(delivery: Delivery) -> None:
    assert [code for code, _ in refused(delivery, Rewriting(), Mode.MOVE)] == [Code.NO_SYMLINKS]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_move_is_refused_by_the_plan_on_a_disk_that_does_not_give_absolute_symlinks_back(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    read_link = os.readlink

    def refusing(path: bytes, *, dir_fd: int | None = None) -> bytes:
        target = read_link(path, dir_fd=dir_fd)
        if dir_fd is not None and target.startswith(b"/"):
            raise OSError(number, os.strerror(number), path)
        return target

    monkeypatch.setattr(os, "readlink", refusing)
    assert [code for code, _ in refused(delivery, Disk(), Mode.MOVE)] == [Code.NO_SYMLINKS]


def test_broken_disk_is_not_taken_for_one_that_does_not_give_symlinks_back(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "readlink", Failing("readlink", errno.EIO).readlink)  # type: ignore[attr-defined]
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        refused(delivery, Disk(), Mode.MOVE)


def test_move_is_refused_by_the_plan_where_the_origin_follows_no_symlinks(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "nosymfollow", "tmpfs") as disk:
        delivery = Delivery(make_reduction(disk / "sb1"), tmp_path / "2011.0.00229.S")
        before = state_of(delivery.origin)
        with pytest.raises(Refused) as caught:
            delivery.plan(Mode.MOVE)
        assert [problem.code for problem in caught.value.problems] == [Code.NO_SYMLINKS]
        assert state_of(delivery.origin) == before


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.FAKE, Mode.TICKET])
def test_only_a_move_needs_symlinks(delivery: Delivery, mode: Mode) -> None:
    assert refused(delivery, Unbending(), mode) == []


@pytest.mark.parametrize(("mode", "codes"), [(Mode.COPY, []), (Mode.MOVE, [Code.NO_SYMLINKS])])
def test_disk_whose_symlinks_cannot_be_so_long_has_none(delivery: Delivery, mode: Mode, codes: list[Code]) -> None:
    assert [code for code, _ in refused(delivery, Short(), mode)] == codes


def test_exfat_takes_no_links_in_the_place_of_moved_files(disk: ExfatDisk, tmp_path: Path) -> None:
    delivery = Delivery(make_reduction(disk.path / "sb1"), tmp_path / "2011.0.00229.S")
    before = state_of(delivery.origin)
    with pytest.raises(Refused) as caught:
        delivery.plan(Mode.MOVE)
    assert [problem.code for problem in caught.value.problems] == [Code.NO_SYMLINKS]
    assert state_of(delivery.origin) == before


def test_origin_on_another_disk_is_after_the_plan_of_a_move_as_it_was(tmp_path: Path) -> None:
    with folder_elsewhere(tmp_path) as elsewhere:
        delivery = Delivery(make_reduction(elsewhere / "sb1"), tmp_path / "2011.0.00229.S")
        for folder in (delivery.origin, *delivery.origin.rglob("*")):
            os.utime(folder, ns=(1, 1))
        before = state_of(delivery.origin)
        delivery.plan(Mode.MOVE)
        assert state_of(delivery.origin) == before


def test_links_that_were_tried_by_plans_that_were_killed_are_in_nobody_s_way(tmp_path: Path) -> None:
    with folder_elsewhere(tmp_path) as elsewhere:
        delivery = Delivery(make_reduction(elsewhere / "sb1"), tmp_path / "2011.0.00229.S")
        for folder in {path.parent for path in [*delivery.origin.rglob("*")]}:
            (folder / ".qa2pack.probe").symlink_to("probe")
        delivery.make(Mode.MOVE)
        assert delivery.problems() == []
        assert not list(delivery.path.rglob(".qa2pack*"))


def state_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the names below a folder, each with its mtime and kind; with the folder itself."""
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {os.fspath(path.relative_to(folder)): (each.st_mode, each.st_mtime_ns) for path, each in found.items()}


@pytest.mark.parametrize("name", ["image:1.fits", "image.fits."])
def test_name_that_the_disk_refuses_or_changes_is_named_by_the_plan(delivery: Delivery, name: str) -> None:
    write(delivery.origin / name, b"1")
    include = (parse_include("*image*=product"),)
    assert refused(delivery, Choosy(), Mode.COPY, include) == [(Code.NAME_REFUSED, b"product/" + name.encode())]


def test_package_s_own_name_that_the_disk_changes_is_named_by_the_plan(delivery: Delivery) -> None:
    odd = replace(delivery, path=delivery.path.with_name("2011.0.00229.S."))
    assert refused(odd, Choosy(), Mode.COPY) == [(Code.NAME_REFUSED, os.fsencode(odd.path))]


def test_disk_that_takes_everything_is_not_asked_for_the_names_of_the_plan(delivery: Delivery) -> None:
    made = delivery.made(Mode.HARD)
    delivery.path.with_name(delivery.path.name + ".pack").mkdir()
    check_disk(delivery.package, made.header, iter([(b"", b"no record")]), Disk())


class Folding(Disk):
    """A disk on which two names differ in case only and are one; it takes every name."""

    ALIKE: ClassVar = {b"probe": b"PROBE", b"Image.fits": b"image.fits"}

    def create(self, name: bytes, *, dir_fd: int | None = None, mode: int = 0o666) -> int:
        if name in self.ALIKE:
            with suppress(FileExistsError):
                os.close(super().create(self.ALIKE[name], dir_fd=dir_fd, mode=mode))
        return super().create(name, dir_fd=dir_fd, mode=mode)


def test_names_that_a_disk_merges_are_named_though_it_takes_every_name(delivery: Delivery) -> None:
    for name in ("image.fits", "Image.fits"):
        write(delivery.origin / name, b"1")
    assert refused(delivery, Folding(), Mode.COPY) == [(Code.NAMES_MERGE, b"product/image.fits")]


class Failing(Disk):
    """A disk on which one kind of call fails."""

    def __init__(self, name: str, number: int) -> None:
        def fail(*args: object, **options: object) -> None:
            raise OSError(number, os.strerror(number))

        setattr(self, name, fail)


def test_broken_disk_is_not_taken_for_one_that_cannot(delivery: Delivery) -> None:
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        refused(delivery, Failing("create", errno.EIO), Mode.HARD)


@pytest.mark.parametrize(("call", "mode"), [("link", Mode.HARD), ("symlink", Mode.MOVE)])
def test_full_disk_is_not_taken_for_one_that_cannot(delivery: Delivery, call: str, mode: Mode) -> None:
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        refused(delivery, Failing(call, errno.ENOSPC), mode)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT, errno.EILSEQ, errno.ENAMETOOLONG])
def test_control_folder_that_cannot_have_its_name_is_refused(delivery: Delivery, number: int) -> None:
    with pytest.raises(Refused) as caught:
        make_control(delivery.package, Failing("mkdir", number))
    assert [problem.code for problem in caught.value.problems] == [Code.NAME_REFUSED]


def test_control_folder_that_may_not_be_made_is_not_called_a_refused_name(delivery: Delivery) -> None:
    with pytest.raises(PermissionError):
        make_control(delivery.package, Failing("mkdir", errno.EACCES))


class Filling(Disk):
    """A disk without holes."""

    def truncate(self, fd: int, size: int) -> None:
        os.write(fd, bytes(size))


@pytest.mark.parametrize(
    ("disk", "expected"),
    [(Disk(), True), (Filling(), False)]
    + [(Failing("truncate", number), False) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPERM)],
)
def test_holes_are_tried_out(delivery: Delivery, disk: Disk, expected: bool) -> None:
    make_control(delivery.package, Disk())
    assert has_holes(delivery.package, disk) is expected
    with pytest.raises(OSError, check=lambda error: error.errno == errno.EIO):
        has_holes(delivery.package, Failing("truncate", errno.EIO))
    assert os.listdir(delivery.package.control) == []


def test_probe_that_a_killed_plan_left_is_in_nobody_s_way(delivery: Delivery) -> None:
    make_control(delivery.package, Disk())
    os.makedirs(join(probe_folder(delivery.package), b"full/folder"))
    delivery.plan(Mode.COPY)
    assert not os.path.exists(probe_folder(delivery.package))


SMALL_BLOCKS = ["mkfs.ext4", "-q", "-b", "1024", "-O", "^extents,^64bit,^metadata_csum,^has_journal"]
LARGEST = 17_247_252_480  # what such an ext4 takes: its block maps reach no further


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        (Mode.COPY, LARGEST, []),
        (Mode.COPY, LARGEST + 1, [(Code.FILE_TOO_LARGE, b"product/" + IMAGE)]),
        (Mode.MOVE, LARGEST + 1, [(Code.FILE_TOO_LARGE, b"product/" + IMAGE)]),
        (Mode.FAKE, LARGEST + 1, []),
    ],
)
def test_file_that_is_too_large_for_the_disk_is_named_by_the_plan(
    tmp_path: Path, delivery: Delivery, mode: Mode, size: int, expected: list[tuple[Code, bytes]]
) -> None:
    with made_disk(tmp_path / "disk", SMALL_BLOCKS) as disk:
        far = replace(delivery, path=disk / "2011.0.00229.S")
        assert refused(far, Disk(), mode, size=size) == expected


@pytest.mark.parametrize("number", [errno.EPERM, errno.EIO])
def test_replacing_copies_on_a_disk_without_links_copies_them_again(delivery: Delivery, number: int) -> None:
    delivery.make(Mode.COPY)
    delivery.plan(Mode.COPY)
    delivery.apply(Unlinking(number), keep_previous=KeepPrevious.YES)
    assert delivery.problems() == []


@pytest.mark.parametrize(
    ("mode", "codes"), [(Mode.HARD, [Code.NO_HARD_LINKS]), (Mode.MOVE, [Code.NO_SYMLINKS, Code.NO_HARD_LINKS])]
)
def test_exfat_takes_no_links(disk: ExfatDisk, mode: Mode, codes: list[Code]) -> None:
    delivery = Delivery(make_reduction(disk.path / "sb1"), disk.path / "2011.0.00229.S")
    with pytest.raises(Refused) as caught:
        delivery.plan(mode)
    assert [problem.code for problem in caught.value.problems] == codes


def test_exfat_takes_no_colon_and_folds_case(disk: ExfatDisk, delivery: Delivery) -> None:
    for name in ("spw0:1.fits", "image.fits", "Image.fits"):
        write(delivery.origin / name, b"1")
    with pytest.raises(Refused) as caught:
        replace(delivery, path=disk.path / "2011.0.00229.S").plan(Mode.COPY)
    problems = [(problem.code, problem.path, problem.found) for problem in caught.value.problems]
    assert problems == [
        (Code.NAME_REFUSED, b"product/spw0:1.fits", ""),
        (Code.NAMES_MERGE, b"product/image.fits", "product/Image.fits"),
    ]


def test_package_s_own_name_that_the_disk_refuses_is_a_problem_of_the_plan(
    disk: ExfatDisk, delivery: Delivery
) -> None:
    with pytest.raises(Refused) as caught:
        replace(delivery, path=disk.path / "a:b.S").plan(Mode.COPY)
    assert [(problem.code, problem.path) for problem in caught.value.problems] == [
        (Code.NAME_REFUSED, os.fsencode(disk.path / "a:b.S.pack"))
    ]
    assert os.listdir(disk.path) == []


@pytest.mark.parametrize("length", [300, 256, 251, 250, 245])
def test_package_s_own_name_that_is_too_long_is_a_problem_of_the_plan(
    capsys: pytest.CaptureFixture[str], delivery: Delivery, length: int
) -> None:
    package = delivery.path.with_name("2".ljust(length, "x"))
    ran = run_here(capsys, "plan", delivery.origin, package, "--mode", "copy")
    assert ran.code == Exit.FAILED
    assert "name-refused" in ran.err
    assert os.listdir(delivery.path.parent) == [delivery.origin.name]


def test_package_with_the_longest_name_that_leaves_room_for_what_is_beside_it_is_made(delivery: Delivery) -> None:
    longest = replace(delivery, path=delivery.path.with_name("2".ljust(244, "x")))
    longest.make(Mode.COPY)
    assert longest.problems() == []


ODD_NAMES = (
    "spw0:1.fits",
    "a b (2).fits",
    " lead.fits",
    "dot.fits.",
    "back\\slash.fits",
    "A.fits",
    "a.fits",
    "\xe9.fits",
)


@pytest.mark.parametrize("make", [["mkfs.xfs", "-q"], ["mkfs.btrfs", "-q", "-M"]], ids=["xfs", "btrfs"])
def test_disk_of_linux_s_own_takes_every_name(tmp_path: Path, make: list[str]) -> None:
    with made_disk(tmp_path / "disk", make) as disk:
        delivery = Delivery(make_reduction(disk / "sb1"), disk / "2011.0.00229.S")
        for name in (*ODD_NAMES, "new\nline.fits", os.fsdecode(b"\xff.fits")):
            write(delivery.origin / name, b"1")
        delivery.make(Mode.HARD, include=(parse_include("*fits*=product"),))
        assert {path.name for path in (delivery.member / "product").iterdir()} >= {*ODD_NAMES}
        assert delivery.problems() == []


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_origin_in_a_lower_layer_is_packaged_and_comes_back(tmp_path: Path, mode: Mode) -> None:
    image = write(make_reduction(tmp_path / "lower/sb1") / "image.fits", b"123")
    os.link(image, image.with_name("same.fits"))
    with overlay(tmp_path / "lower", tmp_path / "disk") as disk:
        delivery = Delivery(disk / "sb1", disk / "2011.0.00229.S")
        before = read_files(delivery.origin)
        delivery.make(mode)
        assert delivery.problems() == []
        roll_back(delivery)
        assert read_files(delivery.origin) == before
        assert not delivery.path.exists()


@pytest.mark.parametrize("append", [Append.NOTHING, Append.MEMBER])
def test_package_in_a_lower_layer_is_changed_only_when_it_is_a_copy(tmp_path: Path, append: Append) -> None:
    origin = make_reduction(tmp_path / "sb1")
    (tmp_path / "lower").mkdir()
    Delivery(origin, tmp_path / "lower/2011.0.00229.S").make(Mode.COPY)
    with overlay(tmp_path / "lower", tmp_path / "disk") as disk:
        delivery = Delivery(origin, disk / "2011.0.00229.S")
        moved = [delivery.path, disk / "2011.0.00229.S.pack/manifests"][append is Append.MEMBER :]
        with pytest.raises(Refused) as caught:
            delivery.plan(Mode.COPY, append=append)
        found = [(problem.code, problem.path) for problem in caught.value.problems]
        assert found == [(Code.NOT_MOVABLE, os.fsencode(path)) for path in moved]
        assert delivery.problems() == [], "nothing was renamed by asking"
        for name in ("2011.0.00229.S", "2011.0.00229.S.pack"):
            shutil.copytree(disk / name, disk / "copy")
            shutil.rmtree(disk / name)
            (disk / "copy").rename(disk / name)
        delivery.plan(Mode.COPY, append=append)
        delivery.apply(keep_previous=KeepPrevious.YES)
        assert delivery.problems() == []
        roll_back(delivery)
        assert delivery.problems() == []


def test_disk_without_access_rights_is_packaged_on(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, mode: int) -> None:
        raise OSError(38, "Function not implemented")

    (delivery.origin / "calibrated_all.clean.fits").chmod(0o444)
    delivery.plan(Mode.COPY)
    monkeypatch.setattr(os, "fchmod", refuse)
    delivery.apply()
    assert delivery.problems() == []


def test_exfat_needs_room_for_holes(disk: ExfatDisk, delivery: Delivery) -> None:
    os.truncate(delivery.origin / "calibrated_all.clean.fits", 128 << 20)
    with pytest.raises(Refused) as caught:
        replace(delivery, path=disk.path / "2011.0.00229.S").plan(Mode.COPY)
    assert [problem.code for problem in caught.value.problems] == [Code.NO_SPACE]


@pytest.mark.parametrize(("mode", "code"), [("hard", "no-hard-links"), ("copy", "no-space")])
def test_command_asks_the_disk_for_links_and_holes(
    capsys: pytest.CaptureFixture[str], disk: ExfatDisk, mode: str, code: str
) -> None:
    origin = make_reduction(disk.path / "sb1")
    if mode == "copy":
        origin = Path(shutil.copytree(origin, disk.path.with_name("sb1")))
        os.truncate(origin / "calibrated_all.clean.fits", 128 << 20)
    ran = run_here(capsys, "plan", origin, disk.path / "2011.0.00229.S", "--mode", mode)
    assert ran.code == Exit.FAILED
    assert f"{code}:" in ran.err
    assert sorted(os.listdir(disk.path)) == ["sb1"]


def test_package_on_exfat_is_made_replaced_and_rolled_back(disk: ExfatDisk, delivery: Delivery) -> None:
    far = replace(delivery, path=disk.path / "2011.0.00229.S")
    far.make(Mode.COPY)
    write(delivery.origin / "more.fits", b"1")
    far.plan(Mode.COPY)
    far.apply(keep_previous=KeepPrevious.YES)
    assert far.problems() == []
    assert (far.member / "product/more.fits").read_bytes() == b"1"
    tickets = [path.read_bytes() for path in sorted(disk.path.glob("*.ticket.*"))]
    roll_back(far)
    assert far.problems() == []
    assert not (far.member / "product/more.fits").exists()
    assert [path.read_bytes() for path in sorted(disk.path.glob("*.ticket.*"))] != tickets


def renumbered(path: Path, content: bytes | None = None) -> None:
    """Give a file another inode number, as a new mount does, and nothing else; or another content, too."""
    status = path.stat()
    path.rename(path.with_name("old"))
    write(path, path.with_name("old").read_bytes() if content is None else content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the old one stays: its number is not given again


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_source_with_another_inode_number_is_read_again_and_packaged(delivery: Delivery, mode: Mode) -> None:
    image = write(delivery.origin / "image.fits", b"123")
    delivery.plan(mode)
    renumbered(image)
    delivery.apply()
    assert delivery.problems() == []
    packaged = delivery.member / "product/image.fits"
    assert packaged.read_bytes() == b"123"
    assert packaged.samefile(image) == (mode is not Mode.COPY)


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE])
def test_source_with_another_inode_number_and_content_is_no_source(delivery: Delivery, mode: Mode) -> None:
    image = write(delivery.origin / "image.fits", b"123")
    delivery.plan(mode)
    renumbered(image, b"321")
    with pytest.raises(OriginChangedError) as caught:
        delivery.apply()
    assert [problem.path for problem in caught.value.problems] == [os.fsencode(image)]


def test_source_that_is_exchanged_after_it_was_compared_is_not_linked(delivery: Delivery) -> None:
    image = write(delivery.origin / "image.fits", b"123")
    delivery.plan(Mode.HARD)
    renumbered(image)

    class Exchanging(Disk):
        """Somebody puts another file there at the very moment in which it is linked."""

        def link(self, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
            if name == b"image.fits":
                image.with_name("old").unlink()
                renumbered(image, b"321")
            super().link(source, name, source_fd=source_fd, dir_fd=dir_fd)

    with pytest.raises(OriginChangedError):
        delivery.apply(Exchanging())


def test_file_system_that_has_another_number_now_is_still_the_package_s_own(delivery: Delivery) -> None:
    made = delivery.made(Mode.MOVE)
    delivery.path.with_name(delivery.path.name + ".pack").mkdir()
    blobs = [(path, decode_record(blob)) for path, blob in made.gathered.spool.sorted_blobs()]
    renamed = ((path, encode_record(replace(record, device=record.device + 1))) for path, record in blobs)
    save_durably(delivery.package.plan, made.header, made.notes, renamed)
    before = (delivery.origin / "calibrated_all.clean.fits").stat().st_ino
    delivery.apply()
    assert (delivery.member / "product/calibrated_all.clean.fits").stat().st_ino == before


def test_origin_on_a_disk_that_was_mounted_again_is_packaged_as_planned(disk: ExfatDisk, tmp_path: Path) -> None:
    origin = make_reduction(disk.path / "sb1")
    write(disk.path / "first", b"")
    delivery = Delivery(origin, tmp_path / "2011.0.00229.S")
    delivery.plan(Mode.COPY)
    disk.mount_again()
    for path in sorted(origin.rglob("*"), reverse=True):
        path.stat()
    delivery.apply()
    assert delivery.problems() == []


@pytest.mark.parametrize(
    "words", [["verify"], ["show"], ["status"], ["log"], ["report"], ["tarsplit", "-n", "2012-06-20", "--dry-run"]]
)
def test_command_given_a_link_works_on_the_package_that_it_leads_to_and_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, moved_away: Delivery, words: list[str]
) -> None:
    ran = run_here(capsys, *words, tmp_path / "link")
    assert ran.code == Exit.DONE
    assert f"{tmp_path}/link is a link; the package is {moved_away.path}" in ran.err


def test_package_behind_a_link_is_appended_to_and_never_replaced_by_another(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, moved_away: Delivery
) -> None:
    link = tmp_path / "link"
    assert run_here(capsys, "plan", moved_away.origin, link, "--mode", "copy", "--append", "member").code == Exit.DONE
    assert run_here(capsys, "apply", link).code == Exit.DONE
    assert os.readlink(link) == os.fspath(moved_away.path)
    assert moved_away.problems() == []
    assert len(list((moved_away.path / "sg_ouss_id/group_ouss_id").iterdir())) == 2


@pytest.fixture
def moved_away(delivery: Delivery, tmp_path: Path) -> Delivery:
    """A package that was moved to a bigger disk, with a link at its old place."""
    (tmp_path / "big").mkdir()
    delivery.make(Mode.COPY)
    for path in tmp_path.glob(delivery.path.name + "*"):
        path.rename(tmp_path / "big" / path.name)
    moved = replace(delivery, path=tmp_path / "big" / delivery.path.name)
    (tmp_path / "link").symlink_to(moved.path)
    return moved
