"""Files that a layout writes beside the package: in the same transaction, verified, and never in place of another."""

import os
import subprocess
from pathlib import Path

import pytest

from qa2pack.pack.cli import main
from support.commands import run_here
from support.signatures import Key

Capsys = pytest.CaptureFixture[str]
LAYOUT = """
readme = false
[variable.version]
default = "1.0"
[[place]]
name = "top"
path = "**"
[[rule]]
kind = "file"
match = "*"
to = "{path}"
[[write]]
to = "../{project}_v{version}.md5"
template = "sums.jinja"
newline = "\\r\\n"
[[write]]
to = "../{project}.note"
text = "made by the layout"
"""
SUMS = "{% for each in files %}{{ each.md5 }}\t{{ each.path }}\n{% endfor %}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with an origin and a layout."""
    (tmp_path / "origin/data").mkdir(parents=True)
    for name in ("label.xml", "data/a.fits", "data/b.fits"):
        (tmp_path / "origin" / name).write_text(name)
    (tmp_path / "beside.toml").write_text(LAYOUT)
    (tmp_path / "sums.jinja").write_text(SUMS)
    return tmp_path


def plan(home: Path, *words: str, mode: str = "hard") -> int:
    return main(
        ["plan", str(home / "origin"), str(home / "P"), "--layout", str(home / "beside.toml"), "--mode", mode, *words]
    )


def made(home: Path, *words: str, mode: str = "hard") -> None:
    assert plan(home, *words, mode=mode) == 0
    assert main(["apply", str(home / "P")]) == 0


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\r\n")


@pytest.mark.parametrize("mode", ["copy", "hard", "move"])
def test_list_beside_has_what_md5sum_says(home: Path, mode: str) -> None:
    made(home, mode=mode)
    names = ["data/a.fits", "data/b.fits", "label.xml"]
    said = subprocess.run(["md5sum", *names], cwd=home / "P", capture_output=True, text=True, check=True).stdout
    wanted = sorted(line.replace("  ", "\t").encode() for line in said.splitlines())
    assert sorted(lines(home / "P_v1.0.md5")) == [b"", *wanted]
    assert (home / "P.note").read_text() == "made by the layout"
    assert sorted(os.listdir(home / "P")) == ["data", "label.xml"]
    assert main(["verify", str(home / "P")]) == 0


def test_plan_and_apply_name_what_stands_beside(home: Path, capsys: Capsys) -> None:
    assert plan(home) == 0
    assert "  and beside it: P_v1.0.md5, P.note\n" in capsys.readouterr().out
    checked = run_here(capsys, "layout", "--check", home / "beside.toml")
    assert "  writes     ../{project}_v{version}.md5, ../{project}.note\n" in checked.out
    assert main(["apply", str(home / "P")]) == 0
    assert f"Written beside the package:\n  {home}/P_v1.0.md5\n  {home}/P.note\n" in capsys.readouterr().out


def test_placeholders_have_empty_ones(home: Path) -> None:
    made(home, mode="fake")
    assert (home / "P_v1.0.md5").read_bytes() == (home / "P.note").read_bytes() == b""
    assert main(["verify", str(home / "P")]) == 0


def test_package_is_not_signed_where_a_file_beside_it_has_other_content_of_its_size(
    home: Path, capsys: Capsys, key: Key
) -> None:
    made(home)
    path = home / "P_v1.0.md5"
    path.write_bytes(path.read_bytes().replace(b"a.fits", b"c.fits"))
    ran = run_here(capsys, "sign", home / "P", "--key", key.path)
    assert (ran.code, "beside-damaged" in ran.err) == (1, True)
    assert not list(home.glob("P.pack/manifests/*.sig"))


@pytest.mark.parametrize("damage", ["gone", "longer", "other", "folder"])
def test_damage_is_found_and_made_good(home: Path, capsys: Capsys, damage: str) -> None:
    made(home)
    path = home / "P_v1.0.md5"
    whole = path.read_bytes()
    path.unlink()
    match damage:
        case "longer":
            path.write_bytes(whole + b"x")
        case "other":
            path.write_bytes(whole.replace(b"a.fits", b"c.fits"))
        case "folder":
            path.mkdir()
    capsys.readouterr()
    ran = run_here(capsys, "verify", home / "P")
    assert ran.code == 3 and "beside-damaged" in ran.out + ran.err
    quick = run_here(capsys, "verify", home / "P", "--quick")
    assert quick.code == (0 if damage == "other" else 3)
    if damage != "folder":
        assert main(["plan", "--again", str(home / "P")]) == 0
        assert main(["apply", str(home / "P")]) == 0
        assert path.read_bytes() == whole
        assert main(["verify", str(home / "P")]) == 0


