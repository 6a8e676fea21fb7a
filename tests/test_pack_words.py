"""Every problem has its words, and the page in docs says the same."""

import re

from commands import ROOT
from manifest.problem import Code
from pack.cli import COMMANDS
from pack.words import PLANNING, VERIFYING, WARNINGS, WORDS, problems_page


def test_every_code_has_its_words() -> None:
    assert set(Code) - set(WORDS) == set()


def test_no_code_has_its_words_twice() -> None:
    assert len(WORDS) == len(PLANNING) + len(VERIFYING) + len(WARNINGS)


def test_warnings_and_only_they_stand_under_warnings() -> None:
    assert set(WARNINGS) == {code for code in Code if code.name.startswith("W_")}


def test_no_words_are_missing() -> None:
    assert [code for code, row in WORDS.items() if not (row.what and row.cause and row.remedy)] == []


def test_commands_in_remedies_exist() -> None:
    commands = set(COMMANDS)
    named = {name for row in WORDS.values() for name in re.findall(r"(?<![\w.])pack ([a-z]+)\b", row.remedy)}
    assert named - commands == set()


def test_page_in_docs_is_the_one_made_from_the_words() -> None:
    assert (ROOT / "docs/problems.md").read_text() == problems_page(), "run python -m pack.words > docs/problems.md"
