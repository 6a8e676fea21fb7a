"""Delivery sets: what a layout delivers together, written, checked, and unpacked by other programs."""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.problem import Code
from qa2pack.pack.delivery.lock import locked_delivery
from qa2pack.pack.jobs import apply as apply_job
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.place.store import Store
from qa2pack.tarsplit.sidecar import open_sidecar
from qa2pack.tarsplit.state import State, encode_state
from support.commands import run_here
from support.delivered_sets import RULES, checked_delivery, extract_safely
from support.in_process import write
from support.late_stop import stopped_too_late
from support.receiver import Receiver, paths_in, rewrite, spoil
from support.signatures import Key

Capsys = pytest.CaptureFixture[str]
LAYOUT = (
    """
tree = "unit.{unit}"
[variable.unit]
[[place]]
name = "run"
path = "unit_{unit}"
needed = true
[[folder]]
name = "data"
[[folder]]
name = "notes"
always = true
[[rule]]
kind = "table"
match = "*.ms"
to = "data/{name}"
"""
    + RULES
)
SETS = """
[[delivery]]
set = "pictures"
name = "{project}_{unit}_pictures.tar"
select = ["data/*.png", "data/*.jpg", "data/two/*.png"]
[[delivery]]
set = "rest"
name = "{project}_{unit}_{part}_of_{parts}.tar"
select = "data/**"
limit = "60kB"
[[delivery]]
set = "readme"
name = "{unit}.README"
select = "README"
[[delivery]]
set = "videos"
name = "{unit}_videos.tar"
select = "data/*.mp4"
"""
FILES = {
    "a.png": b"picture" * 900,
    "b.jpg": b"other",
    "x.ms/table.dat": b"main" * 3000,
    "x.ms/FIELD/table.dat": b"field" * 300,
    "x.ms/FIELD/table.f0": b"\1" * 5000,
    "one/file": b"of the rest",
    "two/a.png": b"of the pictures, and so its folder is",
    "two/b": b"of the rest",
    "big.bin": bytes(range(256)) * 300,
    "c.bin": b"c" * 20_000,
    "d.bin": b"d" * 20_000,
    "left.txt": b"not delivered",
}


@pytest.fixture
def home(tmp_path: Path, capsys: Capsys) -> Path:
    """A folder with the package P of one unit."""
    unit(tmp_path, capsys, "1")
    return tmp_path


def unit(home: Path, capsys: Capsys, name: str, sets: str = SETS) -> None:
    for path, data in FILES.items():
        write(home / f"run{name}/unit_{name}" / path, data)
    layout = home / "units.toml"
    layout.write_text(LAYOUT + sets)
    words = ("--layout", layout, "--mode", "copy", "--as-is", "--no-settings")
    assert run_here(capsys, "package", home / f"run{name}", home / "P", *words).code == 0


def delivered(home: Path, capsys: Capsys, *words: str | Path) -> dict[str, object]:
    """Deliver into `out`, and return what it says."""
    ran = run_here(capsys, "deliver", home / "P", "--output", home / "out", "--json", *words)
    assert ran.code == 0, ran.err
    said: dict[str, object] = json.loads(ran.out)
    return said


def names(home: Path) -> set[str]:
    return {name for name in os.listdir(home / "out") if not name.endswith("sum")}


def test_sets_are_what_the_layout_says(home: Path, capsys: Capsys) -> None:
    said = delivered(home, capsys)
    parts = {f"P_1_{number:03}_of_003.tar" for number in (1, 2, 3)}
    assert names(home) == {"P_1_pictures.tar", *parts, "1.README", "P_unit.1.manifest"}
    assert said["empty_sets"] == ["videos"]
    assert [each["path"] for each in said["left_out"]] == ["unit.1/notes/left.txt"]  # type: ignore[attr-defined]
    with tarfile.open(home / "out/P_1_pictures.tar") as tar:
        assert tar.getnames() == [f"P/unit.1/data{name}" for name in ("", "/a.png", "/b.jpg", "/two", "/two/a.png")]
    for part in parts:
        with tarfile.open(home / "out" / part) as tar:
            assert not {"P/unit.1/data", "P/unit.1/data/two"} & set(tar.getnames())
    records = [
        decode_record(blob) for blob in open_sidecar(os.fsencode(home / "out/P_unit.1.manifest")).stream.blobs()
    ]
    assert {record.path: list(record.folders) for record in records if record.folders} == {
        b"": [b"unit.1"],
        b"unit.1": [b"data"],
        b"unit.1/data": [b"one", b"two", b"x.ms"],
        b"unit.1/data/x.ms": [b"FIELD"],
    }
    assert (home / "out/1.README").read_bytes() == (home / "P/unit.1/README").read_bytes()
    subprocess.run("md5sum --quiet -c *.md5sum", shell=True, cwd=home / "out", check=True)
    assert checked_delivery(home / "out") == []
    assert checked_delivery(home / "out", home / "P") == []


def test_empty_folders_and_limits_are_told(home: Path, capsys: Capsys) -> None:
    unit(home, capsys, "1", SETS.replace("data/*.mp4", "notes/**"))
    os.unlink(home / "run1/unit_1/left.txt")
    words = ("--layout", home / "units.toml", "--mode", "copy", "--as-is")
    assert run_here(capsys, "package", home / "run1", home / "P", *words).code == 0
    said = delivered(home, capsys)
    with tarfile.open(home / "out/1_videos.tar") as tar:
        assert [(each.name, each.isdir()) for each in tar] == [("P/unit.1/notes", True)]
    assert [each["is_oversized"] for each in said["chunks"]].count(True) == 1  # type: ignore[attr-defined]
    assert checked_delivery(home / "out", home / "P") == []


