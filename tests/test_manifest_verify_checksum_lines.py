"""Lines of checksum lists: what the checking programs read back is the path that was meant."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qa2pack.manifest.verify.checksum_lines import NotInABagError, bag_line, coreutils_line, xxhsum_line

NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & {0, ord("/")} and name not in (b".", b"..")
)
MD5 = hashlib.md5(b"x").hexdigest()


@given(name=NAMES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_md5sum_finds_the_file_of_any_name(tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"x")
    done = subprocess.run(
        ["md5sum", "--strict", "--status", "-c", "-"],
        input=coreutils_line(MD5, b"./" + name),
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0


@given(name=NAMES)
def test_a_line_is_one_line(name: bytes) -> None:
    assert coreutils_line(MD5, name).count(b"\n") == xxhsum_line(MD5, name).count(b"\n") == 1


def test_md5sum_writes_the_same_lines(tmp_path: Path) -> None:
    names = [b"a b", b"back\\slash", b"new\nline", b"\xff"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"x")
    done = subprocess.run(["md5sum", "--", *names], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"".join(coreutils_line(MD5, name) for name in names)


@pytest.mark.parametrize("name", [b"a b", b"back\\slash", b"\xff", b"cr\rin", b" lead"])
def test_xxhsum_names_are_as_they_are(name: bytes) -> None:
    assert xxhsum_line("0" * 32, name) == b"0" * 32 + b"  " + name + b"\n"


def test_xxhsum_name_with_a_newline_is_escaped() -> None:
    assert xxhsum_line("0", b"a\nb\\") == b"\\0  a\\nb\\\\\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (b"a b", b"0  data/a b\n"),
        (b"100%", b"0  data/100%\n"),
        (b"a\nb\rc", b"0  data/a%0Ab%0Dc\n"),
        ("é".encode(), "0  data/é\n".encode()),
    ],
)
def test_a_bag_line_holds_the_path(path: bytes, line: bytes) -> None:
    assert bag_line("0", path) == line


@pytest.mark.parametrize("path", [b"\xff", b"a ", b"a%0ab", b"a%0D", b"a\x0cb", "a\u2028b".encode()])
def test_a_name_that_a_bag_cannot_hold_is_refused(path: bytes) -> None:
    with pytest.raises(NotInABagError):
        bag_line("0", path)
