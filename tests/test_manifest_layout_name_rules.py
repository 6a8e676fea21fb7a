"""Rules of names that hold also inside packaged trees: those of Cycle 0, and those that a layout of one's own has."""

import pickle
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.problem import Code, Refused

RULES = load_layout("cycle0").name_rules
REFUSED = [b"a b", b"a\tb", b"a\nb", b"a|b", b"a`b", b"a;b", b"a--b", "é".encode(), b"\xff"]


def rules_of(folder: Path, check: str) -> NameRules:
    path = folder / "mine.toml"
    path.write_text(f'[[folder]]\nname = "qa"\n[[place]]\nname = "top"\n[[check]]\n{check}\n')
    return load_layout(str(path)).name_rules


@pytest.mark.parametrize("name", REFUSED)
def test_name_that_receivers_refuse_is_warned_of(name: bytes) -> None:
    (warning,) = RULES.warnings(b"qa", [b"good.png", name])
    assert (warning.code, warning.path, warning.details) == (Code.W_NAME, b"qa/" + name, ("", ""))


def test_name_that_is_wrong_twice_is_warned_of_once() -> None:
    assert len(RULES.warnings(b"qa", ["é é--".encode()])) == 1


TAKEN = [b"a-b", b"a_b", b"a.b", b"a+b", b"a'b", b"(a)", b"-a", b"readme", b"[^]", b"\x01\x7f"]


@pytest.mark.parametrize("name", TAKEN)
def test_name_that_receivers_take_is_not_warned_of(name: bytes) -> None:
    assert RULES.warnings(b"qa", [name, b"a b"]) == RULES.warnings(b"qa", [b"a b"])
    assert RULES.warnings(b"qa", [name]) == []


def test_only_the_readme_of_the_member_may_be_called_so() -> None:
    assert RULES.warnings(b"", [b"README"]) == []
    found = [(w.code, w.path) for w in RULES.warnings(b"script", [b"README", b"README.txt", b"myREADME"])]
    assert found == [(Code.W_README_IN_PATH, b"script/" + name) for name in (b"README", b"README.txt", b"myREADME")]


def test_every_reason_is_reported() -> None:
    codes = [warning.code for warning in RULES.warnings(b"qa", [b"my README"])]
    assert codes == [Code.W_NAME, Code.W_README_IN_PATH]


def test_rules_are_the_same_in_a_worker() -> None:
    sent = pickle.loads(pickle.dumps(RULES))
    assert sent == RULES
    assert sent.warnings(b"qa", [b"a b", b"c"]) == RULES.warnings(b"qa", [b"a b", b"c"])


def test_paths_that_differ_in_case_only_are_warned_of() -> None:
    (problem,) = RULES.case_warnings([b"qa/A.txt", b"qa/a.txt", b"qa/b.txt"])
    assert (problem.code, problem.path, problem.found) == (Code.W_CASE, b"qa/a.txt", "qa/A.txt")
    assert list(RULES.case_warnings_in(b"qa", [b"A.txt", b"a.txt", b"b.txt"])) == [problem]


def test_paths_that_differ_in_normal_form_only_are_warned_of() -> None:
    names = ["\u00e9".encode(), "e\u0301".encode()]
    (problem,) = RULES.case_warnings([b"qa/" + name for name in names])
    assert problem.code is Code.W_CASE
    assert list(RULES.case_warnings_in(b"qa", names)) == [problem]


@pytest.mark.parametrize(
    ("check", "wrong", "right"),
    [
        ('letters = "a-z"\nwhat = "why"', "a\u00e9", "az"),
        ('letters = "a-z\u00e9-"\nwhat = "why"', "a\u00ea", "a\u00e9-"),
        ('longest = 3\nwhat = "why"', "abcd", "abc"),
        ('longest = 3\nwhat = "why"', "a\u00e9\u00e9", "a\u00e9"),
        ('without = ["_", "ab"]\nwhat = "why"', "xab", "xba"),
        ('without = ["+", "-", "]"]\nwhat = "why"', "a]", "[a"),
        ('without = "x"\nbut = ["qa/x1", "x2"]\nwhat = "why"', "x2", "x1"),
    ],
)
def test_rule_of_a_layout_is_also_for_names_inside_trees(tmp_path: Path, check: str, wrong: str, right: str) -> None:
    rules = rules_of(tmp_path, f"{check}\ninside = true")
    (problem,) = rules.warnings(b"qa", [right.encode(), wrong.encode()])
    assert (problem.code, problem.path, problem.expected) == (Code.W_CHECK, b"qa/" + wrong.encode(), "why")
    assert rules.warnings(b"qa", [right.encode()]) == []


def test_rule_that_is_not_inside_is_none_of_these(tmp_path: Path) -> None:
    assert rules_of(tmp_path, 'letters = "a"\nwhat = "why"\ninside = false') == NameRules()
    assert list(NameRules().case_warnings([b"A", b"a"])) == []


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ('letters = "a"\ninside = true\nsay = "refuse"\nwhat = "x"', "say = warn beside inside and code"),
        ('letters = "a"\nsay = "refuse"\ncode = "warning-name"', "say = warn beside inside and code"),
        ('letters = "a"\ncode = "warning-case"', "one of warning-name, warning-readme-in-path"),
        ('without = ["a", ""]\nwhat = "x"', "texts that no name may have"),
        ('unlike = "size"', "one of case"),
        ('unlike = "case"\nsay = "refuse"', "a value for unlike and no other key"),
        ('letters = "a"\ncode = "warning-name"\nwhat = "x"', "the keys letters and what, or letters and code"),
    ],
)
def test_rule_that_is_not_understood_is_refused(tmp_path: Path, check: str, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        rules_of(tmp_path, check)
    assert expected in str(refused.value)
