"""A test that lacks a program is skipped with a reason, or fails where all programs are said to be there."""

import os
import re
import subprocess
import sys

import pytest

from support.commands import ROOT

_ON_EACH_DEBIAN = {"bash", "setsid", "unshare", "umount"}
_IN_EACH_SYSTEM = {"bash", "cp", "diff", "gzip", "md5sum", "sh", "sha256sum", "sync", "tar"}
TEST = "tests/test_tools.py::test_that_needs_a_program_nobody_has"


def test_that_needs_a_program_nobody_has() -> None:
    """Not for itself: it is run by the tests below."""
    if "QA2PACK_TEST_OF_TOOLS" in os.environ:
        pytest.skip("no-such-program is not installed")


@pytest.mark.parametrize(("required", "code", "reported"), [("", 0, "1 skipped"), ("1", 1, "make test-tools")])
def test_a_missing_tool_is_a_skip_or_a_failure(required: str, code: int, reported: str) -> None:
    environment = {**os.environ, "QA2PACK_REQUIRE_TOOLS": required, "QA2PACK_TEST_OF_TOOLS": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", TEST]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "no-such-program is not installed" in done.stdout
    assert reported in done.stdout


def test_each_program_that_a_test_needs_is_installed_by_test_tools() -> None:
    installed = {
        line.split()[0] for line in (ROOT / "tests/support/install_tools.sh").read_text().splitlines() if " " in line
    }
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    needed = set(re.findall(r'needs_tool\("([^"]+)"\)', tests))
    assert "zsh" in needed
    assert needed <= installed | _ON_EACH_DEBIAN | {"ssh-agent", "ssh-add"}  # they come with ssh-keygen


def test_programs_that_a_machine_may_lack_are_asked_for_before_they_are_called() -> None:
    called = re.compile(r'(?:subprocess\.\w+|Popen)\(\s*\[\s*"([a-z][\w.-]*)"')
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text()
        asked = set(re.findall(r'needs_tool\("([^"]+)"\)', text))
        asked |= {"ssh-add"} if "ssh-agent" in asked else set()
        assert set(called.findall(text)) <= {*_IN_EACH_SYSTEM, *asked}, path


def test_tests_need_no_newer_python_than_the_program() -> None:
    new_in_3_11_4 = re.compile(r"extractall\(.*filter=")
    assert [path for path in (ROOT / "tests").rglob("*.py") if new_in_3_11_4.search(path.read_text())] == []