def test_limit_holds_and_tables_stay_together(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys)
    inside = {}
    for number in (1, 2, 3):
        with tarfile.open(home / f"out/P_1_{number:03}_of_003.tar") as tar:
            inside[number] = {name.removeprefix("P/unit.1/data/") for name in tar.getnames()}
            is_over = os.path.getsize(tar.name) > 60_000  # type: ignore[arg-type]
            assert is_over is (inside[number] == {"big.bin"})
    (table,) = [each for each in inside.values() if "x.ms/table.dat" in each]
    assert {"x.ms", "x.ms/FIELD", "x.ms/FIELD/table.dat", "x.ms/FIELD/table.f0"} <= table


def test_unpacked_files_are_those_of_the_package(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys)
    target = home / "unpacked"
    target.mkdir()
    for tar in sorted((home / "out").glob("*.tar")):
        subprocess.run(["tar", "-xf", tar, "-C", target], check=True)
    manifest = home / "out/P_unit.1.manifest"
    assert run_here(capsys, "verify", "--manifest", manifest, target / "P").code == 3, "the README is by itself"
    shutil.copy(home / "out/1.README", target / "P/unit.1/README")
    assert run_here(capsys, "verify", "--manifest", manifest, target / "P").code == 0


def test_same_command_goes_on_and_makes_the_same_bytes(home: Path, capsys: Capsys) -> None:
    first = delivered(home, capsys)
    tars = {name: (home / "out" / name).read_bytes() for name in names(home)}
    os.unlink(home / "out/P_1_002_of_003.tar")
    os.unlink(home / "out/1.README")
    assert sorted(checked_delivery(home / "out")) == ["missing 1.README", "missing P_1_002_of_003.tar"]
    again = delivered(home, capsys)
    assert (first["kept_count"], again["kept_count"]) == (0, 3)
    assert {name: (home / "out" / name).read_bytes() for name in names(home)} == tars


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "truncated"), (b"other", "changed"), (bytes(3), "grown"), (None, "missing")]
)
def test_damaged_file_of_a_set_is_told(home: Path, capsys: Capsys, data: bytes | None, code: str) -> None:
    delivered(home, capsys)
    path = home / "out/1.README"
    text = path.read_bytes()
    path.unlink()
    if data is not None:
        path.write_bytes(text + data if code == "grown" else (text[: -len(data)] + data if data else data))
    assert any(problem.startswith(code) for problem in checked_delivery(home / "out"))


def test_one_set_alone(home: Path, capsys: Capsys) -> None:
    said = delivered(home, capsys, "--set", "pictures")
    assert (said["left_out_count"], said["sets"]) == (0, ["pictures"])
    assert names(home) == {"P_1_pictures.tar", "P_unit.1_pictures.manifest"}
    assert checked_delivery(home / "out", home / "P") == []


BESIDE = """
[[delivery]]
set = "all"
name = "{unit}_all.tar"
select = "**"
also = true
"""


def test_set_beside_the_others_has_what_they_have_too(home: Path, capsys: Capsys) -> None:
    unit(home, capsys, "1", SETS + BESIDE)
    said = delivered(home, capsys)
    assert said["left_out"] == []
    with tarfile.open(home / "out/1_all.tar") as tar:
        extract_safely(tar, home / "unpacked")
    subprocess.run(["diff", "-r", home / "P", home / "unpacked/P"], check=True)
    with tarfile.open(home / "out/P_1_pictures.tar") as tar:
        assert len(tar.getnames()) == 5, "the others have what they had"
    assert checked_delivery(home / "out", home / "P") == []
    (home / "other").mkdir()
    ran = run_here(capsys, "receive", home / "out", home / "other/P", "--json")
    assert ran.code == 0, ran.err
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)


def test_receiver_reads_no_file_for_what_others_have(home: Path, capsys: Capsys) -> None:
    unit(home, capsys, "1", BESIDE.replace("also = true", "") + SETS.replace("select", "also = true\nselect"))
    delivered(home, capsys)
    (home / "out/P_1_pictures.tar").write_bytes(b"damaged, and not needed")
    (home / "other").mkdir()
    assert run_here(capsys, "receive", home / "out", home / "other/P").code == 0
    assert run_here(capsys, "verify", home / "other/P").code == 0


def test_other_number_of_parts_is_in_the_way(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys)
    unit(home, capsys, "1", SETS.replace("60kB", "200kB"))
    ran = run_here(capsys, "deliver", home / "P", "--output", home / "out")
    assert ran.code == 1
    assert "delivery-in-the-way" in ran.err
    delivered(home, capsys, "--replace")
    assert "P_1_001_of_001.tar" in names(home)
    assert not any("of_003" in name for name in os.listdir(home / "out"))


def test_two_members_are_one_delivery_and_one_of_them_another(home: Path, capsys: Capsys) -> None:
    unit(home, capsys, "2")
    delivered(home, capsys)
    assert "P.manifest" in names(home)
    assert {"1.README", "2.README", "P_1_pictures.tar", "P_2_pictures.tar"} <= names(home)
    assert checked_delivery(home / "out", home / "P") == []
    shutil.rmtree(home / "out")
    delivered(home, capsys, "--member", "unit.2", "--set", "readme")
    assert names(home) == {"2.README", "P_unit.2_readme.manifest"}


