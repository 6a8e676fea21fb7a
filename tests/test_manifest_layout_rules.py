"""Layout files: what is loaded and what is refused."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.alma.role import Role
from qa2pack.manifest.alma.uid import uid_of
from qa2pack.manifest.layout.globs import first_match, matches
from qa2pack.manifest.layout.include import Include, parse_include
from qa2pack.manifest.layout.rules import Level, known_layouts, load_layout
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.problem import Code, Problem, Refused

MARKS = 'block_marks = ["{uid}.ms"]\n'
RULE = MARKS + '[[rule]]\nglobs = ["*.txt"]\n'


def problem_of(tmp_path: Path, text: str) -> Problem:
    """Load a layout file that is refused and return the one reason."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(Refused) as refused:
        load_layout(str(path))
    (problem,) = refused.value.problems
    return problem


def test_cycle0_comes_with_the_package() -> None:
    assert known_layouts() == ("cycle0",)
    assert load_layout("cycle0").name == "cycle0"


def test_first_rule_that_fits_wins(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(RULE + 'role = "qa"\n[[rule]]\nglobs = ["a*"]\nrole = "log"\n')
    rule = load_layout(str(path)).rule_for(Node(b"a.txt", Kind.FILE), Level.SB)
    assert rule is not None and rule.role is Role.QA


def test_layout_of_ones_own_is_loaded_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\n' + RULE + 'never = "private"\n')
    monkeypatch.chdir(tmp_path)
    assert load_layout("mine.toml").name == "mine"


def test_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused) as refused:
        load_layout("cycle9")
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == (Code.UNKNOWN_LAYOUT, b"cycle9")
    assert "cycle0" in str(problem.expected)


def test_missing_layout_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        load_layout(str(tmp_path / "none.toml"))


def test_unknown_role_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, RULE + 'role = "raws"\n')
    assert (problem.code, problem.found) == (Code.UNKNOWN_ROLE, "raws in [[rule]] 1, line 2")
    assert problem.expected == "one of raw, calibrated, calibration, script, qa, log, product"


def test_check_of_a_role_that_is_not_known_is_refused(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, MARKS + '[[check]]\nneeds = "raws"\nwhat = "tables"\n')
    assert (problem.code, problem.found) == (Code.UNKNOWN_ROLE, "raws in [[check]] 1, line 2")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not toml", "TOML"),
        ("colour = 1\n" + RULE + 'role = "qa"\n', "colour"),
        (RULE + 'role = "qa"\ncolour = 1\n', "colour"),
        (RULE, "either role or never"),
        (RULE + 'role = "qa"\nnever = "private"\n', "either role or never"),
        (RULE + 'never = ""\n', "either role or never"),
        (RULE + 'role = "qa"\nlevels = ["eb", "ebb"]\n', "ebb"),
        (RULE + 'role = "qa"\nkind = "link"\n', "link"),
        (RULE + 'role = "qa"\nprefix = "maybe"\n', "maybe"),
        (RULE + 'role = "qa"\nwarn = "yes"\n', "true or false"),
        (RULE + "role = 7\n", "text for role"),
        ('block_marks = ["{uid}.ms"]\n[[rule]]\nrole = "qa"\n', "globs"),
        ('block_marks = ["{uid}.ms"]\n[[rule]]\nrole = "qa"\nglobs = "*.txt"\n', "list of texts for globs"),
        ('block_marks = ["{uid}.ms"]\nrule = 7\n', "[[rule]]"),
        ('[[rule]]\nrole = "qa"\nglobs = ["*.txt"]\n', "block_marks"),
        (MARKS + "[[check]]\n", "nothing in [[check]] 1, line 2"),
        (MARKS + '[[check]]\nneeds = "raw"\n', "needs and what"),
        (MARKS + '[[check]]\nabsent = ["*.tgz"]\nwhat = "a run"\nin = "qa"\n', "absent and what"),
        (MARKS + '[[check]]\nalike = "*.log"\nwhat = "log"\nin = "log"\n', "list of texts for alike"),
        (MARKS + "[[check]]\nproject = 7\n", "list of texts for project"),
        (MARKS + "[[check]]\nproject = []\n", "project in [[check]] 1, line 2"),
        (RULE + 'role = "qa"\nfolder = ".."\n', ".. in [[rule]] 1, line 2"),
        (RULE + 'role = "qa"\nfolder = "/tmp"\n', "below that of the role"),
        (RULE + f'role = "qa"\nfolder = "{"x" * 256}"\n', "at most 255 bytes"),
        (RULE + 'role = "qa"\nrename = "a/b"\n', "a file name for rename"),
        (MARKS + '[[rule]]\nglobs = ["[{uid}]"]\nrole = "qa"\n', "outside of brackets"),
        (MARKS + '[[rule]]\nglobs = ["qa2/*.png"]\nrole = "qa"\n', "without a /"),
        ('block_marks = [""]\n', "an empty text"),
        (MARKS + '[[check]]\nabsent = ["a/[!{uid}-z]"]\nwhat = "x"\n', "outside of brackets"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    problem = problem_of(tmp_path, text)
    assert problem.code is Code.UNKNOWN_LAYOUT
    assert named in f"{problem.expected} {problem.found}"


def test_refusal_names_the_table_by_its_line(tmp_path: Path) -> None:
    text = RULE + 'role = "qa"\n\n# [[rule]]\n  [[ "rule" ]] # mine\nglobs = ["*"]\nrole = "raws"\n'
    assert problem_of(tmp_path, text).found == "raws in [[rule]] 2, line 7"


def test_line_is_left_out_where_it_is_not_known(tmp_path: Path) -> None:
    text = (
        'name = """\n[[rule]]\n"""\n'
        + MARKS
        + 'rule = [{globs = ["a"], role = "qa"}, {globs = ["a"], role = "raws"}]\n'
    )
    assert problem_of(tmp_path, text).found == "raws in [[rule]] 2"


def test_refusal_has_the_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(RULE)
    with pytest.raises(Refused) as refused:
        load_layout("mine.toml")
    assert refused.value.problems[0].path == os.fsencode(tmp_path / "mine.toml")


def test_uid_in_brackets_means_its_letters() -> None:
    assert matches(b"u", ("[{uid}]",)) and not matches(b"x", ("[{uid}]",))
    assert matches(b"x", ("[!{uid}-}]",))


@pytest.mark.parametrize("name", [b"a.plots", b"a.plots.overlayTime", b"a.image", b"uid___A002_X1_X2"])
def test_trees_that_go_whole_are_opaque(name: bytes) -> None:
    assert load_layout("cycle0").is_opaque(name)


@pytest.mark.parametrize("name", [b"qa2", b"X8c", b"Images", b"Combined", b"uid___A002_X1"])
def test_folders_that_are_looked_through_are_not_opaque(name: bytes) -> None:
    assert not load_layout("cycle0").is_opaque(name)


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        (b"uid___A002_X3c9295_X8c", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295_X8c.ms.split", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295_X8c_v1.ms", b"uid___A002_X3c9295_X8c"),
        (b"uid___A002_X3c9295", None),
        (b"uid___A002_X3c9295_X8cz.ms", None),
        (b"old_uid___A002_X3c9295_X8c.ms", None),
    ],
)
def test_uid_is_read_from_the_start_of_a_name(name: bytes, uid: bytes | None) -> None:
    assert uid_of(name) == uid


