"""Uploads that go on with what is there, how much of one is under way, and addresses that no store can have."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import known_implementations

from qa2pack.manifest.problem import Refused
from qa2pack.tarsplit.place import s3_upload
from qa2pack.tarsplit.place.address import check_address
from qa2pack.tarsplit.place.place import Seen, StoreError
from qa2pack.tarsplit.place.plain_upload import PlainUpload
from qa2pack.tarsplit.place.s3_upload import S3Upload
from qa2pack.tarsplit.place.store import Store
from support.web_server import web_server

WHOLE = bytes(range(256)) * 40
THERE = [b"", WHOLE[:1000], WHOLE[:1024], WHOLE[:1000] + b"xx", b"zz" + WHOLE[2:], WHOLE, WHOLE + b"1"]


@pytest.mark.parametrize("there", THERE)
def test_unfinished_file_is_kept_as_far_as_it_is_right(tmp_path: Path, there: bytes) -> None:
    part = tmp_path / "a.tar.part"
    part.write_bytes(there)
    upload = PlainUpload(LocalFileSystem(), f"{tmp_path}/a.tar", len(WHOLE))
    assert part.stat().st_size == (len(there) if len(there) <= len(WHOLE) else 0), "what is there is not thrown away"
    for start in range(0, len(WHOLE), 512):
        upload.write(memoryview(WHOLE)[start : start + 512])
    upload.finish()
    assert (tmp_path / "a.tar").read_bytes() == WHOLE
    assert not part.exists()


def test_rest_of_a_larger_file_is_cut_off(tmp_path: Path) -> None:
    """Of what is compressed, only the most that it may take is known before."""
    (tmp_path / "a.tgz.part").write_bytes(WHOLE)
    upload = PlainUpload(LocalFileSystem(), f"{tmp_path}/a.tgz", len(WHOLE))
    upload.write(memoryview(WHOLE)[:600])
    upload.finish()
    assert (tmp_path / "a.tgz").read_bytes() == WHOLE[:600]


MIB = 1 << 20


class BusyStore:
    """A store that answers to no part until it is let; each part is a MiB of zeros."""

    def __init__(self, part_count: int) -> None:
        self.under_way: list[int] = []
        self.answers = threading.Event()
        sums = hashlib.md5(hashlib.md5(bytes(MIB)).digest() * part_count).hexdigest()
        self._whole = {"UploadId": "1", "ETag": f"{sums}-{part_count}", "ContentLength": part_count * MIB}

    def split_path(self, path: str) -> tuple[str, str, None]:
        """Return bucket and key."""
        return "bucket", path, None

    def call_s3(self, call: str, **words: Any) -> dict[str, Any]:
        """Answer a call."""
        if call == "upload_part":
            self.under_way.append(words["PartNumber"])
            assert self.answers.wait(60)
        return self._whole


def test_some_parts_are_sent_at_once_and_of_no_more_is_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "_PART_BYTES", MIB)
    store, at_once, written = BusyStore(12), s3_upload._AT_ONCE, list[int]()
    upload = S3Upload.begin(store, "a.tar", 12 * MIB)

    def write() -> None:
        for number in range(12):
            upload.write(bytes(MIB))
            written.append(number)

    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(write)
        end = time.monotonic() + 60
        while len(store.under_way) < at_once and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)  # in which more would be sent, or taken into memory
        found = sorted(store.under_way), len(written)
        store.answers.set()
        writing.result()
    assert found == ([1, 2, 3, 4], at_once)
    assert upload.finish().endswith("-12")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("memory://a/b", "gone when the command ends"),
        ("file://", "no slash"),
        ("file://a/b", "no slash"),
        ("s3://", "no bucket"),
        ("sftp:///", "no host"),
        ("s3:///folder", "no bucket"),
        ("sftp:///folder", "no host"),
        ("sftp://host/a#b", "# or ?"),
        ("ftp://host/a?b", "# or ?"),
        ("s3://bucket/a?versionId=3", "a version"),
        ("simplecache::s3://bucket/a", "::"),
        ("s3://bucket/a::b", "::"),
    ],
)
def test_address_that_no_store_can_have_is_refused_before_it_is_opened(address: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        Store(address).check()
    assert reason in str(refused.value.problems[0].found)
    assert "Correct the address" in refused.value.remedies[0].text


@pytest.mark.parametrize(
    "address",
    ["s3://bucket", "s3://bucket/a#b?c", "file:///a#b", "sftp://me@host", "https://host/a", "hdfs:///a"],
)
def test_other_address_is_left_to_its_library(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("end", ["", "/", "/a:b@c"])
def test_password_is_refused_and_not_repeated(end: str) -> None:
    check_address("ftp://me@host/a:b@c")
    with pytest.raises(Refused) as refused:
        check_address(f"ftp://me:secret@word@host{end}")
    (problem,) = refused.value.problems
    assert problem.path == f"ftp://me@host{end}".encode()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("file:///out/box/", b"/out/box"),
        ("local:///out#box", b"/out#box"),
        ("file:///", b"/"),
        ("s3://bucket/folder", b""),
        ("nothing://x/y", b""),
        ("gs://bucket", b""),
    ],
)
def test_folder_of_this_machine_is_known_by_the_address_alone(address: str, folder: bytes) -> None:
    assert Store(address).folder == folder


def test_file_of_which_a_web_server_tells_no_size_is_read_as_far_as_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WHOLE)
    with web_server(tmp_path, is_in_chunks=True) as server:
        store = Store(server)
        assert store.seen(b"file") == Seen(None)
        assert (store.small(b"file", 1 << 20), store.small(b"file", 9999)) == (WHOLE, WHOLE[:9999])
        with store.opened(b"file") as file:
            assert file.byte_count is None


def test_file_that_ends_before_the_size_that_a_web_server_told_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(WHOLE)
    with web_server(tmp_path) as server, Store(server).opened(b"file") as file:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StoreError, match="ended after 0 of 10,240 bytes"):
            file.read(100)


def test_nothing_is_sent_to_what_is_only_read() -> None:
    with pytest.raises(Refused, match="store-unusable"):
        check_address("https://host/a", is_sent_to=True)


@pytest.mark.parametrize("address", ["sftp://host", "sftp://me@host:22/", "ssh://host//"])
def test_nothing_is_sent_by_sftp_without_a_folder(address: str) -> None:
    check_address(address)
    check_address("sftp://me@host:22/folder", is_sent_to=True)
    with pytest.raises(Refused) as refused:
        check_address(address, is_sent_to=True)
    assert "no folder" in str(refused.value.problems[0].found)


@pytest.mark.parametrize("below", ["", "/delivery"])
def test_file_in_place_of_a_folder_is_refused(tmp_path: Path, below: str) -> None:
    Store(f"file://{tmp_path}/not/there/yet").check()
    (tmp_path / "file").write_bytes(b"1")
    with pytest.raises(Refused) as refused:
        Store(f"file://{tmp_path}/file{below}").check()
    assert refused.value.problems[0].found == f"a file in place of the folder {tmp_path}/file"


@pytest.mark.parametrize(
    ("where", "command"),
    [("no_such_module.FileSystem", ("pip install no_such_module",)), ("fsspec.implementations.no_such.X", ())],
)
def test_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, where: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setitem(known_implementations, "nowhere", {"class": where, "err": "Install what is not there"})
    with pytest.raises(Refused) as refused:
        Store("nowhere://a/b").check()
    assert refused.value.problems[0].found == "Install what is not there"
    assert refused.value.remedies[0].commands == command
