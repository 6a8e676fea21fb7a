"""The workflows on docs/how-to/workflows.md: Snakemake runs its own; of that of Nextflow the commands are run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import run_here
from support.in_process import make_reduction
from support.source_code import ROOT

SNAKEMAKE = shutil.which("snakemake", path=f"{ROOT}/build/snakemake/bin:{os.environ['PATH']}")
PAGE = (ROOT / "docs/how-to/workflows.md").read_text()
PACKAGE = "2011.0.00229.S"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the reduction and the workflow of the page."""
    make_reduction(tmp_path / "IRC10216_setup3_b6_run_x2")
    block = re.search(r"^    ORIGIN, PACKAGE(?:.*\n(?:    |(?=\n)))*", PAGE, re.MULTILINE)
    assert block
    (tmp_path / "Snakefile").write_text(re.sub("^    ", "", block[0], flags=re.MULTILINE))
    return tmp_path


def run(folder: Path, *options: str) -> int:
    assert SNAKEMAKE is not None
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [SNAKEMAKE, "--cores", "1", "--quiet", "all", *options]
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


@pytest.mark.skipif(SNAKEMAKE is None, reason="there is no Snakemake here (make test-tools)")
def test_the_workflow_delivers_and_delivers_nothing_of_a_damaged_package(folder: Path) -> None:
    assert run(folder, "--until", "apply") == 0
    readme = folder / PACKAGE / "sg_ouss_id/group_ouss_id/member_ouss_id/README"
    text = readme.read_bytes()
    readme.write_bytes(b"")
    assert run(folder) != 0
    assert json.loads((folder / "verify.json").read_text())["exit_code"] == 3
    assert not (folder / "tars").exists()
    readme.write_bytes(text)
    assert run(folder) == 0
    names = (folder / "tars.txt").read_text().split()
    assert names
    assert all((folder / "tars" / name).is_file() for name in names)


def test_commands_of_the_processes_of_nextflow_package_and_deliver(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    values = dict(re.findall(r'^params\.(\w+) = "\$\{launchDir\}/(.+)"$', PAGE, re.MULTILINE))
    scripts = re.findall(r'^process (\w+) \{$.*?"""\n(.*?)\n *"""$', PAGE, re.MULTILINE | re.DOTALL)
    order = re.findall(r"^    ([A-Z]+)\(", PAGE, re.MULTILINE)
    assert [name for name, _ in scripts] == order == ["PLAN", "APPLY", "VERIFY", "TARSPLIT"]
    for name, script in scripts:
        line = re.sub(r"\$\{(?:params\.)?(\w+)\}", lambda found: str(folder / values[found[1]]), script.strip())
        command, _, output = line.partition(" > ")
        program, *words = shlex.split(command)
        ran = run_here(capsys, *(["tarsplit"] if program == "tarsplit" else []), *words)
        assert (ran.code, output) == (0, f"{name.lower()}.json")
    made = json.loads(ran.out)
    assert made["chunks"]
    assert all((folder / "tars" / chunk["name"]).is_file() for chunk in made["chunks"])
