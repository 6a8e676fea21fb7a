"""Completion in three shells, as it is installed: commands, options, values, and of paths what the shell does."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.pack.commands.completion import _FUNCTION
from support.commands import ROOT
from support.terminals import type_on_terminal
from support.tools import needs_tool


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the two programs, as an installation makes them."""
    for name, module in (("pack", "qa2pack.pack.cli"), ("tarsplit", "qa2pack.pack.tarsplit_command")):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
        program.chmod(0o755)
    return tmp_path


def _completed(programs: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word, as it would when the tab key is pressed."""
    name = words[0]
    script = "\n".join(
        (
            f'eval "$(_{name.upper()}_COMPLETE=source_bash {name})"',
            f"COMP_WORDS=({shlex.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            f"_{name}_completion {name}",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"}
    ran = subprocess.run(
        [needs_tool("bash"), "--norc", "-c", script],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
        timeout=600,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pack", "pl"), ["plan"]),
        (("pack", "rep"), ["report", "repair"]),
        (("pack", "plan", "a", "b", "--mo"), ["--mode"]),
        (("pack", "plan", "a", "b", "--mode", "h"), ["hard"]),
        (("pack", "plan", "a", "b", "--log-"), ["--log-format"]),
        (("pack", "plan", "a", "b", "--color", "al"), ["always"]),
        (("pack", "plan", "a", "b", "--progress", "j"), ["json"]),
        (("pack", "verify", "2011"), []),
        (("pack", "ba"), ["batch"]),
        (("pack", "batch", "ap"), ["apply"]),
        (("pack", "batch", "plan", "list.toml", "--mode", "h"), ["hard"]),
        (("tarsplit", "--allow-"), ["--allow-dummies"]),
    ],
)
def test_bash_completes(programs: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert _completed(programs, *words) == offered


@pytest.fixture
def reduced(tmp_path: Path) -> Path:
    """A folder with a package of two members, and something else."""
    for member in ("member_ouss_id", "member_ouss_id2"):
        (tmp_path / f"work/A.S/sg_ouss_id/group_ouss_id/{member}/raw").mkdir(parents=True)
    (tmp_path / "work/A.S.pack").mkdir()
    return tmp_path / "work"


@pytest.mark.parametrize("typed", ["", "group_ouss_id/member_ouss_id2"])
def test_bash_offers_the_members_of_the_package(
    programs: Path, reduced: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.chdir(reduced)
    names = ["group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"]
    offered = _completed(programs, "pack", "show", "A.S", "--member", typed)
    assert offered == [name for name in names if name.startswith(typed)]
    assert _completed(programs, "pack", "show", "--member", typed) == []


@pytest.mark.parametrize(
    "words",
    [
        ("remove", "A.S", "--member"),
        ("plan", "sb1", "A.S", "--replace-member"),
        ("plan", "--again", "A.S", "--member"),
        ("package", "sb1", "A.S", "--replace-member"),
    ],
)
def test_bash_offers_the_members_to_each_option_that_takes_one(
    programs: Path, reduced: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(reduced)
    names = ["group_ouss_id/member_ouss_id", "group_ouss_id/member_ouss_id2"]
    assert _completed(programs, "pack", *words, "") == names
    assert _completed(programs, "pack", *words, names[1]) == names[1:]


# The key ^_ writes the line into a file and empties it.
_NOTING = r"""
note() { print -r -- "$BUFFER" >> ~/lines; BUFFER= }
zle -N note; bindkey "^_" note
"""


def _completed_in_zsh(programs: Path, folder: Path, *lines: str) -> list[str]:
    """Return what each line becomes by the tab key in a zsh in which the completion was installed."""
    home = programs / "home"
    home.mkdir()
    (home / ".zshrc").write_text(_NOTING)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "TERM": "dumb",
    }
    zsh = needs_tool("zsh")
    for program in ("pack", "tarsplit"):
        installed = [zsh, "-f", "-c", f"{program} --install-completion; true"]
        subprocess.run(installed, env=environment, capture_output=True, check=True, timeout=600)
    typed = "".join(f"{line}\t\x1f" for line in lines) + "exit\n"
    type_on_terminal([zsh, "-i"], typed, environment, folder)
    return [line.rstrip() for line in (home / "lines").read_text().splitlines()]


def test_zsh_completes_both_programs_though_it_has_a_function_pack_of_its_own(programs: Path, reduced: Path) -> None:
    typed = ("pack pl", "pack plan a b --mode h", "tarsplit --allow-", "pack verify A", "pack show A.S --member g")
    assert _completed_in_zsh(programs, reduced, *typed) == [
        "pack plan",
        "pack plan a b --mode hard",
        "tarsplit --allow-dummies",
        "pack verify A.S",
        "pack show A.S --member group_ouss_id/member_ouss_id",
    ]
    settings = (programs / "home/.zshrc").read_text()
    assert settings.count("_qa2pack") == 2  # one line, though installed twice


def test_fish_completes_both_programs(programs: Path, reduced: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(programs),
        "XDG_CONFIG_HOME": str(programs / ".config"),
    }
    fish = [needs_tool("fish"), "-c"]
    for program in ("pack", "tarsplit"):
        installed = [*fish, f"{program} --install-completion; true"]
        subprocess.run(installed, env=environment, capture_output=True, check=True, timeout=600)
    member = "group_ouss_id/member_ouss_id2"
    typed = ("pack pl", "pack plan a b --mode h", "tarsplit --allow-", f"pack show A.S --member {member}")
    asked = "; ".join(f"complete -C {shlex.quote(line)}" for line in typed)
    ran = subprocess.run([*fish, asked], env=environment, cwd=reduced, capture_output=True, check=True, text=True)
    offered = [line.partition("\t")[0] for line in ran.stdout.splitlines()]
    assert offered == ["plan", "hard", "--allow-dummies", member]


def test_page_has_the_function_of_zsh_for_all_users() -> None:
    assert f"```\n{_FUNCTION}```" in (ROOT / "docs/install.md").read_text()
