"""Several packages in one command: a table, one exit code, one JSON object; unnamed, those below the folder."""

import json
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs import verify as verify_job
from support.commands import run_here
from support.in_process import Delivery, make_reduction
from support.late_stop import stopped_too_late

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: two projects with a package each, of which the second has a changed file."""
    for name in ("one", "two"):
        origin = make_reduction(tmp_path / f"data/{name}/sb")
        Delivery(origin, tmp_path / f"data/{name}/{name}.S").make(Mode.COPY)
    image = next((tmp_path / "data/two/two.S").rglob("*.fits"))
    image.write_bytes(b"other" * 2000)
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "data"


def test_verify_of_several_ends_in_a_table_and_the_worst_code(capsys: Capsys, project: Path) -> None:
    ran = run_here(capsys, "verify", "--jobs", "1", "one/one.S", "two/two.S")
    assert ran.code == Exit.PROBLEMS
    assert ran.out.splitlines()[-3:] == [
        "one/one.S  all as packaged",
        "two/two.S  1 problem",
        "2 packages; 1 with problems",
    ]
    assert "grown sg_ouss_id" in ran.out.split("one/one.S  all")[0]  # what is wrong comes before the table


def test_progress_of_several_names_each_and_of_one_none(capsys: Capsys, project: Path) -> None:
    def phases(*packages: str) -> list[str]:
        ran = run_here(capsys, "verify", *packages, "--jobs", "1", "--progress", "json")
        objects = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
        return [each["phase"] for each in objects if each["event"] == "phase-begin"]

    (name,) = phases("one/one.S")
    assert name.startswith("verify ")
    assert phases("one/one.S", "two/two.S") == phases() == [f"one/one.S: {name}", f"two/two.S: {name}"]


def test_json_of_several_lists_what_each_gives_alone(capsys: Capsys, project: Path) -> None:
    for verb in (("verify", "--jobs", "1"), ("status",), ("show",)):
        alone = [json.loads(run_here(capsys, *verb, f"{name}/{name}.S", "--json").out) for name in ("one", "two")]
        both = json.loads(run_here(capsys, *verb, "one/one.S", "two/two.S", "--json").out)
        assert both["packages"] == [{k: v for k, v in each.items() if k != "command"} for each in alone]
        assert both["exit_code"] == max(each["exit_code"] for each in alone)
        assert both["summary"]["package_count"] == 2


def test_without_a_name_the_packages_below_the_folder_are_meant(capsys: Capsys, project: Path) -> None:
    (project / "a/b/c/too/deep.S.pack/manifests").mkdir(parents=True)
    (project / "one/notes.pack").mkdir()  # no control folder
    ran = run_here(capsys, "status")
    assert (ran.code, ran.err) == (Exit.DONE, f"2 packages below {project}\n")
    assert ran.out.splitlines() == [
        "one/one.S  finished; there is a package of 1 member",
        "two/two.S  finished; there is a package of 1 member",
        "2 packages",
    ]


def test_one_package_that_fails_does_not_keep_the_others_from_being_shown(capsys: Capsys, project: Path) -> None:
    shutil.rmtree(project / "one/one.S.pack/manifests")
    (project / "one/one.S.pack/manifests").write_text("no folder")
    ran = run_here(capsys, "show", "one/one.S", "two/two.S")
    assert ran.code == Exit.FAILED
    assert "control-unusable" in ran.err
    assert ran.out.splitlines() == [
        "one/one.S  not done: control-unusable",
        "two/two.S  1 member, 15 files, 36.5 KiB",
        "2 packages; 1 not done",
    ]


def test_interrupt_keeps_the_results_so_far(capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify = verify_job.verify

    def interrupted(package: object, *args: object, **options: object) -> object:
        if getattr(package, "project", b"") == b"two.S":
            raise KeyboardInterrupt
        return verify(package, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(verify_job, "verify", interrupted)
    ran = run_here(capsys, "verify", "--jobs", "1", "one/one.S", "two/two.S", "one/one.S")
    assert ran.code == Exit.RESUMABLE
    assert ran.out.splitlines() == [
        "one/one.S  all as packaged",
        "two/two.S  not done: interrupted",
        "3 packages; 1 not done; 1 not reached",
    ]


def test_stop_that_one_package_is_too_far_for_ends_the_run_before_the_next(
    capsys: Capsys, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_job, "verify", stopped_too_late(verify_job.verify))
    ran = run_here(capsys, "verify", "--jobs", "1", "one/one.S", "two/two.S")
    assert (ran.code, ran.out.splitlines()[-2:]) == (
        Exit.RESUMABLE,
        ["one/one.S  all as packaged", "2 packages; 1 not reached"],
    )
    ran = run_here(capsys, "verify", "--jobs", "1", "two/two.S", "one/one.S")
    assert ran.out.splitlines()[-1] == "2 packages; 1 with problems; 1 not reached", (
        "the stop of the run before is over"
    )


def test_options_of_one_package_are_refused_for_several(capsys: Capsys, project: Path) -> None:
    ran = run_here(capsys, "verify", "--chunks", "tars", "one/one.S", "two/two.S")
    assert (ran.code, "of one package" in ran.err) == (Exit.USAGE, True)
