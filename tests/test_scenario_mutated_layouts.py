"""Layouts with mistakes: whatever is mistyped in a layout, it is loaded, or refused with the line, never a fault."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.manifest.layout.load import known_layouts, layout_text, layouts_folder, load_layout
from qa2pack.manifest.problem import Code, Problem, Refused

# Each kind of table with all its keys; in one of several tables where they exclude each other.
TABLES = {
    "layout": {"name": '"mine"', "title": '"x"', "tree": '"{mous}"', "readme": "false"},
    "variable": {"like": '"*"', "default": '"x"'},
    "place": {
        **{"name": '"eb"', "path": '"*"', "inside": '"top"', "named": '"*"', "marked_by": '"*.ms"'},
        **{"prefix": '"x_"', "no_prefix": '"x*"', "needed": "true", "what": '"x"'},
    },
    "folder": {
        **{"name": '"log"', "text": '"x"', "always": "true", "tickets": "true", "listed": "true"},
        "report": '["pictures"]',
    },
    "foreign": {"globs": '["*~"]', "reason": '"x"'},
    "rule": {
        **{"places": '["top"]', "kind": '"tree"', "match": '"*"', "to": '"qa/{name}"', "if_taken": '"qa/x"'},
        **{"column": '"DATA"', "doubtful_column": '"DATA"', "included": '"qa"'},
        "again": '{to = "qa/x", column = "DATA"}',
    },
    "rule-2": {"match": '"*"', "never": '"x"', "warn": "true", "empty": "true"},
    "write": {"to": '"qa/x"', "text": '"x"', "if_missing": "true"},
    "write-2": {"to": '"qa/y"', "template": '"a.jinja"', "newline": '"\\r\\n"'},
    "write-3": {"to": '"qa/z"', "from": '"{file}"', "needed": "true"},
    "check": {"needs": '"qa"', "what": '"x"'},
    "check-2": {"alike": '["*"]', "in": '"qa"', "what": '"x"'},
    "check-3": {"absent": '["*"]', "what": '"x"'},
    "check-4": {"project": '["*"]'},
    "check-5": {"at_most_one": '"*"', "in": '"qa"', "what": '"x"', "say": '"warn"'},
    "check-6": {"holds": '"*"', "in": '"qa"', "what": '"x"', "say": '"warn"'},
    "check-7": {"lacks": '"*"', "what": '"x"', "say": '"warn"'},
    "check-8": {"letters": '"a-z"', "code": '"warning-name"', "say": '"warn"', "inside": "true", "but": '"qa/X"'},
    "check-9": {"longest": "9", "what": '"x"'},
    "check-10": {"without": '"x"', "what": '"x"'},
    "check-11": {"unlike": '"case"'},
    "check-12": {
        **{"listed_in": '"qa/*.xml"', "elements": '"x"', "attribute": '"x"', "in": '"qa"'},
        **{"what": '"x"', "say": '"warn"'},
    },
}
KEYS = [(table, key) for table, values in TABLES.items() for key in values]
WRONG = {
    **{"number": "7", "none": "0", "less": "-1", "fraction": "1.5", "no-number": "nan", "date": "2026-11-28"},
    **{"flag": "true", "list": "[]", "numbers": "[7]", "texts": '["\\u0000"]', "lists": "[[[]]]", "table": "{}"},
    **{"tables": "[{}]", "NUL": '"\\u0000"', "text": '"{"', "path": '"../.."', "long": f'"{"x" * 999}"'},
}
# Of these no key takes any.
NEVER_RIGHT = ("none", "less", "fraction", "no-number", "date", "numbers", "lists", "tables", "texts")
FRAME = '[variable.mous]\n[variable.file]\n[[folder]]\nname = "qa"\n[[place]]\nname = "top"\n'  # what the tables name


def text_of(table: str, values: dict[str, str]) -> str:
    """Return a layout with this table at its end; its keys stand each on a line."""
    kind = table.partition("-")[0]
    header = {"layout": "", "variable": "[variable.x]\n"}.get(kind, f"[[{kind}]]\n")
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    return lines + FRAME if kind == "layout" else f"readme = false\n{FRAME}{header}{lines}"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "a.jinja").write_text("x")
    return tmp_path / "mine.toml"


def problem_of(mine: Path, text: str) -> Problem | None:
    """Return why a layout is refused; None if it is loaded."""
    mine.write_text(text)
    try:
        load_layout(str(mine))
    except Refused as refused:
        (problem,) = refused.problems
        return problem
    return None


def assert_tells_where(problem: Problem, text: str) -> None:
    assert problem.code in (Code.UNKNOWN_LAYOUT, Code.UNKNOWN_ROLE)
    told = f"{problem.expected} found {problem.found}"
    is_without = told.startswith("places, [[place]]") or "at end of document" in told
    assert is_without or re.search(r"\bline \d+", told), f"{told}\n{text}"


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_this_test_are_right(mine: Path, table: str) -> None:
    assert problem_of(mine, text_of(table, TABLES[table])) is None


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_no_value_of_a_key_is_a_fault(mine: Path, table: str, key: str) -> None:
    for kind, value in WRONG.items():
        text = text_of(table, {**TABLES[table], key: value})
        problem = problem_of(mine, text)
        assert problem is not None or kind not in NEVER_RIGHT, f"{key} = {value} is taken"
        if problem is not None:
            assert_tells_where(problem, text)


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_key_that_is_mistyped_is_refused_with_the_right_one(mine: Path, table: str, key: str) -> None:
    values = {(key + "s" if each == key else each): value for each, value in TABLES[table].items()}
    problem = problem_of(mine, text_of(table, values))
    assert problem is not None
    assert f"{key}s (did you mean {key}?)" in str(problem.found)
    assert_tells_where(problem, "")


def blocks_of(name: str) -> tuple[str, list[str]]:
    """Return what the other tables of a layout of the program name (variables, places, folders), and those others."""
    lines = [line for line in layout_text(name).splitlines() if line.strip() and not line.startswith("#")]
    blocks = re.split(r"^(?=\[)", "\n".join(lines) + "\n", flags=re.MULTILINE)
    is_named = [bool(re.match(r"\[\[(place|folder)|\[variable|[^\[]", block)) for block in blocks]
    frame = "".join(block for block, named in zip(blocks, is_named, strict=True) if named)
    return frame, [block for block, named in zip(blocks, is_named, strict=True) if not named]


def mutated(lines: list[str], chance: random.Random) -> str:
    """Return the lines with one mistake."""
    at = chance.randrange(len(lines))
    line = lines[at]
    key, equals, value = line.partition(" = ")
    mistakes = [
        "",
        line * 2,
        line[: chance.randrange(len(line))] + "\n",
        f"{key}{chance.choice('sx_.')}{equals}{value}" if equals else line[:-2] + "\n",
        f"{key} = {chance.choice(list(WRONG.values()))}\n" if equals else f"{line}x = 1\n",
        f"{key} = {json.dumps(value.strip())}\n" if equals else f"[{line}",
        f"{key} = {value.strip()[1:-1]}\n" if equals else line.replace("[[", "["),
        line.replace(chance.choice(line), chance.choice("/*{}[]!.\"'\0\\é-"), 1),
        line + lines[chance.randrange(len(lines))],
    ]
    return "".join([*lines[:at], chance.choice(mistakes), *lines[at + 1 :]])


def mutants(name: str, count: int) -> Iterator[str]:
    """Yield layouts with mistakes: what a layout of the program names, and two of its other tables."""
    chance = random.Random(name)
    frame, others = blocks_of(name)
    for _ in range(count):
        few = chance.sample(others, min(2, len(others)))
        text = mutated((frame + "".join(few)).splitlines(keepends=True), chance)
        yield text if chance.randrange(8) else text[: chance.randrange(len(text))]


@pytest.mark.parametrize("name", known_layouts())
def test_mistake_in_a_layout_is_refused_with_its_line_or_harmless(mine: Path, name: str) -> None:
    for each in layouts_folder().iterdir():
        if not each.name.endswith(".toml"):
            (mine.parent / each.name).write_bytes(each.read_bytes())
    refused = 0
    for text in mutants(name, 400):
        problem = problem_of(mine, text)
        if problem is not None:
            assert_tells_where(problem, text)
        refused += problem is not None
    assert 100 < refused < 400
