"""Delivery sets that are folders and bags: written, kept, checked, received, repaired from, and read by others."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ocfl
import pytest

from qa2pack.manifest.fs import at_once
from qa2pack.tarsplit.place import read_ahead
from qa2pack.tarsplit.place.place import OpenedFile, content_of
from qa2pack.tarsplit.place.store import Store
from qa2pack.tarsplit.sidecar import open_sidecar
from qa2pack.tarsplit.state import State, encode_state
from support.calls_at_once import AT_ONCE, Counted, Late
from support.commands import run_redirected
from support.delivered_sets import RULES, UNIT, checked_delivery, deliver, package_again
from support.file_systems import small_disk
from support.forgery import twins
from support.in_process import write
from support.s3_servers import BUCKET, s3_server
from support.signatures import Key
from support.web_server import web_server

LAYOUT = f"""{UNIT}[[folder]]
name = "empty"
always = true
[[rule]]
kind = "table"
match = "*.ms"
to = "data/{{name}}"
{RULES}[[delivery]]
set = "plain"
form = "folder"
name = "P_files"
select = ["data/**", "empty/**"]
checksums = ["md5", "sha256"]
[[delivery]]
set = "archive"
form = "bag"
name = "P_bag"
select = ["notes/**", "README", "data/one/*"]
also = true
[[delivery]]
set = "object"
form = "ocfl"
name = "P_object"
select = "**"
also = true
"""
FORGED, SIGNED = twins()  # with one XXH3-128
FILES = {
    "one/twin": SIGNED,
    "one/text": b"the same again and again\n" * 1000,
    "one/deep/noise": random.Random(5).randbytes(400_000),  # more than is read at once
    "two/b": b"of the folder alone",
    "x.ms/table.dat": b"main",
    "x.ms/table.lock": b"locked",
    "µ\\": b"",
    "left.txt": b"in the bag, not in the folder",
    "again.txt": b"in the bag, not in the folder",
}
IN_FOLDER = {"one/twin", "one/text", "one/deep/noise", "two/b", "x.ms/table.dat", "x.ms/table.lock", "µ\\"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package P and its delivery `out`; tests that change something do so in a copy."""
    home = tmp_path_factory.mktemp("world")
    for path, data in FILES.items():
        write(home / "run/in" / path, data)
    os.chmod(home / "run/in/two/b", 0o755)
    (home / "layout.toml").write_text(LAYOUT)
    package_again(home)
    ran = deliver(home)
    assert ran.code == 0, ran.err
    return home


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    return shutil.copytree(world, tmp_path / "world", symlinks=True)


def checked(folder: str | Path, *words: str | Path) -> list[str]:
    return checked_delivery(folder, "--jobs", "1", *words)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_folder_has_the_files_as_they_are(world: Path) -> None:
    assert files_in(world / "out/P_files") == {f"unit/data/{name}": FILES[name] for name in IN_FOLDER}
    told = (world / "out/P_files/unit/data/two/b").stat()
    assert told.st_mtime_ns == (world / "P/unit/data/two/b").stat().st_mtime_ns // 10**9 * 10**9
    assert told.st_mode & 0o777 == 0o755
    for program in ("md5sum", "sha256sum"):
        subprocess.run(f"{program} --quiet -c *.{program}", shell=True, cwd=world / "out", check=True)
    assert (world / "out/P_files/unit/empty").is_dir()
    assert (world / "out/P_files.md5sum").read_text().count("\n") == len(IN_FOLDER)


def test_bag_is_valid_for_bagit(world: Path) -> None:
    bag = world / "out/P_bag"
    subprocess.run([sys.executable, "-m", "bagit", "--quiet", "--validate", bag], check=True)
    names = {"notes/left.txt", "notes/again.txt", "README", "data/one/text", "data/one/twin"}
    assert set(files_in(bag / "data")) == {f"P/unit/{name}" for name in names}
    assert {path.name for path in bag.iterdir() if path.name.startswith("manifest-")} == {
        "manifest-md5.txt",
        "manifest-sha256.txt",
    }


def test_object_is_valid_ocfl(world: Path, tmp_path: Path) -> None:
    passed, validator = ocfl.Object().validate(str(world / "out/P_object"))
    assert passed
    assert set(re.findall("[EW][0-9]{3}", str(validator))) == {"W005", "W008"}, "its id is no URI, and pack no person"
    assert not (world / "out/P_object/v1/content/P/unit/empty").exists(), "an object has no empty folders"
    ocfl.Object().extract(str(world / "out/P_object"), "v1", str(tmp_path / "extracted"))
    (tmp_path / "extracted/P/unit/empty").mkdir()
    subprocess.run(["diff", "-r", world / "P", tmp_path / "extracted/P"], check=True)


