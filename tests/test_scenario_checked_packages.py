"""Packages whose layout has checks of the member: what verify says of them, and that the checks stay with them."""

import json
from pathlib import Path

import pytest

from support.commands import Ran, run_here
from support.in_process import write

LAYOUT = b"""
tree = "set{set}"
[variable.set]
[[place]]
name = "top"
[[folder]]
name = "script"
[[rule]]
match = "*"
to = "script/{name}"
[[check]]
at_most_one = "*.py"
in = "script"
what = "one script"
"""
WARNED = ["set1/script", "set2/script"]


class Checked:
    """A package of two members, each with one script too many."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.layout = write(folder / "mine.toml", LAYOUT)
        self.package = folder / "package"
        self._capsys = capsys
        for number in "12":
            origin = folder / f"run{number}"
            for name in ("a.py", "b.py", f"{number}.txt"):
                write(origin / name, name.encode())
            words = ("--layout", self.layout, "--set", f"set={number}", "--mode", "copy")
            self.run("plan", origin, self.package, *words)
            self.run("apply", self.package)

    def run(self, *words: str | Path, code: int = 0) -> Ran:
        ran = run_here(self._capsys, *words)
        assert ran.code == code, ran.out + ran.err
        return ran

    def warned(self, package: Path | None = None) -> list[str]:
        found = json.loads(self.run("verify", package or self.package, "--json").out)
        assert (found["problem_count"], {each["code"] for each in found["warnings"]}) == (0, {"warning-check"})
        return [each["path"] for each in found["warnings"]]


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checked:
    return Checked(tmp_path, capsys)


def test_warnings_are_shown_and_leave_the_exit_code_alone(checked: Checked) -> None:
    lines = checked.run("verify", checked.package).out.splitlines()
    assert lines[0].startswith("All as packaged: 2 members")
    assert "warning-check set1/script: expected one script, found a.py, b.py" in lines
    assert checked.warned() == WARNED


def test_report_of_a_package_with_warnings_is_that_of_one_as_packaged(checked: Checked) -> None:
    checked.run("report", checked.package)
    assert "All as packaged:" in (checked.package.parent / "package.report.html").read_text()


def test_checks_stay_with_members_that_are_changed(checked: Checked) -> None:
    header = write(checked.package.parent / "header.txt", b"another header\n")
    checked.run("readme", checked.package, "--header", header, "--member", "set1")
    assert checked.warned() == WARNED
    (checked.package / "set1/script/1.txt").unlink()
    checked.run("repair", checked.package, "--member", "set1")
    assert checked.warned() == WARNED
    checked.run("rename", checked.package, "other")
    other = checked.package.parent / "other"
    assert checked.warned(other) == WARNED
    checked.run("plan", "--again", other, "--member", "set2", "--exclude", "b.py")
    checked.run("apply", other)
    assert checked.warned(other) == WARNED[:1]
    checked.run("remove", other, "--member", "set2")
    assert checked.warned(other) == WARNED[:1]
