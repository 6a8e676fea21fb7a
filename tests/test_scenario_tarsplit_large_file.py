"""A file of more than 8 GiB, really: what comes out of its tar by every reader is what went in."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import xxhash

from support.deliveries import MEMBER, PROJECT, adopt, check, cut_up, make_package, tars

SIZE = (8 << 30) + 12_345
BLOCK_BYTES = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed with all that is in it, which pytest would keep."""
    if shutil.disk_usage(tmp_path).free < 2 * SIZE:
        pytest.skip("there is no room for so large a file")
    yield tmp_path
    shutil.rmtree(tmp_path)


def digest_of(stream: IO[bytes]) -> str:
    state = xxhash.xxh3_128()
    while block := stream.read(BLOCK_BYTES):
        state.update(block)
    return state.hexdigest()


@pytest.mark.torture
@pytest.mark.parametrize("name", [b"cube.fits", b"\xe9" * 120 + b".fits"], ids=["pax", "gnu"])
def test_file_above_8_gib_comes_out_of_its_tar_as_it_went_in(folder: Path, name: bytes) -> None:
    make_package(folder / PROJECT, {})
    path = os.path.join(os.fsencode(folder / PROJECT), os.fsencode(MEMBER), b"product", name)
    with open(path, "wb") as file:
        for place in (0, 4 << 30, SIZE - 9):
            file.seek(place)
            file.write(b"not zeros")
    shutil.rmtree(folder / f"{PROJECT}.pack")
    outcome = cut_up(adopt(folder / PROJECT), folder / "out", 1 << 30)
    assert outcome.problems == ()
    with open(path, "rb") as file:
        expected = digest_of(file)
    (tar,) = (tar for tar in tars(folder / "out") if tar.stat().st_size > SIZE)
    for tool in filter(shutil.which, ("tar", "bsdtar")):
        with subprocess.Popen([tool, "-xOf", tar], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert digest_of(process.stdout) == expected, tool
            assert process.stderr
            assert process.stderr.read() == b"", tool
    with tarfile.open(tar) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content
        assert (member.size, os.path.basename(os.fsencode(member.name))) == (SIZE, name)
        assert digest_of(content) == expected
    subprocess.run(["md5sum", "--check", "--strict", "--quiet", f"{tar.name}.md5sum"], cwd=folder / "out", check=True)
    assert check(folder / "out") == []