def test_files_of_folder_and_bag_are_the_package(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "out/P_files", tmp_path / "P")
    shutil.copytree(world / "out/P_bag/data/P", tmp_path / "P", dirs_exist_ok=True)
    subprocess.run(["diff", "-r", world / "P", tmp_path / "P"], check=True)
    (tmp_path / "P").rename(tmp_path / "P_files")
    ran = run_redirected("verify", "--manifest", world / "out/P_unit.manifest", tmp_path / "P_files")
    assert (ran.code, f"{len(FILES) + 1} files" in ran.out) == (0, True), "each is counted once"


def test_delivery_is_as_checked_alone_and_with_its_package(world: Path) -> None:
    assert checked(world / "out") == []
    assert checked(world / "out", world / "P") == []


def damage(path: Path, kind: str) -> None:
    match kind:
        case "changed":
            path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        case "truncated":
            path.write_bytes(path.read_bytes()[:-1])
        case "grown":
            path.write_bytes(path.read_bytes() + b"more")
        case "missing":
            path.unlink()
        case "extra":
            (path.parent / "extra").mkdir()
            write(path.parent / "extra/file", b"not of the delivery")
        case "linked":
            path.rename(path.with_name("elsewhere"))
            path.symlink_to("elsewhere")
        case "a pipe":
            path.unlink()
            os.mkfifo(path)


DATA = "P_bag/data/P/unit/data"
NOISE, LOCK = "P_files/unit/data/one/deep/noise", "P_files/unit/data/x.ms/table.lock"


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("changed", NOISE, [f"changed {NOISE}"]),
        ("truncated", NOISE, [f"truncated {NOISE}"]),
        ("grown", NOISE, [f"grown {NOISE}"]),
        ("missing", NOISE, [f"missing {NOISE}"]),
        ("linked", NOISE, ["extra P_files/unit/data/one/deep/elsewhere", f"wrong-type {NOISE}"]),
        (
            "linked",
            f"{DATA}/one",
            [f"extra {DATA}/elsewhere", f"wrong-type {DATA}/one/text", f"wrong-type {DATA}/one/twin"],
        ),
        ("a pipe", "P_files/unit/data/µ\\", ["wrong-type P_files/unit/data/µ\\"]),
        ("changed", LOCK, ["changed P_files.md5sum", "changed P_files.sha256sum"]),
        ("truncated", LOCK, [f"truncated {LOCK}"]),
        ("changed", "P_files.sha256sum", ["changed P_files.sha256sum"]),
        ("missing", "P_files.md5sum", ["missing P_files.md5sum"]),
        ("changed", "P_bag/manifest-sha256.txt", ["changed P_bag/manifest-sha256.txt"]),
        ("missing", "P_bag/manifest-md5.txt", ["missing P_bag/manifest-md5.txt"]),
        ("truncated", "P_bag/bag-info.txt", ["changed P_bag/bag-info.txt"]),
        ("missing", "P_bag/bagit.txt", ["missing P_bag/bagit.txt"]),
        ("grown", "P_bag/tagmanifest-sha256.txt", ["changed P_bag/tagmanifest-sha256.txt"]),
        ("changed", "P_bag/data/P/unit/README", ["changed P_bag/data/P/unit/README"]),
        ("changed", "P_object/inventory.json", ["changed P_object/inventory.json"]),
        ("missing", "P_object/v1/inventory.json.sha512", ["missing P_object/v1/inventory.json.sha512"]),
        ("grown", "P_object/v1/content/P/unit/README", ["grown P_object/v1/content/P/unit/README"]),
    ],
)
def test_every_damage_is_told_where_it_is(home: Path, kind: str, path: str, told: list[str]) -> None:
    damage(home / "out" / path, kind)
    assert sorted(checked(home / "out")) == told


