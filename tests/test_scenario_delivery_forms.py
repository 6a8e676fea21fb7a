"""Forms of delivery sets: written, kept, checked, received and repaired from, and unpacked by other programs."""

import json
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from qa2pack.tarsplit.place import s3_upload
from support.commands import run_redirected
from support.delivered_sets import RULES, UNIT, checked_delivery, deliver, extract_safely, package_run
from support.s3_servers import BUCKET, s3_server
from support.signatures import Key

LAYOUT = f"""{UNIT}{RULES}[[delivery]]
set = "compressed"
form = "tgz"
name = "P_{{part}}_of_{{parts}}.tar.gz"
select = "data/one/**"
limit = "60kB"
[[delivery]]
set = "zipped"
form = "zip"
name = "P.zip"
select = "data/**"
checksums = ["sha256", "md5"]
[[delivery]]
set = "plain"
name = "P.tar"
select = "notes/**"
checksums = []
[[delivery]]
set = "readme"
form = "file"
name = "README.tar"
select = "README"
"""
NOISE = random.Random(5).randbytes(40_000)
FILES = {
    "one/text": b"the same again and again\n" * 1000,
    "one/noise": NOISE,
    "two/b": b"of the zip",
    "big": NOISE[:300] * 1000,
    "µ": b"",
    "left.txt": b"in a tar",
}
TGZ = {"P_001_of_002.tar.gz", "P_002_of_002.tar.gz"}
FILES_MADE = {*TGZ, "P.zip", "P.tar", "README.tar"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package P and its delivery `out`; tests that change something do so in a copy."""
    home = tmp_path_factory.mktemp("world")
    package_run(home, LAYOUT, FILES)
    assert deliver(home).code == 0
    return home


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    return shutil.copytree(world, tmp_path / "world", symlinks=True)


def names(home: Path) -> set[str]:
    return set(os.listdir(home / "out"))


def test_other_programs_read_each_form(world: Path, tmp_path: Path) -> None:
    sums = {f"{name}.md5sum" for name in (*TGZ, "P.zip", "README.tar", "P_unit.manifest")}
    assert names(world) == {*FILES_MADE, *sums, "P.zip.sha256sum", "P_unit.manifest"}
    subprocess.run(
        "md5sum --quiet -c *.md5sum && sha256sum --quiet -c *.sha256sum", shell=True, cwd=world / "out", check=True
    )
    with zipfile.ZipFile(world / "out/P.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"P/unit/{name}" for name in ("data/", "data/big", "data/µ", "data/two/", "data/two/b")
        ]
        archive.extractall(tmp_path)
    for name in (*TGZ, "P.tar"):
        with tarfile.open(world / "out" / name) as tar:
            extract_safely(tar, tmp_path)
    shutil.copy(world / "out/README.tar", tmp_path / "P/unit/README")
    subprocess.run(["diff", "-r", world / "P/unit", tmp_path / "P/unit"], check=True)
    assert run_redirected("verify", "--manifest", world / "out/P_unit.manifest", tmp_path / "P").code == 0


def test_limit_is_that_of_the_compressed_file(world: Path) -> None:
    for name in TGZ:
        with tarfile.open(world / "out" / name) as tar:
            members = {each.name for each in tar}
        assert os.path.getsize(world / "out" / name) < 60_000
        assert ("P/unit/data/one/noise" in members) is (os.path.getsize(world / "out" / name) > 40_000)


def test_same_command_keeps_what_is_there_and_makes_the_same_bytes(home: Path) -> None:
    before = {name: (home / "out" / name).read_bytes() for name in names(home)}
    assert json.loads(deliver(home).out)["kept_count"] == 5
    (home / "out/P.zip").unlink()
    (home / "out/P_001_of_002.tar.gz").write_bytes(before["P_001_of_002.tar.gz"][:-1])
    said = json.loads(deliver(home).out)
    assert said["kept_count"] == 3
    assert {name: (home / "out" / name).read_bytes() for name in names(home)} == before
    assert {each["form"]: each["byte_count"] for each in said["chunks"]}["zip"] == len(before["P.zip"])
    assert sum(each["byte_count"] for each in said["chunks"]) == said["byte_count"]
    assert said["byte_count"] == sum(len(before[name]) for name in FILES_MADE)
    assert json.loads(deliver(home, "--dry-run").out)["byte_count"] > said["byte_count"], "the most that it can be"


def test_delivery_is_as_checked_alone_and_with_its_package(world: Path) -> None:
    assert checked_delivery(world / "out") == []
    assert checked_delivery(world / "out", world / "P") == []


@pytest.mark.parametrize("name", ["P.zip", "P_001_of_002.tar.gz"])
def test_every_damage_is_told_where_it_is(home: Path, name: str) -> None:
    data = (home / "out" / name).read_bytes()
    for at in sorted({*range(0, len(data), len(data) // 20), *range(len(data) - 100, len(data), 7)}):
        (home / "out" / name).write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert any(name in problem for problem in checked_delivery(home / "out")), at
    (home / "out" / name).write_bytes(data[: len(data) // 2])
    assert f"truncated {name}" in checked_delivery(home / "out")
    (home / "out" / name).write_bytes(data + b"more")
    assert f"grown {name}" in checked_delivery(home / "out")


def test_damage_in_a_zip_has_the_path_of_the_file(home: Path) -> None:
    data = (home / "out/P.zip").read_bytes()
    (home / "out/P.zip").write_bytes(data.replace(b"of the zip", b"of another"))
    assert checked_delivery(home / "out") == ["changed P.zip/P/unit/data/two/b"]
    behind = data.index(b"of the zip") + len(b"of the zip")
    (home / "out/P.zip").write_bytes(data[:behind] + b"XX" + data[behind + 2 :])
    assert checked_delivery(home / "out") == ["changed P.zip/P/unit/data/two/b"]
    (home / "out/P.zip").write_bytes(data[:-1] + b"X")
    assert "the end of the zip" in run_redirected("tarsplit", "--check", home / "out").out


def test_receiver_gets_the_package_and_mends_it_from_the_delivery(home: Path) -> None:
    (home / "other").mkdir()
    assert run_redirected("receive", home / "out", home / "other/P").code == 0
    assert run_redirected("verify", home / "other/P").code == 0
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)
    for path in ("data/one/noise", "data/two/b", "notes/left.txt"):
        (home / "other/P/unit" / path).write_bytes(b"damaged")
    ran = run_redirected("repair", home / "other/P", "--from", home / "out")
    assert ran.code == 0, ran.err
    subprocess.run(["diff", "-r", home / "P", home / "other/P"], check=True)


def test_sent_to_a_store_as_it_is_written_to_a_folder(world: Path, tmp_path: Path) -> None:
    to = f"file://{tmp_path}/store"
    words = ("--to", to, "--jobs", "1", "--json")
    assert run_redirected("deliver", world / "P", *words).code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "store").iterdir()} == {
        name: (world / "out" / name).read_bytes() for name in names(world)
    }
    assert json.loads(run_redirected("deliver", world / "P", *words).out)["kept_count"] == 5
    assert checked_delivery(to) == []


def test_compressed_tar_is_sent_to_s3_whatever_its_size_becomes(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "part_bytes", lambda _: 45_000)  # of the larger: what it is, or could be
    to = f"s3://{BUCKET}/out"
    with s3_server(monkeypatch) as proxy:
        words = ("--set", "compressed", "--to", to, "--jobs", "1", "--json")
        said = json.loads(run_redirected("deliver", world / "P", *words).out)
        assert [each["byte_count"] for each in said["chunks"]] == [
            os.path.getsize(world / "out" / name) for name in sorted(TGZ)
        ]
        assert checked_delivery(to) == []
        assert json.loads(run_redirected("deliver", world / "P", *words).out)["kept_count"] == 2
    assert len(proxy.parts_sent()) == 1


def test_signed_delivery_has_the_strong_checksum_of_every_file(world: Path, tmp_path: Path, key: Key) -> None:
    words = ("--output", tmp_path / "out", "--sign", key.path, "--jobs", "1", "--json")
    said = json.loads(run_redirected("deliver", world / "P", *words).out)
    assert {each["name"]: sorted(each["checksums"]) for each in said["chunks"]} == {
        **{name: ["md5", "sha256"] for name in (*TGZ, "P.zip", "README.tar")},
        "P.tar": ["sha256"],
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('form = "zip"', 'form = "rar"', "one of tar, tgz, zip"),
        ('form = "zip"', 'form = "tgz"', "ends in .tgz or .tar.gz"),
        ('form = "zip"', 'form = "file"', "one path"),
        ('"P.zip"', '"P_{part}_of_{parts}.zip"', "limit"),
        ('"P.zip"', '"P.zip"\nlimit = "6GB"', "limit"),
        ('["sha256", "md5"]', '["sha1"]', "one of md5, sha256"),
        ('["sha256", "md5"]', '"sha256"', "a list of texts"),
    ],
)
def test_mistake_in_a_form_is_refused_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LAYOUT
    (tmp_path / "bad.toml").write_text(LAYOUT.replace(old, new, 1))
    ran = run_redirected("layout", tmp_path / "bad.toml", "--check")
    assert ran.code == 1
    assert expected in ran.err
    assert "line" in ran.err
