"""A manifest of a million files: cutting it takes bounded memory, because nothing is held per file but four bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.deliveries import DAY, PROJECT
from support.large_manifests import write_large_manifest

ROOT = Path(__file__).resolve().parent.parent
_MEASURED = """
import sys
from qa2pack.pack.tarsplit_command import main
code = main(sys.argv[1:])
status = open("/proc/self/status").read()  # ru_maxrss would count what the parent held at the fork
print(int(status.split("VmHWM:")[1].split()[0]) // 1024, file=sys.stderr)
sys.exit(code)
"""


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
