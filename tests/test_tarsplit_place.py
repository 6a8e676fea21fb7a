"""Uploads that go on with what is there of them, and how much of one is under way."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from qa2pack.tarsplit.place import s3_upload
from qa2pack.tarsplit.place.plain_upload import PlainUpload
from qa2pack.tarsplit.place.s3_upload import S3Upload

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
