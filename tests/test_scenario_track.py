"""A track of VLBI: the calibration of several execution blocks under one name, by a copy of a layout."""

import json
import re
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import layout_text
from support.commands import Ran, run_here
from support.trees import make_tree

Capsys = pytest.CaptureFixture[str]
FIRST, SECOND = "uid___A002_Xb1_X1", "uid___A002_Xb1_X2"
UIDS = ("--set", "sous=uid___A001_X1_X1", "--set", "gous=uid___A001_X1_X2", "--set", "mous=uid___A001_X1_X3")
TRACK = ("--set", "track=TRACK_C")
BLOCK = "{0}/{0}.ms/table.dat", "{0}/{0}.ms.scriptForCalibration.py", "{0}/{0}.ms.tsys/table.dat"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the reduction of two blocks, and the copy of the layout as docs/how-to/own-layout.md makes it."""
    make_tree(tmp_path / "run", [line.format(uid) for uid in (FIRST, SECOND) for line in BLOCK])
    text = re.sub(
        r"(?m)^((to|if_taken) = .*)\{uid\}\.calibration", r"\1{track}.calibration", layout_text("alma-manual")
    )
    (tmp_path / "vlbi.toml").write_text(re.sub(r"(?m)^readme = .*\n", "", text) + "[variable.track]\n")
    return tmp_path


def plan(capsys: Capsys, folder: Path, *more: str) -> Ran:
    options = ("--jobs", "1", "--mode", "hard", "--json", "--tree-all")
    planned = ("plan", folder / "run", folder / "2016.1.01404.V", "--layout", folder / "vlbi.toml")
    return run_here(capsys, *planned, *options, *UIDS, *more)


def test_tables_of_all_blocks_lie_in_the_folder_of_the_track(capsys: Capsys, folder: Path) -> None:
    files = [each["path"] for each in json.loads(plan(capsys, folder, *TRACK).out)["files"]]
    calibration = sorted(path for path in files if path.startswith("calibration/"))
    assert calibration == [f"calibration/TRACK_C.calibration/{uid}.ms.tsys/table.dat" for uid in (FIRST, SECOND)]


def test_track_without_a_name_is_refused(capsys: Capsys, folder: Path) -> None:
    (problem,) = json.loads(plan(capsys, folder).out)["problems"]
    assert (problem["code"], problem["path"]) == ("variable-missing", "track")


def test_tables_of_one_name_are_refused_until_they_have_another(capsys: Capsys, folder: Path) -> None:
    make_tree(folder / "run", [f"{uid}/antennas.tbl/table.dat" for uid in (FIRST, SECOND)])
    (problem,) = json.loads(plan(capsys, folder, *TRACK).out)["problems"]
    assert (problem["code"], problem["path"]) == ("collision", "calibration/TRACK_C.calibration/antennas.tbl")
    rule = 'match = ["*"]\nto = "calibration/{track}.calibration/{name}"\n'
    text = (folder / "vlbi.toml").read_text()
    assert text.count(rule) == 1
    other = rule + 'if_taken = "calibration/{track}.calibration/{prefix}{name}"\n'
    (folder / "vlbi.toml").write_text(text.replace(rule, other))
    files = {each["path"] for each in json.loads(plan(capsys, folder, *TRACK).out)["files"]}
    assert {f"calibration/TRACK_C.calibration/{uid}__antennas.tbl/table.dat" for uid in (FIRST, SECOND)} <= files
