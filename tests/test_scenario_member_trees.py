"""Packages whose members are told apart by values: one more is added, the same one is replaced, whatever is done."""

import os
import shutil
from pathlib import Path

import pytest

from qa2pack.manifest.alma.package import read_state
from qa2pack.pack.cli import main
from qa2pack.pack.tarsplit_command import main as tarsplit
from support.commands import run_here
from support.in_process import Delivery

Capsys = pytest.CaptureFixture[str]
LAYOUT = """
tree = "science_goal.{sous}/group.{gous}/member.{mous}"
[variable.sous]
[variable.gous]
[variable.mous]
[[folder]]
name = "product"
[[place]]
name = "products"
path = "SOUS_{sous}/GOUS_{gous}/MOUS_{mous}/products"
needed = true
[[rule]]
match = "*.fits"
to = "product/{name}"
"""


class Runs:
    """Pipeline runs on disk, and the package that is made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "2016.1.01435.S"
        self.layout = folder / "runs.toml"
        self.layout.write_text(LAYOUT)

    def mous(self, names: str, text: str = "pixels") -> Path:
        """Return the folder of a MOUS, given as SOUS/GOUS/MOUS, which has one product."""
        sous, gous, mous = names.split("/")
        path = self.folder / f"run/SOUS_{sous}/GOUS_{gous}/MOUS_{mous}"
        (path / "products").mkdir(parents=True, exist_ok=True)
        (path / "products" / f"{mous}.fits").write_text(text)
        return path

    def pack(self, origin: Path, *words: str | Path, mode: str = "hard") -> None:
        assert (
            main(
                [
                    "plan",
                    str(origin),
                    str(self.package),
                    "--layout",
                    str(self.layout),
                    "--mode",
                    mode,
                    *map(str, words),
                ]
            )
            == 0
        )
        assert main(["apply", str(self.package)]) == 0

    def made(self, names: str, text: str = "pixels", **choices: str) -> None:
        self.pack(self.mous(names, text), **choices)

    @property
    def members(self) -> list[str]:
        """The members in the package that verify finds as packaged, all others being damaged."""
        assert main(["verify", str(self.package)]) == 0
        found = sorted(str(path.parent.relative_to(self.package)) for path in self.package.rglob("README"))
        state = read_state(Delivery(self.folder, self.package).package)
        assert [os.fsdecode(member) for member in state.members] == found
        return found


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def member(names: str) -> str:
    sous, gous, mous = names.split("/")
    return f"science_goal.{sous}/group.{gous}/member.{mous}"


ONE, SAME_GROUP, SAME_GOAL, OTHER_GOAL = "S1/G1/M1", "S1/G1/M2", "S1/G2/M3", "S2/G3/M4"
ALL = (ONE, SAME_GROUP, SAME_GOAL, OTHER_GOAL)


@pytest.mark.parametrize("mode", ["fake", "copy", "hard", "move"])
def test_each_member_is_added_beside_the_others(runs: Runs, mode: str) -> None:
    for count, names in enumerate(ALL, 1):
        runs.made(names, mode=mode)
        assert runs.members == sorted(map(member, ALL[:count]))


def test_same_member_is_replaced_alone(runs: Runs) -> None:
    for names in ALL:
        runs.made(names)
    others = [runs.package / member(names) / "product" for names in ALL[1:]]
    before = [path.stat().st_mtime_ns for path in others]
    (runs.mous(ONE) / "products/more.fits").write_text("more")
    runs.made(ONE)
    assert runs.members == sorted(map(member, ALL))
    assert (runs.package / member(ONE) / "product/more.fits").exists()
    assert [path.stat().st_mtime_ns for path in others] == before


@pytest.mark.parametrize("last", ALL[1:])
def test_added_member_is_rolled_back_with_its_folders(runs: Runs, last: str) -> None:
    runs.made(ONE)
    before = sorted(runs.package.rglob("*"))
    runs.made(last)
    assert main(["rollback", str(runs.package)]) == 0
    assert sorted(runs.package.rglob("*")) == before
    assert runs.members == [member(ONE)]


@pytest.mark.parametrize("gone", ALL)
def test_removed_member_takes_its_empty_folders_along_and_comes_back(runs: Runs, gone: str) -> None:
    for names in ALL:
        runs.made(names)
    before = sorted(runs.package.rglob("*"))
    assert main(["remove", str(runs.package), "--member", member(gone)]) == 0
    left = [names for names in ALL if names != gone]
    assert runs.members == sorted(map(member, left))
    folders = {path for path in runs.package.rglob("*.*") if path.is_dir()}
    assert all(any(path.rglob("README")) for path in folders)
    assert main(["rollback", str(runs.package)]) == 0
    assert sorted(runs.package.rglob("*")) == before


def test_end_of_a_name_is_enough(runs: Runs) -> None:
    runs.made(ONE)
    runs.made(SAME_GOAL)
    assert main(["remove", str(runs.package), "--member", "member.M1"]) == 0
    assert runs.members == [member(SAME_GOAL)]


def test_damaged_file_is_repaired_from_the_origin(runs: Runs) -> None:
    runs.made(ONE, mode="copy")
    runs.made(OTHER_GOAL, mode="copy")
    path = runs.package / member(OTHER_GOAL) / "product/M4.fits"
    path.write_text("noise!")
    assert main(["verify", str(runs.package)]) == 3
    assert main(["repair", str(runs.package)]) == 0
    assert path.read_text() == "pixels"
    assert runs.members == [member(ONE), member(OTHER_GOAL)]


def test_readme_of_one_member_gets_another_header(runs: Runs) -> None:
    runs.made(ONE)
    runs.made(OTHER_GOAL)
    (runs.folder / "header.txt").write_text("PI name: somebody\n")
    words = ("readme", str(runs.package), "--member", "member.M4", "--header", str(runs.folder / "header.txt"))
    assert main(list(words)) == 0
    readme = (runs.package / member(OTHER_GOAL) / "README").read_text()
    assert readme.startswith(
        "PI name: somebody\n|-- 2016.1.01435.S/\n|   |-- science_goal.S2/\n|   |   |-- group.G3/\n"
    )
    assert "somebody" not in (runs.package / member(ONE) / "README").read_text()
    assert runs.members == [member(ONE), member(OTHER_GOAL)]


def test_package_gets_another_name(runs: Runs) -> None:
    for names in ALL:
        runs.made(names)
    assert main(["rename", str(runs.package), "2016.1.00001.S"]) == 0
    runs.package = runs.folder / "2016.1.00001.S"
    assert runs.members == sorted(map(member, ALL))


def test_same_is_planned_again_as_it_was_typed(runs: Runs, capsys: Capsys) -> None:
    runs.made(ONE)
    runs.made(OTHER_GOAL)
    capsys.readouterr()
    ran = run_here(capsys, "plan", "--again", runs.package, "--member", "member.M4")
    assert ran.code == 0, ran.err
    assert f"At the destination: this package, of which {member(OTHER_GOAL)} is replaced" in ran.out
    assert str(runs.layout) in ran.out


def test_named_member_must_be_that_of_the_origin(runs: Runs, capsys: Capsys) -> None:
    runs.made(ONE)
    runs.made(OTHER_GOAL)
    ran = run_here(
        capsys, "plan", runs.mous(ONE), runs.package, "--layout", runs.layout, "--replace-member", "member.M4"
    )
    assert ran.code == 1 and "other-member" in ran.err
    assert f"expected {member(OTHER_GOAL)}, found {member(ONE)}" in ran.err


@pytest.mark.parametrize(
    ("tree", "append", "advice"),
    [
        ("science_goal.{sous}/group.{gous}/member.{mous}", "member", "a member with other values is added"),
        ("set{member}", "group", "Plan with --append member"),
        ("", "member", "Plan without --append, which replaces a package that is there"),
    ],
)
def test_append_that_the_tree_does_not_count_says_what_adds(
    runs: Runs, capsys: Capsys, tree: str, append: str, advice: str
) -> None:
    runs.layout.write_text(LAYOUT.replace("science_goal.{sous}/group.{gous}/member.{mous}", tree))
    words = ("--layout", runs.layout, "--append", append)
    refused = run_here(capsys, "plan", runs.mous(ONE), runs.package, *words)
    assert "append-not-counted" in refused.err and advice in " ".join(refused.err.split())


def test_delivery_of_all_members_is_checked(runs: Runs) -> None:
    for names in ALL:
        runs.made(names)
    assert (
        tarsplit([str(runs.package), "-n", "2017-01-17", "--output", str(runs.folder / "out"), "--size", "1MiB"]) == 0
    )
    assert tarsplit(["--check", str(runs.folder / "out"), str(runs.package)]) == 0


def test_package_that_is_its_only_member_is_made_and_replaced(runs: Runs) -> None:
    runs.layout.write_text(LAYOUT.replace("tree =", "title ="))
    runs.made(ONE)
    assert sorted(os.listdir(runs.package)) == ["README", "product"]
    assert main(["verify", str(runs.package)]) == 0
    runs.made(OTHER_GOAL)
    assert os.listdir(runs.package / "product") == ["M4.fits"]
    assert main(["verify", str(runs.package)]) == 0
    assert main(["rollback", str(runs.package)]) == 0
    assert os.listdir(runs.package / "product") == ["M1.fits"]


def test_run_of_several_is_one_command(runs: Runs, capsys: Capsys) -> None:
    for names in ALL:
        runs.mous(names)
    run = runs.folder / "run"
    ran = run_here(capsys, "plan", run, runs.package, "--layout", runs.layout)
    assert ran.code == 1 and all(f"mous=M{number}" in ran.err for number in (1, 2, 3, 4))
    words = (
        run,
        "--each",
        "SOUS_*/GOUS_*/MOUS_*",
        "--package",
        runs.package,
        "--layout",
        runs.layout,
        "--mode",
        "hard",
    )
    assert f"--package {runs.package} --layout" in ran.err and "--append" not in ran.err
    assert run_here(capsys, "batch", "plan", *words).code == 0
    for _ in range(2):  # what is done is not done again
        assert run_here(capsys, "batch", "apply", *words).code == 0
        assert runs.members == sorted(map(member, ALL))


def test_values_that_are_typed_choose_from_a_run(runs: Runs) -> None:
    for names in ALL:
        runs.mous(names)
    for number in (1, 4):
        runs.pack(runs.folder / "run", "--set", f"mous=M{number}")
    assert runs.members == [member(ONE), member(OTHER_GOAL)]
    runs.pack(runs.folder / "run", "--set", "mous=M1")
    assert runs.members == [member(ONE), member(OTHER_GOAL)]


def test_members_are_adopted_by_the_tree_of_their_layout(runs: Runs, capsys: Capsys) -> None:
    for names in (ONE, OTHER_GOAL):
        runs.made(names, mode="copy")
    shutil.rmtree(f"{runs.package}.pack")
    (runs.package / "science_goal.S1/group.G1/notes").mkdir()
    assert main(["adopt", str(runs.package), "--layout", str(runs.layout)]) == 1
    (runs.package / "science_goal.S1/group.G1/notes").rmdir()
    assert main(["adopt", str(runs.package), "--layout", str(runs.layout)]) == 0
    assert runs.members == [member(ONE), member(OTHER_GOAL)]
    runs.made(SAME_GROUP, mode="copy")
    assert len(runs.members) == 3


def test_package_that_is_its_only_member_is_adopted(runs: Runs) -> None:
    runs.layout.write_text(LAYOUT.replace("tree =", "title ="))
    runs.made(ONE, mode="copy")
    shutil.rmtree(f"{runs.package}.pack")
    assert main(["adopt", str(runs.package), "--layout", str(runs.layout)]) == 0
    assert main(["verify", str(runs.package)]) == 0
    (runs.package / "product/M1.fits").write_text("noise!")
    assert main(["verify", str(runs.package)]) == 3


def test_folder_with_the_project_code_is_not_renamed(runs: Runs, capsys: Capsys) -> None:
    runs.layout.write_text(LAYOUT.replace("member.{mous}", "member.{mous}.{project}"))
    runs.made(ONE)
    refused = run_here(capsys, "rename", runs.package, "2016.1.00001.S")
    assert refused.code == 1 and "without the project code" in refused.err


def test_member_of_another_tree_is_not_replaced(runs: Runs, capsys: Capsys) -> None:
    runs.made(ONE)
    runs.made(OTHER_GOAL)
    runs.layout.write_text(LAYOUT.replace("tree =", "title ="))
    words = ("--layout", runs.layout, "--replace-member", "member.M1")
    refused = run_here(capsys, "plan", runs.mous(ONE), runs.package, *words)
    assert refused.code == 1 and "other-tree" in refused.err


def test_lost_member_is_told_and_a_stray_file_is_found(runs: Runs, capsys: Capsys) -> None:
    runs.made(ONE)
    runs.made(OTHER_GOAL)
    (runs.package / "science_goal.S1").rename(runs.folder / "away")
    (runs.package / "science_goal.S2/note").write_text("stray")
    (runs.package / "science_goal.S2/group.G3/more").mkdir()
    capsys.readouterr()
    ran = run_here(capsys, "verify", runs.package)
    assert ran.code == 3
    told = ["missing", "science_goal.S2/note", "science_goal.S2/group.G3/more"]
    assert [words for words in told if words not in ran.out + ran.err] == []
