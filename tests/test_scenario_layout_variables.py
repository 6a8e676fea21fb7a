"""Variables of a layout: given on the command line, in a settings file, or not at all."""

import json
from pathlib import Path

import pytest

from qa2pack.pack.cli import main
from qa2pack.pack.exit_codes import Exit
from support.commands import run_here
from support.in_process import UID, Delivery, make_reduction, write
from support.printed_commands import printed_commands
from support.trees import make_tree

Capsys = pytest.CaptureFixture[str]
OTHER = "uid___A002_X3dc0e7_X528"
LAYOUT = """
[variable.run]
like = "[0-9]*"
[[folder]]
name = "script"
[[place]]
name = "top"
[[rule]]
match = "{stem}.py"
to = "script/run_{run}/{project}.{stem}.py"
[[rule]]
kind = "tree"
match = "*"
never = "no scripts in it"
"""


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(LAYOUT)
    return path


def files(capsys: Capsys, *words: str | Path) -> list[str]:
    """Plan with these words, in mode hard, and return the paths of the files."""
    ran = run_here(capsys, "plan", *words, "--mode", "hard", "--json", "--tree-all")
    assert ran.code == 0, ran.err
    return sorted(file["path"] for file in json.loads(ran.out)["files"])


def test_value_that_is_typed_stands_in_the_names(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    planned = files(capsys, delivery.origin, delivery.path, "--layout", layout, "--set", "run=3")
    assert planned == ["README", "script/run_3/2011.0.00229.S.scriptForImaging.py"]


def test_variable_without_a_value_refuses_the_plan_by_name(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert ran.code == 1
    assert "variable-missing" in ran.err and "run: expected a value like [0-9]*" in ran.err
    assert "--set NAME=VALUE" in ran.err


TWO = "a variable has one value, and these are two: run=3 and run=4"


@pytest.mark.parametrize("command", [("plan",), ("diff",), ("layout", "--check")], ids=["plan", "diff", "layout"])
def test_two_values_of_a_variable_are_a_usage_error(
    capsys: Capsys, delivery: Delivery, layout: Path, command: tuple[str, ...]
) -> None:
    words = (
        (layout, delivery.origin) if "--check" in command else (delivery.origin, delivery.path, "--layout", layout)
    )
    ran = run_here(capsys, *command, *words, "--set", "run=3", "--set", "run=4")
    assert ran.code == Exit.USAGE
    assert f"Invalid value for '--set': {TWO}" in " ".join(ran.err.split())


def test_two_values_in_the_environment_are_a_usage_error(
    capsys: Capsys, delivery: Delivery, layout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACK_SET", "run=3 run=4")
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert ran.code == Exit.USAGE
    assert f"environment variable PACK_SET: {TWO}" in " ".join(ran.err.split())


def test_two_values_in_a_settings_file_are_a_usage_error(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    (delivery.origin.parent / "pack.toml").write_text('layout = "mine.toml"\nset = ["run=5", "run=6"]\n')
    ran = run_here(capsys, "plan", delivery.origin, delivery.path)
    assert ran.code == Exit.USAGE
    assert "set must be a list of NAME=VALUE, one for each NAME, not ['run=5', 'run=6']" in " ".join(ran.err.split())


def test_one_value_may_be_given_twice(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    twice = ("--set", "run=3", "--set", "run=3")
    assert "script/run_3/2011.0.00229.S.scriptForImaging.py" in files(
        capsys, delivery.origin, delivery.path, "--layout", layout, *twice
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("run=x", "a value like [0-9]*, without a /"),
        ("run=3/4", "a value like [0-9]*, without a /"),
        ("runs=3", "one of run"),
        ("a/b=3", "one of run"),
        ("run", "NAME=VALUE"),
    ],
)
def test_value_that_cannot_be_is_refused(
    capsys: Capsys, delivery: Delivery, layout: Path, value: str, expected: str
) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--set", value)
    assert ran.code == 1
    assert "unknown-variable" in ran.err and f"{value}: expected {expected}" in ran.err


def test_wrong_value_says_what_is_right_and_where_the_layout_in_use_shows_it(
    capsys: Capsys, delivery: Delivery, layout: Path
) -> None:
    layout.write_text(LAYOUT.replace('like = "[0-9]*"\n', ""))
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--set", "run=a/b")
    assert "run=a/b: expected a value that is a name: without a /, and not . or .." in ran.err
    (words,) = printed_commands(ran.err)
    assert words == ["pack", "layout", "--check", str(layout)]
    assert "variables  run" in run_here(capsys, *words[1:]).out


def test_plan_that_is_advised_has_the_value(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    files(capsys, delivery.origin, delivery.path, "--layout", layout, "--set", "run=3")
    (delivery.origin / "scriptForImaging.py").write_bytes(b"other words")
    refused = run_here(capsys, "apply", delivery.path)
    advised = [words for words in printed_commands(refused.err) if words[1] == "plan"]
    assert [words[-2:] for words in advised] == [["--set", "run=3"]]


def test_value_may_be_any_name_that_a_folder_can_have(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    layout.write_text(LAYOUT.replace('like = "[0-9]*"\n', ""))
    planned = files(capsys, delivery.origin, delivery.path, "--layout", layout, "--set", "run=a\nb")
    assert planned == ["README", "script/run_a\\nb/2011.0.00229.S.scriptForImaging.py"]


def test_value_that_is_not_utf8_is_refused(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout, "--set", "run=3\udcff")
    assert ran.code == 1
    assert "unknown-variable" in ran.err and "NAME=VALUE in UTF-8" in ran.err


def test_value_is_remembered(capsys: Capsys, delivery: Delivery, layout: Path) -> None:
    words = (delivery.origin, delivery.path)
    first = files(capsys, *words, "--layout", layout, "--set", "run=3")
    assert main(["apply", str(delivery.path)]) == 0
    assert files(capsys, *words) == first
    assert files(capsys, *words, "--set", "run=4") == [path.replace("run_3", "run_4") for path in first]


def test_value_of_a_settings_file_counts_where_none_is_typed(
    capsys: Capsys, delivery: Delivery, layout: Path
) -> None:
    (delivery.origin.parent / "pack.toml").write_text('layout = "mine.toml"\nset = ["run=5"]\n')
    assert "script/run_5/" in files(capsys, delivery.origin, delivery.path)[1]
    assert "script/run_6/" in files(capsys, delivery.origin, delivery.path, "--set", "run=6")[1]


def test_given_uid_leaves_out_the_other_execution_blocks(capsys: Capsys, delivery: Delivery) -> None:
    make_reduction(delivery.origin, uid=OTHER, block="X528", seed=2)
    words = (delivery.origin, delivery.path)
    assert any(OTHER in path for path in files(capsys, *words))
    one = files(capsys, *words, "--set", f"uid={UID}")
    assert any(UID in path for path in one) and not any(OTHER in path for path in one)


@pytest.mark.parametrize("target", ["aa/{name}", "{stem}/{name}", "{name}"])
def test_folder_by_which_no_member_is_known_is_refused_before_it_is_packaged(
    capsys: Capsys, delivery: Delivery, layout: Path, target: str
) -> None:
    text = LAYOUT.replace('name = "script"', 'name = "aa"').replace("script/run_{run}/{project}.{stem}.py", target)
    text = f'tree = "sg_ouss_id/group_ouss_id{{group}}/member_ouss_id{{member}}"\n{text}'
    layout.write_text(text if "{stem}" in target else text.replace("{stem}.py", "*.py"))
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--layout", layout)
    assert ran.code == 1
    assert "unknown-role" in ran.err and "as the first folder of a target" in ran.err


NAMED = """
[variable.field]
[[folder]]
name = "images"
[[folder]]
name = "others"
[[place]]
name = "top"
[[place]]
name = "of_field"
path = "of_{field}"
[[rule]]
kind = "file"
match = "{field}_*.fits"
to = "images/{field}/{name}"
[[rule]]
kind = "tree"
match = "{field}.ms"
to = "images/{field}/{name}"
[[rule]]
match = "*.ms"
to = "others/{name}"
[[rule]]
included = "others"
match = "{field}_*"
to = "others/{field}/{name}"
"""


@pytest.fixture
def fields(tmp_path: Path) -> tuple[Path, ...]:
    """A folder with files and a tree of three fields, and the words of a plan of it."""
    for name in ("ab_1.fits", "a*_1.fits", "cd_1.fits", "ab.ms/x", "cd.ms/x", "ab_1.log", "cd_1.log"):
        write(tmp_path / "fields" / name, b"x")
    (tmp_path / "named.toml").write_text(NAMED)
    return (tmp_path / "fields", tmp_path / "survey", Path("--layout"), tmp_path / "named.toml")


def test_rule_takes_names_with_the_value_that_is_given_alone(capsys: Capsys, fields: tuple[Path, ...]) -> None:
    assert files(capsys, *fields, "--set", "field=ab") == [
        "README",
        "images/ab/ab.ms/x",
        "images/ab/ab_1.fits",
        "others/cd.ms/x",
    ]
    assert "images/cd/cd_1.fits" in files(capsys, *fields)


def test_value_that_is_given_is_no_glob(capsys: Capsys, fields: tuple[Path, ...]) -> None:
    planned = files(capsys, *fields, "--set", "field=a*")
    assert [path for path in planned if path.endswith(".fits")] == ["images/a*/a*_1.fits"]


def test_rule_for_includes_takes_names_with_the_value_that_is_given_alone(
    capsys: Capsys, fields: tuple[Path, ...]
) -> None:
    planned = files(capsys, *fields, "--set", "field=ab", "--include", "*.log=others")
    assert [path for path in planned if path.endswith(".log")] == ["others/ab/ab_1.log", "others/cd_1.log"]


def test_check_of_a_layout_shows_what_rules_take_with_the_value_that_is_given(
    capsys: Capsys, fields: tuple[Path, ...]
) -> None:
    origin, _, _, layout = fields
    shown = json.loads(run_here(capsys, "layout", "--check", layout, origin, "--set", "field=ab", "--json").out)
    assert [(rule["file_count"], rule["tree_count"]) for rule in shown["rules"][:3]] == [(1, 0), (0, 1), (0, 1)]
    assert [each["path"] for each in shown["untaken"]] == ["a*_1.fits", "ab_1.log", "cd_1.fits", "cd_1.log"]


def test_value_that_a_folder_fixes_leaves_out_no_names(capsys: Capsys, fields: tuple[Path, ...]) -> None:
    write(fields[0] / "of_zz" / "cd_2.fits", b"x")
    assert "images/zz/cd_2.fits" in files(capsys, *fields)


def test_place_that_is_not_there_with_a_given_value_names_it(capsys: Capsys, delivery: Delivery) -> None:
    ran = run_here(capsys, "plan", delivery.origin, delivery.path, "--set", f"uid={OTHER}")
    assert ran.code == 1 and f"found none with uid={OTHER}" in ran.err


NIGHTS = """
readme = false
[[folder]]
name = "notes"
[[place]]
name = "top"
[[place]]
name = "night"
path = "night*"
[[rule]]
match = "*.txt"
to = "notes/{name}"
if_taken = "notes/{night}_{name}"
"""


def test_variable_that_only_if_taken_needs_leaves_no_file_out(capsys: Capsys, tmp_path: Path) -> None:
    make_tree(tmp_path / "run", ["alone.txt", "log.txt", "night1/log.txt"])
    (tmp_path / "nights.toml").write_text(NIGHTS)
    planned = files(capsys, tmp_path / "run", tmp_path / "package", "--layout", tmp_path / "nights.toml")
    assert planned == ["notes/alone.txt", "notes/log.txt", "notes/night1_log.txt"]
