"""What was expected and found, in words for people and exact in JSON."""

import json
import os
import re

import pytest

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.errors.problem_view import problem_text
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
            r"expected written at [^,]* and 0 ns, found .* and 1,000 ns",
        ),
        (
            FileState(5, 10**18, ctime_ns=10**18, inode=7, device=0),
            FileState(5, 10**18, ctime_ns=2 * 10**18, inode=7, device=0),
            r"expected last touched at 2001-09-\S+ \S+ \S+, found last touched at 2033",
        ),
    ],
)
def test_states_of_a_file_are_shown_by_what_differs(expected: FileState, found: FileState, words: str) -> None:
    assert re.search(words, problem_text(Problem(Code.ORIGIN_CHANGED, b"a", expected, found)))


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
