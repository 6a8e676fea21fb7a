"""Repair of a package from its delivery: a folder of tars, or a store, of which only what is needed is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import run_here
from support.deliveries import DAY, MEMBER, PROJECT, make_package
from support.s3_servers import BUCKET, s3_server

Capsys = pytest.CaptureFixture[str]
STEM = f"{PROJECT}_{DAY}"
FILES: dict[str | bytes, bytes] = {
    "qa/a.png": b"a" * 50_000,
    "qa/empty": b"",
    "script/b.py": b"b" * 60_000,
    "script/c.py": b"c" * 100,
}
CUT = ("-n", DAY, "--size", "80000", "--jobs", "1")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that is delivered in two tars, into `out`."""
    make_package(tmp_path / PROJECT, FILES)
    return tmp_path / PROJECT


def damage(package: Path) -> None:
    """Change one file of the second tar, and remove another."""
    (package / MEMBER / "script/b.py").write_bytes(b"x" * 60_000)
    (package / MEMBER / "script/c.py").unlink()


def test_damaged_files_are_taken_from_the_tars_that_have_them(package: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    (tmp_path / f"out/{STEM}_001_of_002.tar").unlink()  # is not needed
    ran = run_here(capsys, "repair", package, "--from", tmp_path / "out")
    assert ran.code == 0, ran.err + ran.out
    assert run_here(capsys, "verify", package).code == 0
    assert (package / MEMBER / "script/b.py").read_bytes() == FILES["script/b.py"]


def test_damaged_delivery_does_not_hide_a_good_one(package: Path, tmp_path: Path, capsys: Capsys) -> None:
    for name in ("bad", "good"):
        assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / name).code == 0
    damage(package)
    tar = tmp_path / f"bad/{STEM}_002_of_002.tar"
    tar.write_bytes(tar.read_bytes().replace(b"b" * 60_000, b"b" * 59_999 + b"y"))
    ran = run_here(capsys, "repair", package, "--from", tmp_path / "bad", "--from", tmp_path / "good")
    assert ran.code == 0, ran.err + ran.out
    assert (package / MEMBER / "script/b.py").read_bytes() == FILES["script/b.py"]


@pytest.mark.parametrize("how", ["damaged", "missing", "cut"])
def test_what_no_tar_has_whole_is_told(package: Path, tmp_path: Path, capsys: Capsys, how: str) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    tar = tmp_path / f"out/{STEM}_002_of_002.tar"
    data = tar.read_bytes()
    if how == "missing":
        tar.unlink()
    else:
        tar.write_bytes(data.replace(b"b" * 60_000, b"y" * 60_000) if how == "damaged" else data[:5000])
    ran = run_here(capsys, "repair", package, "--from", tmp_path / "out")
    assert ran.code == 3
    assert "script/b.py" in ran.out
    assert (package / MEMBER / "script/c.py").exists() is (how == "damaged")
    assert ("2_of_002.tar" in ran.out) is (how == "damaged"), "where it was taken from"


def test_store_is_asked_for_what_is_needed_alone(
    package: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = f"s3://{BUCKET}/out"
    with s3_server(monkeypatch) as proxy:
        assert run_here(capsys, "tarsplit", package, *CUT, "--to", to).code == 0
        damage(package)
        proxy.requests.clear()
        ran = run_here(capsys, "repair", package, "--from", to)
        assert ran.code == 0, ran.err + ran.out
        read = {path.rpartition("/")[2] for method, path in proxy.requests if method == "GET" and ".tar" in path}
        assert {name for name in read if name.endswith(".tar")} == {f"{STEM}_002_of_002.tar"}
        refused = run_here(capsys, "repair", package, "--from", "s3://no-such-bucket/out")
        assert (refused.code, "store-unusable" in refused.err) == (1, True)
    assert run_here(capsys, "verify", package).code == 0


def test_repair_that_was_killed_goes_on_with_what_was_read(package: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    kill = (
        "import os, sys\nfrom qa2pack.executor.io.disk import Disk\n"
        "Disk.rename = lambda *arguments: os.kill(os.getpid(), 9)\n"
        "from qa2pack.pack.cli import main\nmain(sys.argv[1:])\n"
    )
    words = ["repair", str(package), "--from", str(tmp_path / "out"), "--jobs", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", kill, *words], env=environment, capture_output=True, check=False)
    assert killed.returncode == -9
    (tmp_path / f"out/{STEM}_002_of_002.tar").unlink()
    assert run_here(capsys, "repair", package, "--from", tmp_path / "out").code == 0
    assert run_here(capsys, "verify", package).code == 0