def test_replace_removes_no_file_of_another_delivery(home: Path, capsys: Capsys) -> None:
    unit(home, capsys, "2")
    delivered(home, capsys)
    (home / "out/1.README").unlink()
    words = ("--member", "unit.2", "--set", "readme")
    for option in ("--quiet", "--replace"):
        ran = run_here(capsys, "deliver", home / "P", "--output", home / "out", *words, option)
        assert (ran.code, "2.README: found a file, of P.manifest" in ran.err) == (1, True), ran.err
    assert checked_delivery(home / "out") == ["missing 1.README"]
    (home / "out/P.manifest").unlink()
    assert run_here(capsys, "deliver", home / "P", "--output", home / "out", *words).code == 1
    delivered(home, capsys, *words, "--replace")


def test_delivery_that_was_stopped_writes_over_no_file_that_another_one_got_since(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys, "--set", "readme")
    sidecar = home / "out/P_unit.1_readme.manifest"
    state = State(open_sidecar(os.fsencode(sidecar)).fingerprint)
    shutil.rmtree(home / "out")
    delivered(home, capsys)
    sidecar.with_suffix(".state").write_bytes(encode_state(state))
    before = (home / "out/1.README").stat()
    ran = run_here(capsys, "deliver", home / "P", "--output", home / "out", "--set", "readme")
    assert (ran.code, "1.README: found a file, of P_unit.1.manifest" in ran.err) == (1, True), ran.err
    assert (home / "out/1.README").stat().st_ino == before.st_ino


@pytest.mark.parametrize("name", ["P_1_004_of_009.tar", "P_1_004_of_009.tar.md5sum"])
def test_replace_removes_no_file_that_its_sidecar_does_not_list(home: Path, capsys: Capsys, name: str) -> None:
    delivered(home, capsys)
    (home / "out" / name).write_bytes(b"of somebody")
    write(home / "run1/unit_1/c.bin", b"changed")
    unit(home, capsys, "1", SETS.replace("60kB", "200kB"))
    words = ("deliver", home / "P", "--output", home / "out")
    ran = run_here(capsys, *words, "--replace")
    assert (ran.code, "folder-in-the-way" in ran.err, f"out/{name}: found a file" in ran.err) == (1, True, True)
    assert (home / "out" / name).read_bytes() == b"of somebody"
    (home / "out" / name).unlink()
    assert run_here(capsys, *words, "--replace").code == 0


def test_changed_package_is_told_by_the_comparison(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys)
    write(home / "run1/unit_1/left.txt", b"changed, but in no set")
    unit_again = ("--layout", home / "units.toml", "--mode", "copy", "--as-is")
    assert run_here(capsys, "package", home / "run1", home / "P", *unit_again).code == 0
    readme = {"changed unit.1"}  # of another second, perhaps
    assert set(checked_delivery(home / "out", home / "P")) <= readme
    write(home / "run1/unit_1/c.bin", b"changed")
    assert run_here(capsys, "package", home / "run1", home / "P", *unit_again).code == 0
    assert set(checked_delivery(home / "out", home / "P")) - readme == {"changed unit.1/data"}


def test_file_that_changed_since_stops_its_tar_alone(home: Path, capsys: Capsys) -> None:
    write(home / "P/unit.1/data/a.png", b"x" * len(FILES["a.png"]))
    ran = run_here(capsys, "deliver", home / "P", "--output", home / "out")
    assert ran.code == 4
    assert "a.png" in ran.err + ran.out
    assert "P_1_pictures.tar" not in names(home)
    assert "P_1_001_of_003.tar" in names(home)


def test_renamed_package_has_files_of_its_name(home: Path, capsys: Capsys) -> None:
    assert run_here(capsys, "rename", home / "P", "Q").code == 0
    assert run_here(capsys, "apply", home / "Q").code == 0
    ran = run_here(capsys, "deliver", home / "Q", "--output", home / "out", "--set", "pictures")
    assert ran.code == 0
    assert names(home) == {"Q_1_pictures.tar", "Q_unit.1_pictures.manifest"}


