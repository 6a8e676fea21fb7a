"""Usage of a layout: what each rule takes, what none takes, and what a plan would refuse."""

import os
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.place import choose
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.layout.usage import Taken, Usage, usage_of
from qa2pack.manifest.problem import Code

U = "uid___A001_X1_X1"
LAYOUT = """
[variable.uid]
like = "uid"
[[place]]
name = "top"
[[place]]
name = "eb"
path = "*"
marked_by = "{uid}.ms"
[[foreign]]
globs = ["*~"]
reason = "backup"
[[folder]]
name = "product"
[[folder]]
name = "log"
[[folder]]
name = "script"
[[folder]]
name = "qa"
[[rule]]
match = "*.fits"
to = "product/{name}"
[[rule]]
match = "*.log"
to = "log/{uid}.log"
[[rule]]
kind = "tree"
match = "{uid}.ms"
never = "the archive has it"
[[rule]]
match = "*.py"
to = "script/{name}"
[[rule]]
match = "any"
included = "qa"
to = "qa/{name}"
"""


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    for name in (
        "a.fits",
        "eb1/b.fits",
        "eb1/c.log",
        f"eb1/{U}.ms/table.dat",
        "d.log",
        "e.txt",
        "old/f.fits",
        "g.py~",
    ):
        path = tmp_path / "origin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return tmp_path / "origin"


def usage(origin: Path, text: str = LAYOUT) -> Usage:
    layout = origin.parent / "mine.toml"
    layout.write_text(text)
    loaded = load_layout(str(layout))
    tree = survey(os.fsencode(origin), opaque=loaded.is_opaque)
    return usage_of(tree, choose(tree, loaded, origin_path=os.fsencode(origin)), os.fsencode(origin))


def test_rules_tell_the_lines_they_begin_in(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(LAYOUT)
    layout = load_layout(str(tmp_path / "mine.toml"))
    lines = LAYOUT.split("\n")
    assert [lines[rule.line - 1 + 1] for rule in layout.rules] == [
        'match = "*.fits"',
        'match = "*.log"',
        'kind = "tree"',
        'match = "*.py"',
    ]


def test_each_rule_has_what_it_takes_and_leaves_out(origin: Path) -> None:
    assert usage(origin).taken == (Taken(2, 0, 10), Taken(1, 0, 5), Taken(0, 1, 0), Taken())


def test_what_no_rule_takes_is_listed_and_what_has_no_value_with_the_reason(origin: Path) -> None:
    untaken = [(os.fsdecode(left.path), bool(left.reason), left.is_tree) for left in usage(origin).untaken]
    assert untaken == [("d.log", True, False), ("e.txt", False, False), ("old", False, True)]


def test_files_of_other_programs_are_counted_apart(origin: Path) -> None:
    assert usage(origin).foreign == Taken(1, 0, 5)


def test_places_are_found(origin: Path) -> None:
    assert {path: folder.place.name for path, folder in usage(origin).places.folders.items()} == {
        b"": "top",
        b"eb1": "eb",
    }


def test_meetings_and_links_that_lead_nowhere_are_problems_and_nothing_that_is_taken(origin: Path) -> None:
    (origin / "eb1/a.fits").write_bytes(b"12")
    (origin / "h.py").symlink_to("nowhere")
    found = usage(origin)
    assert sorted((problem.code, problem.path) for problem in found.problems) == [
        (Code.COLLISION, b"product/a.fits"),
        (Code.LINK_DANGLING, os.fsencode(origin / "h.py")),
    ]
    assert found.taken[3] == Taken()


def test_needed_place_that_is_not_there_is_a_problem_that_says_what_it_is(origin: Path) -> None:
    text = LAYOUT.replace('marked_by = "{uid}.ms"', 'marked_by = "{uid}.asdm"\nwhat = "session"\nneeded = true')
    (problem,) = usage(origin, text).problems
    assert (problem.code, problem.expected) == (Code.NO_PLACE, "session: a folder at * that holds {uid}.asdm")


@pytest.mark.parametrize("name", ["...py", "..py"])
def test_piece_of_a_name_that_would_lead_out_of_the_folder_is_left_out_with_the_path(origin: Path, name: str) -> None:
    (origin / name).write_bytes(b"")
    text = LAYOUT.replace('match = "*.py"\nto = "script/{name}"', 'match = "{stem}.py"\nto = "script/{stem}"')
    (left,) = [left for left in usage(origin, text).untaken if left.path == name.encode()]
    assert left.reason == f"script/{name[:-3]} is no path in a package"
