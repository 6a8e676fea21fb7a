"""Names of the files of a delivery, and the dates and sizes that people type."""

import subprocess
from pathlib import Path

import pytest

from qa2pack.manifest.format.delivery_row import CHECKSUMS, is_of_delivery
from qa2pack.manifest.path import UnsafePathError
from qa2pack.tarsplit.naming import (
    PART,
    DeliveryName,
    checksum_line,
    checksum_name,
    chunk_name,
    in_tar,
    parse_checksums,
    parse_day,
)

NAME = DeliveryName(b"2011.01234.S", "2012-06-20")


def test_chunks_are_named_with_three_digits_both() -> None:
    assert chunk_name(NAME.of_sets[0], 1, 3) == b"2011.01234.S_2012-06-20_001_of_003.tar"
    assert chunk_name(NAME.of_sets[0], 1, 1) == b"2011.01234.S_2012-06-20_001_of_001.tar"


@pytest.mark.parametrize(
    "name",
    [
        b"2011.01234.S_2012-06-20_001_of_003.tar",
        b"2011.01234.S_2012-06-20_001_of_003.tar.part",
        b"2011.01234.S_2012-06-20_001_of_003.tar.md5sum",
        b"2011.01234.S_2012-06-20.manifest",
        b"2011.01234.S_2012-06-20.state.part",
    ],
)
def test_delivery_knows_its_files(name: bytes) -> None:
    assert NAME.owns(name)


@pytest.mark.parametrize(
    "name",
    [
        b"2011.01234.S_2012-06-21_001_of_003.tar",
        b"2011.01234.S_2012-06-20_001_of_003.tar.gz",
        b"2011.01234.S_2012-06-20_notes.txt",
        b"2011.01234.S",
        b"other_001_of_003.tar",
    ],
)
def test_delivery_does_not_claim_other_files(name: bytes) -> None:
    assert not NAME.owns(name)


def test_no_set_can_be_called_as_what_a_delivery_writes_beside_its_files() -> None:
    own = [getattr(NAME, name) for name in ("manifest", "before", "state", "sender")]
    beside = [NAME.manifest + b".sig", *(checksum_name(b"P.tar", each) for each in CHECKSUMS), b"P.tar" + PART]
    assert all(map(is_of_delivery, (*own, *beside)))
    assert not any(map(is_of_delivery, (b"P.tar", b"manifest", b"P_sum", b"P.checksums", b"P.before", b"state.txt")))


@pytest.mark.parametrize("project", [b"", b"..", b"a/b", b"a\0b"])
def test_project_that_is_no_plain_name_is_refused(project: bytes) -> None:
    with pytest.raises(UnsafePathError):
        DeliveryName(project, "2012-06-20")


@pytest.mark.parametrize(
    "text", ["", "2012-6-20", "20120620", "2012-06-31", "2012-13-01", "today", "\uff12012-06-20"]
)
def test_text_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_day(text)


def test_checksums_are_read_in_a_fixed_order() -> None:
    assert parse_checksums("xxh128, MD5") == ("md5", "xxh128")
    assert parse_checksums("none") == ()
    with pytest.raises(ValueError, match="crc32"):
        parse_checksums("crc32")


def test_package_itself_has_no_slash_at_its_end() -> None:
    assert (in_tar(b"P", b""), in_tar(b"P", b"a/b")) == (b"P", b"P/a/b")


@pytest.mark.parametrize("name", ["plain.tar", "back\\slash.tar", "new\nline.tar"])
def test_checksum_line_is_what_md5sum_writes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    printed = subprocess.run(["md5sum", name], cwd=tmp_path, capture_output=True, check=True).stdout
    assert checksum_line(name.encode(), "9a0364b9e99bb480dd25e1f0284c8555") == printed
