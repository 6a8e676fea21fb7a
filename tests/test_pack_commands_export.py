"""`pack export`: lists that the standard tools check, JSON lines, and a bag that bagit.py accepts."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from qa2pack.executor.bag import CannotLinkError
from qa2pack.executor.io.disk import Disk
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here, run_in_child
from support.file_systems import folder_elsewhere
from support.in_process import Delivery, add_measurement_sets, write
from support.opened_files import opened_paths
from support.snapshots import contents, snapshot
from support.tools import needs_tool

Capsys = pytest.CaptureFixture[str]
LISTS = ["xxhsum", "md5sum", "sha256sum"]
ODD_NAMES = (
    b"a b.fits",
    b"back\\slash.fits",
    b"quote'\".fits",
    b"\xff.fits",
    b"cr\rin.fits",
    b" lead.fits",
    b"100%.fits",
)


def odd_files(delivery: Delivery, *names: bytes) -> None:
    for name in names:
        write(Path(os.fsdecode(os.fsencode(delivery.origin) + b"/" + name)), b"content of " + name)


def checked(delivery: Delivery, tool: str, sums: Path) -> int:
    return subprocess.run([needs_tool(tool), "--quiet", "-c", sums], cwd=delivery.path.parent, check=False).returncode


def validated(bag: Path) -> int:
    return subprocess.run(
        [sys.executable, "-m", "bagit", "--quiet", "--validate", bag], capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize("tool", LISTS)
def test_the_tool_checks_its_list(capsys: Capsys, delivery: Delivery, tmp_path: Path, tool: str) -> None:
    odd_files(delivery, *ODD_NAMES)
    delivery.make(Mode.COPY)
    delivery.make(Mode.COPY, append=Append.MEMBER)
    sums = tmp_path / "sums"
    assert run_here(capsys, "export", delivery.path, "--format", tool, "-o", sums).code == Exit.DONE
    assert checked(delivery, tool, sums) == 0
    (delivery.member / "product/a b.fits").write_bytes(b"damaged")
    assert checked(delivery, tool, sums) == 1


@pytest.mark.parametrize("tool", ["md5sum", "sha256sum"])
def test_a_name_with_a_newline_is_checked(capsys: Capsys, delivery: Delivery, tmp_path: Path, tool: str) -> None:
    odd_files(delivery, b"new\nline.fits")
    delivery.make()
    run_here(capsys, "export", delivery.path, "--format", tool, "-o", tmp_path / "sums")
    assert checked(delivery, tool, tmp_path / "sums") == 0


def test_a_list_holds_every_file_in_path_order(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.make(append=Append.MEMBER)
    lines = run_here(capsys, "export", delivery.path, "--format", "md5sum").out.splitlines()
    paths = [Path(line[34:]) for line in lines]
    files = {path.relative_to(delivery.path.parent) for path in delivery.path.rglob("*") if path.is_file()}
    assert set(paths) == files
    assert len(paths) == len(files)
    assert [path.parent for path in paths] == sorted(path.parent for path in paths)


def test_the_list_of_the_manifest_reads_no_file(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    with opened_paths() as opened:
        out = run_here(capsys, "export", delivery.path, "--format", "xxhsum").out
    script = delivery.member / "script/scriptForImaging.py"
    assert f"{xxhash.xxh3_128_hexdigest(script.read_bytes())}  {script.relative_to(delivery.path.parent)}\n" in out
    assert not [path for path in opened if os.fsencode(script.name) in path]


def test_the_list_of_the_manifest_has_all_of_a_table_but_its_locks(capsys: Capsys, delivery: Delivery) -> None:
    add_measurement_sets(delivery.origin)
    delivery.make()
    ran = run_here(capsys, "export", delivery.path, "--format", "xxhsum")
    names = {line[34:].rpartition("/")[2] for line in ran.out.splitlines()}
    assert (ran.code, ran.err) == (Exit.DONE, "")
    assert {"table.dat", "table.f0", "README"} <= names
    assert "table.lock" not in names


def test_several_lists_come_of_one_reading(delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    wanted = [word for tool in LISTS for word in ("--format", tool)]
    ran = run_in_child("export", delivery.path, *wanted, "-o", tmp_path)
    assert ran.code == Exit.DONE
    endings = {"xxhsum": "xxh128", "md5sum": "md5", "sha256sum": "sha256"}
    assert [checked(delivery, tool, tmp_path / f"{delivery.path.name}.{endings[tool]}") for tool in LISTS] == [
        0,
        0,
        0,
    ]


def test_only_the_named_member_is_exported(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    delivery.make(append=Append.MEMBER)
    out = run_here(capsys, "export", delivery.path, "--format", "xxhsum", "--member", "member_ouss_id2").out
    assert {line.split("/")[3] for line in out.splitlines()} == {"member_ouss_id2"}


def test_json_lines_describe_members_folders_and_files(capsys: Capsys, delivery: Delivery) -> None:
    odd_files(delivery, b"\xff.fits")
    delivery.make()
    lines = [
        json.loads(line) for line in run_here(capsys, "export", delivery.path, "--format", "json").out.splitlines()
    ]
    member = "2011.0.00229.S/sg_ouss_id/group_ouss_id/member_ouss_id"
    by_path = {line["path"]: line for line in lines if "path" in line}
    assert (lines[0]["type"], lines[0]["path"], lines[0]["mode"]) == ("member", member, "hard")
    assert by_path[f"{member}/product"]["type"] == "folder"
    file = by_path[f"{member}/product/\\xff.fits"]
    assert bytes.fromhex(file["path_bytes"]) == f"{member}/product/".encode() + b"\xff.fits"
    assert file["xxh128"] == xxhash.xxh3_128_hexdigest(b"content of \xff.fits")
    assert sum(line["type"] == "file" for line in lines) == lines[0]["file_count"]
    assert {line["source"] for line in lines if line["type"] == "left-out"} == {"notes of the reducer"}


def test_json_lines_of_placeholders_have_no_digest(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    lines = [
        json.loads(line) for line in run_here(capsys, "export", delivery.path, "--format", "json").out.splitlines()
    ]
    assert {line["xxh128"] for line in lines if line["type"] == "file"} == {None}


@pytest.mark.parametrize("mode", [Mode.FAKE, Mode.TICKET])
@pytest.mark.parametrize("form", [*LISTS, "bagit"])
def test_placeholders_have_no_sums(capsys: Capsys, delivery: Delivery, tmp_path: Path, mode: Mode, form: str) -> None:
    delivery.make(mode)
    ran = run_here(capsys, "export", delivery.path, "--format", form, "-o", tmp_path / "out")
    assert ran.code == Exit.FAILED
    assert f"\n      group_ouss_id/member_ouss_id: found the mode {mode}\n" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["md5sum", "bagit"])
def test_a_damaged_package_gives_no_sums(capsys: Capsys, delivery: Delivery, tmp_path: Path, form: str) -> None:
    delivery.make(Mode.COPY)
    script = delivery.member / "script/scriptForImaging.py"
    script.write_bytes(bytes(script.stat().st_size))
    before = contents(tmp_path)
    ran = run_here(capsys, "export", delivery.path, "--format", form, "-o", tmp_path / "out")
    assert ran.code == Exit.FAILED
    assert "changed: " in ran.err
    assert "script/scriptForImaging.py" in ran.err
    assert contents(tmp_path) == before


def test_a_member_without_manifest_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    shutil.rmtree(os.fsdecode(delivery.package.control))
    ran = run_here(capsys, "export", delivery.path, "--format", "xxhsum")
    assert ran.code == Exit.FAILED
    assert f"pack adopt {delivery.path}" in ran.err


def test_a_damaged_manifest_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    manifest = Path(os.fsdecode(delivery.package.manifest(b"group_ouss_id/member_ouss_id")))
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)
    ran = run_here(capsys, "export", delivery.path, "--format", "xxhsum")
    assert (ran.code, ran.out) == (Exit.FAILED, "")


def test_a_bag_is_valid_and_takes_no_space(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    odd_files(delivery, *(name for name in ODD_NAMES if name != b"\xff.fits"), b"new\nline.fits")
    delivery.make()
    delivery.make(append=Append.MEMBER)
    bag = tmp_path / "bag"
    assert run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", bag).code == Exit.DONE
    assert validated(bag) == 0
    assert contents(bag / "data" / delivery.path.name) == contents(delivery.path)
    inside = bag / "data" / delivery.member.relative_to(delivery.path.parent) / "script/scriptForImaging.py"
    assert inside.samefile(delivery.member / "script/scriptForImaging.py")
    inside.unlink()
    assert validated(bag) == 1


def test_a_bag_of_one_member_holds_that_alone(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    delivery.make(append=Append.GROUP)
    bag = tmp_path / "bag"
    run_here(
        capsys, "export", delivery.path, "--format", "bagit", "-o", bag, "--member", "group_ouss_id2/member_ouss_id"
    )
    assert validated(bag) == 0
    assert os.listdir(bag / "data" / delivery.path.name / "sg_ouss_id") == ["group_ouss_id2"]


def test_the_package_still_verifies_after_a_bag(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / "bag")
    assert delivery.problems() == []


def test_a_name_that_a_bag_cannot_hold_is_refused(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    odd_files(delivery, b"\xff.fits")
    delivery.make()
    ran = run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / "bag")
    assert ran.code == Exit.FAILED
    assert "\\xff.fits: found the name is not UTF-8" in ran.err
    assert not (tmp_path / "bag").exists()


def test_a_bag_on_another_file_system_is_refused(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    with folder_elsewhere(delivery.path.parent) as elsewhere:
        bag = elsewhere / "bag"
        ran = run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", bag)
        assert ran.code == Exit.FAILED
        assert "  cross-device: " in ran.err
        assert not bag.exists()


def test_what_a_stopped_export_left_is_named_and_kept(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    left = tmp_path / "bag.qa2pack-partial"
    left.mkdir()
    ran = run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / "bag")
    assert ran.code == Exit.FAILED
    assert f"rm -r {left}" in ran.err
    assert left.exists()


def test_a_bag_that_cannot_be_linked_leaves_nothing(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.make()
    links = 0

    def link(self: Disk, source: bytes, name: bytes, *, source_fd: int | None, dir_fd: int) -> None:
        nonlocal links
        links += 1
        if links > 5:
            raise OSError(31, "Too many links")
        os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=dir_fd)

    monkeypatch.setattr(Disk, "link", link)
    before = contents(tmp_path)
    ran = run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / "bag")
    assert ran.code == Exit.FAILED
    assert ": found Too many links\n" in ran.err
    assert contents(tmp_path) == before
    assert CannotLinkError(b"x", "y").path == b"x"


@pytest.mark.parametrize("form", ["md5sum", "bagit"])
@pytest.mark.parametrize("place", ["2011.0.00229.S/x", "2011.0.00229.S.pack/x", "link/x"])
def test_nothing_goes_into_the_package(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, form: str, place: str
) -> None:
    delivery.make()
    (tmp_path / "link").symlink_to(delivery.member)
    before = snapshot(delivery.path)
    ran = run_here(capsys, "export", delivery.path, "--format", form, "-o", tmp_path / place)
    assert ran.code == Exit.FAILED
    assert "  output-protected: " in ran.err
    assert snapshot(delivery.path) == before


@pytest.mark.parametrize("form", ["json", "bagit"])
@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("nowhere")])
def test_what_is_there_stays(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, form: str, make: Callable[[Path], object]
) -> None:
    delivery.make()
    make(tmp_path / "out")
    before = contents(tmp_path)
    ran = run_here(capsys, "export", delivery.path, "--format", form, "-o", tmp_path / "out")
    assert ran.code == Exit.FAILED
    assert "  output-exists: " in ran.err
    assert contents(tmp_path) == before


def test_a_file_is_replaced_if_requested(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    (tmp_path / "sums").write_text("mine")
    run_here(capsys, "export", delivery.path, "--format", "md5sum", "-o", tmp_path / "sums", "--replace")
    assert checked(delivery, "md5sum", tmp_path / "sums") == 0


def test_a_folder_is_never_replaced(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    (tmp_path / "bag").mkdir()
    ran = run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / "bag", "--replace")
    assert ran.code == Exit.FAILED
    assert os.listdir(tmp_path / "bag") == []


def test_a_folder_with_the_name_of_a_list_is_never_replaced(
    capsys: Capsys, delivery: Delivery, tmp_path: Path
) -> None:
    delivery.make()
    (tmp_path / f"{delivery.path.name}.md5").mkdir()
    ran = run_here(capsys, "export", delivery.path, "--format", "md5sum", "-o", tmp_path, "--replace")
    assert ran.code == Exit.FAILED
    assert "  output-exists: " in ran.err
    assert "--replace" not in ran.err


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "bagit"],
        ["--format", "bagit", "--format", "md5sum", "-o", "x"],
        ["--format", "md5sum", "--format", "json"],
        ["--format", "md5sum", "--json"],
        ["--format", "crc"],
        [],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(capsys: Capsys, delivery: Delivery, options: list[str]) -> None:
    ran = run_here(capsys, "export", delivery.path, *options)
    assert (ran.code, '"code": "usage"' in ran.out) == (Exit.USAGE, "--json" in options)


def test_several_lists_need_a_folder(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    two = ["--format", "md5sum", "--format", "json", "-o", str(tmp_path / "sums")]
    ran = run_here(capsys, "export", delivery.path, *two)
    assert ran.code == Exit.FAILED
    assert f"mkdir {tmp_path / 'sums'}" in ran.err


def test_the_commands_that_check_are_reported(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    out = run_here(capsys, "export", delivery.path, "--format", "sha256sum", "-o", tmp_path / "sums").out
    commands = out.partition("To check it:\n")[2]
    assert subprocess.run(commands, shell=True, capture_output=True, check=False).returncode == 0


def test_the_same_package_gives_the_same_bag(capsys: Capsys, delivery: Delivery, tmp_path: Path) -> None:
    delivery.make()
    for name in ("one", "two"):
        run_here(capsys, "export", delivery.path, "--format", "bagit", "-o", tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    line = (tmp_path / "one/tagmanifest-sha256.txt").read_text().splitlines()[0]
    assert line == f"{hashlib.sha256((tmp_path / 'one/bag-info.txt').read_bytes()).hexdigest()}  bag-info.txt"


def _kept_places(delivery: Delivery) -> list[Path]:
    """Return places of which each holds a file that no output may replace."""
    (delivery.origin / "link").symlink_to(write(delivery.origin.parent / "elsewhere", b""))
    tickets = [Path(f"{delivery.path}.ticket.{ending}") for ending in ("tar", "zip")]
    return [*tickets, delivery.origin / "notes of the reducer", delivery.origin / "link", delivery.origin / "new"]


def test_no_list_or_page_replaces_ticket_files_or_the_origin(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    places = _kept_places(delivery)
    before = snapshot(delivery.origin.parent)
    for place in places:
        for command in (("export", "--format", "json", "--replace"), ("report",)):
            ran = run_here(capsys, *command, delivery.path, "-o", place)
            assert (ran.code, "  output-protected: " in ran.err) == (Exit.FAILED, True)
    assert snapshot(delivery.origin.parent) == before


def test_no_log_goes_into_ticket_files_or_the_origin_of_a_member(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    places = _kept_places(delivery)
    before = snapshot(delivery.origin.parent)
    for place in places:
        ran = run_here(capsys, "verify", delivery.path, "--log", place)
        assert (ran.code, "output-protected: " in ran.err) == (Exit.USAGE, True)
    assert snapshot(delivery.origin.parent) == before
