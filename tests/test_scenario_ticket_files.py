"""Ticket mode, and the two ticket files that come with every package: what tar and unzip make of them."""

import copy
import json
import os
import shutil
import stat
import subprocess
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.tickets.check import check_tickets
from qa2pack.executor.tickets.read import read_zip
from qa2pack.executor.tickets.size import ticket_bytes
from qa2pack.executor.tickets.write import Member, write_tickets
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import TICKET_PERMISSIONS
from qa2pack.manifest.bundle.container import write_container
from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.framing import zip_framing
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Code, Refused
from qa2pack.manifest.progress import Silent
from qa2pack.pack.api import request_for
from qa2pack.pack.jobs import adopt as adoptjob
from qa2pack.pack.jobs import plan as planjob
from qa2pack.pack.jobs.engines import Workers
from support.commands import run_here
from support.faulty_disk import CountingDisk, Fault, FaultyDisk, Stopped
from support.file_systems import folder_elsewhere, small_disk
from support.in_process import UID, Delivery, add_measurement_sets, make_reduction, write
from support.origin_bytes import roll_back
from support.snapshots import contents, files
from support.tools import needs_tool
from support.users import as_ordinary_user, folder_of_everybody

PROJECT = "2011.0.00229.S"
MEMBER = f"{PROJECT}/sg_ouss_id/group_ouss_id/member_ouss_id"
SIZES = "package_size.txt"
IN_TICKET = {
    "README",
    "qa/X8c.checklist.txt",
    f"qa/{UID}__qa2_part1.png",
    f"qa/{UID}__textfile.txt",
    "script/scriptForImaging.py",
    f"script/{UID}.ms.scriptForCalibration.py",
}


