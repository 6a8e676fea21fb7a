"""A reduction that is not complete, as a reducer meets it: the plan reports it, --strict refuses it."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery, make_reduction, write

Capsys = pytest.CaptureFixture[str]
SETUP3 = "IRC10216_setup3_b6_run_x2"


def test_complete_reduction_of_casa_passes_the_strict_plan(
    capsys: Capsys, casa_reduction: Path, tmp_path: Path
) -> None:
    for number, scheduling_block in enumerate(sorted(casa_reduction.iterdir())):
        package = tmp_path / f"2011.0.0022{number}.S"
        ran = run_here(capsys, "plan", scheduling_block, package, "--mode", "hard", "--strict")
        assert (ran.code, "Warnings" in ran.out) == (Exit.DONE, False)


def test_block_that_is_not_finished_is_reported_and_strict_refuses_it(
    capsys: Capsys, casa_reduction: Path, tmp_path: Path
) -> None:
    origin = shutil.copytree(casa_reduction / SETUP3, tmp_path / SETUP3)
    (origin / "X528/checklist.txt").unlink()
    plan = ("plan", origin, tmp_path / "2011.0.00229.S")
    line = "X528: expected checklist, found these only in X8c"
    assert line in run_here(capsys, *plan).out
    refused = run_here(capsys, *plan, "--strict")
    assert refused.code == Exit.FAILED
    assert line in refused.err
    assert run_here(capsys, *plan, "--strict", "--exclude", "checklist.txt").code == Exit.DONE, "X8c has the only one"


@pytest.mark.parametrize("names", [("sb1", "sb2"), ("sb 1", "it's PATH of PACKAGE")], ids=["plain", "odd"])
def test_commands_for_a_folder_of_scheduling_blocks_package_all_of_them(
    capsys: Capsys, tmp_path: Path, names: tuple[str, str]
) -> None:
    for number, name in enumerate(names):
        make_reduction(tmp_path / "project" / name, uid=f"uid___A002_X1_X{number}", block=f"X{number}")
    package = tmp_path / "2011.0.00229.S"
    refused = run_here(capsys, "plan", tmp_path / "project", package)
    assert refused.code == Exit.FAILED
    printed = [shlex.split(line) for line in re.findall(r"^ +pack (.*)$", refused.err, re.MULTILINE)]
    commands = [words for words in printed if words[0] != "layout"]
    assert [(words[0], run_here(capsys, *words).code) for words in commands] == [
        ("plan", Exit.DONE),
        ("apply", Exit.DONE),
    ] * 2
    scripts = {path.name for path in package.glob("sg_ouss_id/*/member_ouss_id*/script/uid*")}
    assert scripts == {f"uid___A002_X1_X{number}.ms.scriptForCalibration.py" for number in (0, 1)}


@pytest.mark.parametrize(
    ("project", "is_warned"), [("2012.1.00001.S", True), ("2011.0.00229.S, of two", False), ("", False)]
)
def test_header_of_another_project_is_told_and_refused_by_strict(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, project: str, is_warned: bool
) -> None:
    header = write(tmp_path / "header.txt", f"Project code: {project}\nPI name: A\n".encode())
    planned = run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", header)
    assert ("warning-readme-project" in planned.out) is is_warned
    strict = run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", header, "--strict")
    assert ("warning-readme-project" in strict.err) is is_warned