@pytest.mark.parametrize(
    "path",
    [
        "P_files/x",
        "P_files/unit/data/one/x",
        "P_bag/x",
        "P_bag/data/x",
        "P_bag/data/P/unit/x",
        "P_object/v1/x",
        "P_object/x",
    ],
)
def test_what_is_not_of_the_delivery_is_told(home: Path, path: str) -> None:
    damage(home / "out" / path, "extra")
    assert checked(home / "out") == [f"extra {os.path.dirname(path)}/extra"]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_check_tells_the_same_where_files_are_read_ahead(
    home: Path, monkeypatch: pytest.MonkeyPatch, is_damaged: bool
) -> None:
    kinds = ("changed", "missing", "linked", "a pipe", "grown", "truncated", "changed")
    for kind, path in zip(kinds, sorted(IN_FOLDER - {"µ\\"}), strict=False) if is_damaged else ():
        damage(home / "out/P_files/unit/data" / path, kind)
    alone = checked(home / "out")
    assert len(alone) == (len(IN_FOLDER) if is_damaged else 0), (
        "the target of the link is one more, the empty file none"
    )
    late, ahead, contents = Late(), Counted(), []

    def read(file: OpenedFile, size: int, *, real: Callable[[OpenedFile, int], bytes] = content_of) -> bytes:
        contents.append(size)
        return real(file, size)

    monkeypatch.setattr("qa2pack.pack.jobs.engines.call_count", late)
    monkeypatch.setattr(read_ahead, "content_of", read)
    monkeypatch.setattr(at_once, "each", ahead)
    assert checked(home / "out") == alone
    assert late.measured == [home / "out"]
    assert max(ahead.counts) == 4 * AT_ONCE
    assert len(contents) > len(FILES), "those of the bag and of the object, too"
    assert max(contents) < len(FILES["one/deep/noise"]), "a larger file is read in its turn"