def untarred(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    return folder


def unzipped(archive: Path, folder: Path) -> Path:
    subprocess.run([needs_tool("unzip"), "-q", archive, "-d", folder], check=True, stdin=subprocess.DEVNULL)
    return folder


EXTRACTED = pytest.mark.parametrize(("ending", "extract"), [("tar", untarred), ("zip", unzipped)], ids=["tar", "zip"])
Extract = Callable[[Path, Path], Path]


def ticket(delivery: Delivery, ending: str) -> Path:
    return delivery.path.with_name(f"{delivery.path.name}.ticket.{ending}")


def tickets(delivery: Delivery) -> dict[str, bytes]:
    return {ending: ticket(delivery, ending).read_bytes() for ending in ("tar", "zip")}


def read_extracted(folder: Path) -> dict[str, bytes]:
    return {path: (folder / path).read_bytes() for path in files(folder)}


# --- the mode


def test_ticket_mode_links_scripts_and_qa_and_leaves_the_rest_empty(delivery: Delivery) -> None:
    delivery.make(Mode.TICKET)
    origin = {seen.inode for seen in files(delivery.origin).values()}
    packaged = files(delivery.member)
    assert {path for path, seen in packaged.items() if seen.inode in origin} == IN_TICKET - {"README"}
    assert {path for path in packaged if (delivery.member / path).stat().st_size} == IN_TICKET
    assert delivery.problems() == []


def test_ticket_mode_across_file_systems_copies_and_says_so(delivery: Delivery) -> None:
    with folder_elsewhere(delivery.origin) as folder:
        far = Delivery(delivery.origin, folder / PROJECT)
        plan = far.plan(Mode.TICKET)
        far.apply()
        assert [warning.code for warning in plan.notes.warnings if warning.code is Code.W_COPIED] == [Code.W_COPIED]
        assert (far.member / "script/scriptForImaging.py").read_bytes() == (
            far.origin / "scriptForImaging.py"
        ).read_bytes()
        assert far.problems() == []


def test_ticket_mode_with_measurement_sets_reports_their_sizes_after_the_split(delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    hard = Delivery(delivery.origin, delivery.path.with_name("2012.1.00001.S"))
    hard.make(Mode.HARD)
    expected = sum(path.stat().st_size for path in (hard.member / "raw").rglob("*") if path.is_file())
    plan = delivery.plan(Mode.TICKET)
    delivery.apply()
    assert {total.byte_count for total in plan.notes.totals if total.role == "raw"} == {expected}
    assert sum(path.stat().st_size for path in (delivery.member / "raw").rglob("*") if path.is_file()) == 0


# --- the files


@EXTRACTED
@pytest.mark.parametrize("mode", [Mode.COPY, Mode.HARD, Mode.MOVE, Mode.TICKET])
def test_extracting_gives_the_packaged_files(
    delivery: Delivery, tmp_path: Path, mode: Mode, ending: str, extract: Extract
) -> None:
    delivery.make(mode)
    found = read_extracted(extract(ticket(delivery, ending), tmp_path / "out"))
    assert set(found) == {f"{MEMBER}/{path}" for path in IN_TICKET} | {SIZES}
    assert {path: data for path, data in found.items() if path != SIZES} == {
        f"{MEMBER}/{path}": (delivery.member / path).read_bytes() for path in IN_TICKET
    }


@EXTRACTED
def test_in_fake_mode_they_hold_placeholders_and_the_real_sizes(
    delivery: Delivery, tmp_path: Path, ending: str, extract: Extract
) -> None:
    delivery.make(Mode.FAKE)
    found = read_extracted(extract(ticket(delivery, ending), tmp_path / "out"))
    assert {path for path, data in found.items() if data} == {SIZES}
    fits = (delivery.origin / "calibrated_all.clean.fits").stat().st_size
    assert f"product               1 {fits:18}" in found[SIZES].decode()


@EXTRACTED
def test_permissions_and_times_are_sound(delivery: Delivery, tmp_path: Path, ending: str, extract: Extract) -> None:
    (delivery.origin / "scriptForImaging.py").chmod(0o400)
    delivery.make()
    script = extract(ticket(delivery, ending), tmp_path / "out") / MEMBER / "script/scriptForImaging.py"
    assert stat.S_IMODE(script.stat().st_mode) == 0o644
    assert abs(script.stat().st_mtime - (delivery.origin / "scriptForImaging.py").stat().st_mtime) < 86_400


@EXTRACTED
def test_dates_that_archives_cannot_hold_are_moved_into_their_range(
    delivery: Delivery, tmp_path: Path, ending: str, extract: Extract
) -> None:
    for name, seconds in (("scriptForA.py", 0), ("scriptForB.py", -(10**9)), ("scriptForC.py", 5 * 10**9)):
        os.utime(write(delivery.origin / name, b"x"), (seconds, seconds))
    delivery.make()
    out = extract(ticket(delivery, ending), tmp_path / "out") / MEMBER / "script"
    assert {(out / f"scriptFor{letter}.py").read_bytes() for letter in "ABC"} == {b"x"}
    assert min((out / f"scriptFor{letter}.py").stat().st_mtime for letter in "ABC") >= -86_400


def test_zip_holds_nothing_before_1980(delivery: Delivery) -> None:
    os.utime(write(delivery.origin / "scriptForA.py", b"x"), (0, 0))
    delivery.make()
    with zipfile.ZipFile(ticket(delivery, "zip")) as archive:
        assert archive.testzip() is None
        assert archive.getinfo(f"{MEMBER}/script/scriptForA.py").date_time == (1980, 1, 1, 0, 0, 0)


def test_names_that_are_not_utf_8_come_out_of_the_tar_as_they_are(delivery: Delivery, tmp_path: Path) -> None:
    name = b"scriptFor\xe9\xff.py"
    write(delivery.origin / os.fsdecode(name), b"latin")
    delivery.make()
    untarred(ticket(delivery, "tar"), tmp_path / "out")
    assert name in os.listdir(os.fsencode(tmp_path / "out" / MEMBER / "script"))


def test_names_that_are_not_utf_8_come_out_of_the_zip_escaped(delivery: Delivery, tmp_path: Path) -> None:
    names = {"scriptFor\\xe9.py": b"scriptFor\xe9.py", "scriptFor\\x5cxe9.py": b"scriptFor\\xe9.py"}
    for name in names.values():
        write(delivery.origin / os.fsdecode(name), name)
    delivery.make()
    assert delivery.problems() == []
    out = unzipped(ticket(delivery, "zip"), tmp_path / "out") / MEMBER / "script"
    assert {name: (out / name).read_bytes() for name in names} == names


@EXTRACTED
def test_other_letters_and_long_names_come_out_as_they_are(
    delivery: Delivery, tmp_path: Path, ending: str, extract: Extract
) -> None:
    names = ("scriptForÉtoile.py", "scriptFor銀河.py", f"scriptFor{'s' * 240}.py", "scriptFor a;b.py")
    for name in names:
        write(delivery.origin / name, name.encode())
    delivery.make()
    out = extract(ticket(delivery, ending), tmp_path / "out") / MEMBER / "script"
    assert {name: (out / name).read_bytes() for name in names} == {name: name.encode() for name in names}


def test_the_same_package_gives_the_same_bytes(delivery: Delivery) -> None:
    delivery.plan()
    delivery.apply()
    first = tickets(delivery)
    roll_back(delivery)
    for ending in ("tar", "zip"):
        assert not ticket(delivery, ending).exists()
    delivery.apply()
    assert tickets(delivery) == first


def test_owner_and_order_do_not_depend_on_the_machine(delivery: Delivery) -> None:
    delivery.make()
    with tarfile.open(ticket(delivery, "tar")) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "root", "root")}
    assert [member.name for member in members[:-1]] == sorted(member.name for member in members[:-1])
    assert {member.type for member in members} == {tarfile.REGTYPE}


