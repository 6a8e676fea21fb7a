"""What docs/commands.md says is what the commands do."""

import json
import re
from pathlib import Path

import pytest

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.exit_codes import EXIT_WORDS
from support.commands import ROOT, run_here
from support.in_process import Delivery

PAGE = (ROOT / "docs/commands.md").read_text()
NAMES = [name for name in COMMANDS if name != "tarsplit"]  # which has a page of its own


@pytest.mark.parametrize("name", NAMES)
def test_page_has_every_command_and_option(capsys: pytest.CaptureFixture[str], name: str) -> None:
    options = set(re.findall(r"--[a-z][a-z-]+", run_here(capsys, name, "--help").out))
    assert f"pack {name} " in PAGE
    assert [option for option in sorted(options) if option not in PAGE] == []


def test_page_has_every_exit_code() -> None:
    assert [code for code, words in EXIT_WORDS.items() if f"| {code.value} | {words}" not in PAGE] == []


def test_page_has_every_field(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    package = delivery.path
    verbs = ("status", "apply", "verify", "show", "log", "report", "adopt")
    commands: list[tuple[str | Path, ...]] = [
        ("plan", delivery.origin, package),
        *((verb, package) for verb in verbs),
        ("show", package, "--files"),
        ("diff", delivery.origin, package),
        ("export", package, "--format", "json", "-o", package.with_suffix(".jsonl")),
        ("tarsplit", package, "-n", "2012-06-20", "--dry-run"),
        ("rollback", package),
    ]
    printed = [json.loads(run_here(capsys, *command, "--json").out) for command in commands]
    assert {name for fields in printed for name in fields if f"`{name}`" not in PAGE} == set()
