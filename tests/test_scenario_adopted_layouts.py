"""Packages that are adopted with their layout: what is remembered of it, and what is said of lists in them.

A message that advises to adopt a package gives the layout in its command, as far as it can be known.
"""

import json
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.layout.found_texts import found_texts
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.problem import Code
from qa2pack.pack.exit_codes import Exit
from support.commands import Ran, run_here
from support.in_process import write

LAYOUT = b"""
tree = "set{set}"
[variable.set]
[variable.who]
default = "me"
[[place]]
name = "top"
[[folder]]
name = "script"
tickets = true
[[rule]]
match = "*"
to = "script/{name}"
[[write]]
to = "script/{project}.list"
template = "list.jinja"
[[write]]
to = "script/license"
text = "free"
[[check]]
letters = "a-z0-9./"
but = "README"
say = "refuse"
what = "small letters"
"""
LEFT = "Left as they were when the package was adopted"


class Adopted:
    """A package of one member that came without its control folder, and its layout."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.layout = write(folder / "mine.toml", LAYOUT)
        write(folder / "list.jinja", b"{% for file in files %}{{ file.path }}\n{% endfor %}")
        self.origin = folder / "run"
        write(self.origin / "a.py", b"a")
        write(self.origin / "t.ms/table.dat", b"no real table")
        write(self.origin / "t.ms/SUB/table.Dat", b"x")
        self.package = folder / "package"
        self._capsys = capsys
        self.run("plan", self.origin, self.package, "--layout", self.layout, "--set", "set=1", "--mode", "copy")
        self.run("apply", self.package)
        self.lose()

    def run(self, *words: str | Path, code: int = 0) -> Ran:
        ran = run_here(self._capsys, *words)
        assert ran.code == code, ran.out + ran.err
        return ran

    def lose(self) -> None:
        shutil.rmtree(f"{self.package}.pack")

    def adopt(self, *words: str | Path) -> None:
        self.run("adopt", self.package, "--layout", self.layout, *words)

    def advised(self, *words: str | Path, code: int = 1) -> list[str]:
        """Return the commands that adopt the package, as a command that fails advises them."""
        ran = self.run(*words, code=code)
        lines = map(str.strip, (ran.out + ran.err).splitlines())
        return [line for line in lines if line.startswith("pack adopt ")]

    def verified(self, code: int = 0) -> list[tuple[str, str]]:
        fields = json.loads(self.run("verify", self.package, "--json", code=code).out)
        return [(each["code"], each["path"]) for each in fields["problems"]]


@pytest.fixture
def adopted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Adopted:
    return Adopted(tmp_path, capsys)


def test_checks_of_the_layout_are_applied_to_an_adopted_package(adopted: Adopted) -> None:
    adopted.adopt()
    assert adopted.verified() == []
    adopted.lose()
    write(adopted.package / "set1/script/B.py", b"b")
    adopted.adopt()
    adopted.layout.unlink()
    assert adopted.verified(Exit.PROBLEMS) == [(Code.CHECK_FAILED, "set1/script/B.py")]


def test_layout_is_shown_and_recalled_by_a_plan(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(adopted.layout.parent)
    adopted.run("adopt", adopted.package, "--layout", adopted.layout.name)
    assert f"layout   {adopted.layout}" in adopted.run("show", adopted.package).out
    words = ("--set", "set=1", "--force", "--json")
    planned = json.loads(adopted.run("plan", adopted.origin, adopted.package, *words).out)
    assert (planned["layout"], planned["mode"]) == (str(adopted.layout), "fake")


@pytest.mark.parametrize(
    "words", [("rename", "new"), ("readme", "--set-field", "PI name=A")], ids=["rename", "readme"]
)
def test_lists_that_are_left_as_they_were_are_named(adopted: Adopted, words: tuple[str, ...]) -> None:
    adopted.adopt()
    verb, *more = words
    package = adopted.package.with_name("new") if verb == "rename" else adopted.package
    before = (adopted.package / "set1/script/package.list").read_bytes()
    lines = adopted.run(verb, adopted.package, *more).out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(LEFT))
    assert lines[start + 2] == f"  {package}/set1/script/package.list"
    assert "license" not in "".join(lines)
    assert (package / "set1/script/package.list").read_bytes() == before
    more = ["newer"] if verb == "rename" else more
    fields = json.loads(adopted.run(verb, package, *more, "--json").out)
    assert fields["left_texts"] == [{"path": "set1/script/package.list"}]


def test_nothing_is_left_where_the_program_makes_the_lists(adopted: Adopted) -> None:
    adopted.run("adopt", adopted.package, "--layout", adopted.layout)
    words = ("--set", "set=1", "--mode", "copy", "--force")
    adopted.run("plan", adopted.origin, adopted.package, *words)
    adopted.run("apply", adopted.package)
    ran = adopted.run("readme", adopted.package, "--set-field", "PI name=A")
    assert LEFT not in ran.out


def test_layout_without_readme_and_ticket_files_has_none_when_adopted(adopted: Adopted) -> None:
    write(adopted.package / "README", b"of the folder")
    adopted.run("adopt", adopted.package, "--layout", "as-is")
    refused = adopted.run("readme", adopted.package, "--set-field", "PI name=A", code=Exit.FAILED)
    assert Code.NO_README in refused.err
    write(adopted.package / "README", b"of another")
    adopted.run("verify", adopted.package, code=Exit.PROBLEMS)


def test_found_texts_are_those_of_templates_with_any_values(tmp_path: Path) -> None:
    write(tmp_path / "list.jinja", b"{{ project }}")
    beside = b'[[write]]\nto = "../{project}.tab"\ntemplate = "list.jinja"\n'
    layout = load_layout(str(write(tmp_path / "mine.toml", LAYOUT.replace(b'tree = "set{set}"', b"") + beside)))
    paths = (b"script/a.list", b"script/license", b"script/.list", b"script/a/b.list", b"scriptXa.list")
    assert found_texts(layout, paths, (b"b.tab", b"a.tab", b"tab", b"script/a.list")) == (
        b"script/a.list",
        b"../a.tab",
        b"../b.tab",
    )


@pytest.mark.parametrize("verb", ["adopt", "verify", "plan", "readme --take-changes"])
def test_member_without_manifest_is_adopted_with_the_layout_that_another_one_remembers(
    adopted: Adopted, verb: str
) -> None:
    adopted.adopt()
    shutil.copytree(adopted.package / "set1", adopted.package / "set2")
    verb, *options = verb.split()
    words = (adopted.origin, adopted.package, "--layout", adopted.layout) if verb == "plan" else (adopted.package,)
    advised = adopted.advised(verb, *words, *options, code=Exit.PROBLEMS if verb == "verify" else Exit.FAILED)
    assert advised == [f"pack adopt {adopted.package} --layout {adopted.layout}"]
    adopted.run(*advised[0].split()[1:])
    assert adopted.verified() == []


def test_folder_that_is_no_member_by_the_tree_is_not_adopted(adopted: Adopted) -> None:
    adopted.adopt()
    write(adopted.package / "other/a", b"")
    assert adopted.advised("adopt", adopted.package) == []


def test_folder_may_be_a_member_where_the_layout_of_the_package_cannot_be_read(adopted: Adopted) -> None:
    adopted.adopt()
    adopted.layout.unlink()
    write(adopted.package / "other/a", b"")
    command = f"pack adopt {adopted.package} --layout FILE"
    assert adopted.advised("verify", adopted.package, code=Exit.PROBLEMS) == [command]


def test_damaged_manifest_is_made_again_with_the_layout_of_the_last_plan(adopted: Adopted) -> None:
    package = adopted.package.with_name("other")
    adopted.run("package", adopted.origin, package, "--layout", adopted.layout, "--set", "set=1", "--mode", "copy")
    (manifest,) = (package.with_name("other.pack") / "manifests").iterdir()
    manifest.write_bytes(manifest.read_bytes()[:-1])
    command = f"pack adopt {package} --layout {adopted.layout}"
    for verb, code in (("verify", Exit.PROBLEMS), ("show", Exit.PROBLEMS), ("repair", Exit.FAILED)):
        assert adopted.advised(verb, package, code=code) == [command]
    manifest.unlink()
    adopted.run(*command.split()[1:])
    adopted.run("verify", package)


@pytest.mark.parametrize("words", ["adopt", "verify", "adopt --layout cycle0", "plan"])
def test_package_without_its_control_folder_is_adopted_with_a_layout_that_has_its_tree_and_folders(
    adopted: Adopted, words: str
) -> None:
    package = adopted.package.with_name("2022.1.00999.S")
    write(package / "science_goal.A/group.B/member.C/log/casa.log", b"log")
    verb, *options = words.split()
    origin = (adopted.origin,) if verb == "plan" else ()
    names = ("alma-manual", "alma-pipeline")
    assert adopted.advised(verb, *origin, package, *options) == [
        f"pack adopt {package} --layout {name}" for name in names
    ]
    write(package / "science_goal.A/group.B/member.C/other/casa.log", b"log")
    assert adopted.advised(verb, *origin, package, *options) == []


def test_folder_of_files_is_not_taken_for_a_package_of_a_layout_without_a_tree(adopted: Adopted) -> None:
    write(adopted.package.with_name("flat") / "a", b"")
    assert adopted.advised("verify", adopted.package.with_name("flat")) == []


@pytest.mark.parametrize("words", ["tarsplit -n 2026-01-01 --dry-run", "export --format json"])
def test_package_is_not_delivered_without_a_member_whose_manifest_is_gone(adopted: Adopted, words: str) -> None:
    adopted.adopt()
    shutil.copytree(adopted.package / "set1", adopted.package / "set2")
    verb, *options = words.split()
    refused = adopted.run(verb, adopted.package, *options, code=Exit.FAILED)
    assert f"{Code.MANIFEST_MISSING}: " in refused.err and f"{adopted.package}/set2\n" in refused.err
    assert f"pack adopt {adopted.package} --layout {adopted.layout}\n" in refused.err
    adopted.run(verb, adopted.package, *options, "--member", "set1")
    adopted.run("adopt", adopted.package, "--layout", adopted.layout)
    adopted.run(verb, adopted.package, *options)
