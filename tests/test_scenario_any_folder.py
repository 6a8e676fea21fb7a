"""A package that is its only member and has neither roles nor a README: what every command makes of it."""

import json
import os
from pathlib import Path

import pytest

from qa2pack.pack.cli import main
from qa2pack.pack.tarsplit_command import main as tarsplit
from support.commands import Ran, run_here
from support.trees import make_tree

Capsys = pytest.CaptureFixture[str]
_SIZE = 100_000


class Folder:
    """A folder, and the package of it."""

    def __init__(self, folder: Path, capsys: Capsys) -> None:
        self.origin = make_tree(folder / "origin", ["script/a.py\t3", f"top.bin\t{_SIZE}", "deep/er/x\t4"])
        (self.origin / "README").write_text("mine, not the program's\n")
        (self.origin / os.fsdecode(b"f\xff")).mkdir()
        (self.origin / os.fsdecode(b"f\xff") / "x").write_text("x")
        self.package = folder / "package"
        self._capsys = capsys

    def run(self, *words: str | Path, code: int = 0) -> Ran:
        ran = run_here(self._capsys, *words)
        assert ran.code == code, ran.out + ran.err
        return ran

    def plan(self, *words: str, mode: str = "copy") -> Ran:
        return self.run("plan", self.origin, self.package, "--layout", "as-is", "--mode", mode, *words)

    def made(self, mode: str = "copy") -> None:
        self.plan(mode=mode)
        self.run("apply", self.package)


@pytest.fixture
def folder(tmp_path: Path, capsys: Capsys) -> Folder:
    return Folder(tmp_path, capsys)


def test_sizes_are_those_of_the_first_folders(folder: Folder) -> None:
    lines = folder.plan().out.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("  folder "))
    rows = [line.split()[:2] for line in lines[start + 1 : start + 6]]
    assert rows == [[".", "2"], ["deep", "1"], ["f\\xff", "1"], ["script", "1"], ["total", "5"]]
    folder.run("apply", folder.package)
    assert "f\\xff" in folder.run("show", folder.package).out


def test_sizes_of_many_folders_are_summed_up(folder: Folder) -> None:
    make_tree(folder.origin, [f"many/{number:03}\t1" for number in range(3)])
    for number in range(30):
        make_tree(folder.origin, [f"n{number:02}/x\t2"])
    out = folder.plan().out
    assert "  14 more                14       29 B" in out and "n29" not in out


def test_report_has_the_words_of_a_folder_and_not_those_of_a_reduction(folder: Folder) -> None:
    folder.made()
    folder.run("report", folder.package)
    page = Path(f"{folder.package}.report.html").read_text()
    assert '<th scope="col">folder</th>' in page
    assert "the package itself: a new package" in page
    assert [word for word in ("ALMA", "Execution block", "Products") if word in page] == []


def test_readme_of_the_folder_is_a_file_like_any(folder: Folder) -> None:
    folder.made()
    readme = folder.package / "README"
    assert readme.read_bytes() == (folder.origin / "README").read_bytes()
    readme.write_text("damaged")
    ran = folder.run("verify", folder.package, code=3)
    assert "pack repair" in ran.out + ran.err and "pack readme" not in ran.out + ran.err
    folder.run("repair", folder.package)
    assert readme.read_bytes() == (folder.origin / "README").read_bytes()
    refused = folder.run("readme", folder.package, "--take-changes", code=1)
    assert "no-readme" in refused.err
    other = folder.package.with_name("other")
    folder.run("rename", folder.package, other.name)
    folder.run("verify", other)


def test_lost_source_of_a_readme_is_told(folder: Folder) -> None:
    folder.made()
    (folder.origin / "README").unlink()
    (folder.package / "README").write_text("damaged")
    ran = folder.run("verify", folder.package, code=3)
    assert "--from FOLDER" in ran.out + ran.err and f"{folder.origin}/README" in ran.out + ran.err


def test_what_is_lost_stays_as_it_is_while_the_rest_is_repaired(folder: Folder) -> None:
    folder.made()
    (folder.origin / "README").unlink()
    for name in ("README", "deep/er/x"):
        (folder.package / name).write_text("damaged")
    (folder.package / "extra").write_text("extra")
    ran = folder.run("repair", folder.package, "--remove-extra", code=3)
    assert "the package itself: 1 file repaired" in ran.out
    assert (folder.package / "README").read_text() == "damaged"
    assert (folder.package / "deep/er/x").read_bytes() == (folder.origin / "deep/er/x").read_bytes()