def test_globs_distinguish_upper_from_lower_case() -> None:
    assert matches(b"Checklist", ("*checklist", "Check*")) and not matches(b"Checklist", ("*checklist",))


def test_question_mark_is_one_letter_or_one_odd_byte() -> None:
    assert matches("\u00e9".encode(), ("?",)) and matches(b"\xff", ("?",))


def test_odd_bytes_of_a_glob_match_only_themselves() -> None:
    glob = (os.fsdecode(b"a\xff*"),)
    assert matches(b"a\xffb", glob) and not matches(b"a\xfeb", glob)


def test_glob_matches_whole_names_with_newlines() -> None:
    assert matches(b"a\nb.py", ("a*.py",)) and not matches(b"a.py\n", ("a*.py",))


@pytest.mark.parametrize(
    ("path", "glob", "is_match"),
    [
        (b"X8c/qa2/a.png", "*.png", True),
        (b"X8c/qa2/a.png", "X8c/*.png", True),
        (b"X8c/a.png", "x8c/*.png", False),
        (b"X8c/a.png", "X8c", False),
        (b"X8c", "X8c/", True),
    ],
)
def test_glob_with_a_slash_is_for_the_path_else_for_the_name(path: bytes, glob: str, is_match: bool) -> None:
    assert (first_match(path, [glob]) == glob) is is_match


def test_include_is_read_with_equal_signs_in_its_glob() -> None:
    assert parse_include("a=b*.txt=qa") == Include("a=b*.txt", Role.QA)


@pytest.mark.parametrize("text", ["*.txt", "*.txt=", "=qa", "*.txt=QA", "/=qa"])
def test_include_without_glob_or_known_role_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_include(text)
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == (Code.UNKNOWN_ROLE, text.encode())
    assert "product" in str(problem.expected)


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "{a = " * 100_000])
def test_layout_that_is_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    assert problem_of(tmp_path, text).code is Code.UNKNOWN_LAYOUT


@pytest.mark.parametrize("text", ["a." * 500 + "a = 1", "[" + "'a'." * 500 + "a]"])
def test_layout_with_a_name_of_very_many_parts_is_refused_before_it_is_taken_apart(tmp_path: Path, text: str) -> None:
    assert "dots" in str(problem_of(tmp_path, text).found)
