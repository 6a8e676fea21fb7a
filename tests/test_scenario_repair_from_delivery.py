"""Repair of a package from its delivery: a folder of tars, or a store, of which only what is needed is read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fsspec.core import url_to_fs

from support.commands import run_here
from support.deliveries import DAY, MEMBER, PROJECT, make_package
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.forgery import twins
from support.s3_servers import BUCKET, s3_server
from support.signatures import Key, exchange_what_was_checked, make_key, sign_by_hand, sign_package

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


@pytest.mark.parametrize(
    ("how", "told"),
    [("damaged", ""), ("missing", "  missing:"), ("cut", "  truncated:"), ("a pipe", "  wrong-type:")],
)
def test_what_no_tar_has_whole_is_told(package: Path, tmp_path: Path, capsys: Capsys, how: str, told: str) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    tar = tmp_path / f"out/{STEM}_002_of_002.tar"
    data = tar.read_bytes()
    if how in ("missing", "a pipe"):
        tar.unlink()
    if how == "a pipe":
        os.mkfifo(tar)
    elif how != "missing":
        tar.write_bytes(data.replace(b"b" * 60_000, b"y" * 60_000) if how == "damaged" else data[:5000])
    ran = run_here(capsys, "repair", package, "--from", tmp_path / "out")
    assert ran.code == 3
    assert "script/b.py" in ran.out
    assert (package / MEMBER / "script/c.py").exists() is (how == "damaged")
    assert (f"from {tar}" in ran.out) is (how == "damaged"), "where it was taken from"
    _, _, unread = ran.out.partition("Not to be read, of what was searched:\n")
    assert unread.startswith(told)
    assert (os.fspath(tar) in unread) is (how != "damaged")


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
        check_repair_from_plain_copy(package, f"s3://{BUCKET}/plain", capsys)
    assert run_here(capsys, "verify", package).code == 0


def check_repair_from_plain_copy(package: Path, address: str, capsys: Capsys) -> None:
    """Repair a package from its copy in a store, in which one file is called otherwise, and no sidecar is."""
    refused = run_here(capsys, "repair", package, "--from", address)
    assert (refused.code, "copies-missing" in refused.err) == (1, True)
    fs, root = url_to_fs(address)
    fs.put(os.fspath(package), f"{root}/{PROJECT}", recursive=True)
    fs.makedirs(f"{root}/odd", exist_ok=True)
    fs.mv(f"{root}/{PROJECT}/{MEMBER}/script/c.py", f"{root}/odd/moved.txt")
    script = package / MEMBER / "script/b.py"
    mtime_ns = script.stat().st_mtime_ns
    damage(package)
    ran = run_here(capsys, "repair", package, "--from", address)
    assert ran.code == 0, ran.err + ran.out
    assert f"{address}/{PROJECT}/{MEMBER}/script/b.py" in ran.out
    assert f"{address}/odd/moved.txt" in ran.out
    assert (script.read_bytes(), script.stat().st_mtime_ns) == (FILES["script/b.py"], mtime_ns)


def test_plain_copy_at_an_address_is_a_copy(package: Path, tmp_path: Path, capsys: Capsys) -> None:
    check_repair_from_plain_copy(package, f"file://{tmp_path}/far", capsys)
    assert run_here(capsys, "verify", package).code == 0


ROWS = bytes(264) + b"\xbe\xbe\xbe\xbe" + bytes(4) + b"\x00\x00\x00\x04sync" + bytes([0, 0, 0, 1, 0, 0, 0, 7])


@pytest.mark.parametrize(("place", "name"), [("", "delivery"), ("file://", "delivery"), ("file://", "copy")])
def test_table_that_is_gone_gets_its_lock_with_the_rows(
    tmp_path: Path, capsys: Capsys, place: str, name: str
) -> None:
    package = tmp_path / PROJECT
    tables = {"calibrated/a.ms": ROWS, "calibrated/a.ms/FIELD": ROWS[:-1] + b"\x08", "calibrated/b.ms": bytes(280)}
    files: dict[str | bytes, bytes] = {f"{table}/table.lock": lock for table, lock in tables.items()}
    make_package(package, files | {f"{table}/table.dat": table.encode() for table in tables})
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "delivery").code == 0
    shutil.copytree(package, tmp_path / "copy")
    shutil.rmtree(package / MEMBER / "calibrated")
    ran = run_here(capsys, "repair", package, "--from", f"{place}{tmp_path}/{name}")
    assert ran.code == 0, ran.err + ran.out
    assert run_here(capsys, "verify", package).code == 0
    assert {table: (package / MEMBER / table / "table.lock").read_bytes() for table in tables} == tables


def test_files_beside_a_damaged_sidecar_are_a_copy(package: Path, tmp_path: Path, capsys: Capsys) -> None:
    shutil.copytree(package, tmp_path / "copy" / PROJECT)
    (tmp_path / "copy" / f"{STEM}.manifest").write_bytes(b"no sidecar")
    for place in (tmp_path / "copy", f"file://{tmp_path}/copy"):
        damage(package)
        assert run_here(capsys, "repair", package, "--from", place).code == 0
    assert run_here(capsys, "verify", package).code == 0


FORGED, SIGNED = twins()  # with one XXH3-128


def with_forged_tar(whole: Path, forged: Path) -> None:
    """Copy a delivery, with another file of the same XXH3-128 in it."""
    shutil.copytree(whole, forged)
    for tar in forged.glob("*.tar"):
        tar.write_bytes(tar.read_bytes().replace(SIGNED, FORGED))


@pytest.mark.parametrize("is_in_place", [True, False])
def test_signed_package_takes_no_copy_of_another_sha256(
    tmp_path: Path, capsys: Capsys, key: Key, is_in_place: bool
) -> None:
    package = make_package(tmp_path / PROJECT, FILES | {"script/d.py": SIGNED})
    sign_package(key, tmp_path / PROJECT)
    assert run_here(capsys, "tarsplit", tmp_path / PROJECT, *CUT, "--output", tmp_path / "good").code == 0
    with_forged_tar(tmp_path / "good", tmp_path / "bad")
    script, copy = tmp_path / PROJECT / MEMBER / "script/d.py", tmp_path / "copy"
    copy.mkdir()
    (copy / "d.py").write_bytes(FORGED)
    script.unlink()
    if is_in_place:
        script.write_bytes(FORGED)
    words = (
        "repair",
        os.fsdecode(package.path),
        "--from",
        copy,
        "--from",
        tmp_path / "bad",
        "--from",
        f"file://{copy}",
    )
    assert run_here(capsys, *words).code == 3
    assert run_here(capsys, *words, "--from", tmp_path / "good").code == 0
    assert script.read_bytes() == SIGNED


@pytest.mark.parametrize("checksum", ["sha256", "md5"])
def test_nothing_is_taken_of_a_tar_that_has_another_sha256(tmp_path: Path, capsys: Capsys, checksum: str) -> None:
    package = tmp_path / PROJECT
    make_package(package, FILES | {"script/d.py": SIGNED})
    ran = run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "good", "--checksum", checksum)
    assert ran.code == 0, ran.err
    with_forged_tar(tmp_path / "good", tmp_path / "bad")
    damage(package)
    knows = checksum == "sha256"
    assert run_here(capsys, "repair", package, "--from", tmp_path / "bad").code == (3 if knows else 0)
    assert (package / MEMBER / "script/b.py").read_bytes() == (b"x" * 60_000 if knows else FILES["script/b.py"])
    assert run_here(capsys, "repair", package, "--from", tmp_path / "good").code == 0
    assert run_here(capsys, "verify", package).code == 0


@pytest.mark.parametrize("place", ["folder", "address"])
def test_unsigned_delivery_is_refused_where_a_signature_is_required(
    package: Path, tmp_path: Path, capsys: Capsys, key: Key, signers: Path, place: str
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out", "--checksum", "sha256").code == 0
    damage(package)
    out = tmp_path / "out" if place == "folder" else f"file://{tmp_path}/out"
    words = ("repair", package, "--from", out, "--allowed-signers", signers)
    ran = run_here(capsys, *words, "--require-signature")
    assert (ran.code, "signature-missing" in ran.err) == (1, True)
    assert not (package / MEMBER / "script/c.py").exists()
    sign_by_hand(key, tmp_path / f"out/{STEM}.manifest")
    ran = run_here(capsys, *words, "--require-signature", "--json")
    assert ran.code == 0, ran.err
    (signature,) = json.loads(ran.out)["signatures"]
    assert (signature["standing"], signature["path"]) == ("known", f"{STEM}.manifest")
    assert (package / MEMBER / "script/c.py").exists()


@pytest.mark.parametrize("place", ["folder", "address"])
def test_delivery_without_its_sidecar_is_refused_where_a_signature_is_required(
    package: Path, tmp_path: Path, capsys: Capsys, key: Key, signers: Path, place: str
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out", "--sign", key.path).code == 0
    damage(package)
    (tmp_path / f"out/{STEM}.manifest").unlink()
    (tmp_path / "out/c.py").write_bytes(FILES["script/c.py"])
    out = tmp_path / "out" if place == "folder" else f"file://{tmp_path}/out"
    ran = run_here(capsys, "repair", package, "--from", out, "--allowed-signers", signers, "--require-signature")
    assert (ran.code, "signature-missing" in ran.err, f"{tmp_path}/out" in ran.err) == (1, True, True)
    assert not (package / MEMBER / "script/c.py").exists()


def test_folder_of_files_is_taken_for_a_signed_member_where_a_signature_is_required(
    package: Path, tmp_path: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    shutil.copytree(package, tmp_path / "copy")
    sign_package(key, package)
    damage(package)
    words = ("repair", package, "--from", tmp_path / "copy", "--require-signature", "--allowed-signers")
    nobody = tmp_path / "nobody"
    nobody.write_text(f"bob@example.org {make_key(tmp_path / 'other').text}\n")
    ran = run_here(capsys, *words, nobody)
    assert (ran.code, "signature-missing" in ran.err) == (1, True)
    ran = run_here(capsys, *words, signers)
    assert ran.code == 0, ran.err
    assert (package / MEMBER / "script/b.py").read_bytes() == FILES["script/b.py"]


def test_wrong_signature_of_a_delivery_refuses_its_repair_and_another_is_told(
    package: Path, tmp_path: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out", "--sign", key.path).code == 0
    damage(package)
    words = ("repair", package, "--from", tmp_path / "out")
    assert "not compared with known signers" in run_here(capsys, *words).out
    assert "signed by alice@example.org" in run_here(capsys, *words, "--allowed-signers", signers).out
    sign_by_hand(key, tmp_path / f"out/{STEM}.manifest", namespace="git")
    ran = run_here(capsys, *words)
    assert (ran.code, "signature-wrong" in ran.err) == (1, True)


def test_sidecar_that_is_exchanged_after_its_signature_was_checked_is_not_repaired_from(
    package: Path, tmp_path: Path, capsys: Capsys, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out", "--sign", key.path).code == 0
    damage(package)
    exchange_what_was_checked(monkeypatch)
    assert run_here(capsys, "repair", package, "--from", tmp_path / "out").code == 0
    assert (package / MEMBER / "script/b.py").read_bytes() == FILES["script/b.py"]


def test_repair_that_was_interrupted_reads_nothing_twice(
    package: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.found_copies.take_out", _interrupted)  # after the deliveries were read
        assert run_here(capsys, "repair", package, "--from", tmp_path / "out").code == 4
    fetched = package.with_name(f"{package.name}.pack") / "fetched"
    assert len(list(fetched.iterdir())) == 2
    tar = tmp_path / f"out/{STEM}_002_of_002.tar"
    tar.write_bytes(bytes(tar.stat().st_size))
    assert run_here(capsys, "repair", package, "--from", tmp_path / "out").code == 0
    assert run_here(capsys, "verify", package).code == 0
    assert not fetched.exists()


def _interrupted(*_: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_what_a_stopped_repair_fetched_goes_with_its_transaction(
    package: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    assert run_here(capsys, "tarsplit", package, *CUT, "--output", tmp_path / "out").code == 0
    damage(package)
    with monkeypatch.context() as patch:
        patch.setattr("qa2pack.pack.jobs.apply.Disk", lambda: FaultyDisk(Fault.STOP_BEFORE, 30))
        with pytest.raises(Stopped):
            run_here(capsys, "repair", package, "--from", tmp_path / "out")
    fetched = package.with_name(f"{package.name}.pack") / "fetched"
    assert fetched.exists()
    shutil.rmtree(tmp_path / "out")
    assert run_here(capsys, verb, package).code == 0
    assert (fetched.exists(), fetched.with_name("fetched.lock").exists()) == (False, False)
    assert run_here(capsys, "verify", package).code == (0 if verb == "apply" else 3)


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
