"""README and docs are true: every command on them is run, and prints what they show."""

import re
import subprocess
from pathlib import Path

import pytest
from make_reduction import make_reductions

from qa2pack.pack import api
from qa2pack.pack.cli import COMMANDS
from support.commands import run_here
from support.documents import HAS_MOUNTS, PAGES, ROOT, UNSHARED, story_folder, story_of
from support.pages import Command, Stray, Unrun, steps_of
from support.stories import exit_faults
from support.tools import needs_tool

# How many blocks of commands are not run; each says on its page why. A new one is a decision.
UNRUN = {
    "README.md": 2,
    "docs/install.md": 6,
    "docs/cluster.md": 2,
    "docs/measurements.md": 2,
    "docs/how-to/send.md": 2,
    "docs/how-to/workflows.md": 2,
    "docs/hostile-trees.md": 2,
    "docs/transactions.md": 1,
    "docs/tutorial.md": 1,
}
TEXTS = {name: (ROOT / name).read_text() for name in PAGES}
STORIES = [name for name, text in TEXTS.items() if any(isinstance(step, Command) for step in steps_of(text))]
VERBS = [*(f"pack {name}" for name in COMMANDS), "tarsplit"]


@pytest.fixture(scope="session")
def reductions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's reductions: made once, each story has its own copy."""
    folder = tmp_path_factory.mktemp("reductions")
    make_reductions(folder)
    return folder


@pytest.mark.parametrize("name", STORIES)
def test_commands_print_what_the_page_shows(name: str, reductions: Path) -> None:
    if HAS_MOUNTS in TEXTS[name] and subprocess.run([*UNSHARED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    if "$ ssh-keygen" in TEXTS[name]:
        needs_tool("ssh-keygen")
    with story_folder(reductions) as folder:
        reported = story_of(TEXTS[name], folder)
    assert exit_faults(reported) == []
    assert {
        f"{name}:{each.command.line}": "\n".join(each.printed) for each in reported if not each.is_as_shown
    } == {}, "if what is printed now is right: make pages"


@pytest.mark.parametrize("name", PAGES)
def test_plan_that_is_applied_on_a_page_is_the_one_that_it_shows_before(name: str) -> None:
    shown = ""
    for line in TEXTS[name].splitlines():
        if line.startswith("$ pack plan"):
            shown = ""
        elif found := re.fullmatch(r"  digest +([0-9a-f]{16})", line):
            shown = found[1]
        elif applied := re.fullmatch(r"Applying the plan ([0-9a-f]{16}):", line):
            assert applied[1] == (shown or applied[1])
            shown = ""


def test_what_is_not_so_on_a_page_is_found(tmp_path: Path) -> None:
    page = """
```console
$ echo 3.1 MiB free
99 KiB free
$ echo 5 files, 3.1 MiB
5 files, 3.2 MiB
$ echo 5 files
6 files
$ printf 'one\\ntwo\\nthree\\n'
one
…
three
$ false
$ echo $?
1
$ false
```
"""
    reported = story_of(page, tmp_path)
    assert [each.command.text for each in reported if not each.is_as_shown] == [
        "echo 5 files, 3.1 MiB",
        "echo 5 files",
    ]
    assert [fault.partition(":")[0] for fault in exit_faults(reported)] == ["line 16"]


def test_commands_outside_of_console_blocks_are_found() -> None:
    page = "text\n\n    pack apply x\n\n```sh\nmd5sum -c x\n```\n\n<!-- not run: why -->\n```sh\npack y\n```\n"
    assert list(steps_of(page)) == [Stray(3, "    pack apply x"), Stray(5, "md5sum -c x"), Unrun(9, "why")]


def test_names_for_programs_are_all_on_their_page() -> None:
    page = TEXTS["docs/python-api.md"]
    assert [name for name in api.__all__ if f"`{name}`" not in page] == []
    assert [name for name in api.__all__ if not getattr(api, name).__doc__] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_command_is_left_out_in_silence(name: str) -> None:
    steps = list(steps_of(TEXTS[name]))
    assert [step for step in steps if isinstance(step, Stray)] == []
    assert len([step for step in steps if isinstance(step, Unrun)]) == UNRUN.get(name, 0)


@pytest.mark.parametrize("verb", VERBS)
def test_options_named_in_running_text_exist(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    known = re.findall(r"--?[a-z][a-z-]*", run_here(capsys, verb.removeprefix("pack "), "--help").out)
    named = {
        option
        for text in TEXTS.values()
        for typed in re.findall(rf"`{verb} ([^`]+)`", text)
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", typed)
    }
    assert named - set(known) == set()


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", TEXTS[name])
    assert [target for target in targets if not (ROOT / name).parent.joinpath(target).exists()] == []


def test_every_page_can_be_found_from_the_index() -> None:
    linked = {
        (ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^):#]+\.md)", TEXTS["docs/README.md"])
    }
    pages = {ROOT / name for name in PAGES} - {ROOT / "README.md", ROOT / "docs/README.md"}
    assert pages - linked == set()


def test_every_test_that_is_named_exists() -> None:
    tests = sorted((ROOT / "tests").glob("test_*.py"))
    known = {path.stem for path in tests} | {
        name for path in tests for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    folders = ("benchmarks", "demo", "executor", "manifest", "pack", "tarsplit", "tests")
    code = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    texts = [*(ROOT / name for name in PAGES), *ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml", *code]
    assert {
        f"{path.relative_to(ROOT)} names {name}"
        for path in texts
        if path.name != "test_imports.py"  # it has examples of tests that do not exist
        for name in re.findall(r"(?<![\w<])test_[a-z0-9_]*[a-z0-9](?![\w*<])", path.read_text())
        if name not in known
    } == set()