@pytest.mark.parametrize("kind", ["", "changed", "truncated", "grown", "missing"])
@pytest.mark.parametrize("name", ["P_files/unit/data", "P_object/v1/content/P/unit/data", "P_bag/data/P/unit/data"])
def test_trees_are_checked_where_a_web_server_tells_no_sizes(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    path = f"{name}/one/text"
    damage(home / "out" / path, kind)
    monkeypatch.setattr(at_once, "each", Counted())
    with web_server(home, is_in_chunks=True) as server:
        assert checked(f"{server}/out") == ([f"{kind} {path}"] if kind else [])


def test_signature_covers_each_form(home: Path, key: Key, signers: Path) -> None:
    ran = run_redirected("deliver", home / "P", "--output", home / "signed", "--jobs", "1", "--sign", key.path)
    assert ran.code == 0, ran.err
    words = ("--allowed-signers", signers, "--require-signature")
    assert checked(home / "signed", *words) == []


def test_missing_tree_is_one_problem(home: Path) -> None:
    shutil.rmtree(home / "out/P_bag")
    assert checked(home / "out") == ["missing P_bag"]


def test_same_command_keeps_files_one_by_one(home: Path) -> None:
    before = files_in(home / "out")
    inodes = {path: (home / "out" / path).stat().st_ino for path in before}
    assert json.loads(deliver(home).out)["kept_count"] == 3
    (home / "out/P_files/unit/data/two/b").unlink()
    (home / "out/P_files/unit/data/one/text").unlink()
    (home / "out/P_bag/bagit.txt").unlink()
    assert json.loads(deliver(home).out)["kept_count"] == 1, "the object"
    assert files_in(home / "out") == before
    kept = "P_files/unit/data/one/deep/noise"
    assert (home / "out" / kept).stat().st_ino == inodes[kept]
    assert checked(home / "out", home / "P") == []


def test_stopped_tree_has_no_final_name_and_goes_on(home: Path) -> None:
    data = (home / "P/unit/data/two/b").read_bytes()
    (home / "P/unit/data/two/b").write_bytes(b"X" * len(data))
    shutil.rmtree(home / "out")
    ran = deliver(home)
    assert ran.code == 4
    assert {each["path"] for each in json.loads(ran.out)["problems"]} == {str(home / "P/unit/data/two/b")}
    assert not (home / "out/P_files").exists()
    done = home / "out/P_files.part/unit/data/one/deep/noise"
    inode = done.stat().st_ino
    (home / "P/unit/data/two/b").write_bytes(data)
    assert deliver(home).code == 0
    assert not (home / "out/P_files.part").exists()
    assert (home / "out/P_files/unit/data/one/deep/noise").stat().st_ino == inode
    assert checked(home / "out") == []


def test_output_that_fails_is_not_taken_for_a_source_that_cannot_be_read(home: Path) -> None:
    (home / "out/P_files").rename(home / "out/P_files.part")
    (home / "out/P_files.part/unit/data/two/b").unlink()
    (home / "out/P_files.part/unit/data/two/b").mkdir()
    ran = deliver(home)
    assert ran.code == 4
    assert "/out/P_files" in ran.err + ran.out
    assert "/P/unit" not in ran.err + ran.out


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_stop_left_of_the_files_the_same_command_makes_the_delivery(home: Path, seed: int) -> None:
    before, chance = files_in(home / "out"), random.Random(seed)
    for tree in ("P_files", "P_bag", "P_object"):
        for path in filter(Path.is_file, (home / "out" / tree).rglob("*")):
            size = path.stat().st_size
            match chance.randrange(5):
                case 0:
                    path.unlink()
                case 1:
                    path.write_bytes(bytes(size))
                case 2:
                    os.truncate(path, size // 2)
                case 3:
                    path.write_bytes(path.read_bytes() + b"more")
        (home / "out" / tree).rename(home / f"out/{tree}.part")
    assert deliver(home).code == 0
    assert files_in(home / "out") == before


@pytest.mark.parametrize("spare_inodes", [2, 6, 12, 20])
def test_disk_without_room_for_a_file_is_reported_and_with_room_the_same_command_finishes(
    world: Path, tmp_path: Path, spare_inodes: int
) -> None:
    with small_disk(tmp_path / "disk", size=8 << 20, inodes=100) as disk:
        (disk / "filling").mkdir()
        for number in range(os.statvfs(disk).f_favail - spare_inodes):
            (disk / "filling" / str(number)).touch()
        words = ("--output", disk / "out", "--jobs", "1", "--json")
        ran = run_redirected("deliver", world / "P", *words)
        assert (ran.code, "No space left" in ran.out) == (4, True)
        assert f"{disk}/out" in ran.out
        shutil.rmtree(disk / "filling")
        assert run_redirected("deliver", world / "P", *words).code == 0
        assert files_in(disk / "out") == files_in(world / "out")


def test_complete_tree_is_kept_as_a_tar_is_and_its_source_not_read(home: Path) -> None:
    damage(home / "P/unit/data/two/b", "changed")
    assert json.loads(deliver(home).out)["kept_count"] == 3
    assert checked(home / "out") == []


def test_complete_tree_keeps_its_file_whose_source_was_damaged_since(home: Path) -> None:
    damage(home / "P/unit/data/two/b", "changed")
    (home / "out/P_files/unit/data/one/text").unlink()
    assert deliver(home).code == 4
    assert (home / "out/P_files.part/unit/data/two/b").read_bytes() == FILES["two/b"]


@pytest.mark.parametrize("path", ["P_files/unit/data/two/b", "P_bag/data/P/unit/README", "P_object/thesis"])
def test_complete_tree_that_a_stop_left_unlisted_is_read_before_it_is_mended(home: Path, path: str) -> None:
    sidecar = home / "out/P_unit.manifest"
    state = State(open_sidecar(os.fsencode(sidecar)).fingerprint)
    sidecar.with_suffix(".state").write_bytes(encode_state(state))
    whole = files_in(home / "out")
    sidecar.unlink()
    good = (home / "out" / path).read_bytes() if (home / "out" / path).exists() else None
    write(home / "out" / path, b"mine")
    (home / "out/P_bag/data/P/unit/data/one/text").unlink()  # it would be written again
    before = entries_in(home / "out")
    ran = deliver(home)
    assert (ran.code, "folder-in-the-way" in ran.out, f"out/{path}" in ran.out) == (1, True, True), ran.out
    assert entries_in(home / "out") == before
    (home / "out" / path).unlink()
    if good is not None:
        write(home / "out" / path, good)
    assert deliver(home).code == 0
    assert {**files_in(home / "out"), "P_unit.state": whole["P_unit.state"]} == whole


def test_other_delivery_is_in_the_way_and_is_removed_when_replaced(home: Path) -> None:
    changed_package(home)
    ran = deliver(home)
    in_the_way = {Path(each["path"]).name for each in json.loads(ran.out)["problems"]}
    assert (ran.code, "delivery-in-the-way" in ran.out) == (1, True)
    assert {"P_files", "P_files.md5sum", "P_bag"} <= in_the_way
    assert deliver(home, "--replace").code == 0
    assert checked(home / "out", home / "P") == []


def changed_package(home: Path) -> None:
    write(home / "run/in/two/b", b"another content")
    package_again(home)


@pytest.mark.parametrize("path", ["P_files/mine", "P_files/unit/data/mine/thesis", "P_bag/data/P/unit/data/one/text"])
def test_what_somebody_wrote_in_a_delivered_folder_is_not_removed(home: Path, path: str) -> None:
    changed_package(home)
    write(home / "out" / path, b"mine")
    ran = deliver(home, "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out, f"out/{path.split('/', maxsplit=1)[0]}" in ran.out) == (
        1,
        True,
        True,
    )
    assert (home / "out" / path).read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("changed", "P_files/unit/data/two/b", ""),
        ("changed", "P_bag/bagit.txt", ""),
        ("changed", "P_object/v1/content/P/unit/README", ""),
        ("extra", "P_files/unit/x", "P_files/unit/extra"),
        ("extra", "P_bag/data/x", "P_bag/data/extra"),
        ("extra", "P_object/v1/x", "P_object/v1/extra"),
        ("linked", "P_files/unit/data/one", ""),
        ("linked", "P_bag/data/P/unit/README", ""),
        ("a pipe", "P_object/v1/content/P/unit/README", ""),
    ],
)
@pytest.mark.parametrize("word", ["", "--replace"])
def test_what_somebody_did_in_a_delivered_folder_is_refused_where_it_is(
    home: Path, kind: str, path: str, told: str, word: str
) -> None:
    (home / "out/P_files/unit/data/x.ms/table.dat").unlink()  # it would be written again
    damage(home / "out" / path, kind)
    before = entries_in(home / "out")
    ran = deliver(home, *filter(None, [word]))
    problems = {each["path"]: each["code"] for each in json.loads(ran.out)["problems"]}
    assert (ran.code, {*problems.values()}) == (1, {"folder-in-the-way"})
    assert any(found.startswith(f"{home}/out/{told or path}") for found in problems)
    assert entries_in(home / "out") == before


