"""What was meant by a path that leads nowhere."""

from pathlib import Path

import pytest

from qa2pack.pack.errors.similar_paths import near_path
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("IRC10216_setup3_b6", "IRC10216_setup3_b6_run"),
        ("irc10216_SETUP3_b6_run", "IRC10216_setup3_b6_run"),
        ("2011.0.0229.S", "2011.0.00229.S"),
        ("2011.0.00229.S/README.tx", "2011.0.00229.S/README.txt"),
        ("2011.0.0229.S/README.txt", "2011.0.00229.S/README.txt"),
    ],
)
def test_near_name_is_found(tmp_path: Path, typed: str, meant: str) -> None:
    (tmp_path / "IRC10216_setup3_b6_run").mkdir()
    (tmp_path / "2011.0.00229.S").mkdir()
    (tmp_path / "2011.0.00229.S/README.txt").touch()
    assert near_path(bytes(tmp_path / typed)) == bytes(tmp_path / meant)


def test_near_name_in_the_root_is_found() -> None:
    assert near_path(b"/procc") == b"/proc"


def test_near_folder_that_lacks_the_rest_of_the_path_is_not_meant(tmp_path: Path) -> None:
    (tmp_path / "2011.0.00229.S").mkdir()
    assert near_path(bytes(tmp_path / "2011.0.0229.S/README.txt")) is None


@pytest.mark.parametrize("typed", ["other", "other/2011.0.00229.S", "2011.0.00229.S"])
def test_nothing_is_made_up(tmp_path: Path, typed: str) -> None:
    (tmp_path / "2011.0.00229.S.pack").mkdir()
    (tmp_path / "2011.0.00229.S.ticket.tar").touch()
    assert near_path(bytes(tmp_path / typed)) is None


def test_command_suggests_what_was_meant(capsys: Capsys, delivery: Delivery) -> None:
    delivery.make()
    (delivery.origin.parent / "header.txt").touch()
    wrong = delivery.path.with_name("2011.0.0229.S")
    reported = [
        run_here(capsys, "plan", delivery.origin.with_name("sb_1"), delivery.path).err,
        run_here(capsys, "plan", delivery.origin, delivery.path, "--readme", wrong.with_name("heder.txt")).err,
        run_here(capsys, "verify", wrong).err,
        run_here(capsys, "verify", delivery.path, "--manifest", wrong.with_name("header.tx")).err,
    ]
    meant = [delivery.origin, wrong.with_name("header.txt"), delivery.path, wrong.with_name("header.txt")]
    assert [path for path, err in zip(meant, reported, strict=True) if f"Did you mean {path}?" not in err] == []


@pytest.mark.parametrize(("typed", "meant"), [(["plann"], "'plan'"), (["plan", "a", "b", "--mod", "x"], "--mode")])
def test_mistyped_command_and_option_suggest_the_near_one(capsys: Capsys, typed: list[str], meant: str) -> None:
    ran = run_here(capsys, *typed)
    assert ran.code == Exit.USAGE
    assert meant in ran.err


def test_path_that_begins_with_a_dash_is_shown_how_to_write(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "-sb").mkdir()
    monkeypatch.chdir(tmp_path)
    assert "to name the path, write ./-sb" in run_here(capsys, "plan", "-sb", "P").err
    assert "to name the path" not in run_here(capsys, "plan", "-nothing", "P").err
