"""With --json, stdout has one object and nothing else, also if a command fails before it begins to work."""

import json
from pathlib import Path

import pytest

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import command_tree
from qa2pack.pack.exit_codes import Exit
from support.commands import ROOT, run_here

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("is_understood", [True, False])
def test_stdout_and_each_line_of_the_log_are_json(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, is_understood: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    others = {"step": "show" if name == "config" else "plan", "format": "md5sum", "new_code": "2011.0.00001.S"}
    params = command_tree(COMMANDS).commands[name].params
    words = [name, "--json", "--log", "log", "--log-format", "json"]
    words += ["--progress", "json", "--quiet"] if any(each.name == "progress" for each in params) else []
    words += [] if is_understood else ["--no-such-option"]
    for param in params:
        if param.required:
            words += [max(param.opts, key=len)] if param.param_type_name == "option" else []
            words.append(others.get(param.name, "other"))
    fields = json.loads(run_here(capsys, *words).out)
    page = (ROOT / "docs/commands.md").read_text()
    assert fields["command"].split()[0] == name
    assert {key for key in fields if f"`{key}`" not in page} == set()
    assert fields["exit_code"] in ((Exit.DONE, Exit.FAILED, Exit.USAGE) if is_understood else (Exit.USAGE,))
    if Path("log").exists():
        assert all(json.loads(line)["event"] for line in Path("log").read_text().splitlines())


def test_path_that_cannot_be_followed_is_in_the_json(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    for words in (("show", "loop/P"), ("apply", "P", "--log", f"{'x' * 300}/log")):
        fields = json.loads(run_here(capsys, *words, "--json").out)
        assert (fields["command"], fields["exit_code"], fields["problems"]) == (words[0], Exit.FAILED, [])
        assert fields["error"]
