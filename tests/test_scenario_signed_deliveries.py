"""Deliveries that are signed: by whom, what is told of it, and what a stop or another run leaves."""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.humanize import utc_time
from qa2pack.pack.tarsplit_command import main
from qa2pack.tarsplit.sidecar import open_sidecar
from support.commands import ROOT, Ran, run_here
from support.deliveries import DAY, OLD_NS, PROJECT, extract, make_package
from support.forgery import twins
from support.receiver import spoil
from support.signatures import ALICE, Key, exchange_what_was_checked, make_key, sign_by_hand
from support.terminals import type_on_terminal
from support.tools import needs_tool

Capsys = pytest.CaptureFixture[str]
SIDECAR = f"{PROJECT}_{DAY}.manifest"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package in it, which is where the commands are run."""
    make_package(tmp_path / PROJECT, {f"log/{n}.log": bytes([n]) * 9000 for n in range(5)})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: Capsys, *arguments: str | Path) -> Ran:
    capsys.readouterr()
    code = main(["--jobs", "1", *map(str, arguments)])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def cut(capsys: Capsys, *options: str | Path) -> Ran:
    return run(capsys, "-n", DAY, PROJECT, "--output", "out", *options)


def fields(capsys: Capsys, *arguments: str | Path) -> Any:
    return json.loads(run(capsys, *arguments, "--json").out)


def standing(capsys: Capsys, *options: str | Path) -> str:
    return str(fields(capsys, "--check", "out", *options)["signatures"][0]["standing"])


def test_receiver_learns_who_signed_and_which_date_was_signed(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    before_ns = time.time_ns()
    ran = cut(capsys, "--sign", key.path)
    assert (ran.code, f"Signed: {SIDECAR}.sig" in ran.out) == (0, True)
    sidecar = open_sidecar(os.fsencode(home / "out" / SIDECAR))
    assert before_ns < sidecar.signed_ns < time.time_ns()
    signed_at, packaged_at = utc_time(sidecar.signed_ns), utc_time(OLD_NS + 10**15)
    shutil.rmtree(home / PROJECT)
    ran = run(capsys, "--check", "out", "--allowed-signers", signers, "--require-signature")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "All as delivered: 1 delivery, every byte of every tar read",
        f"{SIDECAR}: signed by {ALICE}, {key.fingerprint}; it says of itself: {DAY}, signed {signed_at}, "
        f"packaged {packaged_at}",
    ]
    assert fields(capsys, "--check", "out", "--allowed-signers", signers)["signatures"] == [
        {
            "path": SIDECAR,
            "standing": "known",
            "principal": ALICE,
            "key": key.fingerprint,
            "reason": "",
            "dated": DAY,
            "signed_at": signed_at,
            "packaged_at": packaged_at,
            "is_weak": False,
        }
    ]


def test_signed_sidecar_holds_sha256_of_its_tars_whatever_checksums_are_chosen(
    home: Path, capsys: Capsys, key: Key
) -> None:
    cut(capsys, "--sign", key.path, "--checksum", "none")
    assert (home / f"out/{SIDECAR}.sha256sum").exists()
    made = fields(capsys, "-n", DAY, PROJECT, "--output", "out", "--sign", key.path, "--checksum", "none")
    assert (made["is_signed"], [*made["chunks"][0]["checksums"]]) == (True, ["sha256"])


def test_sidecar_that_was_signed_by_hand_with_md5_alone_is_told_weak(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    cut(capsys)
    sign_by_hand(key, home / "out" / SIDECAR)
    found = fields(capsys, "--check", "out")["signatures"][0]
    assert (found["standing"], found["is_weak"]) == ("not-compared", True)
    assert "do not exclude a forgery" in run(capsys, "--check", "out").out
    known = ("--check", "out", "--allowed-signers", signers)
    assert [run(capsys, *known).code, run(capsys, *known, "--require-signature").code] == [0, 3]


def test_nobody_signed(home: Path, capsys: Capsys, signers: Path) -> None:
    cut(capsys)
    assert "signed" not in run(capsys, "--check", "out").out
    ran = run(capsys, "--check", "out", "--allowed-signers", signers)
    assert (ran.code, f"{SIDECAR}: not signed" in ran.out) == (0, True)
    ran = run(capsys, "--check", "out", "--allowed-signers", signers, "--require-signature")
    assert (ran.code, f"signature-missing {SIDECAR}" in ran.out) == (3, True)


def test_key_of_nobody_known_is_a_problem_where_a_signature_is_required(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    cut(capsys, "--sign", make_key(home / "other").path)
    ran = run(capsys, "--check", "out", "--allowed-signers", signers)
    assert (ran.code, "not a known signer: no known signer has this key" in ran.out) == (0, True)
    ran = run(capsys, "--check", "out", "--allowed-signers", signers, "--require-signature")
    assert (ran.code, f"signature-unknown {SIDECAR}" in ran.out) == (3, True)


def test_wrong_signature_is_always_a_problem(home: Path, capsys: Capsys, key: Key) -> None:
    cut(capsys, "--sign", key.path)
    other = make_package(home / "more" / PROJECT, {"log/a.log": b"a"})
    run(capsys, "-n", DAY, os.fsdecode(other.path), "--output", "forged", "--checksum", "md5,sha256")
    shutil.copy(home / f"out/{SIDECAR}.sig", home / "forged")
    ran = run(capsys, "--check", "forged")
    assert (ran.code, f"signature-wrong {SIDECAR}" in ran.out) == (3, True)
    assert "Do not trust" in ran.out
    assert "it says of itself" not in ran.out


def test_sidecar_that_is_exchanged_after_its_signature_was_checked_is_not_read(
    home: Path, capsys: Capsys, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(capsys, "--sign", key.path)
    exchange_what_was_checked(monkeypatch)
    assert "All as delivered" in run(capsys, "--check", "out", "--jobs", "2").out


@pytest.mark.parametrize("to", ["--output", "--to"])
def test_what_somebody_put_in_place_with_fitting_checksums_is_not_signed(
    home: Path, capsys: Capsys, key: Key, to: str
) -> None:
    genuine, forged = twins()
    make_package(home / "ours" / PROJECT, {"log/a.log": genuine})
    make_package(home / "theirs" / PROJECT, {"log/a.log": forged})
    place = "out" if to == "--output" else f"file://{home}/out"
    for whose, options in (("theirs", ("--checksum", "md5,sha256")), ("ours", ("--sign", key.path))):
        assert run(capsys, "-n", DAY, f"{whose}/{PROJECT}", to, place, *options).code == 0
    extract(home / "out", home / "unpacked")
    assert next((home / "unpacked").rglob("a.log")).read_bytes() == genuine


def test_chunks_that_are_signed_later_stay_where_they_are(home: Path, capsys: Capsys, key: Key) -> None:
    cut(capsys, "--checksum", "sha256")
    tar = home / f"out/{PROJECT}_{DAY}_001_of_001.tar"
    before = tar.stat()
    assert "1 of them finished earlier" in cut(capsys, "--sign", key.path, "--checksum", "sha256").out
    assert (tar.stat().st_ino, tar.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_required_signature_needs_known_signers(home: Path, capsys: Capsys) -> None:
    assert run(capsys, "--check", "out", "--require-signature").code == 2


@pytest.mark.parametrize("options", [("--sign", "key"), ("--allowed-signers", "signers", "--cluster", "tcp://x:1")])
def test_options_that_do_not_go_together_are_refused(
    home: Path, capsys: Capsys, signers: Path, options: tuple[str, ...]
) -> None:
    assert run(capsys, "--check", "out", *options).code == 2


def test_unusable_key_is_refused_before_anything_is_written(home: Path, capsys: Capsys) -> None:
    locked = make_key(home / "locked", "secret")
    ran = cut(capsys, "--sign", locked.path)
    assert (ran.code, "key-unusable" in ran.err, "ssh-add KEY" in ran.err) == (1, True, True)
    assert not (home / "out").exists()


def test_nothing_asks_for_a_passphrase_on_the_terminal(home: Path) -> None:
    locked = make_key(home / "locked", "secret")
    program = (sys.executable, "-m", "qa2pack.pack.tarsplit_command", "--jobs", "1", "--dry-run")
    # If it asks, it waits: it is ended then, and with the session everything on the terminal.
    session = (needs_tool("setsid"), "--ctty", "--wait", "timeout", "--foreground", "20")
    command = (*session, *program, "-n", DAY, PROJECT, "--sign", f"{locked.path}")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}", "COLUMNS": "200"}
    printed = type_on_terminal(command, "secret\n", environment, home)
    assert ("key-unusable" in printed, "nothing was written" in printed) == (True, False)


def test_signature_stays_when_the_delivery_is_cut_again_and_is_renewed_by_another_key(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    other = make_key(home / "other")
    cut(capsys, "--sign", other.path)
    assert standing(capsys, "--allowed-signers", signers) == "unknown"
    assert cut(capsys, "--checksum", "md5,sha256").code == 0
    assert standing(capsys, "--allowed-signers", signers) == "unknown"
    assert cut(capsys, "--sign", key.path).code == 0
    assert standing(capsys, "--allowed-signers", signers) == "known"


def test_signature_goes_with_the_delivery_that_is_replaced(home: Path, capsys: Capsys, key: Key) -> None:
    cut(capsys, "--sign", key.path)
    assert cut(capsys, "--replace").code == 0
    assert not (home / f"out/{SIDECAR}.sig").exists()
    assert standing(capsys) == "missing"


def test_key_that_is_gone_at_the_end_keeps_the_tars_for_the_next_run(
    home: Path, capsys: Capsys, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa2pack.pack.delivery.make.check_key", lambda _: None)
    away = home / "away"
    ran = cut(capsys, "--sign", away)
    assert (ran.code, "could not be signed" in ran.err, "Finished tars are kept" in ran.err) == (4, True, True)
    assert not (home / "out" / SIDECAR).exists()
    key.path.rename(away)
    assert "1 of them finished earlier" in cut(capsys, "--sign", away).out
    assert standing(capsys) == "not-compared"


def receive(capsys: Capsys, home: Path, *options: str | Path) -> Ran:
    """Receive the delivery elsewhere."""
    (home / "there").mkdir(exist_ok=True)
    return run_here(capsys, "receive", "out", home / "there" / PROJECT, "--jobs", "1", "--quiet", *options)


def test_receiver_of_a_package_learns_who_signed_the_delivery(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    cut(capsys, "--sign", key.path)
    ran = receive(capsys, home, "--allowed-signers", signers, "--require-signature")
    line = f"{SIDECAR}: signed by {ALICE}, {key.fingerprint}; it says of itself: {DAY}"
    assert (ran.code, line in ran.out) == (0, True)
    found = json.loads(receive(capsys, home, "--allowed-signers", signers, "--json").out)
    assert [each["standing"] for each in found["signatures"]] == ["known"]


@pytest.mark.parametrize(
    ("made_by", "code"),
    [
        ("nobody", "signature-missing"),
        ("other", "signature-unknown"),
        ("hand", "signature-weak"),
        ("git", "signature-wrong"),
    ],
)
def test_nothing_is_written_of_a_delivery_that_is_not_signed_as_it_is_required(
    home: Path, capsys: Capsys, key: Key, signers: Path, made_by: str, code: str
) -> None:
    cut(capsys, *(("--sign", make_key(home / "other").path) if made_by == "other" else ()))
    if made_by in ("hand", "git"):
        sign_by_hand(key, home / "out" / SIDECAR, "qa2pack" if made_by == "hand" else "git")
    ran = receive(capsys, home, "--allowed-signers", signers, "--require-signature")
    assert (ran.code, f"{code}: " in ran.err, list((home / "there").iterdir())) == (1, True, [])
    assert receive(capsys, home).code == (1 if made_by == "git" else 0)


def test_package_that_has_the_members_already_is_compared_with_what_was_signed(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    genuine, forged = twins()
    for whose, content, options in (("theirs", forged, ()), ("ours", genuine, ("--sign", key.path))):
        shutil.rmtree(home / "out", ignore_errors=True)
        make_package(home / whose / PROJECT, {"log/a.log": content, "log/b.log": bytes(3 << 20)})
        assert run(capsys, "-n", DAY, f"{whose}/{PROJECT}", "--output", "out", *options).code == 0
        assert receive(capsys, home).code == 0
    known = ("--allowed-signers", signers)
    ran = receive(capsys, home, *known)
    assert "Its files were not compared with what was signed" in ran.out
    ran = receive(capsys, home, *known, "--require-signature")
    (path,) = (home / "there").rglob("a.log")
    assert (ran.code, f"{path}: expected the file that was signed, found another" in ran.err) == (1, True)
    assert "b.log" not in ran.err
    command = f"{home}/out/{SIDECAR} {home}/there/{PROJECT} --replace --allowed-signers {signers} --require-signature"
    assert f"pack receive {command}\n" in ran.err
    assert run_here(capsys, "sign", home / "there" / PROJECT, "--key", key.path).code == 0
    ran = receive(capsys, home, *known, "--require-signature", "--replace", "--json")
    assert [each["member"] for each in json.loads(ran.out)["unsigned"]] == ["group_ouss_id/member_ouss_id"]
    assert path.read_bytes() == genuine
    ran = receive(capsys, home, *known, "--require-signature")
    assert (ran.code, "the package has all that is delivered, byte for byte as in 1 tar" in ran.out) == (0, True)
    assert json.loads(receive(capsys, home, *known, "--require-signature", "--json").out)["is_compared"]


def test_package_is_not_compared_with_a_tar_that_is_not_the_signed_one(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    cut(capsys, "--sign", key.path)
    words = ("--allowed-signers", signers, "--require-signature")
    assert receive(capsys, home, *words).code == 0
    tar = home / f"out/{PROJECT}_{DAY}_001_of_001.tar"
    spoil(tar)
    ran = receive(capsys, home, *words)
    assert (ran.code, "changed: " in ran.err, "delivered again" in ran.err) == (1, True, True)
    tar.unlink()
    assert "missing: " in receive(capsys, home, *words).err


def test_sidecar_that_is_exchanged_after_its_signature_was_checked_is_not_received(
    home: Path, capsys: Capsys, key: Key, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(capsys, "--sign", key.path)
    exchange_what_was_checked(monkeypatch)
    assert receive(capsys, home, "--allowed-signers", signers).code == 0


def test_unpacked_tree_is_told_with_the_signature_of_its_sidecar(
    home: Path, capsys: Capsys, key: Key, signers: Path
) -> None:
    cut(capsys, "--sign", key.path)
    extract(home / "out", home / "unpacked")
    words = ("verify", "--manifest", home / "out" / SIDECAR, home / "unpacked" / PROJECT, "--jobs", "1")
    known = ("--allowed-signers", signers, "--require-signature")
    ran = run_here(capsys, *words, *known)
    assert (ran.code, f"signed by {ALICE}" in ran.out) == (0, True)
    (home / f"out/{SIDECAR}.sig").unlink()
    ran = run_here(capsys, *words, *known)
    assert (ran.code, "signature-missing" in ran.out) == (3, True)
