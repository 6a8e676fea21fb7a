"""A script called tarsplit.py, beside the commands or in the working folder, is never taken for the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tarsplit.py").write_text("raise SystemExit('this is the script, not the package')\n")
    return tmp_path


def test_script_in_the_working_folder_does_not_hide_the_package(folder: Path) -> None:
    done = run(["-m", "pack", "tarsplit", "--help"], folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_script_beside_the_running_one_does_not_hide_the_package(folder: Path) -> None:
    (folder / "pack-script").write_text("from pack.cli import main\nraise SystemExit(main(['tarsplit', '--help']))\n")
    done = run([str(folder / "pack-script")], REPO.parent)
    assert (done.returncode, done.stderr) == (0, "")
