"""A track of VLBI: the calibration of several execution blocks under one name, by a copy of a layout."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import layout_text
from support.commands import Ran, run_here
from support.trees import make_tree

Capsys = pytest.CaptureFixture[str]
FIRST, SECOND = "uid___A002_Xb1_X1", "uid___A002_Xb1_X2"
UIDS = ("--set", "sous=uid___A001_X1_X1", "--set", "gous=uid___A001_X1_X2", "--set", "mous=uid___A001_X1_X3")
TRACK = ("--set", "track=TRACK_C")
TAR = "calibration/TRACK_C.calibration.tgz"
BLOCK = "{0}/{0}.ms/table.dat", "{0}/{0}.ms.scriptForCalibration.py", "{0}/{0}.ms.tsys/table.dat"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the reduction of two blocks, and the copy of the layout as docs/how-to/own-layout.md makes it."""
    make_tree(tmp_path / "run", [line.format(uid) for uid in (FIRST, SECOND) for line in BLOCK])
    text = re.sub(
        r"(?m)^(?:to|if_taken) = .*",
        lambda line: line[0].replace("{uid}.calibration", "{track}.calibration"),
        layout_text("alma-manual"),
    )
    (tmp_path / "vlbi.toml").write_text(re.sub(r"(?m)^readme = .*\n", "", text) + "[variable.track]\n")
    return tmp_path


def plan(capsys: Capsys, folder: Path, *more: str) -> Ran:
    options = ("--jobs", "1", "--mode", "hard", "--json", "--tree-all")
    planned = ("plan", folder / "run", folder / "2016.1.01404.V", "--layout", folder / "vlbi.toml")
    return run_here(capsys, *planned, *options, *UIDS, *more)


def test_tables_of_all_blocks_are_in_one_tar_of_the_track(capsys: Capsys, folder: Path) -> None:
    planned = json.loads(plan(capsys, folder, *TRACK).out)
    files = [each["path"] for each in planned["files"]]
    calibration = sorted(path for path in files if path.startswith("calibration/"))
    assert calibration == ["calibration/TRACK_C.calibration.tgz"]


def test_track_without_a_name_is_refused(capsys: Capsys, folder: Path) -> None:
    (problem,) = json.loads(plan(capsys, folder).out)["problems"]
    assert (problem["code"], problem["path"]) == ("variable-missing", "track")


def test_tables_of_one_name_are_refused_until_they_have_another(capsys: Capsys, folder: Path) -> None:
    make_tree(folder / "run", [f"{uid}/antennas.tbl/table.dat" for uid in (FIRST, SECOND)])
    (problem,) = json.loads(plan(capsys, folder, *TRACK).out)["problems"]
    assert (problem["code"], problem["path"]) == ("collision", f"{TAR}!TRACK_C.calibration/antennas.tbl")
    rule = 'match = ["*"]\nto = "calibration/{track}.calibration.tgz!{track}.calibration/{name}"\n'
    text = (folder / "vlbi.toml").read_text()
    assert text.count(rule) == 1
    other = rule + 'if_taken = "calibration/{track}.calibration.tgz!{track}.calibration/{prefix}{name}"\n'
    (folder / "vlbi.toml").write_text(text.replace(rule, other))
    assert plan(capsys, folder, *TRACK).code == 0
    assert run_here(capsys, "apply", folder / "2016.1.01404.V").code == 0
    with tarfile.open(next((folder / "2016.1.01404.V").rglob("TRACK_C.calibration.tgz"))) as tar:
        names = set(tar.getnames())
    assert {f"TRACK_C.calibration/{uid}__antennas.tbl/table.dat" for uid in (FIRST, SECOND)} <= names
