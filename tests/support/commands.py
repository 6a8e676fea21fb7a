"""Running `pack` as its users do, in this process or in one of its own."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from qa2pack.pack.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """Run it in this process."""
    capsys.readouterr()
    code = main([os.fspath(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Ran(code, printed.out, printed.err)


def run_redirected(*arguments: str | Path) -> Ran:
    """Run it in this process, where a test has no fixture that captures what is printed."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([os.fspath(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def run_in_child(*arguments: str | bytes | Path, cwd: Path | None = None) -> Ran:
    """Run `python -m qa2pack.pack` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "qa2pack.pack", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=600,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
