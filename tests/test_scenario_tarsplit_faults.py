"""Disks that fill up or fail while a delivery is made: nothing half has a name, and the same command then finishes.

What fails really does: small file systems in memory, and system calls that strace lets fail.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import InlineEngine
from qa2pack.manifest.progress import Silent
from qa2pack.tarsplit.deliver import Destination, deliver
from qa2pack.tarsplit.place.folder import Folder
from support.commands import ROOT, Ran
from support.deliveries import DAY, PROJECT, check, make_package, plan
from support.file_systems import small_disk
from support.tools import needs_tool

STEM = f"{PROJECT}_{DAY}"
LIMIT = 60_000
FIRST = f"{STEM}_001_of_005.tar"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package, and in `whole` the delivery of five tars that was made of it without any fault."""
    home = tmp_path_factory.mktemp("faults")
    make_package(home / PROJECT, {f"log/{n}.log": bytes([n]) * 15_000 for n in range(12)})
    assert run(home, home / "whole").code == 0
    assert FIRST in os.listdir(home / "whole")
    return home


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk for the delivery."""
    with small_disk(tmp_path / "disk", size=2 << 20, inodes=40) as disk:
        yield disk


def run(home: Path, output: Path, *before: str, options: tuple[str, ...] = ()) -> Ran:
    """Run the command, given what comes before it on the command line and more options."""
    command = [
        *before,
        sys.executable,
        "-m",
        "qa2pack.pack.tarsplit_command",
        "-n",
        DAY,
        "--size",
        str(LIMIT),
        "--jobs",
        "1",
    ]
    done = subprocess.run(
        [*command, *options, "--quiet", "--output", output, home / PROJECT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
    )
    return Ran(done.returncode, done.stdout, " ".join(done.stderr.split()))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def assert_all_names_are_whole(home: Path, output: Path) -> None:
    """Whatever has its final name is as in a delivery without faults; only the state is more."""
    found = digests(output) if output.exists() else {}
    found.pop(f"{STEM}.state", None)
    assert found.items() <= digests(home / "whole").items()


def leave_room(disk: Path, spare_bytes: int) -> None:
    """Fill the disk but for so many bytes."""
    room = os.statvfs(disk)
    (disk / "filling").write_bytes(bytes(room.f_bavail * room.f_frsize - spare_bytes))


class FillingUp(Silent):
    """Lets somebody else fill the disk, but for so many bytes, when the chunks are about to be written."""

    def __init__(self, disk: Path, spare_bytes: int) -> None:
        self._disk = disk
        self._spare_bytes = spare_bytes

    def phase(self, name: str, *, file_count: int = 0, byte_count: int = 0) -> None:
        """Fill the disk before the phase of writing."""
        if name == "write chunks":
            leave_room(self._disk, self._spare_bytes)


@pytest.mark.parametrize("spare_inodes", range(11))
def test_disk_without_room_for_a_file_is_reported_and_with_room_the_same_command_finishes(
    home: Path, disk: Path, spare_inodes: int
) -> None:
    (disk / "filling").mkdir()
    (disk / "out").mkdir()
    for number in range(os.statvfs(disk).f_favail - spare_inodes):
        (disk / "filling" / str(number)).touch()
    ran = run(home, disk / "out")
    assert (ran.code, "the disk is full" in ran.err, "the same command again" in ran.err) == (4, True, True)
    assert f"Path: {disk}/out/{'' if spare_inodes else '.'}{STEM}" in ran.err, "the lock is made first"
    assert_all_names_are_whole(home, disk / "out")
    shutil.rmtree(disk / "filling")
    assert run(home, disk / "out").code == 0
    assert digests(disk / "out") == digests(home / "whole")


@pytest.mark.parametrize("spare_bytes", [0, 10_000, 70_000, 130_000, 190_000])
def test_disk_that_fills_up_while_it_is_written_leaves_whole_chunks_only(
    home: Path, disk: Path, spare_bytes: int
) -> None:
    package = Package(os.fsencode(home / PROJECT))
    destination = Destination(package.path, Folder(os.fsencode(disk / "out")))
    filling = FillingUp(disk, spare_bytes)
    with pytest.raises(OSError, match=f"No space left on device.*{STEM}") as raised:
        deliver(plan(package, LIMIT), destination, engine=InlineEngine(), progress=filling)
    assert raised.value.errno == errno.ENOSPC
    assert_all_names_are_whole(home, disk / "out")
    (disk / "filling").unlink()
    assert run(home, disk / "out").code == 0
    assert digests(disk / "out") == digests(home / "whole")


def tracer(*options: str) -> list[str]:
    """Return the start of a command line that lets system calls of the rest of it fail."""
    strace = [needs_tool("strace"), "-f", "-o", os.devnull, *options]
    if subprocess.run([*strace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("system calls cannot be traced here")
    return strace


PARTS = [
    f"{STEM}.manifest.part",
    f"{STEM}.state.part",
    f"{FIRST}.part",
    f"{FIRST}.md5sum.part",
    f"{STEM}.manifest.md5sum.part",
]


@pytest.mark.parametrize(
    ("error", "words", "call", "name"),
    [
        *(
            ("EIO", "the disk reports an error", call, name)
            for call in ("write", "fsync", "rename")
            for name in PARTS
        ),
        *(("EDQUOT", "your quota on this disk is used up", "write", name) for name in PARTS),
        ("EIO", "the disk reports an error", "fsync", "."),
        ("EIO", "the disk reports an error", "unlink", f"{STEM}.state"),
    ],
)
def test_call_that_fails_is_reported_and_the_same_command_finishes(
    home: Path, tmp_path: Path, error: str, words: str, call: str, name: str
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    path = os.path.normpath(output / name)
    strace = tracer("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when=1", "-P", path)
    ran = run(home, output, *strace)
    assert (ran.code, words in ran.err, "the same command again" in ran.err) == (4, True, True)
    assert f"Path: {output}" in ran.err
    assert_all_names_are_whole(home, output)
    assert run(home, output).code == 0
    assert digests(output) == digests(home / "whole")
    assert check(output) == []


def test_everything_is_on_the_disk_when_the_command_ends_and_names_come_after_contents(
    home: Path, tmp_path: Path
) -> None:
    output, log = tmp_path / "new" / "out", tmp_path / "log"
    tracer("-y")
    assert run(home, output, "strace", "-f", "-y", "-o", f"{log}", "-e", "trace=fsync,rename,unlink,mkdir").code == 0
    synced: dict[str, int] = {}
    named: dict[str, int] = {}
    for number, line in enumerate(log.read_text().splitlines()):
        match re.findall(r"(fsync|rename|unlink|mkdir)\(\d*[<\"]([^>\"]+)[>\"](?:, \"([^\"]+)\")?(?!.*= -1)", line):
            case [("fsync", path, _)]:
                synced[path] = number
            case [("rename", part, path)] if path.startswith(f"{tmp_path}"):
                assert part in synced, f"{path} has its name before its content is on the disk"
                del synced[part]
                named[os.path.dirname(path)] = number
                assert f"{output}/{STEM}.manifest.part" in synced or path.endswith(".manifest")
            case [("unlink" | "mkdir", path, _)] if path.startswith(f"{tmp_path}"):
                named[os.path.dirname(path)] = number
    assert set(named) == {f"{output}", f"{output.parent}", f"{tmp_path}"}
    assert [folder for folder, number in named.items() if synced.get(folder, -1) < number] == []


def test_replacing_counts_the_room_of_what_it_removes(home: Path, disk: Path) -> None:
    assert run(home, disk / "out").code == 0
    with (disk / "out" / FIRST).open("ab") as file:
        file.write(b"damage")
    (disk / "out" / f"{STEM}.manifest").unlink()
    leave_room(disk, 100_000)
    ran = run(home, disk / "out", options=("--replace",))
    assert (ran.code, ran.err) == (0, "")
    (disk / "filling").unlink()
    assert digests(disk / "out") == digests(home / "whole")


def test_nothing_is_removed_where_replacing_would_not_make_room_enough(home: Path, disk: Path) -> None:
    (disk / "out").mkdir()
    (disk / "out" / f"{STEM}_001_of_001.tar").write_bytes(b"another delivery")
    leave_room(disk, 100_000)
    ran = run(home, disk / "out", options=("--replace",))
    assert (ran.code, "no-space" in ran.err) == (1, True)
    assert os.listdir(disk / "out") == [f"{STEM}_001_of_001.tar"]
