"""Globs that match nothing are reported; those that match anything are not."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from qa2pack.manifest.problem import Code
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]


def _unmatched(capsys: Capsys, delivery: Delivery, options: Sequence[str]) -> list[str]:
    fields = json.loads(run_here(capsys, "plan", delivery.origin, delivery.path, "--json", *options).out)
    return [each["path"] for each in fields["warnings"] if each["code"] == Code.W_NO_MATCH]


@pytest.mark.parametrize(
    "options",
    [
        ["--exclude", "*.fits"],
        ["--exclude", "X8c/qa2"],
        ["--exclude", "table.f0"],
        ["--exclude", "*/SPECTRAL_WINDOW/"],
        ["--exclude", "*.plots/*antenna2.png"],
        ["--include", "notes*=qa"],
        ["--include", "*.fits=product"],
        ["--include", "*.fits=product", "--exclude", "*.fits"],
    ],
)
def test_glob_that_matches_is_not_reported(capsys: Capsys, delivery: Delivery, options: list[str]) -> None:
    assert _unmatched(capsys, delivery, options) == []


@pytest.mark.parametrize(
    ("options", "globs"),
    [
        (["--exclude", "*.fitz"], ["*.fitz"]),
        (["--exclude", "sb1/*.fits"], ["sb1/*.fits"]),
        (["--include", "note.txt=qa", "--exclude", "table.f9"], ["note.txt", "table.f9"]),
    ],
)
def test_glob_that_matches_nothing_is_reported(
    capsys: Capsys, delivery: Delivery, options: list[str], globs: list[str]
) -> None:
    assert _unmatched(capsys, delivery, options) == globs


def test_glob_from_a_settings_file_is_not_reported(capsys: Capsys, delivery: Delivery) -> None:
    (delivery.origin.parent / "pack.toml").write_text("exclude = ['*.fitz']")
    assert _unmatched(capsys, delivery, []) == []


def test_tables_whose_files_lead_nowhere_are_reported_as_links(capsys: Capsys, delivery: Delivery) -> None:
    """As after a move into a package that was renamed: no table is broken."""
    table = delivery.origin / "X8c/uid___A002_X3c9295_X8c.ms.split"
    table.mkdir()
    for name in ("table.dat", "table.f0"):
        os.symlink(f"/nowhere/{name}", table / name)
    for mode in ("fake", "hard"):
        err = run_here(capsys, "plan", delivery.origin, delivery.path, "--mode", mode).err
        assert f"link-dangling: This link leads to nothing.\n      {Path(table, 'table.dat')}: found " in err
        assert "table-broken" not in err
