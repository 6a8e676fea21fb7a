"""Uploads that go on with what is there of them."""

from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from qa2pack.tarsplit.place.plain_upload import PlainUpload

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
