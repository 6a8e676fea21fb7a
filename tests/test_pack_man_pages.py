"""The manual pages are those made from the commands, and man shows them without a complaint."""

import subprocess

import pytest

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.man_pages import man_pages, roff_text
from support.commands import ROOT
from support.tools import needs_tool

FOLDER = ROOT / "docs/man"


def test_pages_in_docs_are_those_made_from_the_commands() -> None:
    pages = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert pages == man_pages(), "run python -m qa2pack.pack.man_pages docs/man"


def test_there_is_a_page_for_each_command() -> None:
    assert set(man_pages()) == {"pack.1", "tarsplit.1", *(f"pack-{name}.1" for name in COMMANDS)}


def test_page_shows_every_option_and_no_warning() -> None:
    shown = subprocess.run(
        [needs_tool("groff"), "-man", "-Tascii", "-ww", "-P-cbou", *sorted(FOLDER.iterdir())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    words = " ".join(shown.stdout.split())
    assert "pack-audit - Verify many packages in turn, and keep a catalogue of them" in words
    assert "--time DURATION Begin no package that would not be verified within this time, as in 2h;" in words
    assert "EXAMPLES pack audit /data/packages --time 2h --quiet" in words
    assert "\n.SH" not in shown.stdout


@pytest.mark.parametrize(("text", "roff"), [(".a", "\\&.a"), ("'a", "\\&'a"), ("a\\b", "a\\eb"), ("-a", "\\-a")])
def test_nothing_in_a_text_is_a_command_of_roff(text: str, roff: str) -> None:
    assert roff_text(text) == roff
