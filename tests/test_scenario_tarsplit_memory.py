"""A manifest of a million files: cutting it takes bounded memory, because nothing is held per file but four bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.files import open_manifest, save_durably
from qa2pack.manifest.format.header import Notes
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from support.deliveries import DAY, PROJECT, make_package

ROOT = Path(__file__).resolve().parent.parent
FILES_PER_FOLDER = 100
_MEASURED = """
import sys
from qa2pack.pack.tarsplit_command import main
code = main(sys.argv[1:])
status = open("/proc/self/status").read()  # ru_maxrss would count what the parent held at the fork
print(int(status.split("VmHWM:")[1].split()[0]) // 1024, file=sys.stderr)
sys.exit(code)
"""


def write_large_manifest(home: Path, folder_count: int) -> None:
    """Let the package's manifest say that it holds so many folders of a hundred plots of 5000 bytes each."""
    package = make_package(home / PROJECT, {})
    (path,) = Path(os.fsdecode(package.manifests)).iterdir()
    described = open_manifest(os.fsencode(path))
    first = list(described.stream.blobs())
    count = FILES_PER_FOLDER
    names = [b"plot%03d.png" % number for number in range(count)]

    def blobs() -> "list[tuple[bytes, bytes]]":
        folders = [b"d%06d" % number for number in range(folder_count)]
        plots = [b"calibration", *(b"calibration/" + folder for folder in folders)]
        return [
            (b"", first[0]),
            (plots[0], encode_record(FolderRecord(path=plots[0], folders=folders))),
            *((path, encode_record(_record(path, names))) for path in plots[1:]),
        ]

    save_durably(os.fsencode(path), described.header, Notes(), blobs())


def _record(path: bytes, names: list[bytes]) -> FolderRecord:
    count = len(names)
    return FolderRecord(
        path=path,
        names=names,
        sizes=[5000] * count,
        mtimes=[0] * count,
        modes=[0o644] * count,
        actions=bytes([Action.LINK]) * count,
        digests=bytes(16) * count,
        inodes=[1] * count,
        ctimes=[0] * count,
    )


def peak_mib(home: Path, *options: str) -> int:
    """Return the memory that a dry run took at most."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "-n", DAY, "--dry-run", "--quiet", *options, home / PROJECT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return int(done.stderr)


@pytest.mark.parametrize("fill", ["order", "tight"])
def test_dry_run_of_a_million_files_takes_little_memory(tmp_path: Path, fill: str) -> None:
    write_large_manifest(tmp_path, 100)
    small = peak_mib(tmp_path, "--fill", fill)
    write_large_manifest(tmp_path / "large", 10_000)
    assert peak_mib(tmp_path / "large", "--fill", fill) - small < 40


@pytest.mark.torture
def test_dry_run_of_ten_million_files_takes_bounded_memory(tmp_path: Path) -> None:
    write_large_manifest(tmp_path, 100_000)
    assert peak_mib(tmp_path) < 400
