"""Defaults of options: what is typed, the environment, the file beside the origin, the user's own, in this order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]
Planned = Callable[..., dict[str, Any]]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own settings file, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/qa2pack").mkdir(parents=True)
    return tmp_path / "config/qa2pack/pack.toml"


@pytest.fixture
def beside(delivery: Delivery) -> Path:
    """The settings file beside the origin, which is not there yet."""
    return delivery.origin.parent / "pack.toml"


@pytest.fixture
def planned(capsys: Capsys, delivery: Delivery) -> Planned:
    """Plans, and returns what --json says."""

    def plan(*options: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(
            run_here(capsys, "plan", delivery.origin, delivery.path, "--json", *options).out
        )
        return fields

    return plan


def test_each_place_counts_before_the_next(
    planned: Planned, own: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = [planned()["mode"]]
    own.write_text("mode = 'copy'")
    modes.append(planned()["mode"])
    beside.write_text("mode = 'hard'")
    modes.append(planned()["mode"])
    monkeypatch.setenv("PACK_MODE", "ticket")
    modes.append(planned()["mode"])
    modes.append(planned("--mode", "move")["mode"])
    assert modes == ["fake", "copy", "hard", "ticket", "move"]


def test_plan_says_where_defaults_are_from(
    capsys: Capsys, delivery: Delivery, own: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text("jobs = 1")
    beside.write_text("layout = 'cycle0'\nno-split = true")
    monkeypatch.setenv("PACK_MODE", "hard")
    out = run_here(capsys, "plan", delivery.origin, delivery.path).out
    assert "  mode from PACK_MODE\n" in out
    words = " ".join(out.split())
    assert f" layout, no-split from {beside} " in words
    assert f" jobs from {own} " in words


def test_json_of_a_plan_says_where_defaults_are_from(planned: Planned, beside: Path) -> None:
    beside.write_text("mode = 'hard'")
    assert planned()["defaults"] == [{"option": "mode", "source": str(beside)}]
    assert planned("--mode", "copy")["defaults"] == []


def test_excludes_of_all_places_count(
    planned: Planned, own: Path, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text("exclude = ['*.fits']")
    beside.write_text("exclude = ['casapy*']")
    monkeypatch.setenv("PACK_EXCLUDE", "ipython* *.listobs")
    left_out = {entry["path"]: entry["reason"] for entry in planned("--exclude", "*checklist*")["left_out"]}
    names = ("calibrated_all.clean.fits", "casapy-2012-05-03T115433.log", "X8c/ipython.log", "X8c/checklist.txt")
    assert [left_out.get(name, "")[:11] for name in names] == ["excluded by"] * 4


def test_settings_can_be_left_aside(planned: Planned, beside: Path) -> None:
    beside.write_text("mode = 'hard'")
    assert planned("--no-settings")["mode"] == "fake"


def test_current_folder_that_was_removed_is_in_nobody_s_way(
    capsys: Capsys, delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run_here(capsys, "plan", delivery.origin, delivery.path).code == Exit.DONE


def test_settings_in_the_origin_are_neither_read_nor_packaged(planned: Planned, delivery: Delivery) -> None:
    (delivery.origin / "pack.toml").write_text("mode = 'hard'")
    fields = planned()
    assert fields["mode"] == "fake"
    assert {"path": "pack.toml", "reason": "settings of this program", "is_folder": False} in fields["left_out"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PACK_JOBS", "x", "environment variable PACK_JOBS"),
        ("PACK_MODE", "hart", "environment variable PACK_MODE"),
        ("PACK_STRICT", "perhaps", "environment variable PACK_STRICT"),
    ],
)
def test_bad_value_in_the_environment_is_reported_with_its_variable(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.USAGE
    assert words in ran.err
    assert f"'{value}'" in ran.err


def test_bad_value_that_is_typed_is_reported_with_its_option(capsys: Capsys, delivery: Delivery) -> None:
    assert "--jobs" in run_here(capsys, "plan", delivery.origin, delivery.path, "--jobs", "x").err


def test_bad_file_is_a_usage_error_that_names_it(capsys: Capsys, delivery: Delivery, beside: Path) -> None:
    beside.write_text("mod = 'hard'")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.USAGE
    assert ran.err == f"Error: in {beside}:\n  there is no key mod; did you mean mode?\n"


def test_command_without_an_origin_takes_the_file_beside_the_package(
    capsys: Capsys, delivery: Delivery, beside: Path
) -> None:
    beside.write_text("jobs = 'x'")
    assert run_here(capsys, "verify", delivery.path).code == Exit.USAGE


def test_plan_reports_a_pack_toml_that_does_not_count(
    capsys: Capsys,
    delivery: Delivery,
    planned: Planned,
    beside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("pack.toml").write_text("mode = 'hard'")
    beside.write_text("mode = 'copy'")
    assert planned()["unused_settings"] == [{"path": str(here / "pack.toml")}]
    printed = " ".join(run_here(capsys, "plan", delivery.origin, delivery.path).out.split())
    assert f"not used: {here}/pack.toml: only the one beside the origin counts" in printed
    assert planned("--no-settings")["unused_settings"] == []
    monkeypatch.chdir(beside.parent)
    assert planned()["unused_settings"] == []


@pytest.mark.parametrize(("verb", "key", "name"), [("plan", "readme", "no header"), ("diff", "layout", "no.toml")])
def test_missing_file_that_a_pack_toml_names_is_reported_with_it(
    capsys: Capsys, delivery: Delivery, beside: Path, verb: str, key: str, name: str
) -> None:
    delivery.make()
    beside.write_text(f"{key} = '{name}'")
    ran = run_here(capsys, verb, delivery.origin, delivery.path)
    assert ran.code == Exit.FAILED
    assert f"It is not typed: {key} is set by {beside}" in " ".join(ran.err.split())
    typed = run_here(capsys, verb, delivery.origin, delivery.path, f"--{key}", f"other/{name}")
    assert (typed.code, "It is not typed" in typed.err) == (Exit.FAILED, False)


def test_current_folder_that_was_removed_is_said_to_be(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ran = run_here(capsys, "verify", "2011.0.00229.S", "--json")
    words = "the current folder was removed. Go to another one first, with cd"
    assert (ran.code, ran.err, json.loads(ran.out)["error"]) == (Exit.FAILED, f"pack: {words}\n", words)