@EXTRACTED
def test_all_members_are_in_them(delivery: Delivery, tmp_path: Path, ending: str, extract: Extract) -> None:
    delivery.make()
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2), delivery.path)
    other.make(Mode.COPY, append=Append.MEMBER)
    found = read_extracted(extract(ticket(delivery, ending), tmp_path / "out"))
    for number in ("", "2"):
        path = f"{MEMBER}{number}/script/scriptForImaging.py"
        assert found[path] == (delivery.path.parent / path).read_bytes()
    everything = sum(path.stat().st_size for path in delivery.path.rglob("*") if path.is_file())
    assert f"{everything:18} " in found[SIZES].decode().splitlines()[-1]


# --- in the transaction


def test_old_or_new_files_are_there_wherever_it_stops(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    old = tickets(delivery)
    write(delivery.origin / "scriptForImaging.py", b"new")
    delivery.plan(Mode.COPY)
    disk = CountingDisk()
    delivery.apply(disk, keep_previous=KeepPrevious.YES)
    new = tickets(delivery)
    assert old["tar"] != new["tar"] and old["zip"] != new["zip"]
    roll_back(delivery)
    for at in range(len(disk.calls) - 25, len(disk.calls)):
        with pytest.raises(Stopped):
            delivery.apply(FaultyDisk(Fault.STOP_AFTER, at), keep_previous=KeepPrevious.YES)
        found = tickets(delivery)
        assert [each for each in found if found[each] not in (old[each], new[each])] == []
        roll_back(delivery)
        assert tickets(delivery) == old
        if not os.path.exists(delivery.package.plan):
            delivery.plan(Mode.COPY)


def test_rolling_back_brings_the_old_files_back(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    old, before = tickets(delivery), contents(delivery.path)
    write(delivery.origin / "scriptForImaging.py", b"new")
    delivery.plan(Mode.COPY)
    delivery.apply(keep_previous=KeepPrevious.YES)
    assert tickets(delivery) != old
    roll_back(delivery)
    assert (tickets(delivery), contents(delivery.path)) == (old, before)


@pytest.mark.parametrize("gone", [("tar",), ("zip",), ("tar", "zip"), ()])
def test_rollback_brings_back_those_that_were_there_and_no_others(delivery: Delivery, gone: tuple[str, ...]) -> None:
    delivery.make(Mode.COPY)
    kept = {ending: data for ending, data in tickets(delivery).items() if ending not in gone}
    for ending in gone:
        ticket(delivery, ending).unlink()
    write(delivery.origin / "scriptForImaging.py", b"new")
    delivery.plan(Mode.COPY)
    disk = CountingDisk()
    delivery.apply(disk, keep_previous=KeepPrevious.YES)
    roll_back(delivery)
    assert there(delivery) == kept
    for at in range(len(disk.calls) - 25, len(disk.calls)):
        with pytest.raises(Stopped):
            delivery.apply(FaultyDisk(Fault.STOP_AFTER, at), keep_previous=KeepPrevious.YES)
        roll_back(delivery)
        assert there(delivery) == kept
        if not os.path.exists(delivery.package.plan):
            delivery.plan(Mode.COPY)


def there(delivery: Delivery) -> dict[str, bytes]:
    return {
        ending: ticket(delivery, ending).read_bytes()
        for ending in ("tar", "zip")
        if ticket(delivery, ending).exists()
    }


# --- their room


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE, Mode.TICKET])
def test_room_is_enough_for_all_members_and_not_much_too_much(delivery: Delivery, tmp_path: Path, mode: Mode) -> None:
    write(delivery.origin / "scriptForLong.py", bytes(100_000))
    delivery.make(mode)
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2), delivery.path)
    plan = other.plan(mode, append=Append.MEMBER)
    room = ticket_bytes(other.package, plan.header, plan.notes, OpenedFiles())
    other.apply()
    taken = sum(map(len, tickets(other).values()))
    assert taken <= room < taken + 100_000


