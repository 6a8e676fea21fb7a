"""Deliveries that are sent to a store while they are made: S3 and SFTP servers, stops, and servers that fail."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qa2pack.tarsplit.place.plain_upload import PlainUpload
from qa2pack.tarsplit.place.s3_upload import part_bytes
from qa2pack.tarsplit.place.sender import Sender
from qa2pack.tarsplit.place.store import SSH_OPTIONS, Store
from support.commands import run_here
from support.deliveries import DAY, MEMBER, PROJECT, make_package
from support.file_systems import read_only, small_disk
from support.receiver import files_of
from support.s3_servers import BREAK, BUCKET, PASS, Proxy, forget_connections, s3_server
from support.sftp_server import sftp_server
from support.tools import needs_tool
from support.web_server import web_server

Capsys = pytest.CaptureFixture[str]
MIB = 1 << 20
TO = f"s3://{BUCKET}/out"
STEM = f"{PROJECT}_{DAY}"
SENDER = f"{STEM}.sender"
WORDS = ("-n", DAY, "--to", TO, "--jobs", "1")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with s3_server(monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a file of three parts, and small ones."""
    big = b"".join(bytes([number]) * MIB for number in range(36))
    make_package(tmp_path / PROJECT, {"calibrated/big": big, "qa/a.png": b"a" * 5000, "script/b.py": b"b" * 100})
    return tmp_path / PROJECT


def small_package(folder: Path) -> Path:
    make_package(folder / PROJECT, {"qa/a.png": b"a" * 50_000, "script/b.py": b"b" * 60_000})
    return folder / PROJECT


def sftp_package(folder: Path) -> Path:
    """Make a package with a file that is larger than a packet may be."""
    make_package(folder / PROJECT, {"qa/a.png": bytes(range(251)) * 4000, "script/b.py": b"b" * 60_000})
    return folder / PROJECT


def names() -> set[str]:
    return {os.fsdecode(name) for name in Store(TO).names()}


def test_sent_as_it_would_be_written(proxy: Proxy, package: Path, tmp_path: Path, capsys: Capsys) -> None:
    sent = run_here(capsys, "tarsplit", package, *WORDS, "--size", "50MB", "--json")
    assert sent.code == 0, sent.err
    local = run_here(capsys, "tarsplit", package, "-n", DAY, "--size", "50MB", "--output", tmp_path / "out", "--json")
    assert json.loads(sent.out)["chunks"] == json.loads(local.out)["chunks"]
    assert names() == set(os.listdir(tmp_path / "out"))
    for name in names():
        with Store(TO).opened(name.encode()) as file:
            assert b"".join(iter(lambda: file.read(MIB), b"")) == (tmp_path / "out" / name).read_bytes()
    assert len(proxy.parts_sent()) == 3
    assert not list(tmp_path.glob("**/*.part"))