def test_unchanged_files_are_taken_over_without_a_copy(folder: Folder) -> None:
    folder.made()
    inode = (folder.package / "top.bin").stat().st_ino
    make_tree(folder.origin, ["script/b.py\t3"])
    folder.made()
    assert (folder.package / "top.bin").stat().st_ino == inode


def test_source_of_a_readme_is_in_the_json_of_a_plan(folder: Folder) -> None:
    files = json.loads(folder.plan("--json", "--tree-all").out)["files"]
    assert {file["path"]: file["source"] for file in files}["README"] == "README"


def test_placeholders_for_files_at_the_top_are_warned_of(folder: Folder) -> None:
    for name in ("script", "deep", os.fsdecode(b"f\xff")):
        (folder.origin / name).rename(folder.origin.parent / name)
    folder.made()
    assert "warning-becomes-empty" in folder.plan(mode="fake").out


def test_changed_readme_and_file_are_what_diff_finds(folder: Folder) -> None:
    folder.made()
    assert "0 files" not in folder.run("diff", folder.origin, folder.package).out
    (folder.origin / "README").write_text("mine, and longer than it was\n")
    found = folder.run("diff", folder.origin, folder.package, "--json")
    assert "README" in found.out and "top.bin" not in found.out


def test_report_has_the_folders_and_no_scheduling_block(folder: Folder) -> None:
    folder.made()
    folder.run("report", folder.package)
    page = Path(f"{folder.package}.report.html").read_text()
    assert "scheduling block" not in page and ">deep<" in page and "f\\xff" in page


def test_batch_names_the_package_in_words(folder: Folder) -> None:
    words = ("--each", "origin", folder.origin.parent, "--package", folder.package, "--layout", "as-is")
    folder.run("batch", "plan", *words)
    assert "applied: the package itself" in folder.run("batch", "apply", *words).out
    assert "applied before: the package itself" in folder.run("batch", "status", *words).out


def test_package_is_adopted_exported_and_delivered(folder: Folder) -> None:
    folder.made()
    listed = folder.package.with_name("list")
    folder.run("export", folder.package, "--format", "md5sum", "-o", listed)
    assert b"  package/deep/er/x\n" in listed.read_bytes() and b"  package/f\xff/x\n" in listed.read_bytes()
    out = folder.package.with_name("out")
    assert tarsplit([str(folder.package), "-n", "2026-11-28", "--output", str(out), "--size", "1MiB"]) == 0
    assert tarsplit(["--check", str(out), str(folder.package)]) == 0
    Path(f"{folder.package}.pack").rename(folder.package.with_name("gone"))
    folder.run("adopt", folder.package, "--layout", "as-is")
    assert main(["verify", str(folder.package)]) == 0


@pytest.mark.parametrize("mode", ["hard", "move"])
def test_folder_is_packaged_again_and_rolled_back(folder: Folder, mode: str) -> None:
    folder.made(mode)
    make_tree(folder.origin, ["script/b.py\t3"])
    folder.run("plan", "--again", folder.package)
    folder.run("apply", folder.package)
    assert (folder.package / "script/b.py").exists()
    folder.run("verify", folder.package)
    folder.run("rollback", folder.package)
    assert not (folder.package / "script/b.py").exists()
    folder.run("verify", folder.package)
    assert "there is a package of 1 member" in folder.run("status", folder.package).out


@pytest.mark.parametrize("files", ["", "{% for file in files %}{{ file.path }}{% endfor %}"], ids=["now", "late"])
def test_sizes_follow_a_text_in_a_folder_whose_name_is_shown_escaped(folder: Folder, files: str) -> None:
    layout = folder.origin.parent / "odd.toml"
    layout.write_text(
        'readme = false\n[variable.odd]\n[[place]]\nname = "top"\n'
        '[[rule]]\nkind = "tree"\nmatch = "*"\nto = "{path}"\n'
        '[[write]]\nto = "{odd}/about"\ntemplate = "about.jinja"\n'
    )
    (layout.parent / "about.jinja").write_text("{{ header }}" + files)
    (layout.parent / "header.txt").write_text("PI name: somebody with a name\n" * 9)
    odd = "o\x01"
    words = ("--layout", layout, "--mode", "copy", "--set", f"odd={odd}")
    folder.run("plan", folder.origin, folder.package, *words)
    folder.run("apply", folder.package)
    folder.run("readme", folder.package, "--header", layout.parent / "header.txt")
    (member,) = json.loads(folder.run("show", folder.package, "--json").out)["members"]
    assert member["roles"]["o\\x01"]["byte_count"] == (folder.package / odd / "about").stat().st_size