def test_ticket_files_that_do_not_fit_are_refused_beforehand(delivery: Delivery, tmp_path: Path) -> None:
    """The links of a hard package take no room; what is archived of it does, twice."""
    with small_disk(tmp_path / "small", size=1_000_000) as disk:
        here = Delivery(make_reduction(disk / "sb1"), disk / PROJECT)
        write(here.origin / "scriptForMuch.py", bytes(400_000))
        with pytest.raises(Refused) as caught:
            here.plan(Mode.HARD)
        assert [problem.code for problem in caught.value.problems] == [Code.NO_SPACE]
        write(here.origin / "scriptForMuch.py", bytes(100_000))
        here.make(Mode.HARD)


# --- verifying them


def found(delivery: Delivery, *, is_quick: bool = False) -> list[tuple[str, str]]:
    """Return code, and the ending of the ticket file it is about."""
    problems = list(check_tickets(delivery.package, OpenedFiles(), is_quick=is_quick))
    name = f"../{PROJECT}.ticket."
    assert [p for p in problems if not os.fsdecode(p.path).startswith(name)] == []
    return [(p.code, os.fsdecode(p.path).removeprefix(name)) for p in problems]


@pytest.mark.parametrize("mode", Mode)
def test_they_verify_in_every_mode_and_with_odd_names_and_dates(
    delivery: Delivery, tmp_path: Path, mode: Mode
) -> None:
    long = b"scriptFor" + b"s" * 200 + b".py"
    for name, seconds in ((b"scriptFor\xe9.py", -(10**9)), ("scriptFor銀河.py".encode(), 5 * 10**9), (long, 0)):
        os.utime(write(delivery.origin / os.fsdecode(name), name), (seconds, seconds))
    delivery.make(mode)
    assert found(delivery) == []
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2), delivery.path)
    other.make(Mode.FAKE, append=Append.MEMBER)
    assert found(delivery) == []


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_every_flipped_byte_of_a_content_is_found(delivery: Delivery, ending: str) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, ending)
    whole = path.read_bytes()
    for name in sorted(IN_TICKET):
        content = (delivery.member / name).read_bytes()
        start = whole.index(content)
        for offset in (start, start + len(content) - 1):
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
            assert found(delivery) == [(Code.TICKET_DAMAGED, ending)], name


def test_every_flipped_byte_behind_a_content_of_the_zip_is_found(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, "zip")
    whole = path.read_bytes()
    start = whole.index(b"PK\7\b")  # mark, checksum, and size twice
    for offset in range(start, start + 16):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, "zip")], offset


