"""What was expected and found, in words for people and exact in JSON."""

import json
import os
import re

import pytest
import xxhash

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.humanize import local_time
from qa2pack.manifest.problem import Code, Problem, Remedy
from qa2pack.manifest.quantity import Count, Digest, Name, Owner, Quantity, Size, Space, Time, owner_named
from qa2pack.pack.errors.problem_view import MOST_PATHS, commands_of, problem_lines, problem_text, remedies_lines
from qa2pack.pack.target import target_of
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import problem_fields
from support.commands import run_here
from support.in_process import Delivery


def state(size: int, mtime_ns: int, inode: int) -> FileState:
    return FileState(size, mtime_ns, ctime_ns=0, inode=inode, device=0)


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        (state(5, 10**18, 7), state(1, 10**18, 8), "expected 5 bytes, found 1 byte"),
        (state(5000, 10**18, 7), state(1, 10**18, 7), r"expected 4\.9 KiB \(5,000 bytes\), found 1 byte"),
        (
            state(5, 10**18, 7),
            state(5, 10**18, 8),
            "the file itself, found another file of its size and time",
        ),
        (
            state(5, 10**18, 7),
            state(5, 2 * 10**18, 7),
            r"expected written at 2001-09-\S+ \S+ \S+, found written at 2033",
        ),
        (
            state(5, 10**18, 7),
            state(5, 10**18 + 1000, 7),
            r"expected written at \S+ \S+:40\.000000000 \S+, found written at \S+ \S+:40\.000001000 ",
        ),
        (
            FileState(5, 10**18, ctime_ns=10**18, inode=7, device=0),
            FileState(5, 10**18, ctime_ns=2 * 10**18, inode=7, device=0),
            r"expected last touched at 2001-09-\S+ \S+ \S+, found last touched at 2033",
        ),
    ],
)
def test_states_of_a_file_are_shown_by_what_differs(expected: FileState, found: FileState, words: str) -> None:
    problem = Problem(Code.ORIGIN_CHANGED, b"a", expected, found)
    assert re.search(words, problem_text(problem))
    assert re.search(words.replace(", found", "; found"), str(problem))
    assert "inode" not in str(problem)


def test_changed_file_is_shown_in_words_and_exact_in_json(
    capsys: pytest.CaptureFixture[str], delivery: Delivery
) -> None:
    delivery.plan(Mode.COPY)
    script = delivery.origin / "scriptForImaging.py"
    planned = script.stat()
    os.utime(script, ns=(0, 86_400 * 10**9))
    err = run_here(capsys, "apply", delivery.path).err
    (problem,) = json.loads(run_here(capsys, "apply", delivery.path, "--json").out)["problems"]
    assert re.search(r"expected written at \d{4}-\d\d-\d\d \S+ \S+, found written at 1970-01-0", err)
    assert " ns" not in err
    inode = planned.st_ino
    assert problem["expected"] == f"{planned.st_size} bytes, mtime {planned.st_mtime_ns} ns, inode {inode}"
    assert problem["found"] == f"{planned.st_size} bytes, mtime {86_400 * 10**9} ns, inode {inode}"


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (Size(1), "1 byte", 1),
        (Size(10_240, bound="at least"), "at least 10,240 bytes", 10_240),
        (Size(2048, is_rounded=True), "2.0 KiB", 2048),
        (Space(free_bytes=1024, needed_bytes=4096), "1.0 KiB; 3.0 KiB (3,072 bytes) are missing", 1024),
        (Count(999, "tar", "at most"), "at most 999 tars", 999),
        (Digest("ab01"), "ab01", "ab01"),
        (Digest("ab01", "md5"), "md5 ab01", "ab01"),
        (Time(86_400 * 10**9, "a time up to"), f"a time up to {local_time(86_400 * 10**9)}", 86_400 * 10**9),
        (Time(10**30), "1,000,000,000,000,000,000,000 s after 1970", 10**30),
        (Owner(1001, "ada", "one of"), "one of ada (user 1001)", 1001),
        (Owner(1001), "user 1001", 1001),
        (Name(Mode.FAKE, "the mode"), "the mode fake", "fake"),
    ],
)
def test_quantities_have_one_text_and_a_value(quantity: Quantity, text: str, value: object) -> None:
    problem = Problem(Code.CHANGED, b"a", quantity, "words")
    assert problem_text(problem) == f"changed a: expected {text}, found words"
    (fields,) = problem_fields([problem])
    assert (fields["expected"], fields["expected_value"], fields["found_value"]) == (text, value, None)


