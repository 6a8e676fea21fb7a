"""A pipeline run with several units: the plan asks which one is meant, its commands package one or all of them."""

import json
import os
import shlex
from pathlib import Path

import pytest

from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.printed_commands import printed_commands
from support.trees import DATA, make_tree

Capsys = pytest.CaptureFixture[str]
RUN = "2016.1.01435.S_2017_01_17T23_34_44.000"
LAYOUT = "alma-pipeline"
SOUS, GOUS = "SOUS_uid___A001_X87c_X67", "GOUS_uid___A001_X87c_X68"
MOUSS = ("uid___A001_X87c_X69", "uid___A001_X87c_X6a", "uid___A001_X87c_X6b")
VALUES = tuple(f"mous={mous}" for mous in MOUSS)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, and in it a run with three MOUSs; of large files only a few bytes are there."""
    lines = [line for line in (DATA / "pipeline_cycle4_2eb.txt").read_text().splitlines() if ".fits" not in line]
    small = [line.partition("\t")[0] + ("\t7" if "\t" in line else "") for line in lines]
    for mous in MOUSS:
        make_tree(tmp_path, [line.replace(MOUSS[0], mous) for line in small if mous == MOUSS[0] or MOUSS[0] in line])
    monkeypatch.chdir(tmp_path)
    return tmp_path / RUN


def _plan(capsys: Capsys, *more: str, origin: str = RUN) -> Ran:
    words = (origin, "2016.1.01435.S", "--layout", LAYOUT, "--jobs", "1", "--quiet")
    return run_here(capsys, "plan", *words, *more)


def test_plan_of_several_units_lists_them_all(capsys: Capsys, run: Path) -> None:
    refused = _plan(capsys, "--json")
    problems = json.loads(refused.out)["problems"]
    assert refused.code == Exit.FAILED
    assert [(each["code"], each["path"], each["expected"], each["found"]) for each in problems] == [
        ("several-values", value, "one value of mous", f"{SOUS}/{GOUS}/MOUS_{mous}")
        for value, mous in zip(VALUES, MOUSS, strict=True)
    ]


def test_each_printed_command_plans_one_of_them(capsys: Capsys, run: Path) -> None:
    commands = printed_commands(_plan(capsys, "--mode", "hard").err)
    assert [words[-1] for words in commands[:-1]] == list(VALUES)
    for words, mous in zip(commands[:-1], MOUSS, strict=False):
        ran = run_here(capsys, *words[1:], "--jobs", "1")
        assert (ran.code, f"{mous}.weblog.tgz" in ran.out) == (Exit.DONE, True)
        assert not any(f"{other}.weblog.tgz\n" in ran.out for other in MOUSS if other != mous)


def test_printed_batch_packages_all_of_them(capsys: Capsys, run: Path) -> None:
    words = printed_commands(_plan(capsys, "--mode", "hard").err)[-1]
    assert words[:6] == ["pack", "batch", "plan", RUN, "--each", f"{SOUS}/{GOUS}/MOUS_uid___A001_X87c_X6*"]
    planned = run_here(capsys, *words[1:], "--jobs", "1", "--quiet")
    assert (planned.code, "3 jobs" in planned.out.splitlines()) == (Exit.DONE, True)
    applied = run_here(capsys, "batch", "apply", *words[3:], "--jobs", "1", "--quiet")
    assert (applied.code, applied.out.splitlines()[-1]) == (Exit.DONE, "3 jobs")
    weblogs = sorted(path.name for path in Path("2016.1.01435.S").rglob("*.weblog.tgz"))
    assert weblogs == [f"{mous}.weblog.tgz" for mous in MOUSS]


@pytest.mark.parametrize(
    "more",
    [("--set", VALUES[1]), ("--exclude", f"MOUS_{MOUSS[0]}", "--exclude", f"MOUS_{MOUSS[2]}")],
    ids=["set", "exclude"],
)
def test_unit_that_is_named_is_planned(capsys: Capsys, run: Path, more: tuple[str, ...]) -> None:
    assert _plan(capsys, *more).code == Exit.DONE


def test_folder_of_one_unit_is_no_question(capsys: Capsys, run: Path) -> None:
    assert _plan(capsys, origin=f"{RUN}/{SOUS}/{GOUS}/MOUS_{MOUSS[1]}").code == Exit.DONE


def test_variable_that_tells_all_units_apart_is_asked_for(capsys: Capsys, run: Path) -> None:
    other = run / SOUS / "GOUS_uid___A001_X87c_X77"
    other.mkdir()
    (run / SOUS / GOUS / f"MOUS_{MOUSS[2]}").rename(other / f"MOUS_{MOUSS[2]}")
    commands = printed_commands(_plan(capsys).err)
    assert [words[-1] for words in commands[:-1]] == list(VALUES)
    assert commands[-1][5] == f"{SOUS}/GOUS_uid___A001_X87c_X*/MOUS_uid___A001_X87c_X6*"


def test_layout_check_shows_the_values(capsys: Capsys, run: Path) -> None:
    checked = run_here(capsys, "layout", "--check", LAYOUT, RUN)
    assert checked.code == Exit.PROBLEMS
    assert f" --layout {LAYOUT} --set {VALUES[2]}\n" in checked.out
    assert [f"      {value}: expected one value of mous" in checked.out for value in VALUES] == [True] * 3


OWN = """
[variable.comet]
[[place]]
name = "run"
needed = true
path = "{comet}"
[[folder]]
name = "images"
[[rule]]
match = "*.fits"
to = "images/{name}"
"""


@pytest.mark.parametrize(
    ("tree", "packages"),
    [
        ('tree = "{comet}"', {"2016.1.01435.S/encke", "2016.1.01435.S/halley"}),
        ('tree = "m{member}"', {"2016.1.01435.S/m", "2016.1.01435.S/m2"}),
        ("", {"2016.1.01435.S-encke", "2016.1.01435.S-halley"}),
    ],
    ids=["values", "counters", "packages"],
)
def test_printed_batch_packages_all_units_of_a_layout_of_ones_own(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: str, packages: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_tree(tmp_path / "run", ["encke/a.fits\t1", "halley/b.fits\t1"])
    Path("mine.toml").write_text(tree + OWN)
    words = printed_commands(run_here(capsys, "plan", "run", "2016.1.01435.S", "--layout", "mine.toml").err)[-1]
    assert words[:6] == ["pack", "batch", "plan", "run", "--each", "*"]
    assert run_here(capsys, *words[1:], "--quiet").code == Exit.DONE
    assert run_here(capsys, "batch", "apply", *words[3:], "--quiet").code == Exit.DONE
    found = (path for path in tmp_path.rglob("*.fits") if not {"run", "previous"} & {*path.parts})
    assert {str(path.relative_to(tmp_path).parents[1]) for path in found} == packages


def test_layout_of_ones_own_is_corrected_as_advised(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_tree(tmp_path / "run", ["day1/a.fits\t1", "day2/a.fits\t1"])
    layout = OWN.replace('"{comet}"', '"day{comet}"').replace("images/{name}", "images/{comet}_{name}")
    layout += '[[place]]\nname = "other"\npath = "other*"\n'
    words = ("plan", "run", "2016.1.01435.S", "--layout", "mine.toml")
    Path("mine.toml").write_text(layout)
    said = " ".join(run_here(capsys, *words).err.split())
    assert "write {comet} as * in the path of the place run of the layout, and in targets {run}, the name" in said
    assert said.count("in targets") == 1
    Path("mine.toml").write_text(layout.replace('"day{comet}"', '"day*"').replace("{comet}", "{run}"))
    assert "day2_a.fits" in run_here(capsys, *words, "--tree").out
    Path("mine.toml").write_text(f'tree = "{{comet}}"\n{layout}')
    assert "in targets" not in run_here(capsys, *words).err


def test_layout_check_does_not_count_what_meets_because_no_unit_is_named(capsys: Capsys, tmp_path: Path) -> None:
    make_tree(tmp_path / "run", ["encke/a.fits\t1", "halley/a.fits\t1"])
    (tmp_path / "mine.toml").write_text('tree = "{comet}"' + OWN)
    checked = run_here(capsys, "layout", "--check", tmp_path / "mine.toml", tmp_path / "run", "--json")
    assert [each["code"] for each in json.loads(checked.out)["problems"]] == ["several-values"] * 2


def test_many_values_are_counted_and_twenty_have_a_command(capsys: Capsys, tmp_path: Path) -> None:
    make_tree(tmp_path / "run", [f"SOUS_{u}/GOUS_{u}/MOUS_{u}/products/" for u in _uids(25)])
    os.chdir(tmp_path)
    err = _plan(capsys, origin="run").err
    assert "and 5 more (--all or --json lists them)" in err
    assert len([line for line in err.splitlines() if " --set " in line and shlex.split(line)[0] == "pack"]) == 20


def _uids(count: int) -> list[str]:
    return [f"uid___A001_X1_X{number:x}" for number in range(count)]