@pytest.mark.parametrize("cut", [0, 1])
def test_zip_beyond_4_gib_is_read_to_its_end(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "zip"
    with path.open("wb") as file:
        entry = BundleEntry(b"script/a.py", 1, 10**18, TICKET_PERMISSIONS)
        write_container(file.write, zip_framing(large=True), [(entry, [b"a"])])
    os.truncate(path, path.stat().st_size - cut)
    with path.open("rb") as file, nullcontext() if not cut else pytest.raises(zipfile.BadZipFile):
        assert [(each.name, each.fault) for each in read_zip(file)] == [(b"script/a.py", "")]


def test_ticket_files_of_an_earlier_version_which_python_wrote_are_right(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    rewrite_tar(ticket(delivery, "tar"), lambda _: None)
    path = ticket(delivery, "zip")
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            info.extra = b""
            archive.writestr(info, content)
    assert b"PK\7\b" not in path.read_bytes()
    assert found(delivery) == []


@pytest.mark.parametrize("ending", ["tar", "zip"])
@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_cut_ticket_file_is_found(delivery: Delivery, ending: str, part: int) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, ending)
    os.truncate(path, path.stat().st_size * part // 4)
    assert {each for each in found(delivery, is_quick=True)} == {(Code.TICKET_DAMAGED, ending)}


@pytest.mark.parametrize("ending", ["tar", "zip"])
@pytest.mark.parametrize(
    "more", [b"text\n", bytes(10_240), b"x" * 10_240, bytes(70_000)], ids=lambda more: f"{len(more)}"
)
def test_bytes_behind_the_end_of_a_ticket_file_are_found(delivery: Delivery, ending: str, more: bytes) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, ending)
    path.write_bytes(path.read_bytes() + more)
    assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, ending)]


def test_bytes_written_into_what_fills_up_the_tar_are_found(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, "tar")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, "tar")]


def test_bytes_before_the_zip_and_a_comment_behind_it_are_found(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, "zip")
    whole = path.read_bytes()
    path.write_bytes(b"#!/bin/sh\n" + whole)
    assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, "zip")]
    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"said later"
    assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, "zip")]


SCRIPT = f"{MEMBER}/script/scriptForImaging.py"


def give(info: object, **values: object) -> None:
    for name, value in values.items():
        setattr(info, name, value)


TAR_ENTRIES: dict[str, Callable[[tarfile.TarInfo], object]] = {
    "symlink": lambda info: give(info, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": lambda info: give(info, type=tarfile.LNKTYPE, linkname=f"{MEMBER}/README"),
    "character device": lambda info: setattr(info, "type", tarfile.CHRTYPE),
    "block device": lambda info: setattr(info, "type", tarfile.BLKTYPE),
    "pipe": lambda info: setattr(info, "type", tarfile.FIFOTYPE),
    "folder": lambda info: setattr(info, "type", tarfile.DIRTYPE),
    "contiguous file": lambda info: setattr(info, "type", tarfile.CONTTYPE),
    "set-uid": lambda info: setattr(info, "mode", 0o4755),
    "set-gid": lambda info: setattr(info, "mode", 0o2755),
    "sticky": lambda info: setattr(info, "mode", 0o1644),
    "writable by all": lambda info: setattr(info, "mode", 0o666),
    "executable": lambda info: setattr(info, "mode", 0o755),
    "of another user": lambda info: setattr(info, "uid", 1000),
    "of another user by name": lambda info: setattr(info, "uname", "daemon"),
    "of another group": lambda info: setattr(info, "gid", 100),
    "climbing": lambda info: setattr(info, "name", f"{MEMBER}/../../../../x"),
}


def rewrite_tar(path: Path, change: Callable[[tarfile.TarInfo], object], *, is_added: bool = False) -> None:
    """Write the tar again, its script changed, or there a second time and changed."""
    with tarfile.open(path) as archive:
        entries = [(info, reader.read()) for info in archive if (reader := archive.extractfile(info)) is not None]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in entries:
            if info.name == SCRIPT:
                if is_added:
                    archive.addfile(info, BytesIO(content))
                change(info)
                info.size = len(content) if info.isreg() else 0
            archive.addfile(info, BytesIO(content))


@pytest.mark.parametrize("is_added", [False, True], ids=["instead", "beside"])
@pytest.mark.parametrize("change", TAR_ENTRIES.values(), ids=TAR_ENTRIES)
def test_tar_entry_that_is_no_plain_file_is_found(
    delivery: Delivery, change: Callable[[tarfile.TarInfo], object], is_added: bool
) -> None:
    delivery.make(Mode.FAKE)  # all files are empty there, and so are links
    rewrite_tar(ticket(delivery, "tar"), change, is_added=is_added)
    assert set(found(delivery, is_quick=True)) == {(Code.TICKET_DAMAGED, "tar")}
    assert set(found(delivery)) == {(Code.TICKET_DAMAGED, "tar")}


def test_tar_entry_with_extended_attributes_is_found(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, "tar")
    with tarfile.open(path) as archive:
        entries = [(info, reader.read()) for info in archive if (reader := archive.extractfile(info)) is not None]
    entries[0][0].pax_headers = {"SCHILY.xattr.user.note": "x"}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, BytesIO(content))
    assert set(found(delivery, is_quick=True)) == {(Code.TICKET_DAMAGED, "tar")}


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_repeated_entry_is_found(delivery: Delivery, ending: str) -> None:
    delivery.make(Mode.COPY)
    path = ticket(delivery, ending)
    if ending == "tar":
        rewrite_tar(path, lambda _: None, is_added=True)
    else:
        rewrite_zip(path, lambda _: None, is_added=True)
    assert found(delivery, is_quick=True) == [(Code.TICKET_DAMAGED, ending)]