def test_date_is_asked_for_where_a_name_has_it(home: Path, capsys: Capsys) -> None:
    unit(
        home,
        capsys,
        "1",
        SETS.replace("{unit}_videos", "{date}").replace("*.mp4", "*.jpg").replace('"data/*.jpg", ', ""),
    )
    ran = run_here(capsys, "deliver", home / "P", "--output", home / "out")
    assert ran.code == 1
    assert "delivery-date-missing" in ran.err
    assert not (home / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('select = "README"', 'select = ["README", "data/x"]', "one path"),
        ('select = "README"', 'select = "READ*"', "one path"),
        ('"{unit}.README"', '"{unit}.tgz"', 'form = "tgz", or "file"'),
        ('"{unit}_videos.tar"', '"{unit}_videos.tar.gz"', 'form = "tgz", or "file"'),
        ('"{unit}_videos.tar"', '"{unit}_videos.zip"', 'form = "zip", or "file"'),
        ('select = "README"', "", "paths in the member"),
        ('select = "data/**"', 'select = "date/**"', "one of the folders"),
        ('select = "data/**"', 'select = "data/**/x"', "** at the end"),
        ('select = "data/**"', 'select = "data/x**"', "** at the end"),
        ('select = "data/**"', 'select = "data/{unit}"', "without braces"),
        ('select = "data/**"', 'select = "data//x"', "empty"),
        ('select = "data/**"', 'select = "../x"', "names"),
        ('limit = "60kB"', "", "limit"),
        ('limit = "60kB"', 'limit = "many"', "a size"),
        ('limit = "60kB"', 'limit = "0"', "a size"),
        ("{part}_of_{parts}", "{part}", "limit"),
        ("{part}_of_{parts}", "all", "limit"),
        ('set = "rest"', 'set = "pictures"', "a set that no other"),
        ('set = "rest"', "", "letters"),
        ('set = "rest"', 'set = "a b"', "letters"),
        ('"{project}_{unit}_pictures.tar"', '"{unit}.README"', "one path"),
        ('"{unit}_videos.tar"', '"{project}_{unit}_pictures.tar"', "a name that no other"),
        ('"{unit}_videos.tar"', '"out/{unit}_videos.tar"', "name of a file"),
        ('"{unit}_videos.tar"', '"{units}_videos.tar"', "one of the variables"),
        ('"{unit}_videos.tar"', '""', "name of a file"),
        ('"{unit}_videos.tar"', '"{unit}.tar.md5sum"', "ends in another way"),
        ('"{unit}_videos.tar"', '"{unit}.manifest"', "ends in another way"),
        ('set = "videos"', 'set = "videos"\nkind = "zip"', "delivery keys"),
        ('set = "videos"', 'set = "videos"\nalso = "yes"', "true or false"),
        ("[[delivery]]", "[variable.part]\n[[delivery]]", "no variable of a name"),
    ],
)
def test_mistake_in_a_set_is_refused_with_its_line(
    tmp_path: Path, capsys: Capsys, old: str, new: str, expected: str
) -> None:
    layout = tmp_path / "bad.toml"
    assert old in SETS
    layout.write_text(LAYOUT + SETS.replace(old, new, 1))
    ran = run_here(capsys, "layout", layout, "--check")
    assert ran.code == 1
    assert expected in ran.err
    assert "line" in ran.err


def test_receiver_gets_the_member_as_it_is_in_the_sets(home: Path, capsys: Capsys) -> None:
    delivered(home, capsys)
    (home / "other").mkdir()
    assert run_here(capsys, "receive", home / "out", home / "other/P").code == 0
    assert run_here(capsys, "verify", home / "other/P").code == 0
    shutil.rmtree(home / "P/unit.1/notes")  # in no set
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)
    assert checked_delivery(home / "out", home / "other/P") == []
    (home / "onward").mkdir()
    assert run_here(capsys, "deliver", home / "other/P", "--output", home / "onward").code == 0
    assert sizes_of_files(home / "onward") == sizes_of_files(home / "out")  # the folders in them have other times


def one_by_one(home: Path, capsys: Capsys, *names: str, signed_with: Key | None = None) -> list[Path]:
    """Deliver each set by itself, and return where."""
    folders = [home / f"only_{name}" for name in names]
    words: list[str | Path] = ["--sign", signed_with.path] if signed_with else []
    for name, folder in zip(names, folders, strict=True):
        assert run_here(capsys, "deliver", home / "P", "--output", folder, "--set", name, *words).code == 0
    return folders


def received(home: Path, capsys: Capsys, folder: Path, *words: str) -> dict[str, Any]:
    """Receive a delivery into the package of somebody else, and return what is said."""
    (home / "other").mkdir(exist_ok=True)
    ran = run_here(capsys, "receive", folder, home / "other/P", "--layout", home / "units.toml", "--json", *words)
    assert ran.code == 0, ran.err
    said: dict[str, Any] = json.loads(ran.out)
    return said


@pytest.mark.parametrize("order", [("pictures", "rest", "readme"), ("readme", "rest", "pictures")])
def test_sets_that_come_one_by_one_add_up_in_any_order(home: Path, capsys: Capsys, order: tuple[str, ...]) -> None:
    folders = one_by_one(home, capsys, *order)
    missing = [*order]
    for folder in folders:
        said = received(home, capsys, folder)
        missing.pop(0)
        assert len(said["received"]) == 1
        assert len(said["partial"]) == (folder is not folders[0])
        names = [name for name in ("pictures", "rest", "readme") if name in missing]
        assert [each["sets"] for each in said["missing_sets"]] == ([names] if names else [])
        assert run_here(capsys, "verify", home / "other/P").code == 0
    shutil.rmtree(home / "P/unit.1/notes")  # in no set
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)
    again = received(home, capsys, folders[1])
    assert (len(again["same"]), again["received"]) == (1, [])
    delivered(home, capsys)
    (home / "onward").mkdir()
    assert run_here(capsys, "deliver", home / "other/P", "--output", home / "onward").code == 0
    assert sizes_of_files(home / "onward") == sizes_of_files(home / "out")
    assert run_here(capsys, "rollback", home / "other/P").code == 0
    assert received(home, capsys, folders[2])["partial"] != []


def test_member_of_sets_came_in_the_one_that_was_signed_last(home: Path, capsys: Capsys, key: Key) -> None:
    rest, pictures = one_by_one(home, capsys, "rest", "pictures", signed_with=key)
    received(home, capsys, pictures)
    received(home, capsys, rest)
    (member,) = json.loads(run_here(capsys, "show", home / "other/P", "--json").out)["members"]
    assert [member["arrived_in"]["sidecar"]] == [path.name for path in pictures.glob("*.manifest")]


