"""A member whose folder somebody removed: what changes or delivers the package does not forget that it was there."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from make_pipeline_run import FIRST_RUN, PIPELINE_PROJECT, RUNS, make_pipeline_runs

from support.commands import run_here

Capsys = pytest.CaptureFixture[str]
PLAN = ("--layout", "alma-pipeline", "--mode", "hard")


@pytest.fixture
def package(tmp_path: Path, capsys: Capsys) -> Path:
    """A package of two runs, without the folder of the first one."""
    make_pipeline_runs(tmp_path)
    for run in RUNS:
        assert run_here(capsys, "package", tmp_path / run, tmp_path / PIPELINE_PROJECT, *PLAN).code == 0
    shutil.rmtree(next(tmp_path.glob(f"{PIPELINE_PROJECT}/*/*/member.{RUNS[FIRST_RUN][0]}")))
    return tmp_path / PIPELINE_PROJECT


def manifests(package: Path) -> list[str]:
    return sorted(os.listdir(package.with_name(f"{package.name}.pack") / "manifests"))


def other_run(package: Path) -> Path:
    return package.with_name(next(run for run in RUNS if run != FIRST_RUN))


@pytest.mark.parametrize("verb", ["readme --take-changes", "plan", "rename", "remove"])
def test_change_that_would_forget_it_is_refused(package: Path, capsys: Capsys, verb: str) -> None:
    before = manifests(package)
    words = {
        "readme --take-changes": ("readme", package, "--take-changes"),
        "plan": ("plan", other_run(package), package, *PLAN),
        "rename": ("rename", package, "2023.1.00001.S"),
        "remove": ("remove", package, "--member", f"member.{RUNS[other_run(package).name][0]}"),
    }
    assert run_here(capsys, *words[verb]).code == 1
    assert manifests(package) == before
    assert run_here(capsys, "verify", package).code == 3


OTHER = next(uids[0] for run, uids in RUNS.items() if run != FIRST_RUN)
DELIVERIES = {
    "tarsplit": ("tarsplit", "-n", "2026-01-01", "--dry-run"),
    "export to stdout": ("export", "--format", "xxhsum"),
    "export to a file": ("export", "--format", "json", "-o", "list"),
}


@pytest.fixture
def delivered_by(package: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command that delivers the package."""
    monkeypatch.chdir(package.parent)
    verb, *options = DELIVERIES[request.param]
    return (verb, package.name, *options)


@pytest.mark.parametrize("delivered_by", DELIVERIES, indirect=True)
def test_package_is_not_delivered_without_it(delivered_by: tuple[str, ...], capsys: Capsys) -> None:
    ran = run_here(capsys, *delivered_by)
    assert (ran.code, ran.out) == (1, "")
    assert f"member.{RUNS[FIRST_RUN][0]}: expected a member" in ran.err
    assert "with --member NAME" in " ".join(ran.err.split())
    assert not Path("list").exists()


@pytest.mark.parametrize("delivered_by", DELIVERIES, indirect=True)
def test_another_member_is_delivered_with_a_note(delivered_by: tuple[str, ...], capsys: Capsys) -> None:
    ran = run_here(capsys, *delivered_by, "--member", f"member.{OTHER}")
    assert ran.code == 0
    lines = [line for line in (ran.out + ran.err).splitlines() if line.endswith(f"member.{RUNS[FIRST_RUN][0]}")]
    assert len(lines) == 1


def test_delivery_of_another_member_has_the_problem_as_a_field(package: Path, capsys: Capsys) -> None:
    member = ("--member", f"member.{OTHER}")
    tars = run_here(capsys, "tarsplit", "-n", "2026-01-01", package, "--dry-run", *member, "--json")
    lists = run_here(
        capsys, "export", package, "--format", "xxhsum", "-o", package.with_name("list"), *member, "--json"
    )
    for ran in (tars, lists):
        assert [problem["code"] for problem in json.loads(ran.out)["lost_problems"]] == ["missing"]


@pytest.mark.parametrize("verb", ["show", "readme --take-changes", "repair", "remove", "tarsplit -n 2026-01-01"])
def test_its_name_is_known(package: Path, capsys: Capsys, verb: str) -> None:
    ran = run_here(capsys, *verb.split(), package, "--member", f"member.{RUNS[FIRST_RUN][0]}")
    assert ran.code == 1
    assert "missing: This was packaged and is not there." in ran.err
    assert "Put the folder of the member back" in ran.err
    assert "  rm " in ran.err


def test_it_is_made_again_from_its_run(package: Path, capsys: Capsys) -> None:
    assert run_here(capsys, "package", package.with_name(FIRST_RUN), package, *PLAN).code == 0
    assert run_here(capsys, "verify", package).code == 0


def test_it_is_forgotten_by_the_advised_command(package: Path, capsys: Capsys) -> None:
    refused = json.loads(run_here(capsys, "readme", package, "--take-changes", "--json").out)
    assert [problem["code"] for problem in refused["problems"]] == ["missing"]
    said = run_here(capsys, "readme", package, "--take-changes").err
    (command,) = [line.strip() for line in said.splitlines() if line.strip().startswith("rm ")]
    subprocess.run(command, shell=True, check=True)
    assert run_here(capsys, "readme", package, "--take-changes").code == 0
    assert run_here(capsys, "verify", package).code == 0


def test_run_named_at_another_height_replaces_its_member_without_a_warning(package: Path, capsys: Capsys) -> None:
    assert run_here(capsys, "package", package.with_name(FIRST_RUN), package, *PLAN).code == 0
    lower = next(package.with_name(FIRST_RUN).glob("SOUS_*/GOUS_*/MOUS_*"))
    planned = json.loads(run_here(capsys, "plan", lower, package, *PLAN, "--json").out)
    assert planned["append"] == "replace"
    assert [warning["code"] for warning in planned["warnings"]] == []


def test_repair_lists_it(package: Path, capsys: Capsys) -> None:
    ran = run_here(capsys, "repair", package)
    assert ran.code == 3
    assert "missing" in ran.out and RUNS[FIRST_RUN][0] in ran.out