ZIP_ENTRIES: dict[str, Callable[[zipfile.ZipInfo], object]] = {
    "symlink": lambda info: setattr(info, "external_attr", 0o120777 << 16),
    "character device": lambda info: setattr(info, "external_attr", 0o020644 << 16),
    "block device": lambda info: setattr(info, "external_attr", 0o060644 << 16),
    "pipe": lambda info: setattr(info, "external_attr", 0o010644 << 16),
    "folder": lambda info: setattr(info, "external_attr", (0o040755 << 16) | 0x10),
    "set-uid": lambda info: setattr(info, "external_attr", 0o104755 << 16),
    "set-gid": lambda info: setattr(info, "external_attr", 0o102755 << 16),
    "writable by all": lambda info: setattr(info, "external_attr", 0o100666 << 16),
    "of another system": lambda info: setattr(info, "create_system", 0),
    "deflated": lambda info: setattr(info, "compress_type", zipfile.ZIP_DEFLATED),
    "with a comment": lambda info: setattr(info, "comment", b"x"),
    "with an extra field": lambda info: setattr(info, "extra", b"\xfe\xca\0\0"),
    "of a later version": lambda info: setattr(info, "extract_version", 63),
}


def rewrite_zip(path: Path, change: Callable[[zipfile.ZipInfo], object], *, is_added: bool = False) -> None:
    """Write the zip again, its script changed, or there a second time and changed."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w") as archive:
        for info, content in entries:
            if info.filename == SCRIPT:
                if is_added:
                    archive.writestr(copy.copy(info), content)
                change(info)
            archive.writestr(info, content)


@pytest.mark.parametrize("change", ZIP_ENTRIES.values(), ids=ZIP_ENTRIES)
def test_zip_entry_that_is_not_as_it_is_written_is_found(
    delivery: Delivery, change: Callable[[zipfile.ZipInfo], object]
) -> None:
    delivery.make(Mode.COPY)
    rewrite_zip(ticket(delivery, "zip"), change)
    assert set(found(delivery, is_quick=True)) == {(Code.TICKET_DAMAGED, "zip")}


def test_every_zip_that_unzip_rejects_is_found(delivery: Delivery, tmp_path: Path) -> None:
    """Bytes of its headers are changed one after the other; of what only Python reads, nothing may pass."""
    needs_tool("unzip")
    delivery.make(Mode.FAKE)
    path, changed = ticket(delivery, "zip"), tmp_path / "changed.zip"
    whole = path.read_bytes()
    first = len(SCRIPT) + 120  # the first entry, and all behind the last
    offsets = [*range(first), *range(whole.index(b"PK\x01\x02"), len(whole), 3)]
    passed = []
    for offset in offsets:
        data = bytearray(whole)
        data[offset] ^= 0x55
        path.write_bytes(data)
        if not found(delivery):
            changed.write_bytes(data)
            test = subprocess.run(
                ["unzip", "-tqq", changed], check=False, capture_output=True, stdin=subprocess.DEVNULL
            )
            passed += [offset] if test.returncode else []
    assert passed == []


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_missing_ticket_file_is_found(delivery: Delivery, ending: str) -> None:
    delivery.make(Mode.COPY)
    ticket(delivery, ending).unlink()
    assert found(delivery) == [(Code.W_TICKET_MISSING, ending)]


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a named pipe"), (os.mkdir, "a folder"), (lambda path: os.symlink("x", path), "a link to x")],
)
def test_something_else_in_place_of_a_ticket_file_is_named_with_the_way_out(
    delivery: Delivery, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], kind: str
) -> None:
    delivery.make(Mode.COPY)
    ticket(delivery, "tar").unlink()
    make(ticket(delivery, "tar"))
    ran = run_here(capsys, "verify", delivery.path)
    assert f"ticket-damaged ../{PROJECT}.ticket.tar: found {kind}, not a regular file" in ran.out
    assert "is to be moved away" in ran.out
    assert "chmod" not in ran.out
    assert run_here(capsys, "readme", delivery.path, "--take-changes").code == 1
    ticket(delivery, "tar").rename(delivery.path.with_name("away"))
    assert run_here(capsys, "readme", delivery.path, "--take-changes").code == 0
    assert found(delivery) == []


def test_ticket_files_of_an_earlier_package_are_found(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    old = tickets(delivery)
    write(delivery.origin / "scriptForMore.py", b"more")
    (delivery.origin / "X8c/qa2/textfile.txt").unlink()
    delivery.make(Mode.COPY)
    for ending, data in old.items():
        ticket(delivery, ending).write_bytes(data)
    problems = [str(problem.found) for problem in check_tickets(delivery.package, OpenedFiles(), is_quick=True)]
    for words in ("no 2011.0.00229.S/", "which is not packaged", "bytes, not"):
        assert len([text for text in problems if words in text]) == 2, words
    assert [text for text in problems if "other sizes" in text] == [
        "other sizes in package_size.txt than those of the package"
    ] * 2


def test_ticket_files_of_another_program_do_not_matter(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    shutil.rmtree(os.fsdecode(delivery.package.control))
    ticket(delivery, "tar").write_bytes(b"of the old script")
    ticket(delivery, "zip").unlink()
    assert run_here(capsys, "adopt", delivery.path).code == 0
    assert run_here(capsys, "verify", delivery.path).code == 0


@pytest.mark.parametrize("is_adopted_first", [True, False])
def test_adopted_members_may_be_in_them_or_not(delivery: Delivery, tmp_path: Path, is_adopted_first: bool) -> None:
    other = Delivery(make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2), delivery.path)
    delivery.make(Mode.COPY)
    if is_adopted_first:
        shutil.rmtree(os.fsdecode(delivery.package.control))
        adopt(delivery)
        other.make(Mode.COPY, append=Append.MEMBER)
    else:
        shutil.copytree(delivery.member, f"{delivery.member}2")
        adopt(delivery)
    assert found(delivery) == []
    ticket(delivery, "zip").unlink()
    assert found(delivery) == [(Code.W_TICKET_MISSING, "zip")]


def adopt(delivery: Delivery) -> None:
    adoptjob.adopt(delivery.package, Workers(1, Silent()), OpenedFiles())


def test_command_verifies_them(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    delivery.make(Mode.COPY)
    assert run_here(capsys, "verify", delivery.path).code == 0
    os.truncate(ticket(delivery, "tar"), 100)
    ran = run_here(capsys, "verify", delivery.path)
    assert (ran.code, f"ticket-damaged ../{PROJECT}.ticket.tar" in ran.out) == (3, True)


def test_package_copied_without_them_is_as_packaged_and_the_command_names_them(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    far = tmp_path / "far"
    far.mkdir()
    subprocess.run(["cp", "-a", delivery.path, f"{delivery.path}.pack", far], check=True)
    ran = run_here(capsys, "verify", far / PROJECT)
    assert (ran.code, "All as packaged" in ran.out) == (0, True)
    reported = [f"warning-ticket-missing ../{PROJECT}.ticket.{ending}" in ran.out for ending in ("tar", "zip")]
    assert reported == [True, True]
    fields = json.loads(run_here(capsys, "verify", far / PROJECT, "--json").out)
    assert (fields["exit_code"], fields["problem_count"], fields["problems"]) == (0, 0, [])
    assert [each["code"] for each in fields["warnings"]] == ["warning-ticket-missing"] * 2


def test_missing_ticket_file_does_not_hide_other_problems(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    ticket(delivery, "zip").unlink()
    (delivery.member / "README").unlink()
    ran = run_here(capsys, "verify", delivery.path)
    assert (ran.code, "1 problem in" in ran.out, "warning-ticket-missing" in ran.out) == (3, True, True)


# --- members that stay, whose files go into the ticket files of an append


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_link_of_the_same_size(path: Path) -> None:
    size = path.stat().st_size
    path.unlink()
    path.symlink_to("x" * size)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("mode", "damage", "code"),
    [
        (Mode.COPY, remove, Code.MISSING),
        (Mode.COPY, make_folder, Code.WRONG_TYPE),
        (Mode.COPY, make_link_of_the_same_size, Code.WRONG_TYPE),
        (Mode.FAKE, remove, Code.MISSING),
        (Mode.FAKE, make_pipe, Code.WRONG_TYPE),
    ],
)
def test_append_is_refused_in_the_plan_with_the_whole_path(
    delivery: Delivery,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: Mode,
    damage: Callable[[Path], None],
    code: Code,
) -> None:
    delivery.make(mode)
    script = delivery.member / "script/scriptForImaging.py"
    damage(script)
    origin = make_reduction(tmp_path / "sb2", seed=2)
    ran = run_here(capsys, "plan", origin, delivery.path, "--append", "member", "--mode", "copy", "--json")
    problems = json.loads(ran.out)["problems"]
    assert (ran.code, [(each["code"], each["path"]) for each in problems]) == (1, [(code, str(script))])


@pytest.mark.parametrize("mode", [Mode.COPY, Mode.FAKE])
def test_append_over_a_file_that_may_not_be_read_is_refused_in_the_plan(mode: Mode) -> None:
    with folder_of_everybody() as folder, as_ordinary_user():
        delivery = Delivery(make_reduction(folder / "sb1"), folder / PROJECT)
        delivery.make(mode)
        script = delivery.member / "script/scriptForImaging.py"
        script.chmod(0)
        request = request_for(make_reduction(folder / "sb2", seed=2), delivery.package, append=Append.MEMBER)
        with pytest.raises(Refused) as caught:
            planjob.plan(request, Workers(jobs=1), OpenedFiles())
        assert [(each.code, each.path) for each in caught.value.problems] == [(Code.UNREADABLE, os.fsencode(script))]


def test_file_that_vanishes_while_the_ticket_files_are_written_is_named_by_its_whole_path(delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    member = Member(open_manifest(delivery.package.manifest(b"group_ouss_id/member_ouss_id")), bytes(delivery.member))
    script.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        write_tickets(delivery.package.project, [member], os.fsencode(delivery.origin), Disk())
    assert caught.value.filename == os.fsencode(script)


def test_refused_append_says_how_to_repair_the_member_that_stays(
    delivery: Delivery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery.make(Mode.COPY)
    next(delivery.path.rglob("scriptForImaging.py")).write_text("better")
    other = make_reduction(tmp_path / "sb2", uid="uid___A002_X1_X2", block="X2", seed=2)
    append = ("plan", other, delivery.path, "--append", "member", "--mode", "hard")
    err = run_here(capsys, *append).err
    assert f"\n        pack repair {delivery.path}\n" in err
    again = f"pack plan --again {delivery.path} --rehash"
    assert f"\n        {again}\n        pack apply {delivery.path} --keep-previous\n" in err
    assert run_here(capsys, "repair", delivery.path).code == 0
    assert run_here(capsys, *append).code == 0
    assert run_here(capsys, *again.split()[1:]).code == 0