def test_newer_state_of_one_set_replaces_what_that_set_has(home: Path, capsys: Capsys) -> None:
    pictures, readme, rest = one_by_one(home, capsys, "pictures", "readme", "rest")
    for folder in (rest, readme, pictures):
        received(home, capsys, folder)
    (home / "other/P/unit.1/data/b.jpg").write_bytes(b"mine!")
    write(home / "run1/unit_1/a.png", b"a newer picture")
    os.unlink(home / "run1/unit_1/two/a.png")
    write(home / "run1/unit_1/new.bin", b"of the rest, and not sent")
    words = ("--layout", home / "units.toml", "--mode", "copy", "--as-is", "--quiet")
    assert run_here(capsys, "package", home / "run1", home / "P", *words).code == 0
    shutil.rmtree(pictures)
    one_by_one(home, capsys, "pictures")
    ran = run_here(capsys, "receive", pictures, home / "other/P")
    assert (ran.code, "member-differs" in ran.err) == (1, True)
    assert [each["member"] for each in received(home, capsys, pictures, "--replace")["replaced"]] == ["unit.1"]
    data = home / "other/P/unit.1/data"
    assert {path.name for path in data.iterdir()} == {*os.listdir(home / "P/unit.1/data")} - {"new.bin"}
    assert not (data / "two/a.png").exists()
    assert (data / "two/b").stat().st_nlink == 2, "the rest is linked, and what was replaced is kept"
    for name in ("a.png", "b.jpg", "big.bin", "x.ms/FIELD/table.dat"):
        assert (data / name).read_bytes() == (home / "P/unit.1/data" / name).read_bytes()
    assert run_here(capsys, "verify", home / "other/P").code == 0
    assert run_here(capsys, "rollback", home / "other/P").code == 3, "it tells of what was changed by hand"
    assert ((data / "b.jpg").read_bytes(), (data / "two/a.png").exists()) == (b"mine!", True)


def test_member_that_a_set_has_nothing_of_is_not_received_and_keeps_no_other_out(home: Path, capsys: Capsys) -> None:
    for path, data in FILES.items():
        if not path.endswith((".png", ".jpg")):
            write(home / "run2/unit_2" / path, data)
    words = ("--layout", home / "units.toml", "--mode", "copy", "--as-is", "--no-settings")
    assert run_here(capsys, "package", home / "run2", home / "P", *words).code == 0
    pictures, videos, rest = one_by_one(home, capsys, "pictures", "videos", "rest")
    said = received(home, capsys, videos)
    assert ([*said["received"], *said["same"]], os.listdir(home / "other")) == ([], [])
    assert "there is nothing in this delivery" in run_here(capsys, "receive", videos, home / "other/P").out
    assert [each["member"] for each in received(home, capsys, pictures)["received"]] == ["unit.1"]
    for name in ("unit.1", "unit.2"):
        received(home, capsys, rest, "--member", name)
    assert [each["member"] for each in received(home, capsys, pictures)["same"]] == ["unit.1"]
    assert run_here(capsys, "verify", home / "other/P").code == 0


def test_set_that_adds_to_a_member_goes_on_after_a_damaged_tar(home: Path, capsys: Capsys) -> None:
    pictures, rest = one_by_one(home, capsys, "pictures", "rest")
    received(home, capsys, pictures)
    assert "sets that are to come: rest, readme" in run_here(capsys, "show", home / "other/P").out
    tar = rest / "P_1_002_of_003.tar"
    good = tar.read_bytes()
    spoil(tar)
    ran = run_here(capsys, "receive", rest, home / "other/P", "--jobs", "1")
    assert (ran.code, "changed: " in ran.err) == (1, True)
    assert not (home / "other/P/unit.1/data/big.bin").exists()
    tar.write_bytes(good)
    for name in ("P_1_001_of_003.tar", "P_1_003_of_003.tar"):
        (rest / name).write_bytes(bytes((rest / name).stat().st_size))  # they are not read again
    assert run_here(capsys, "receive", rest, home / "other/P", "--jobs", "1").code == 0
    assert run_here(capsys, "verify", home / "other/P").code == 0
    there = {path.name for path in (home / "other/P/unit.1/data").rglob("*")}
    assert there == {path.name for path in (home / "P/unit.1/data").rglob("*")}


def test_set_that_has_files_of_others_too_adds_up_and_replaces_nothing_changed_by_hand(
    home: Path, capsys: Capsys
) -> None:
    unit(home, capsys, "1", SETS + BESIDE)
    pictures, everything = one_by_one(home, capsys, "pictures", "all")
    received(home, capsys, pictures)
    (home / "more").mkdir()
    words = ("receive", everything, home / "more/P", "--json")
    assert json.loads(run_here(capsys, *words).out)["missing_sets"][0]["sets"] == ["pictures", "rest", "readme"]
    said = json.loads(run_here(capsys, "receive", pictures, *words[2:]).out)
    assert (len(said["partial"]), said["missing_sets"][0]["sets"]) == (1, ["rest", "readme"]), "it has come, too"
    changed = home / "other/P/unit.1/data/b.jpg"
    changed.write_bytes(b"mine!")
    ran = run_here(capsys, "receive", everything, home / "other/P")
    assert (ran.code, "changed: " in ran.err, f"{changed}" in ran.err) == (1, True, True)
    assert changed.read_bytes() == b"mine!"