def entries_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return kind and content of all there is in a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(
    ("kind", "path", "elsewhere"),
    [
        ("a pipe", "P_files.part/unit/data/two/b", ""),
        ("linked", "P_files.part/unit/data/one", "P_files.part/unit/data/elsewhere"),
        ("linked", "P_bag.part/bagit.txt", "P_bag.part/elsewhere"),
        ("a pipe", "P_bag.part/data/P/unit/README", ""),
    ],
)
def test_link_or_pipe_in_an_unfinished_tree_stays(home: Path, kind: str, path: str, elsewhere: str) -> None:
    tree = path.partition(".")[0]
    (home / "out" / tree).rename(home / f"out/{tree}.part")
    damage(home / "out" / path, kind)
    if elsewhere:
        (home / "out" / elsewhere).rename(home / "mine")  # the link alone is left
    before = entries_in(home / f"out/{tree}.part")
    ran = deliver(home)
    assert (ran.code, f"out/{path}" in ran.out) == (4, True)
    assert entries_in(home / f"out/{tree}.part") == before
    assert not (home / "out" / tree).exists()


@pytest.mark.parametrize(
    "path", ["P_files.part/unit/thesis", "P_bag.part/data/thesis", "P_object.part/x", "P_object.part/v1/content/P/x"]
)
def test_unfinished_tree_with_a_file_of_somebody_is_not_replaced(home: Path, path: str) -> None:
    stopped_after_the_sets(home)
    changed_package(home)
    write(home / "out" / path, b"mine")
    ran = deliver(home, "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out, f"out/{path}" in ran.out) == (1, True, True)
    assert (home / "out" / path).read_bytes() == b"mine"


def test_folder_that_is_called_as_an_unfinished_file_is_not_replaced(home: Path) -> None:
    stopped_after_the_sets(home)
    changed_package(home)
    mine = write(home / "out/P_files.md5sum.part/thesis", b"mine")
    ran = deliver(home, "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out, f"{mine.parent}" in ran.out) == (1, True, True), ran.out
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("there", ["P_files", "P_files.part", "P_files/empty"])
@pytest.mark.parametrize("word", ["", "--replace"])
def test_folder_that_no_delivery_wrote_is_not_removed(home: Path, there: str, word: str) -> None:
    shutil.rmtree(home / "out")
    write(home / "out" / there / "thesis", b"mine")
    ran = deliver(home, *filter(None, [word]))
    assert (ran.code, "in-the-way" in ran.out) == (1, True)
    assert files_in(home / "out") == {f"{there}/thesis": b"mine"}


@pytest.mark.parametrize("word", ["", "--replace"])
@pytest.mark.parametrize(
    "name",
    [
        "P_files",
        "P_object",
        "P_files.md5sum",
        *(f"P_unit.{end}" for end in ("manifest.md5sum", "manifest.part", "state")),
    ],
)
def test_file_in_place_of_a_folder_and_folder_in_place_of_a_file_stay(home: Path, name: str, word: str) -> None:
    path = home / "out" / name
    if path.is_dir():
        shutil.rmtree(path)
        path.write_bytes(b"mine")
    else:
        path.unlink(missing_ok=True)
        write(path / "thesis", b"mine")
    before = entries_in(home / "out")
    ran = deliver(home, *filter(None, [word]))
    assert (ran.code, "folder-in-the-way" in ran.out, f"out/{name}" in ran.out) == (1, True, True), ran.out
    assert entries_in(home / "out") == before


@pytest.mark.parametrize("is_finished", [False, True])
def test_folder_of_the_delivery_of_another_day_is_told_as_such(home: Path, is_finished: bool) -> None:
    if not is_finished:
        shutil.rmtree(home / "out/P_files")
        damage(home / "P/unit/data/two/b", "changed")
        assert deliver(home).code == 4  # midnight comes, and the command of the next day
    ran = deliver(home, "-n", "2012-06-20", "--replace")
    (problem,) = json.loads(ran.out)["problems"]
    assert (ran.code, problem["code"]) == (1, "folder-in-the-way")
    names = "P_unit.manifest" if is_finished else "P_unit.manifest or P_unit.state"
    assert problem["found"] == f"a folder, perhaps of {names}"


@pytest.mark.parametrize("kind", ["changed", "missing"])
def test_complete_trees_stay_where_their_sidecar_was_damaged_or_lost(home: Path, kind: str) -> None:
    whole = files_in(home / "out")
    damage(home / "out/P_unit.manifest", kind)
    inodes = {path: (home / "out" / path).stat().st_ino for path in whole if path.startswith("P_") and "/" in path}
    ran = deliver(home)
    assert (ran.code, "delivery-in-the-way" in ran.out, "folder-in-the-way" in ran.out) == (1, True, False)
    ran = deliver(home, "--replace")
    assert (ran.code, json.loads(ran.out)["kept_count"]) == (0, 3), ran.out
    assert files_in(home / "out") == whole
    assert {path: (home / "out" / path).stat().st_ino for path in inodes} == inodes


def test_changed_folder_whose_sidecar_is_damaged_stays_and_that_is_told(home: Path) -> None:
    damage(home / "out/P_unit.manifest", "changed")
    write(home / "out/P_files/unit/data/two/b", b"mine")
    before = entries_in(home / "out")
    ran = deliver(home, "--replace")
    (problem,) = json.loads(ran.out)["problems"]
    assert (ran.code, problem["code"]) == (1, "folder-in-the-way")
    assert problem["found"] == "a folder; P_unit.manifest, which would tell of it, is damaged"
    assert entries_in(home / "out") == before


@pytest.mark.parametrize("word", ["", "--replace"])
def test_file_that_is_called_as_a_set_that_is_a_folder_stays(home: Path, word: str) -> None:
    shutil.rmtree(home / "out")
    write(home / "out/P_files", b"mine")
    ran = deliver(home, *filter(None, [word]))
    assert (ran.code, "in-the-way" in ran.out) == (1, True)
    assert files_in(home / "out") == {"P_files": b"mine"}


@pytest.mark.parametrize("word", ["", "--replace"])
@pytest.mark.parametrize("to", ["--output", "--to"])
def test_unfinished_sidecar_that_no_delivery_wrote_stays(home: Path, to: str, word: str) -> None:
    shutil.rmtree(home / "out")
    part = write(home / "out/P_unit.manifest.part", b"of a browser")
    ran = run_redirected("deliver", home / "P", to, f"{'file://' * (to == '--to')}{home}/out", *filter(None, [word]))
    assert (ran.code, "folder-in-the-way" in ran.err, str(part) in ran.err) == (1, True, True), ran.err
    assert files_in(home / "out") == {part.name: b"of a browser"}


@pytest.mark.parametrize("kind", ["changed", "a pipe"])
@pytest.mark.parametrize("to", ["--output", "--to"])
def test_what_is_called_as_the_lock_and_is_none_stays(home: Path, to: str, kind: str) -> None:
    lock = write(home / "out/.P_unit.lock", b"mine")
    damage(lock, kind)
    before = entries_in(home / "out")
    ran = run_redirected("deliver", home / "P", to, f"{'file://' * (to == '--to')}{home}/out", "--json", "--replace")
    assert (ran.code, [(each["code"], each["path"]) for each in json.loads(ran.out)["problems"]]) == (
        1,
        [("folder-in-the-way", str(lock))],
    )
    assert entries_in(home / "out") == before


@pytest.mark.parametrize("left", [b"", b"qa2p", b"qa2pack\n and more"])
def test_unfinished_sidecar_of_a_run_that_had_just_begun_is_written_again(home: Path, left: bytes) -> None:
    shutil.rmtree(home / "out")
    write(home / "out/P_unit.manifest.part", left)
    assert deliver(home).code == 0
    assert checked_delivery(home / "out") == []


@pytest.mark.parametrize("name", ["{project}", "{project}.pack", "run"])
def test_set_that_is_called_as_the_package_does_not_take_its_place(home: Path, name: str) -> None:
    layout = (home / "layout.toml").read_text().replace('name = "P_files"', f'name = "{name}"')
    (home / "layout.toml").write_text(layout)
    changed_package(home)
    before = {path: data for path, data in files_in(home).items() if not path.startswith("out/")}
    ran = run_redirected("deliver", home / "P", "--output", home, "--jobs", "1", "--json", "--replace")
    assert (ran.code, "folder-in-the-way" in ran.out) == (1, True)
    assert {path: data for path, data in files_in(home).items() if not path.startswith("out/")} == before


def test_unfinished_tree_of_an_earlier_state_is_removed_only_when_replaced(home: Path) -> None:
    stopped_after_the_sets(home)
    changed_package(home)
    assert (ran := deliver(home)).code == 1, ran.err
    assert "delivery-in-the-way" in ran.out
    assert deliver(home, "--replace").code == 0
    assert checked(home / "out", home / "P") == []


@pytest.mark.parametrize("to", ["--output", "--to"])
def test_unfinished_tree_with_files_that_the_package_lost_is_removed_when_replaced(home: Path, to: str) -> None:
    words = ("deliver", home / "P", to, f"{'file://' * (to == '--to')}{home}/out", "--jobs", "1", "--json")
    damage(home / "P/unit/data/two/b", "changed")
    shutil.rmtree(home / "out")
    assert run_redirected(*words).code == 4
    (tree,) = (path for path in (home / "out").glob("P_files*") if path.is_dir())
    (home / "run/in/one/text").unlink()
    package_again(home)
    mine = write(tree / "unit/data/one/mine", b"mine")
    assert "delivery-in-the-way" in run_redirected(*words).out
    (problem,) = json.loads(run_redirected(*words, "--replace").out)["problems"]
    assert (problem["code"], problem["path"].endswith(f"{tree.name}/unit/data/one/mine")) == (
        "folder-in-the-way",
        True,
    )
    mine.unlink()
    assert run_redirected(*words, "--replace").code == 0
    assert checked(home / "out", home / "P") == []
    assert not [*(home / "out").glob("*.begun")]


def stopped_after_the_sets(home: Path) -> None:
    """Leave what a stop of an older program leaves that comes before the first set has its name."""
    damage(home / "P/unit/data/two/b", "changed")
    shutil.rmtree(home / "out")
    assert deliver(home).code == 4
    for path in (home / "out").iterdir():
        if not path.name.endswith((".part", ".state")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert (home / "out/P_files.part").is_dir()


@pytest.mark.parametrize("path", ["P_files.part/x", "P_files.part/unit/data/one/x", "P_bag.part/data/x"])
def test_tree_with_something_else_in_it_does_not_get_its_name(home: Path, path: str) -> None:
    tree = path.partition(".")[0]
    (home / "out" / tree).rename(home / f"out/{tree}.part")
    write(home / "out" / path, b"mine")
    ran = deliver(home)
    assert (ran.code, f"out/{path}" in ran.out) == (4, True)
    assert not (home / "out" / tree).exists()
    (home / "out" / path).unlink()
    assert deliver(home).code == 0
    assert checked(home / "out", home / "P") == []


def test_receiver_gets_the_package_and_mends_it_from_the_delivery(home: Path) -> None:
    (home / "other").mkdir()
    write(home / "out/P_files/unit/data/.DS_Store", b"of another program")
    ran = run_redirected("receive", home / "out", home / "other/P")
    assert ran.code == 0, ran.err
    assert run_redirected("verify", home / "other/P").code == 0
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)
    for path in ("data/one/deep/noise", "data/two/b", "notes/left.txt"):
        (home / "other/P/unit" / path).write_bytes(b"damaged")
    ran = run_redirected("repair", home / "other/P", "--from", home / "out")
    assert ran.code == 0, ran.err
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)


@pytest.mark.parametrize("tree", ["P_files/unit", "P_bag/data/P/unit"])
def test_nothing_of_another_sha256_is_taken_of_a_tree(home: Path, tree: str) -> None:
    """The sidecar has the sha256 of the list of the files, and the list that of each.

    An address is read by the sidecar alone; a folder is searched for copies, too.
    """
    package = home / "other/P"  # it has no origin to be repaired from
    package.parent.mkdir()
    assert run_redirected("receive", home / "out", package).code == 0
    twin, whole = package / "unit/data/one/twin", home / "whole"
    other = {"P_files/unit": "P_bag", "P_bag/data/P/unit": "P_files"}[tree]
    shutil.copytree(home / "out", whole)
    for each in (other, "P_object"):
        shutil.rmtree(home / "out" / each)
    (home / "out" / tree / "data/one/twin").write_bytes(FORGED)
    twin.unlink()
    assert run_redirected("repair", package, "--from", f"file://{home}/out").code == 3
    for path in (home / "out").rglob("*sha256*"):  # nor where the list fits
        path.write_bytes(path.read_bytes().replace(_sha256(SIGNED), _sha256(FORGED)))
    assert run_redirected("repair", package, "--from", f"file://{home}/out").code == 3
    assert run_redirected("repair", package, "--from", whole).code == 0
    assert twin.read_bytes() == SIGNED


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def test_damaged_file_is_not_received(home: Path) -> None:
    damage(home / "out/P_files/unit/data/one/deep/noise", "changed")
    (home / "other").mkdir()
    ran = run_redirected("receive", home / "out", home / "other/P")
    assert ran.code == 1
    assert "P_files/unit/data/one/deep/noise" in ran.err
    assert not (home / "other/P").exists()
    shutil.copy(home / "P/unit/data/one/deep/noise", home / "out/P_files/unit/data/one/deep/noise")
    assert run_redirected("receive", home / "out", home / "other/P").code == 0
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)