def test_owner_has_the_name_that_this_machine_has_for_the_number() -> None:
    assert owner_named(0, "a file of") == Owner(0, "root", "a file of")
    assert owner_named(2**31 - 7) == Owner(2**31 - 7)


def test_verify_gives_sizes_and_digests_as_values(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    delivery.make(Mode.COPY)
    script = next(delivery.path.rglob("scriptForImaging.py"))
    whole = script.read_bytes()
    script.write_bytes(whole + b"x")
    (grown,) = json.loads(run_here(capsys, "verify", delivery.path, "--json").out)["problems"]
    assert (grown["expected_value"], grown["found_value"]) == (len(whole), len(whole) + 1)
    assert grown["found"] == f"{len(whole) + 1:,} bytes"
    script.write_bytes(whole[:-1] + b"x")
    (changed,) = json.loads(run_here(capsys, "verify", delivery.path, "--json").out)["problems"]
    assert (changed["expected_value"], changed["found_value"]) == (changed["expected"], changed["found"])
    assert changed["found_value"] == xxhash.xxh3_128_hexdigest(whole[:-1] + b"x")


def test_state_of_a_file_is_a_value(capsys: pytest.CaptureFixture[str], delivery: Delivery) -> None:
    delivery.plan(Mode.COPY)
    script = delivery.origin / "scriptForImaging.py"
    os.utime(script, (86_400, 86_400))
    (problem,) = json.loads(run_here(capsys, "apply", delivery.path, "--json").out)["problems"]
    assert problem["found_value"]["mtime_ns"] == 86_400 * 10**9
    assert problem["found_value"]["size"] == script.stat().st_size


TARGET = target_of("/x/2011.0.00229.S")


@pytest.mark.parametrize(
    ("count", "verb", "shows_all", "last"),
    [
        (MOST_PATHS, "verify", False, "      19"),
        (MOST_PATHS + 1, "verify", False, "      and 1 more (--json lists all)"),
        (MOST_PATHS + 1200, "plan", False, "      and 1,200 more (--all or --json lists them)"),
        (MOST_PATHS + 1, "plan", True, "      20"),
    ],
)
def test_first_paths_of_many_are_shown(count: int, verb: str, shows_all: bool, last: str) -> None:
    problems = [Problem(Code.MISSING, b"%d" % number) for number in range(count)]
    lines = list(problem_lines(problems, TARGET, Style(), verb=verb, has_remedies=False, shows_all=shows_all))
    assert lines[-1] == last
    assert sum(line.strip().isdigit() for line in lines) == (count if shows_all else MOST_PATHS)


def test_problems_of_one_code_have_one_heading_and_no_remedy_if_the_caller_has_one() -> None:
    problems = [Problem(Code.MISSING, b"a"), Problem(Code.EXTRA, b"b"), Problem(Code.MISSING, b"c")]
    lines = list(problem_lines(problems, TARGET, Style(), has_remedies=False))
    assert [line.split(":")[0].strip() for line in lines] == ["missing", "a", "c", "extra", "b"]


@pytest.mark.parametrize(
    ("code", "options", "plan"),
    [
        (
            Code.W_DEEPER_SB,
            " --mode hard",
            "pack plan sb2 /x/2011.0.00229.S --append member --mode hard --as-is",
        ),
        (Code.W_DEEPER_SB, None, "pack plan sb2 /x/2011.0.00229.S --append member --mode MODE"),
        (Code.PLAN_STALE, " --mode hard", "pack plan sb1 /x/2011.0.00229.S --mode hard"),
    ],
)
def test_plan_of_another_origin_has_its_own_options(code: Code, options: str | None, plan: str) -> None:
    lines = problem_lines(
        [Problem(code, b"sb2")], TARGET, Style(), verb="plan", origin="sb1", options=options, elsewhere=" --as-is"
    )
    assert plan in [line.strip() for line in lines]


def test_remedy_of_one_command_is_shown_in_that_one() -> None:
    remedies = [Remedy("To plan:", ("pack plan ORIGIN PACKAGE",), verbs=("plan",)), Remedy("Wait.")]
    package = "/x/2011.0.00229.S"
    assert list(remedies_lines(remedies, TARGET, verb="verify", indent=0)) == ["do: Wait."]
    assert list(remedies_lines(remedies, TARGET, verb="plan", indent=0)) == [
        "do: To plan:",
        f"    pack plan ORIGIN {package}",
        "    Wait.",
    ]


def test_package_of_no_known_layout_is_adopted_by_the_plain_command() -> None:
    commands = commands_of(Remedy("Adopt it:", ("pack adopt PACKAGE",)), TARGET)
    assert commands == ["pack adopt /x/2011.0.00229.S"]
