"""Scripts with our packages' names, beside the running script or in the working folder, are never taken for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.source_code import PACKAGES, ROOT

_CALL = "from QA2_Packaging_module import *\nassert QA_Packager.__module__ == 'qa2pack.pack.dropin'\n"


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(params=PACKAGES)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.py"
    path.write_text("raise SystemExit('this is the script, not the package')\n")
    return path


def test_script_in_the_working_folder_does_not_hide_the_package(script: Path) -> None:
    done = _run(["-m", "qa2pack.pack", "tarsplit", "--help"], script.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_script_beside_the_legacy_call_does_not_hide_the_package(script: Path) -> None:
    (script.parent / "make_it.py").write_text(_CALL)
    done = _run(["make_it.py"], script.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_legacy_call_works_in_a_script_with_the_name_of_a_package(script: Path) -> None:
    script.write_text(_CALL)
    done = _run([script.name], script.parent)
    assert (done.returncode, done.stderr) == (0, "")
