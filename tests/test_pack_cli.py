"""The way in: help, exit codes of usage, start-up, names of any bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.pack import __version__, tarsplit_command
from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import command_tree
from qa2pack.pack.exit_codes import EXIT_WORDS, Exit
from support.commands import ROOT, run_here, run_in_child
from support.counted_calls import counted_calls
from support.in_process import Delivery


@pytest.mark.parametrize("arguments", [["--help"], *([name, "-h"] for name in COMMANDS)])
def test_help_reports_the_exit_codes(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    ran = run_here(capsys, *arguments)
    assert ran.code == Exit.DONE
    assert [words for words in EXIT_WORDS.values() if words not in ran.out] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert f"Example: pack {command}" in run_here(capsys, command, "--help").out


def test_help_reports_each_command_whole_in_eighty_columns_and_names_the_documents(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = run_here(capsys, "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage")] == []
    assert [name for name in ("tutorial.md", "how-to/", "problems.md") if name not in " ".join(lines)] == []


def test_help_fits_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, run_here(capsys, "plan", "--help").out.splitlines())) <= 80


def test_output_has_the_same_short_name_in_every_command() -> None:
    options = [
        (name, option.opts)
        for name, command in command_tree(COMMANDS).commands.items()
        for option in command.params
        if option.name == "output"
    ]
    assert options == [(name, ["--output", "-o"]) for name in ("report", "export", "deliver", "tarsplit")]


def test_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(capsys, "--version").out == f"qa2pack {__version__}\n"


@pytest.mark.parametrize(("device", "words"), [("/dev/full", "pack: No space left on device\n"), ("/dev/null", "")])
def test_version_that_cannot_be_written_is_reported(device: str, words: str) -> None:
    command = [sys.executable, "-m", "qa2pack.pack", "--version"]
    with open(device, "w") as out:
        ran = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, cwd=ROOT, check=False, text=True, timeout=600
        )
    assert (ran.returncode, ran.stderr) == (Exit.FAILED if words else Exit.DONE, words)


def test_usage_names_arguments_without_braces(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(capsys, "plan", "--help").out.startswith("Usage: pack plan [OPTIONS] ORIGIN PACKAGE\n")
    assert run_here(capsys, "audit", "--help").out.startswith("Usage: pack audit [OPTIONS] ROOT...\n")
    assert run_here(capsys, "show", "--help").out.startswith("Usage: pack show [OPTIONS] [PACKAGE]...\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["plann"],
        ["plan"],
        ["plan", "a", "b", "--mode", "link"],
        ["plan", "a", "b", "--append", "x"],
        ["verify", "--x"],
    ],
)
def test_what_is_not_understood_is_a_usage_error(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    ran = run_here(capsys, *arguments)
    assert ran.code == Exit.USAGE
    assert ran.out == ""
    assert "Try 'pack" in ran.err


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--mode", "Invalid value for '--mode': 'memeber' is not one of 'fake', 'copy', 'hard', 'move', 'ticket'."),
        ("--append", "Invalid value for '--append': 'memeber' is not one of 'group', 'member'."),
    ],
)
def test_mistyped_value_is_reported_with_the_option_and_what_there_is(
    capsys: pytest.CaptureFixture[str], option: str, words: str
) -> None:
    assert words in " ".join(run_here(capsys, "plan", "a", "b", option, "memeber").err.split())


def test_python_m_pack_is_the_same_command() -> None:
    assert run_in_child("--version").out == f"qa2pack {__version__}\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_list_of_commands_is_printed_without_making_their_options(
    capsys: pytest.CaptureFixture[str], word: str
) -> None:
    command_tree.cache_clear()
    with counted_calls() as calls:
        ran = run_here(capsys, word)
    assert "verify" in ran.out
    assert calls["TyperOption.__init__"] < 10  # those of all commands are 450


def test_members_that_declare_no_roles_have_them_from_a_layout_whose_rules_are_not_read() -> None:
    program = "import sys; from qa2pack.manifest.layout.load import load_roles; print(load_roles('cycle0')[0].name)"
    found = _run_python(f"{program}; print(*sys.modules, sep='\\n')").stdout.split()
    assert found[0] == "raw"
    assert "qa2pack.manifest.layout.rules" not in found
    assert _own_count(set(found)) <= 46


def test_help_imports_nothing_slow() -> None:
    assert _imported("--help").isdisjoint({"rich", "numpy", "casacore", "multiprocessing", "qa2pack.executor.apply"})


def test_program_starts_no_threads_of_numpy() -> None:
    words = "import os; from qa2pack.pack.cli import main; main(['--version']); import numpy"
    done = subprocess.run(
        [sys.executable, "-c", f"{words}; print(len(os.listdir('/proc/self/task')))"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split()[-1] == "1"


# What takes long to import, and most commands need not. Of our own modules each costs some 0.3 ms.
_SLOW = {
    "_hashlib",
    "casacore",
    "importlib.resources",
    "jinja2",
    "logging",
    "multiprocessing",
    "numpy",
    "rich",
    "socket",
    "ssl",
}


def test_commands_are_made_once_in_a_process_that_calls_several_times() -> None:
    assert command_tree(("status",)) is command_tree(("status",))


def test_version_imports_no_parser_of_the_command_line() -> None:
    found = _imported("--version")
    assert found & {*_SLOW, "typer", "dataclasses"} == set()
    assert _own_count(found) <= 15


def test_status_imports_no_layouts_and_nothing_slow(delivery: Delivery) -> None:
    found = _imported("status", str(delivery.path))
    assert found & {*_SLOW, "qa2pack.manifest.layout.rules", "qa2pack.executor.preflight", "tarfile"} == set()
    assert _own_count(found) <= 147


def test_apply_of_a_plan_imports_what_it_does_alone(delivery: Delivery) -> None:
    delivery.plan()
    found = _imported("apply", str(delivery.path))
    unused = {"qa2pack.manifest.scan.walk", "qa2pack.manifest.verify.member", "qa2pack.executor.rollback_steps"}
    assert found & {*_SLOW, *unused, "tarfile", "zipfile"} == set()
    assert not any(name.startswith("qa2pack.tarsplit") for name in found)
    assert _own_count(found) <= 196


def test_status_of_a_finished_package_imports_no_layouts_and_no_scan(delivery: Delivery) -> None:
    delivery.make()
    found = _imported("status", str(delivery.path))
    unused = {"qa2pack.manifest.layout.rules", "qa2pack.manifest.scan.batches", "tarfile"}
    assert found & {*_SLOW, *unused} == set()
    assert _own_count(found) <= 173


def test_receive_imports_nothing_that_plans_an_origin() -> None:
    program = "import sys, qa2pack.pack.jobs.receive; print(*sys.modules, sep='\\n')"
    found = set(_run_python(program).stdout.split())
    planning = {"qa2pack.manifest.plan.make", "qa2pack.manifest.plan.place_origin", "qa2pack.manifest.scan.batches"}
    unused = {*planning, "qa2pack.manifest.layout.rules", "qa2pack.tarsplit.place.store"}
    slow = {*_SLOW, "tarfile", "concurrent.futures"} - {"_hashlib"}  # that is for the md5 of each tar
    assert found & {*slow, *unused} == set()
    assert _own_count(found) <= 208


def test_plan_without_tables_and_bundles_imports_nothing_slow(delivery: Delivery) -> None:
    found = _imported("plan", str(delivery.origin), str(delivery.path))
    unused = {"qa2pack.executor.casa.split", "qa2pack.executor.apply", "qa2pack.manifest.layout.units"}
    glob = {"glob"} if sys.version_info < (3, 13) else set()  # since then, pathlib loads it
    assert found & {*_SLOW, *unused, *glob, "tarfile", "xml.parsers.expat", "zipfile"} == set()
    assert _own_count(found) <= 233


def test_failed_command_imports_no_more_than_the_errors_it_may_have_met(tmp_path: Path) -> None:
    found = _imported("show", str(tmp_path / "none"), code=Exit.FAILED)
    assert found & {*_SLOW, "qa2pack.executor.stage.stage", "qa2pack.executor.rollback_checks"} == set()
    assert _own_count(found) <= 167


def _own_count(names: set[str]) -> int:
    return sum(name.startswith("qa2pack.") for name in names)


def _imported(*arguments: str, code: Exit = Exit.DONE) -> set[str]:
    ran = _run_python(
        "import sys; from qa2pack.pack.cli import main; code = main(sys.argv[1:]);"
        "print(*sys.modules, file=sys.stderr, sep='\\n'); sys.exit(code)",
        *arguments,
    )
    assert ran.returncode == code
    return set(ran.stderr.split())


def _run_python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
        timeout=600,
    )


def test_paths_may_be_any_bytes(delivery: Delivery, tmp_path: Path) -> None:
    origin, package = os.fsencode(tmp_path) + b"/sb\xff \n", os.fsencode(tmp_path) + b"/P\xfe"
    delivery.origin.rename(os.fsdecode(origin))
    assert run_in_child("plan", origin, package, "--mode", "copy", "-q").code == Exit.DONE
    ran = run_in_child("apply", package + b"/", "--json")
    assert ran.code == Exit.DONE
    assert bytes.fromhex(json.loads(ran.out)["package_bytes"]) == package


def test_reader_of_the_output_may_go_away(delivery: Delivery) -> None:
    delivery.make()
    command = [sys.executable, "-m", "qa2pack.pack", "show", str(delivery.path)]
    read, write = os.pipe()
    os.close(read)
    try:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, check=False, timeout=600)
    finally:
        os.close(write)
    assert (ran.returncode, ran.stderr) == (Exit.FAILED, b"")


def test_no_colour_reaches_a_pipe(delivery: Delivery) -> None:
    assert "\x1b" not in run_in_child("plan", delivery.origin, delivery.path).out


@pytest.mark.parametrize(
    "arguments", [["plan", "", "p"], ["plan", "o", ""], ["show", ""], ["apply", ""], ["tarsplit", "--check", ""]]
)
def test_empty_path_is_not_the_current_folder(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    ran = run_here(capsys, *arguments)
    assert (ran.code, "the path is empty" in ran.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("words", "command", "message"),
    [
        (["plan", "--json", "a", "b", "--modus", "hard"], "plan", "No such option: --modus"),
        (["apply", "--json"], "apply", "Missing argument"),
        (["plan", "a", "b", "--mode", "tar", "--json"], "plan", "'tar'"),
        (["plan", "a", "b", "--json", "--bandwidth", "fast"], "plan", "'fast' is not a rate"),
        (["export", "a", "--json", "--format", "md5sum"], "export", "say where it goes"),
        (["tarsplit", "--json", "a"], "tarsplit", "-n 2012-06-20"),
        (["nosuch", "--json"], "nosuch", "No such command"),
        (["--json"], "pack", "No such option"),
    ],
)
def test_usage_error_is_json_too(
    capsys: pytest.CaptureFixture[str], words: list[str], command: str, message: str
) -> None:
    ran = run_here(capsys, *words)
    fields = json.loads(ran.out)
    assert (ran.code, fields["exit_code"], fields["command"], fields["package"]) == (2, 2, command, None)
    assert message in fields["error"]
    (problem,) = fields["problems"]
    assert (problem["code"], problem["found"]) == ("usage", fields["error"])
    assert message in ran.err
    without = run_here(capsys, *(word for word in words if word != "--json"))
    assert without.out == ""


def test_usage_error_of_settings_and_of_tarsplit_are_json_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tarsplit_command.main(["--json", "-n", "yesterday", "a"]) == 2
    fields = json.loads(capsys.readouterr().out)
    assert (fields["command"], fields["problems"][0]["code"]) == ("tarsplit", "usage")
    (tmp_path / "pack.toml").write_text("colour = 1\n")
    ran = run_here(capsys, "plan", "--json", "a", "b")
    assert (ran.code, "pack.toml" in json.loads(ran.out)["error"]) == (2, True)
