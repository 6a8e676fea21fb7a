"""`pack layout`: printing, listing and checking layouts."""

import json
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import known_layouts, layout_text, load_layout
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.layouts import OTHER, with_layout
from support.trees import make_tree

Capsys = pytest.CaptureFixture[str]
LAYOUT = """
name = "mine"
title = "Products and their logs"
[[place]]
name = "top"
[[place]]
name = "run"
path = "run*"
needed = true
[[folder]]
name = "product"
[[folder]]
name = "log"
[[rule]]
match = "*.fits"
to = "product/{run}.{name}"
[[rule]]
match = ["*.log", "*.txt"]
to = "log/{name}"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(LAYOUT)
    return path


def origin_with(folder: Path, *names: str) -> Path:
    make_tree(folder, names)
    return folder


def test_layout_is_printed_as_it_is(capsys: Capsys) -> None:
    assert run_here(capsys, "layout").out == layout_text("cycle0")
    assert json.loads(run_here(capsys, "layout", "cycle0", "--json").out)["rules"] == layout_text("cycle0")


def test_layouts_are_listed_with_their_titles(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_layout(tmp_path / "layouts", monkeypatch)
    lines = run_here(capsys, "layout", "--list").out.splitlines()
    assert lines == [f"cycle0  {load_layout('cycle0').title}", "runs    Runs of a pipeline"]
    fields = json.loads(run_here(capsys, "layout", "--list", "--json").out)["layouts"]
    assert fields[1] == {"layout": "runs", "title": "Runs of a pipeline"}


def test_layouts_that_come_with_the_program_have_titles() -> None:
    assert [name for name in known_layouts() if not load_layout(name).title] == []


def test_layout_is_checked_by_itself(capsys: Capsys, mine: Path) -> None:
    ran = run_here(capsys, "layout", "--check", mine)
    assert ran.code == Exit.DONE
    assert ran.out.splitlines() == [
        f"Layout {mine}",
        "  title      Products and their logs",
        "  tree       the package itself",
        "  variables  none",
        "  places     top, run (needed)",
        "  folders    product, log",
        "  rules      2",
        "  checks     0",
    ]


def test_layout_that_is_wrong_is_refused_with_the_line(capsys: Capsys, mine: Path) -> None:
    mine.write_text(LAYOUT + 'colour = "red"\n')
    ran = run_here(capsys, "layout", "--check", mine)
    assert ran.code == Exit.FAILED
    assert "found colour in [[rule]] 2, line 17" in ran.err


def test_check_shows_places_rules_with_their_lines_and_what_no_rule_takes(
    capsys: Capsys, mine: Path, tmp_path: Path
) -> None:
    origin = origin_with(tmp_path / "origin", "run1/a.fits", "run1/b.fits", "run2/b.fits", "notes", "old/")
    ran = run_here(capsys, "layout", "--check", mine, origin)
    assert ran.code == Exit.DONE
    assert ran.out.splitlines()[9:] == [
        f"Origin {origin}",
        "  top        .",
        "  run        run1, run2",
        "",
        "   line   files  trees       size  rule",
        "     14       3      0        0 B  *.fits -> product/{run}.{name}",
        "",
        "Rules that take nothing: 1",
        "     17  *.log and 1 more -> log/{name}",
        "",
        "No rule takes: 2",
        "  notes",
        "  old/",
    ]


def test_check_as_json_has_everything(capsys: Capsys, mine: Path, tmp_path: Path) -> None:
    origin = origin_with(tmp_path / "origin", "run1/a.fits", *(f"notes{number:02}" for number in range(30)))
    fields = json.loads(run_here(capsys, "layout", "--check", mine, origin, "--json").out)
    assert (fields["layout"], fields["origin"], fields["exit_code"]) == ("mine", str(origin), 0)
    assert [place["found"] for place in fields["places"]] == [[{"path": ""}], [{"path": "run1"}]]
    counts = [(rule["line"], rule["to"], rule["file_count"], rule["tree_count"]) for rule in fields["rules"]]
    assert counts == [(14, "product/{run}.{name}", 1, 0), (17, "log/{name}", 0, 0)]
    assert len(fields["untaken"]) == 30
    assert fields["untaken"][0] == {"path": "notes00", "reason": "", "is_folder": False}


CHECKS = """
[[check]]
at_most_one = "*.fits"
in = "product"
what = "one image"
[[check]]
holds = "READ*"
in = "."
what = "a reader"
[[check]]
letters = "a-z1.:"
but = "README"
say = "refuse"
what = "small letters"
[[check]]
listed_in = "log/*.txt"
elements = "image"
what = "the list"
[[check]]
longest = 9
inside = true
what = "of the scan"
"""


def test_check_applies_the_checks_of_the_member(capsys: Capsys, mine: Path, tmp_path: Path) -> None:
    mine.write_text(LAYOUT + CHECKS)
    origin = origin_with(tmp_path / "origin", "run1/a.fits", "run1/b.fits", "run1/Log.txt")
    (origin / "run1/Log.txt").write_text("<r><image>run1.a.fits</image><image>c.fits</image></r>")
    ran = run_here(capsys, "layout", "--check", mine, origin)
    assert ran.code == Exit.PROBLEMS
    assert ran.out.partition("Checks of the member")[2].splitlines() == [
        ": 4",
        "     21  warns    at most one of *.fits in product: one image",
        "                  product: found run1.a.fits, run1.b.fits",
        "     25  met      at least one of READ* in the member: a reader",
        "     29  refuses  names: small letters",
        '                  log/Log.txt: found "L"',
        "     34  warns    what is listed in log/*.txt: the list",
        "                  log/Log.txt: found no c.fits",
    ]
    fields = json.loads(run_here(capsys, "layout", "--check", mine, origin, "--json").out)
    assert [(each["line"], each["say"], len(each["problems"])) for each in fields["checks"]] == [
        (21, "warn", 1),
        (25, "warn", 0),
        (29, "refuse", 1),
        (34, "warn", 1),
    ]
    assert fields["exit_code"] == Exit.PROBLEMS


def test_check_that_only_warns_leaves_the_exit_code_alone(capsys: Capsys, mine: Path, tmp_path: Path) -> None:
    mine.write_text(LAYOUT + CHECKS)
    origin = origin_with(tmp_path / "origin", "run1/a.fits", "run1/b.fits")
    assert run_here(capsys, "layout", "--check", mine, origin).code == Exit.DONE


def test_check_shows_the_first_twenty_or_all_that_no_rule_takes(capsys: Capsys, mine: Path, tmp_path: Path) -> None:
    origin = origin_with(tmp_path / "origin", "run1/", *(f"notes{number:02}" for number in range(30)))
    few = run_here(capsys, "layout", "--check", mine, origin).out
    assert "  notes19\n  and 10 more (--all shows them)\n" in few
    assert "notes20" not in few
    every = run_here(capsys, "layout", "--check", mine, origin, "--all").out
    assert "  notes29\n" in every
    assert "--all" not in every


def test_check_ends_with_the_problems_of_a_plan_and_the_layouts_that_fit(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_layout(tmp_path / "layouts", monkeypatch)
    origin = origin_with(tmp_path / "origin", "pipeline-1/", "a.fits")
    ran = run_here(capsys, "layout", "--check", "cycle0", origin)
    assert ran.code == Exit.PROBLEMS
    assert "A plan would be refused: 2\n  no-place: " in ran.out
    assert f"        pack plan {origin} PACKAGE --mode MODE --layout runs\n" in ran.out
    assert run_here(capsys, "layout", "--check", "runs", origin).code == Exit.DONE


def test_check_asks_for_values_and_takes_them(capsys: Capsys, mine: Path, tmp_path: Path) -> None:
    mine.write_text(LAYOUT.replace("{run}.{name}", "{band}.{name}") + '[variable.band]\nlike = "B?"\n')
    origin = origin_with(tmp_path / "origin", "run1/a.fits")
    assert "variable-missing" in run_here(capsys, "layout", "--check", mine, origin).err
    ran = run_here(capsys, "layout", "--check", mine, origin, "--set", "band=B3")
    assert (ran.code, "No rule takes: 0" in ran.out) == (Exit.DONE, True)
    assert "unknown-variable" in run_here(capsys, "layout", "--check", mine, origin, "--set", "band").err


def test_check_names_deeper_origins_by_paths_that_a_plan_takes(capsys: Capsys, tmp_path: Path) -> None:
    origin = origin_with(tmp_path / "project", "sb1/X1/uid___A002_X1_X1.ms.scriptForCalibration.py")
    out = run_here(capsys, "layout", "--check", "cycle0", origin).out
    assert f"        pack plan {origin}/sb1 PACKAGE --append member --mode MODE\n" in out


@pytest.mark.parametrize(
    "arguments",
    [("cycle0", "."), ("--all",), ("--check", "--list"), ("runs",)],
    ids=["origin-without-check", "all-without-check", "check-and-list", "no-such-layout"],
)
def test_what_does_not_go_together_is_refused(capsys: Capsys, arguments: tuple[str, ...]) -> None:
    assert run_here(capsys, "layout", *arguments).code == Exit.USAGE


def test_layout_of_the_tests_is_one(tmp_path: Path) -> None:
    (tmp_path / "runs.toml").write_text(OTHER)
    assert load_layout(str(tmp_path / "runs.toml")).name == "runs"
