"""Layout rules: folders that go whole, globs of the command line, includes."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.globs import first_match, matches
from qa2pack.manifest.layout.include import Include, check_includes, parse_include
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.problem import Code, Refused
from support.cycle0 import ROLES


@pytest.mark.parametrize("name", [b"a.plots", b"a.plots.overlayTime", b"a.image", b"uid___A002_X1_X2"])
def test_trees_that_go_whole_are_opaque(name: bytes) -> None:
    assert load_layout("cycle0").is_opaque(name)


@pytest.mark.parametrize("name", [b"qa2", b"X8c", b"Images", b"Combined", b"uid___A002_X1"])
def test_folders_that_are_looked_through_are_not_opaque(name: bytes) -> None:
    assert not load_layout("cycle0").is_opaque(name)


def test_uid_in_brackets_stands_for_its_letters() -> None:
    assert matches(b"u", ("[{uid}]",)) and not matches(b"x", ("[{uid}]",))
    assert matches(b"x", ("[!{uid}-}]",))


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
    assert parse_include("a=b*.txt=qa") == Include("a=b*.txt", "qa")


@pytest.mark.parametrize("text", ["*.txt", "*.txt=", "=qa", "/=qa"])
def test_include_without_glob_or_role_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_include(text)
    (problem,) = refused.value.problems
    assert (problem.code, problem.path) == (Code.UNKNOWN_ROLE, text.encode())
    assert problem.expected == "GLOB=role"


def test_include_by_a_layout_without_folders_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused) as refused:
        check_includes((parse_include("*.x=qa"),), ())
    (problem,) = refused.value.problems
    assert problem.expected == "no --include: the layout has no [[folder]]"


def test_includes_with_roles_that_the_layout_lacks_are_refused_together() -> None:
    with pytest.raises(Refused) as refused:
        check_includes([Include("a", "QA"), Include("b", "qa"), Include("c", "x")], ROLES)
    assert [problem.path for problem in refused.value.problems] == [b"a=QA", b"c=x"]
    assert all("product" in str(problem.expected) for problem in refused.value.problems)


def test_tree_with_another_value_than_the_given_one_is_entered(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[variable.run]\n[[place]]\nname = "top"\n[[rule]]\nkind = "tree"\nmatch = "{run}.d"\nnever = "x"\n'
    )
    layout = load_layout(str(tmp_path / "mine.toml"))
    node, top = Node(b"b.d", Kind.FOLDER), layout.places[0]
    assert layout.is_opaque(b"b.d") and layout.rule_for(node, top)
    given = layout.with_given({"run": b"a", "project": b"P"})
    assert given.is_opaque(b"a.d") and not given.is_opaque(b"b.d")
    assert given.rule_for(node, top) is None
