"""Every problem has its words, and the page in docs says the same."""

import os
import re
from pathlib import Path

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.problem import Code
from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.errors.failure_texts import REQUESTS, STOPS
from qa2pack.pack.errors.problem_texts import PLANNING, VERIFYING, WARNINGS, WORDS, problems_page
from support.commands import ROOT, run_here
from support.in_process import Delivery, write
from support.printed_commands import bad_command, mixed_lines

_COMMANDS = [command for row in WORDS.values() for remedy in row.remedies for command in remedy.commands]


def test_every_code_has_its_words() -> None:
    assert set(Code) - set(WORDS) == set()


def test_no_code_has_its_words_twice() -> None:
    assert len(WORDS) == sum(map(len, (PLANNING, REQUESTS, STOPS, VERIFYING, WARNINGS)))


def test_warnings_and_only_they_are_under_warnings() -> None:
    assert set(WARNINGS) == {code for code in Code if code.name.startswith("W_")}


def test_no_words_are_missing() -> None:
    assert [code for code, row in WORDS.items() if not (row.what and row.cause and row.remedy)] == []


def test_commands_in_remedies_exist() -> None:
    commands = {*COMMANDS, "COMMAND"}
    assert {line.split()[1] for line in _COMMANDS if line.startswith("pack ")} - commands == set()


def test_commands_can_be_copied() -> None:
    assert [command for command in _COMMANDS if bad_command(command)] == []


def test_no_command_is_in_a_sentence() -> None:
    texts = [text for row in WORDS.values() for text in (row.what, row.cause, *(each.text for each in row.remedies))]
    assert mixed_lines(texts) == []


def test_page_in_docs_is_the_one_made_from_the_words() -> None:
    assert (ROOT / "docs/problems.md").read_text() == problems_page(), (
        "python -m qa2pack.pack.errors.problem_texts > docs/problems.md"
    )


def test_numbers_agree_with_their_nouns(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    write(delivery.origin / "a.fits", b"x")
    delivery.make(Mode.COPY)
    (delivery.member / "product/a.fits").write_bytes(b"")
    assert "product/a.fits: expected 1 byte, found 0 bytes" in run_here(capsys, "verify", delivery.path).out


def test_damaged_manifest_is_reported_in_a_sentence(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    delivery.make(Mode.FAKE)
    (manifest,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    manifest.write_bytes(manifest.read_bytes()[:-1])
    out = run_here(capsys, "verify", delivery.path).out
    assert re.search(r": found one that is truncated or its end is damaged \([\d,]+ bytes\)\n", out)
