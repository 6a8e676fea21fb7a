"""Completion in bash, as it is installed: commands, options, values, and of paths what the shell itself does."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT
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
        timeout=60,
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pack", "pl"), ["plan"]),
        (("pack", "re"), ["report"]),
        (("pack", "plan", "a", "b", "--mo"), ["--mode"]),
        (("pack", "plan", "a", "b", "--mode", "h"), ["hard"]),
        (("pack", "plan", "a", "b", "--lo"), ["--log"]),
        (("pack", "verify", "2011"), []),
        (("tarsplit", "--all"), ["--allow-dummies"]),
    ],
)
def test_bash_completes(programs: Path, words: tuple[str, ...], offered: list[str]) -> None:
    assert _completed(programs, *words) == offered
