"""Paths and names as people and shells type them: `./`, `//`, a trailing `/`, a name twice."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.globs import first_match
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import Delivery
from support.two_members import SECOND

Capsys = pytest.CaptureFixture[str]


_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("repair",),
    ("readme", "--set-field", "PI name=B"),
    ("remove",),
    ("plan", "--again"),
    ("export", "--format", "json", "-o", "list"),
    ("tarsplit", "-n", "2012-06-20", "--dry-run"),
)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("show",), f"{SECOND}/"),
        (("show",), f"./{SECOND}"),
        (("show",), "group_ouss_id//member_ouss_id2"),
        (("show",), f"P/sg_ouss_id/{SECOND}/"),
        *((command, "./member_ouss_id2/") for command in _COMMANDS),
    ],
)
def test_name_of_a_member_is_taken_as_it_was_meant(
    capsys: Capsys, two: Delivery, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    monkeypatch.chdir(two.path.parent)
    assert run_here(capsys, *command, two.path, "--member", name).code == Exit.DONE


def test_member_to_replace_is_taken_as_it_was_meant(capsys: Capsys, two: Delivery) -> None:
    replaced = ("plan", two.origin, two.path, "--replace-member", f"./{SECOND}/")
    assert run_here(capsys, *replaced).code == Exit.DONE


@pytest.mark.parametrize("second", [("--member", SECOND), (f"--member={SECOND}",)])
def test_two_members_for_a_command_of_one_are_refused(capsys: Capsys, two: Delivery, second: tuple[str, ...]) -> None:
    refused = run_here(capsys, "remove", two.path, "--member", "member_ouss_id", *second)
    assert refused.code == Exit.USAGE
    assert f"it takes one at a time: member_ouss_id, {SECOND}" in " ".join(refused.err.split())
    assert two.problems() == []


def test_member_that_is_named_twice_alike_is_one(capsys: Capsys, two: Delivery) -> None:
    assert run_here(capsys, "remove", two.path, "--member", SECOND, "--member", f"{SECOND}/").code == Exit.DONE


@pytest.mark.parametrize("style", ["{}/", ".//{}", "./{}", "sub/../{}"])
def test_paths_are_taken_as_they_were_meant(
    capsys: Capsys, delivery: Delivery, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    monkeypatch.chdir(delivery.path.parent)
    Path("sub").mkdir()
    origin, package, copy = (style.format(path.name) for path in (delivery.origin, delivery.path, Path("copy")))
    for words in (
        ("plan", origin, package, "--mode", "copy"),
        ("apply", package),
        ("verify", package),
        ("diff", origin, package),
        ("export", package, "--format", "bagit", "-o", copy),
        ("tarsplit", "-n", "2012-06-20", package, "--output", style.format("tars")),
        ("tarsplit", "--check", style.format("tars"), package),
        ("repair", package, "--from", copy),
        ("report", package, "-o", f"sub//{'../sub/'}page.html"),
        ("status", package),
        ("rollback", package),
    ):
        assert (words, run_here(capsys, *words).code) == (words, Exit.DONE)
    assert not os.path.lexists(delivery.path)


@pytest.mark.parametrize(
    ("glob", "does"),
    [
        ("X8c/qa2/", True),
        ("./X8c/qa2", True),
        ("X8c//qa2", True),
        (".//X8c//qa2//", True),
        ("qa2/", True),
        ("./qa2", False),  # directly in the origin
        ("/X8c/qa2", False),
    ],
)
def test_glob_is_taken_as_it_was_meant(glob: str, does: bool) -> None:
    assert (first_match(b"X8c/qa2", (glob,)) is not None) is does