def test_read_back_from_the_store(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    assert run_here(capsys, "tarsplit", package, *WORDS, "--size", "70000").code == 0
    checked = run_here(capsys, "tarsplit", "--check", TO, package)
    assert (checked.code, "every byte of every tar read" in checked.out) == (0, True)
    Store(TO).write(f"{STEM}_001_of_002.tar".encode(), b"other")
    Store(TO).write(f"{STEM}_003_of_003.tar".encode(), b"of another delivery")
    Store(TO).remove([f"{STEM}_002_of_002.tar".encode()])
    Store(TO).write(f"{STEM}_002_of_002.tar.md5sum".encode(), b"other")
    found = json.loads(run_here(capsys, "tarsplit", "--check", TO, "--json").out)["problems"]
    codes = {(each["code"], each["path"].partition("/")[0].removeprefix(STEM)) for each in found}
    assert {
        ("truncated", "_001_of_002.tar"),
        ("extra", "_003_of_003.tar"),
        ("missing", "_002_of_002.tar"),
        ("changed", "_002_of_002.tar.md5sum"),
    } <= codes


def test_same_command_sends_nothing_again(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    words = (*WORDS, "--size", "70000", "--json")
    assert json.loads(run_here(capsys, "tarsplit", package, *words).out)["kept_count"] == 0
    proxy.requests.clear()
    assert json.loads(run_here(capsys, "tarsplit", package, *words).out)["kept_count"] == 2
    assert not [path for method, path in proxy.requests if method == "PUT" and path.endswith(".tar")]
    seen = Store(TO).seen(f"{STEM}_001_of_002.tar".encode())
    assert seen and seen.byte_count
    Store(TO).write(f"{STEM}_001_of_002.tar".encode(), bytes(seen.byte_count))
    assert json.loads(run_here(capsys, "tarsplit", package, *words).out)["kept_count"] == 1, "its checksum is another"
    assert run_here(capsys, "tarsplit", "--check", TO).code == 0


def test_kill_in_a_tar_and_the_same_command_goes_on_with_its_parts(
    proxy: Proxy, package: Path, capsys: Capsys, tmp_path: Path
) -> None:
    held = []

    def hold_third(method: str, path: str) -> int:
        if method == "PUT" and "partNumber=3" in path:
            while sum("partNumber=" in path for _, path in proxy.answered) < 2:
                time.sleep(0.01)
            held.append(path)
            return BREAK
        return PASS

    proxy.decide = hold_third
    command = [sys.executable, "-m", "qa2pack.pack.cli", "tarsplit", str(package), *WORDS, "--quiet"]
    temporary = {**os.environ, "TMPDIR": str(tmp_path)}  # what a kill leaves is removed with it
    with subprocess.Popen(command, start_new_session=True, env=temporary) as process:
        while not held:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert names() == {f"{STEM}.state", SENDER}, "who was killed, is known"
    proxy.decide = lambda method, path: PASS
    proxy.requests.clear()
    assert run_here(capsys, "tarsplit", package, *WORDS).code == 0
    assert ["partNumber=3" in path for path in proxy.parts_sent()] == [True]
    assert run_here(capsys, "tarsplit", "--check", TO, package).code == 0
    assert not {f"{STEM}.state", SENDER} & names()


@pytest.mark.parametrize("failure", [503, BREAK])
def test_failures_that_pass_are_bridged(proxy: Proxy, package: Path, capsys: Capsys, failure: int) -> None:
    failed: set[str] = set()

    def first_time(method: str, path: str) -> int:
        if method == "PUT" and path not in failed:
            failed.add(path)
            return failure
        return PASS

    proxy.decide = first_time
    assert run_here(capsys, "tarsplit", package, *WORDS).code == 0
    assert failed
    proxy.decide = lambda method, path: PASS
    assert run_here(capsys, "tarsplit", "--check", TO, package).code == 0


def test_store_that_takes_no_more_ends_the_run_and_can_be_gone_on_with(
    proxy: Proxy, tmp_path: Path, capsys: Capsys
) -> None:
    package = small_package(tmp_path)
    proxy.decide = lambda method, path: 507 if method == "PUT" and "_001_of_002.tar" in path else PASS
    ran = run_here(capsys, "tarsplit", package, *WORDS, "--size", "70000")
    assert ran.code == 4
    assert f"{STEM}.manifest" not in names()
    proxy.decide = lambda method, path: PASS
    assert (
        json.loads(run_here(capsys, "tarsplit", package, *WORDS, "--size", "70000", "--json").out)["kept_count"] == 1
    )
    assert run_here(capsys, "tarsplit", "--check", TO, package).code == 0


@pytest.mark.parametrize("is_as_long", [False, True])
def test_store_that_keeps_other_bytes_is_told(proxy: Proxy, tmp_path: Path, capsys: Capsys, is_as_long: bool) -> None:
    """The size or checksum that the store tells at the end is not that of what was sent."""
    package = small_package(tmp_path)
    tar = f"{STEM}_001_of_001.tar".encode()
    kept = []

    def other_bytes(method: str, path: str) -> int:
        if method == "HEAD" and path.endswith(tar.decode()):
            proxy.decide = lambda method, path: PASS
            sent = Store(TO).seen(tar)
            kept.append(bytes(sent.byte_count or 0) if is_as_long and sent else b"other bytes")
            Store(TO).write(tar, *kept)
        return PASS

    proxy.decide = other_bytes
    ran = run_here(capsys, "tarsplit", package, *WORDS)
    assert ran.code == 4
    assert f"the store has {len(kept[0])} bytes" in ran.err, ran.err


def test_other_delivery_in_the_store_is_in_the_way(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    assert run_here(capsys, "tarsplit", package, *WORDS).code == 0
    ran = run_here(capsys, "tarsplit", package, *WORDS, "--size", "70000")
    assert (ran.code, "delivery-in-the-way" in ran.err) == (1, True)
    assert "choose another folder with --output or --to" in " ".join(ran.err.split())
    assert run_here(capsys, "tarsplit", package, *WORDS, "--size", "70000", "--replace").code == 0
    assert f"{STEM}_001_of_001.tar" not in names()
    assert run_here(capsys, "tarsplit", "--check", TO, package).code == 0


def test_changed_file_stops_its_tar_and_leaves_no_parts(proxy: Proxy, package: Path, capsys: Capsys) -> None:
    (package / "sg_ouss_id/group_ouss_id/member_ouss_id/script/b.py").write_bytes(b"c" * 100)
    assert run_here(capsys, "tarsplit", package, *WORDS).code == 4
    assert names() == {f"{STEM}.state"}
    assert any(method == "DELETE" and "uploadId" in path for method, path in proxy.requests)


@pytest.mark.parametrize("address", ["s3://no-such-bucket/x", "nothing://x/y", "memory://x", "sftp://127.0.0.1:1/x"])
def test_store_that_cannot_be_used_is_told_before_anything_is_read(
    proxy: Proxy, tmp_path: Path, capsys: Capsys, address: str
) -> None:
    package = small_package(tmp_path)
    ran = run_here(capsys, "tarsplit", package, "-n", DAY, "--to", address)
    assert (ran.code, "store-unusable" in ran.err) == (1, True)
    checked = run_here(capsys, "tarsplit", "--check", address)
    assert (checked.code, "store-unusable" in checked.err) == (1, True)
    is_bucket = address.startswith("s3")
    assert ("there is no bucket no-such-bucket" in ran.err, "aws s3 mb s3://no-such-bucket" in ran.err) == (
        is_bucket,
        is_bucket,
    )


def elsewhere() -> bytes:
    """Return what a run on another machine writes of itself."""
    return json.dumps(asdict(replace(Sender.this(), host="there", machine="another", user="alice"))).encode()


def test_second_sender_is_told_who_sends_and_can_take_over(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    Store(TO).write(SENDER.encode(), elsewhere())
    ran = run_here(capsys, "tarsplit", package, *WORDS)
    assert (ran.code, "of alice on there, since 20" in ran.err, names()) == (6, True, {SENDER}), ran.err
    assert run_here(capsys, "tarsplit", package, *WORDS, "--take-over").code == 0
    assert SENDER not in names()


@pytest.mark.parametrize("content", ["of a run that has ended", "cut off"])
def test_run_that_has_ended_does_not_keep_the_next_one_out(
    proxy: Proxy, tmp_path: Path, capsys: Capsys, content: str
) -> None:
    ended = asdict(replace(Sender.this(), process=0))  # no process has that number
    data = json.dumps(ended).encode()
    Store(TO).write(SENDER.encode(), data if content != "cut off" else data[:50])
    assert run_here(capsys, "tarsplit", small_package(tmp_path), *WORDS).code == 0
    assert SENDER not in names()


def test_of_two_that_begin_at_once_a_store_lets_one_begin(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    def other_was_first(method: str, path: str) -> int:
        if method == "PUT" and path.endswith(SENDER):
            proxy.decide = lambda method, path: PASS
            Store(TO).write(SENDER.encode(), elsewhere())
        return PASS

    proxy.decide = other_was_first
    ran = run_here(capsys, "tarsplit", small_package(tmp_path), *WORDS)
    assert (ran.code, "on there" in ran.err, names()) == (6, True, {SENDER}), ran.err


def test_run_whose_place_another_took_ends_before_its_sidecar(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    def other_takes_over(method: str, path: str) -> int:
        if method == "PUT" and path.endswith(".tar"):
            proxy.decide = lambda method, path: PASS
            Store(TO).write(SENDER.encode(), elsewhere())
        return PASS

    proxy.decide = other_takes_over
    ran = run_here(capsys, "tarsplit", small_package(tmp_path), *WORDS)
    assert (ran.code, f"{STEM}.manifest" in names(), SENDER in names()) == (6, False, True), ran.err


def test_store_that_does_not_know_how_to_make_only_what_is_new(proxy: Proxy, tmp_path: Path, capsys: Capsys) -> None:
    refused: list[str] = []

    def without_conditions(method: str, path: str) -> int:
        if method == "PUT" and path.endswith(SENDER) and not refused:
            refused.append(path)
            return 501
        return PASS

    proxy.decide = without_conditions
    assert run_here(capsys, "tarsplit", small_package(tmp_path), *WORDS).code == 0
    assert refused
    assert SENDER not in names()


@pytest.mark.parametrize("kind", ["sftp", "file"])
def test_second_sender_is_told_where_there_are_folders(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    package = small_package(tmp_path)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        to = address if kind == "sftp" else f"file://{tmp_path}/server/sent"
        with Store(to).alone(SENDER.encode(), is_taking_over=False):
            ran = run_here(capsys, "tarsplit", package, "-n", DAY, "--to", to)
            assert (ran.code, f"process {os.getpid()} " in ran.err) == (6, True), ran.err
        assert run_here(capsys, "tarsplit", package, "-n", DAY, "--to", to).code == 0
    assert not (tmp_path / "server/sent" / SENDER).exists()


def test_dry_run_asks_no_store(tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    assert run_here(capsys, "tarsplit", package, "-n", DAY, "--to", "s3://b/x", "--dry-run").code == 0


def test_sftp_server_has_what_a_folder_would_have(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = sftp_package(tmp_path)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        words = ("tarsplit", package, "-n", DAY, "--to", address, "--size", "1030000", "--jobs", "1")
        ran = run_here(capsys, *words)
        assert ran.code == 0, ran.err
        assert run_here(capsys, "tarsplit", "--check", address, package).code == 0
        sent = tmp_path / "server/sent"
        assert run_here(capsys, "tarsplit", "--check", sent, package).code == 0
        (sent / f"{STEM}.manifest").unlink()
        assert json.loads(run_here(capsys, *words, "--json", "--replace").out)["kept_count"] == 0
        assert json.loads(run_here(capsys, *words, "--json").out)["kept_count"] == 2
    assert not list(sent.glob("*.part"))


def test_delivery_by_sftp_is_received_and_mends_what_was_received(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, there = sftp_package(tmp_path), tmp_path / "there" / PROJECT
    there.parent.mkdir()
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        words = ("tarsplit", package, "-n", DAY, "--to", address, "--size", "1030000", "--jobs", "1")
        assert run_here(capsys, *words).code == 0
        received = run_here(capsys, "receive", address, there, "--jobs", "1")
        assert (received.code, files_of(there) == files_of(package)) == (0, True), received.err
        image = there / MEMBER / "qa/a.png"
        image.write_bytes(bytes(image.stat().st_size))
        (there / MEMBER / "script/b.py").unlink()
        mended = run_here(capsys, "repair", there, "--from", address, "--jobs", "1")
        assert (mended.code, files_of(there) == files_of(package)) == (0, True), mended.err + mended.out
    assert run_here(capsys, "verify", there).code == 0


@pytest.mark.parametrize(("end", "is_in_chunks"), [("", False), ("/", False), ("", True)])
def test_delivery_of_a_web_server_that_gives_no_parts_of_files_is_checked_received_and_mends(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, end: str, is_in_chunks: bool
) -> None:
    """The tar is larger than what is read at once, and the folder is known only with a slash at its end."""
    monkeypatch.setattr("qa2pack.tarsplit.place.store.READ_BYTES", 1 << 16)
    package, there = sftp_package(tmp_path), tmp_path / "there" / PROJECT
    there.parent.mkdir()
    assert run_here(capsys, "tarsplit", package, "-n", DAY, "--output", tmp_path / "served/delivery").code == 0
    with web_server(tmp_path / "served", is_in_chunks=is_in_chunks) as server:
        address = f"{server}/delivery{end}"
        assert run_here(capsys, "tarsplit", "--check", address, "--jobs", "1").code == 0
        received = run_here(capsys, "receive", address, there, "--jobs", "1")
        assert (received.code, files_of(there) == files_of(package)) == (0, True), received.err
        image = there / MEMBER / "qa/a.png"
        image.write_bytes(bytes(image.stat().st_size))
        (there / MEMBER / "script/b.py").unlink()
        mended = run_here(capsys, "repair", there, "--from", address, "--jobs", "1")
        assert (mended.code, files_of(there) == files_of(package)) == (0, True), mended.err + mended.out


def test_part_of_a_file_is_read_from_a_web_server_that_would_compress_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa2pack.tarsplit.place.store.READ_BYTES", 1 << 16)
    (tmp_path / "file").write_bytes(bytes(1 << 20) + b"1" * (1 << 20))
    with web_server(tmp_path) as server, Store(server).opened(b"file") as file:
        file.seek((1 << 20) + 5)
        assert file.read(100) == b"1" * 100


@pytest.mark.parametrize("failing", [".manifest", ".tar"])
def test_file_that_a_web_server_does_not_give_just_then_is_not_called_missing(
    tmp_path: Path, capsys: Capsys, failing: str
) -> None:
    package = small_package(tmp_path)
    assert run_here(capsys, "tarsplit", package, "-n", DAY, "--output", tmp_path / "served/delivery").code == 0
    with web_server(tmp_path / "served", failing=failing) as server:
        ran = run_here(capsys, "tarsplit", "--check", f"{server}/delivery", "--jobs", "1")
    said = ran.out + ran.err
    assert ("store-failed" in said, "missing" in said, "503" in said) == (True, False, True), ran
    assert ran.code != 0


@pytest.mark.parametrize("is_in_chunks", [False, True])
@pytest.mark.parametrize("ending", [".manifest", ".tar", ".md5sum"])
def test_half_of_a_file_of_a_web_server_is_not_taken_for_the_file(
    tmp_path: Path, capsys: Capsys, ending: str, is_in_chunks: bool
) -> None:
    package, there = small_package(tmp_path), tmp_path / "there" / PROJECT
    there.parent.mkdir()
    words = ("--checksum", "md5", "--output", tmp_path / "served/delivery")
    assert run_here(capsys, "tarsplit", package, "-n", DAY, *words).code == 0
    with web_server(tmp_path / "served", ending=ending, is_in_chunks=is_in_chunks) as server:
        checked = run_here(capsys, "tarsplit", "--check", f"{server}/delivery", "--jobs", "1")
        received = run_here(capsys, "receive", f"{server}/delivery", there, "--jobs", "1")
    for ran in (checked, received):
        assert ran.code != 0
        assert ("store-failed" in ran.out + ran.err, "not completed" in ran.out + ran.err) == (True, True), ran
    assert not there.exists()


@pytest.mark.parametrize("is_in_chunks", [False, True])
def test_file_that_has_another_path_in_a_plain_copy_on_the_web_is_found(
    tmp_path: Path, capsys: Capsys, is_in_chunks: bool
) -> None:
    package = small_package(tmp_path)
    (tmp_path / "served").mkdir()
    shutil.copytree(package, tmp_path / "served/copy")
    (tmp_path / "served/copy" / MEMBER / "script/b.py").rename(tmp_path / "served/copy/moved.py")
    lost = package / MEMBER / "script/b.py"
    content = lost.read_bytes()
    lost.unlink()
    with web_server(tmp_path / "served", is_in_chunks=is_in_chunks) as server:
        mended = run_here(capsys, "repair", package, "--from", f"{server}/copy", "--jobs", "1")
    assert (mended.code, lost.read_bytes()) == (0, content), mended.err + mended.out


@pytest.mark.parametrize("damage", [b"", b"other bytes"])
def test_tar_by_sftp_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    package = sftp_package(tmp_path)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        words = ("tarsplit", package, "-n", DAY, "--to", address, "--jobs", "1", "--json")
        assert run_here(capsys, *words).code == 0
        sent = tmp_path / "server/sent"
        tar, part = sent / f"{STEM}_001_of_001.tar", sent / f"{STEM}_001_of_001.tar.part"
        whole = tar.read_bytes()
        tar.rename(part)  # as if it had been stopped before its end
        part.write_bytes(whole[:700_000] + damage)
        inode = part.stat().st_ino
        ran = run_here(capsys, *words)
        assert (ran.code, tar.read_bytes() == whole, tar.stat().st_ino) == (0, True, inode), ran.err
        assert not part.exists()


def test_full_disk_of_a_server_ends_the_run_and_with_room_the_same_command_goes_on(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = small_package(tmp_path)
    with (
        sftp_server(tmp_path / "server", monkeypatch) as address,
        small_disk(tmp_path / "server/sent", size=80 << 10) as disk,
    ):
        words = ("tarsplit", package, "-n", DAY, "--to", address, "--jobs", "1")
        ran = run_here(capsys, *words)
        assert (ran.code, "store-failed" in ran.err, f"{STEM}.manifest" in os.listdir(disk)) == (4, True, False)
        assert ("a disk that is full" in " ".join(ran.err.split()), f"Address: {address}" in ran.err) == (True, True)
        subprocess.run([needs_tool("mount"), "-o", "remount,size=1m", disk], check=True)
        assert run_here(capsys, *words).code == 0
        assert run_here(capsys, "tarsplit", "--check", disk, package).code == 0


def test_read_only_disk_of_a_server_is_told(tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    package = small_package(tmp_path)
    with (
        sftp_server(tmp_path / "server", monkeypatch) as address,
        read_only(tmp_path / "server/sent", tmp_path / "server/sent"),
    ):
        ran = run_here(capsys, "tarsplit", package, "-n", DAY, "--to", address, "--jobs", "1")
        assert (ran.code, "read-only" in ran.err, f"Address: {address}" in ran.err) == (4, True, True), ran.err


def test_address_by_sftp_without_a_folder_is_of_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is opened is looked for there, too; the home folder is another one."""
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        host = address.removesuffix(str(tmp_path / "server/sent"))
        assert {*map(os.fsdecode, Store(host).names())} == {*os.listdir("/")}


@pytest.mark.parametrize("below", ["", "/delivery"])
def test_file_of_a_server_in_place_of_the_folder_is_refused(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    package = small_package(tmp_path)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        (tmp_path / "server/sent/file").write_bytes(b"1")
        ran = run_here(capsys, "tarsplit", package, "-n", DAY, "--to", f"{address}/file{below}")
        assert (ran.code, "a file in place of the folder" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize("known", ["", "another"])
def test_server_by_sftp_whose_key_is_not_known_gets_nothing(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    package = small_package(tmp_path)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        hosts = tmp_path / "server/home/.ssh/known_hosts"
        own = (tmp_path / "server/home/.ssh/id_ed25519.pub").read_text().split(" ")
        hosts.write_text(f"{hosts.read_text().split(' ')[0]} {own[0]} {own[1]}\n" if known else "")
        ran = run_here(capsys, "tarsplit", package, "-n", DAY, "--to", address)
        assert (ran.code, "Host key is not trusted" in ran.err) == (1, True)
        assert os.listdir(tmp_path / "server/sent") == []


def test_server_by_sftp_that_falls_silent_is_given_up(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = small_package(tmp_path)
    monkeypatch.setitem(SSH_OPTIONS, "keepalive_interval", 0.2)
    stopped: list[int] = []
    write = PlainUpload.write

    def into_silence(upload: PlainUpload, data: bytes) -> None:
        if not stopped and len(data) > 10_000:
            stopped.extend(sessions_of(tmp_path / "server/config"))
            for each in stopped:
                os.kill(each, signal.SIGSTOP)
        write(upload, data)

    monkeypatch.setattr(PlainUpload, "write", into_silence)
    with sftp_server(tmp_path / "server", monkeypatch) as address:
        words = ("tarsplit", package, "-n", DAY, "--to", address, "--jobs", "1")
        try:
            ran = run_here(capsys, *words)
        finally:
            for each in stopped:
                os.kill(each, signal.SIGKILL)
        assert (ran.code, "store-failed" in ran.err, bool(stopped)) == (4, True, True)
        forget_connections()
        assert run_here(capsys, *words).code == 0


def sessions_of(config: Path) -> list[int]:
    """Return the processes that serve the connections of an sshd."""
    parents, servers = {}, set()
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parents[int(each.name)] = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if os.fsencode(config) in (each / "cmdline").read_bytes():
                servers.add(int(each.name))
    found = {pid for pid, parent in parents.items() if parent in servers}
    return sorted(found | {pid for pid, parent in parents.items() if parent in found})


def test_any_file_system_of_fsspec(tmp_path: Path, capsys: Capsys) -> None:
    package = small_package(tmp_path)
    address = f"file://{tmp_path}/sent"
    assert run_here(capsys, "tarsplit", package, "-n", DAY, "--to", address).code == 0
    assert run_here(capsys, "tarsplit", "--check", address, package).code == 0
    assert run_here(capsys, "tarsplit", "--check", tmp_path / "sent", package).code == 0, "and as a folder"


def test_tar_that_was_damaged_in_a_store_that_tells_no_checksums_is_sent_again(
    tmp_path: Path, capsys: Capsys
) -> None:
    words = ("tarsplit", small_package(tmp_path), "-n", DAY, "--to", f"file://{tmp_path}/sent")
    assert run_here(capsys, *words).code == 0
    tar = tmp_path / f"sent/{STEM}_001_of_001.tar"
    data = tar.read_bytes()
    tar.write_bytes(bytes(len(data)))
    assert run_here(capsys, *words).code == 0
    assert tar.read_bytes() == data


@pytest.mark.parametrize("size", [0, 1, 16 * MIB, 200_000 * MIB, 5_000_000 * MIB])
def test_parts_are_as_few_as_a_store_allows(size: int) -> None:
    assert part_bytes(size) >= 5 * MIB
    assert -(-size // part_bytes(size)) <= 10_000