def test_rollback_brings_the_old_ones_back(home: Path) -> None:
    made(home)
    before = lines(home / "P_v1.0.md5")
    (home / "origin/data/c.fits").write_text("c")
    made(home)
    assert len(lines(home / "P_v1.0.md5")) == len(before) + 1
    assert main(["rollback", str(home / "P")]) == 0
    assert lines(home / "P_v1.0.md5") == before
    assert main(["verify", str(home / "P")]) == 0


def test_rollback_of_the_first_takes_them_away(home: Path) -> None:
    made(home)
    assert main(["rollback", str(home / "P")]) == 0
    assert not list(home.glob("P*.md5")) and not (home / "P.note").exists()


@pytest.mark.parametrize("name", ["P_v1.0.md5", "P.note"])
def test_file_of_somebody_else_is_not_replaced(home: Path, capsys: Capsys, name: str) -> None:
    (home / name).write_text("mine")
    capsys.readouterr()
    ran = run_here(capsys, "plan", home / "origin", home / "P", "--layout", home / "beside.toml", "--mode", "hard")
    assert ran.code == 1 and "beside-taken" in ran.err and name in ran.err
    assert (home / name).read_text() == "mine"
    assert plan(home, "--set", "version=2.0") == (0 if "v1" in name else 1)


def test_file_that_comes_between_plan_and_apply_is_not_replaced(home: Path, capsys: Capsys) -> None:
    assert plan(home) == 0
    (home / "P.note").write_text("mine")
    capsys.readouterr()
    assert "beside-taken" in run_here(capsys, "apply", home / "P").err
    assert (home / "P.note").read_text() == "mine"
    (home / "P.note").unlink()
    assert main(["apply", str(home / "P")]) == 0


@pytest.mark.parametrize("name", ["P", "P.pack", "P.ticket.tar"])
def test_names_of_the_package_itself_are_refused(home: Path, capsys: Capsys, name: str) -> None:
    """Where the layout says {project}, it is refused itself; here only the name of this package shows it."""
    (home / "beside.toml").write_text(LAYOUT.replace("{project}.note", name))
    capsys.readouterr()
    words = ("plan", home / "origin", home / "P", "--layout", home / "beside.toml")
    assert "beside-taken" in run_here(capsys, *words).err


def test_layout_with_several_members_has_none(home: Path, capsys: Capsys) -> None:
    (home / "beside.toml").write_text('tree = "v{member}"\n' + LAYOUT)
    capsys.readouterr()
    words = ("plan", home / "origin", home / "P", "--layout", home / "beside.toml")
    assert "no tree" in run_here(capsys, *words).err


def test_list_follows_a_repair_of_the_package(home: Path) -> None:
    made(home, mode="copy")
    whole = (home / "P_v1.0.md5").read_bytes()
    (home / "P/data/a.fits").write_text("damage!")
    assert main(["repair", str(home / "P")]) == 0
    assert (home / "P_v1.0.md5").read_bytes() == whole
    assert main(["verify", str(home / "P")]) == 0


def test_package_with_such_files_keeps_its_name(home: Path, capsys: Capsys) -> None:
    made(home)
    capsys.readouterr()
    assert "text-failed" in run_here(capsys, "rename", home / "P", "Q").err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("../{project}.note", "../tar"),
        ("../{project}.note", "../zip"),
        ("../{project}.note", "../{project}_v1.0.md5"),
    ],
)
def test_two_files_of_one_name_beside_the_package_are_refused(home: Path, capsys: Capsys, old: str, new: str) -> None:
    (home / "beside.toml").write_text(LAYOUT.replace(old, new))
    ran = run_here(capsys, "plan", home / "origin", home / "P", "--layout", home / "beside.toml", "--mode", "hard")
    assert ran.code == 1 and "collision" in ran.err


def test_member_with_a_name_that_no_disk_takes_is_refused(home: Path, capsys: Capsys) -> None:
    tree = 'tree = "x/{version}"\n' + LAYOUT.partition("[[write]]")[0]
    (home / "beside.toml").write_text(tree)
    words = ("plan", home / "origin", home / "P", "--layout", home / "beside.toml", "--mode", "hard")
    assert run_here(capsys, *words, "--set", "version=" + "v" * 255).code == 0
    ran = run_here(capsys, *words, "--set", "version=" + "v" * 256)
    assert ran.code == 1 and "name-too-long" in ran.err