def test_file_that_the_member_has_and_no_set_of_the_delivery_selects_is_refused(home: Path, capsys: Capsys) -> None:
    """No program delivers it; the member would have two files of one name."""
    receiver = Receiver(home, capsys)
    (receiver.delivery,) = one_by_one(home, capsys, "pictures")
    received(home, capsys, receiver.delivery)
    (row,) = open_sidecar(os.fsencode(receiver.sidecar)).header.sets
    rewrite(receiver, sets=(replace(row, row=replace(row.row, select=("notes/**",))),), all_sets=())
    for option in ((), ("--replace",)):
        ran = run_here(capsys, "receive", receiver.delivery, home / "other/P", *option)
        assert (ran.code, "member-differs" in ran.err, "unit.1/data/a.png" in ran.err) == (1, True, True)
    assert run_here(capsys, "verify", home / "other/P").code == 0


def test_table_that_lost_rows_is_told_also_when_another_set_has_come(home: Path, capsys: Capsys) -> None:
    lock = bytes(264) + b"\xbe\xbe\xbe\xbe" + bytes(4) + b"\x00\x00\x00\x04sync" + bytes([0, 0, 0, 1, 0, 0, 0, 7])
    write(home / "run1/unit_1/x.ms/table.lock", lock)
    words = ("--layout", home / "units.toml", "--mode", "copy", "--as-is", "--quiet")
    assert run_here(capsys, "package", home / "run1", home / "P", *words).code == 0
    rest, readme = one_by_one(home, capsys, "rest", "readme")
    received(home, capsys, rest)
    (home / "other/P/unit.1/data/x.ms/table.lock").write_bytes(lock[:-1] + b"\x03")
    received(home, capsys, readme)
    ran = run_here(capsys, "verify", home / "other/P")
    assert (ran.code, "table.lock" in ran.out) == (3, True)


def test_set_alone_has_nothing_that_another_set_takes(home: Path, capsys: Capsys) -> None:
    (rest,) = one_by_one(home, capsys, "rest")
    delivered(home, capsys)
    for tar in rest.glob("*.tar"):
        assert paths_in(tar) == paths_in(home / "out" / tar.name)
    assert checked_delivery(rest, home / "P") == []