def test_sent_to_a_store_as_it_is_written_to_a_folder(world: Path, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/store"
    words = ("--to", to, "--jobs", "1", "--json")
    ran = run_redirected("deliver", world / "P", *words)
    assert ran.code == 0, ran.err
    assert files_in(tmp_path / "store") == files_in(world / "out")
    assert checked(to) == []
    assert json.loads(run_redirected("deliver", world / "P", *words).out)["kept_count"] == 3
    (tmp_path / "store/P_files/unit/data/two/b").unlink()
    assert json.loads(run_redirected("deliver", world / "P", *words).out)["kept_count"] == 2
    damage(tmp_path / "store/P_bag/data/P/unit/README", "changed")
    write(tmp_path / "store/P_bag/data/other", b"not of the delivery")
    assert sorted(checked(to)) == ["changed P_bag/data/P/unit/README", "extra P_bag/data/other"]


def test_sent_to_s3_and_read_back(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = f"s3://{BUCKET}/out"
    words = ("--set", "archive", "--to", to, "--jobs", "1", "--json")
    with s3_server(monkeypatch):
        assert run_redirected("deliver", world / "P", *words).code == 0
        assert checked(to) == []
        store = Store(to)
        store.remove([b"P_bag/bagit.txt"])
        store.write(b"P_bag/data/P/more", b"not of the delivery")
        assert checked(to) == ["extra P_bag/data/P/more", "missing P_bag/bagit.txt"]
        store.remove([b"P_bag"])
        assert checked(to) == ["missing P_bag"]


@pytest.mark.parametrize("name", [b"in a bag%0A.txt", b"in an object\xff"])
def test_name_that_is_not_possible_is_refused_before_anything_is_written(home: Path, name: bytes) -> None:
    write(home / "run/in" / os.fsdecode(name), b"")
    write(home / "run/in/one" / os.fsdecode(name), b"")
    package_again(home)
    ran = deliver(home, "--replace")
    problems = json.loads(ran.out)["problems"]
    assert (ran.code, [each["code"] for each in problems]) == (1, ["bag-name"] * 2)
    assert checked(home / "out") == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "P_bag"', 'name = "P_bag"\nchecksums = ["xxh128"]', "one of md5, sha256"),
        ('"P_files"', '"P_{part}_of_{parts}"', "limit"),
        ('name = "P_object"', 'name = "P_object"\nchecksums = ["sha256"]', "one of sha512"),
    ],
)
def test_mistake_in_a_form_is_refused_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LAYOUT
    (tmp_path / "bad.toml").write_text(LAYOUT.replace(old, new, 1))
    ran = run_redirected("layout", tmp_path / "bad.toml", "--check")
    assert (ran.code, expected in ran.err) == (1, True), ran.err