def sizes_of_files(folder: Path) -> dict[str, int]:
    """Return the sizes of what is delivered, by name."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix in (".tar", ".README")}


AT_APPLY = """
[[delivery]]
set = "papers"
name = "{unit}_papers.tar"
select = ["README", "notes/**"]
when = "apply"
"""


def packaged(home: Path, capsys: Capsys, name: str) -> tuple[int, dict[str, object]]:
    """Package a unit with the set of each apply; return exit code and what is said."""
    for path, data in FILES.items():
        write(home / f"run{name}/unit_{name}" / path, data)
    (home / "papers.toml").write_text(LAYOUT + SETS + AT_APPLY)
    words = ("--layout", home / "papers.toml", "--mode", "copy", "--as-is", "--no-settings", "--json")
    ran = run_here(capsys, "package", home / f"run{name}", home / "P", *words)
    return ran.code, json.loads(ran.out)


def test_set_of_each_apply_is_written_beside_the_package(tmp_path: Path, capsys: Capsys) -> None:
    code, said = packaged(tmp_path, capsys, "1")
    assert (code, said["delivered"]) == (0, [{"path": str(tmp_path / "1_papers.tar")}])
    with tarfile.open(tmp_path / "1_papers.tar") as tar:
        assert "P/unit.1/README" in tar.getnames()
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0
    assert packaged(tmp_path, capsys, "2")[0] == 0, "the delivery of one member is replaced by that of two"
    assert {path.name for path in tmp_path.glob("*.manifest")} == {"P_papers.manifest"}
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0
    assert run_here(capsys, "deliver", tmp_path / "P", "--output", tmp_path / "out").code == 0
    assert {"1_papers.tar", "2_papers.tar", "1.README"} <= names(tmp_path), "on request it is one of all"


def test_set_of_each_apply_that_another_run_writes_is_written_by_the_next_apply(
    tmp_path: Path, capsys: Capsys
) -> None:
    name = DeliveryName(b"P", label=b"papers", files=(b"1_papers.tar",))
    with locked_delivery(name, Store(f"file://{tmp_path}")):
        code, said = packaged(tmp_path, capsys, "1")
    assert isinstance(said["delivery_problems"], list)
    assert (code, [each["code"] for each in said["delivery_problems"]]) == (4, [Code.OUTPUT_BUSY])
    assert not (tmp_path / "1_papers.tar").exists()
    assert run_here(capsys, "apply", tmp_path / "P").code == 0
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


def test_set_of_each_apply_is_not_begun_after_a_stop_that_the_apply_is_too_far_for(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(apply_job, "apply", stopped_too_late(apply_job.apply))
        code, said = packaged(tmp_path, capsys, "1")
    assert isinstance(said["delivery_problems"], list)
    assert (code, [each["code"] for each in said["delivery_problems"]]) == (4, [Code.INTERRUPTED])
    assert run_here(capsys, "apply", tmp_path / "P").code == 0
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


def test_set_of_each_apply_follows_a_rollback(tmp_path: Path, capsys: Capsys) -> None:
    packaged(tmp_path, capsys, "1")
    before = (tmp_path / "1_papers.tar").read_bytes()
    packaged(tmp_path, capsys, "2")
    ran = run_here(capsys, "rollback", tmp_path / "P", "--json")
    assert (ran.code, json.loads(ran.out)["delivered"]) == (0, [{"path": str(tmp_path / "1_papers.tar")}])
    assert (tmp_path / "1_papers.tar").read_bytes() == before
    stale = [{"path": f"{tmp_path}/2_papers.tar{ending}"} for ending in ("", ".md5sum")]
    assert json.loads(ran.out)["stale_deliveries"] == stale
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


def test_object_of_a_member_that_was_removed_for_a_while_keeps_its_versions(tmp_path: Path, capsys: Capsys) -> None:
    object_of_unit = AT_APPLY.replace("papers.tar", "object").replace("papers", "object") + 'form = "ocfl"\n'
    (tmp_path / "object.toml").write_text(LAYOUT + object_of_unit)
    for name in ("1", "2"):
        write(tmp_path / f"run{name}/unit_{name}/left.txt", b"a paper")
        words = ("--layout", tmp_path / "object.toml", "--mode", "copy", "--as-is", "--no-settings")
        assert run_here(capsys, "package", tmp_path / f"run{name}", tmp_path / "P", *words).code == 0
    assert run_here(capsys, "remove", tmp_path / "P", "--member", "unit.2").code == 0
    ran = run_here(capsys, "rollback", tmp_path / "P")
    assert ran.code == 0, ran.out
    assert not (tmp_path / "2_object/v2").exists(), "what is there is what is delivered"
    assert (tmp_path / "2_object/v1/content/P/unit.2/notes/left.txt").read_bytes() == b"a paper"
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


def test_set_of_what_was_rolled_back_is_told(tmp_path: Path, capsys: Capsys) -> None:
    packaged(tmp_path, capsys, "1")
    ran = run_here(capsys, "rollback", tmp_path / "P", "--json")
    files = ("P_papers.manifest", "1_papers.tar")
    stale = [f"{tmp_path}/{name}{ending}" for name in files for ending in ("", ".md5sum")]
    assert (ran.code, [each["path"] for each in json.loads(ran.out)["stale_deliveries"]]) == (0, stale)


class Stopped(BaseException):
    """In place of a kill: nothing is done any more."""


def stopped_at_its_end(home: Path, capsys: Capsys, name: str) -> None:
    """Package a unit, and stop when the files of the set of each apply are written, but not the sidecar."""

    def stop(*_: object) -> bool:
        raise Stopped

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Stopped):
        patch.setattr("qa2pack.tarsplit.deliver.publish_sidecar", stop)
        packaged(home, capsys, name)
    capsys.readouterr()
    assert ((home / "P_papers.state").exists(), (home / "P_papers.manifest").exists()) == (True, False)


@pytest.mark.parametrize("words", [("rollback",), ("remove", "--member", "unit.2")])
def test_set_of_each_apply_whose_writing_was_stopped_is_written_again(
    tmp_path: Path, capsys: Capsys, words: tuple[str, ...]
) -> None:
    packaged(tmp_path, capsys, "1")
    before = (tmp_path / "1_papers.tar").read_bytes()
    stopped_at_its_end(tmp_path, capsys, "2")
    ran = run_here(capsys, words[0], tmp_path / "P", *words[1:], "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["delivered"]) == (0, [{"path": str(tmp_path / "1_papers.tar")}])
    assert said["stale_deliveries"] == [{"path": f"{tmp_path}/2_papers.tar{ending}"} for ending in ("", ".md5sum")]
    assert (tmp_path / "1_papers.tar").read_bytes() == before
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


@pytest.mark.parametrize("words", [("rollback", "P"), ("rename", "P", "Q")])
def test_what_a_stop_left_of_a_set_is_told_where_nothing_takes_its_place(
    tmp_path: Path, capsys: Capsys, words: tuple[str, ...]
) -> None:
    stopped_at_its_end(tmp_path, capsys, "1")
    (tmp_path / "P_papers.manifest.part").write_bytes(b"")  # a kill leaves it
    names = ("P_papers.manifest.part", "P_papers.state", "1_papers.tar", "1_papers.tar.md5sum")
    ran = run_here(capsys, words[0], tmp_path / words[1], *words[2:], "--json")
    told = {each["path"] for each in json.loads(ran.out)["stale_deliveries"]}
    assert (ran.code, told) == (0, {str(tmp_path / name) for name in names})


def test_set_of_each_apply_under_an_old_name_is_told_and_the_advice_makes_it_anew(
    tmp_path: Path, capsys: Capsys
) -> None:
    packaged(tmp_path, capsys, "1")
    ran = run_here(capsys, "rename", tmp_path / "P", "Q")
    old = [*tmp_path.glob("P_papers*"), *tmp_path.glob("1_papers*")]
    told = [line.strip() for line in ran.out.splitlines()]
    assert (ran.code, len(old), [path for path in old if str(path) not in told]) == (0, 4, [])
    assert f"pack apply {tmp_path}/Q" in ran.out
    for path in old:
        path.unlink()
    assert run_here(capsys, "apply", tmp_path / "Q").code == 0
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "Q").code == 0


def test_list_of_jobs_delivers_what_each_applies(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "papers.toml").write_text(LAYOUT + SETS + AT_APPLY)
    for name in ("1", "2"):
        write(tmp_path / f"run{name}/unit_{name}/left.txt", b"a paper")
    jobs = (f'[[job]]\norigin = "run{name}"\npackage = "P"\nlayout = "papers.toml"\n' for name in ("1", "2"))
    (tmp_path / "jobs.toml").write_text("".join(jobs))
    words = (tmp_path / "jobs.toml", "--mode", "copy", "--as-is", "--no-settings")
    assert run_here(capsys, "batch", "plan", *words).code in (0, 3)
    ran = run_here(capsys, "batch", "apply", *words)
    assert ran.code == 0, ran.out + ran.err
    assert {"1_papers.tar", "2_papers.tar", "P_papers.manifest"} <= set(os.listdir(tmp_path))
    assert run_here(capsys, "tarsplit", "--check", tmp_path, tmp_path / "P").code == 0


def test_package_is_applied_where_its_set_is_not_written(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "1_papers.tar").write_bytes(b"of somebody else")
    code, said = packaged(tmp_path, capsys, "1")
    assert (code, said["delivered"]) == (4, [])
    assert [each["code"] for each in said["delivery_problems"]] == ["delivery-in-the-way"]  # type: ignore[attr-defined]
    assert run_here(capsys, "verify", tmp_path / "P").code == 0
    assert (tmp_path / "1_papers.tar").read_bytes() == b"of somebody else"
    (tmp_path / "1_papers.tar").unlink()
    ran = run_here(capsys, "apply", tmp_path / "P")
    assert (ran.code, str(tmp_path / "1_papers.tar") in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [('"apply"', '"always"', "one of request, apply"), ("{unit}_papers", "{date}", "no {date} in the name")],
)
def test_mistake_in_when_is_refused(tmp_path: Path, capsys: Capsys, old: str, new: str, expected: str) -> None:
    (tmp_path / "bad.toml").write_text(LAYOUT + AT_APPLY.replace(old, new))
    ran = run_here(capsys, "layout", tmp_path / "bad.toml", "--check")
    assert (ran.code, expected in ran.err) == (1, True), ran.err


COUNTED = """
tree = "unit{member}"
[[place]]
name = "run"
path = "in"
needed = true
[[folder]]
name = "data"
[[rule]]
match = "*"
to = "data/{name}"
[[delivery]]
set = "all"
name = "{project}.tar"
select = "**"
"""


def counted(home: Path, capsys: Capsys, layout: str) -> None:
    """Make the package P of two members that a counter tells apart."""
    (home / "counted.toml").write_text(layout)
    for number, append in ((1, ()), (2, ("--append", "member"))):
        write(home / f"run{number}/in/{number}.png", b"of the member")
        words = ("--layout", home / "counted.toml", "--mode", "copy", "--as-is", "--no-settings", *append)
        ran = run_here(capsys, "package", home / f"run{number}", home / "P", *words)
        assert ran.code == 0, ran.err


def test_members_that_are_counted_have_files_of_their_own(tmp_path: Path, capsys: Capsys) -> None:
    counted(tmp_path, capsys, COUNTED.replace("{project}.tar", "{project}_{member}.tar"))
    delivered(tmp_path, capsys)
    assert names(tmp_path) == {"P_unit.tar", "P_unit2.tar", "P.manifest"}
    assert checked_delivery(tmp_path / "out", tmp_path / "P") == []


def test_sets_of_one_name_are_told_with_their_members(tmp_path: Path, capsys: Capsys) -> None:
    counted(tmp_path, capsys, COUNTED)
    ran = run_here(capsys, "deliver", tmp_path / "P", "--output", tmp_path / "out")
    assert ran.code == 1
    assert "all of unit, all of unit2" in ran.err
    assert "{member}" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "code", "told"),
    [
        (("{project}_{part}_of_{parts}.tar", "P_001_of_001.tar"), 1, "P_001_of_001.tar: expected a name for one set"),
        (("{project}_{part}_of_{parts}.tar", "P_002_of_002.tar"), 0, ""),
        (("P{ending}", "P.tar"), 1, "P.tar.md5sum: expected a name that ends otherwise"),
        (("P.tar", "P" * 236 + ".tar"), 0, ""),
        (("P.tar", "P" * 237 + ".tar"), 1, "expected 240 bytes, found 241 bytes"),
    ],
)
def test_name_that_no_file_can_have_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: Capsys, names: tuple[str, str], code: int, told: str
) -> None:
    start = COUNTED[: COUNTED.index("[[delivery]]")] + '[variable.ending]\ndefault = ".tar.md5sum"\n'
    tables = (
        f'[[delivery]]\nset = "s{number}"\nname = "{name}"\nselect = "data/1.png"\nalso = true\n'
        + ('limit = "1GB"\n' if "{part}" in name else "")
        for number, name in enumerate(names)
    )
    counted(tmp_path, capsys, start + "".join(tables))
    words = ("deliver", tmp_path / "P", "--member", "unit", "--output", tmp_path / "out")
    for each in (words, (*words, "--dry-run")):
        ran = run_here(capsys, *each)
        assert (ran.code, told in " ".join(ran.err.split())) == (code, True), ran.err
        assert (tmp_path / "out").exists() is not code


def test_variable_called_member_is_that_of_the_layout(tmp_path: Path, capsys: Capsys) -> None:
    own = COUNTED.replace("[[place]]", '[variable.member]\ndefault = "mine"\n[[place]]').replace(
        "unit{member}", "unit"
    )
    (tmp_path / "own.toml").write_text(own.replace("{project}.tar", "{member}.tar"))
    write(tmp_path / "run/in/a", b"x")
    words = ("--layout", tmp_path / "own.toml", "--mode", "copy", "--as-is", "--no-settings")
    assert run_here(capsys, "package", tmp_path / "run", tmp_path / "P", *words).code == 0
    delivered(tmp_path, capsys)
    assert "mine.tar" in names(tmp_path)
