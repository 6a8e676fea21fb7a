"""Ctrl-C at moments when no work is under way: while the program is loaded, and at the end of the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qa2pack.pack.exit_codes import Exit
from support.commands import ROOT
from support.in_process import Delivery

# Signals itself where it first looks for a module of that name, or interrupts itself at the end of the process.
_PROGRAM = """
import atexit, os, signal, sys
from qa2pack.pack.{way_in} import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {moment!r}:
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Finder())
if {moment!r} == "end":
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.exit(main())
"""


def _run(
    way_in: str, moment: str, *words: str, number: signal.Signals = signal.SIGINT
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(way_in=way_in, moment=moment, number=int(number)), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize(
    "moment",
    [
        "qa2pack.pack.terminal.output_streams",
        "qa2pack.pack.command_tree",
        "typer",
        "qa2pack.pack.commands.apply",
        "qa2pack.executor.apply",
        "qa2pack.pack.commands.run",
    ],
)
def test_interrupt_before_the_work_ends_the_process_in_silence(delivery: Delivery, moment: str) -> None:
    delivery.plan()
    ran = _run("cli", moment, "apply", str(delivery.path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGINT, "", "")
    assert not delivery.path.exists()
    assert _run("cli", "never", "apply", str(delivery.path)).returncode == Exit.DONE


@pytest.mark.parametrize("moment", ["typer", "qa2pack.pack.commands.tarsplit", "qa2pack.pack.commands.run"])
def test_interrupt_of_tarsplit_before_its_work_ends_it_in_silence(delivery: Delivery, moment: str) -> None:
    ran = _run("tarsplit_command", moment, "-n", "2012-06-20", str(delivery.path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGINT, "", "")


def test_interrupt_at_the_end_of_the_process_is_no_traceback(delivery: Delivery) -> None:
    delivery.make()
    ran = _run("cli", "end", "status", str(delivery.path))
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")
    assert str(delivery.path) in ran.stdout


def test_interrupt_of_the_work_is_reported(delivery: Delivery) -> None:
    delivery.plan()
    ran = _run("cli", "qa2pack.pack.commands.workers", "apply", str(delivery.path))
    assert ran.returncode == Exit.RESUMABLE
    assert "the command was interrupted." in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_while_the_rows_of_a_list_are_parsed_is_reported(
    delivery: Delivery, tmp_path: Path, number: signal.Signals
) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"origin,package\n{delivery.origin},{delivery.path}\n")
    moment = "qa2pack.pack.settings.selection"  # loaded by the options of the first row
    ran = _run("cli", moment, "batch", "plan", str(jobs), "--mode", "copy", number=number)
    assert (ran.returncode, ran.stdout) == (Exit.RESUMABLE, ""), ran.stderr
    assert "the command was interrupted." in ran.stderr
    assert not delivery.path.with_name(delivery.path.name + ".pack").exists()


@pytest.mark.parametrize("moment", ["typer", "qa2pack.pack.commands.workers", "end"])
def test_ignored_interrupt_stays_ignored(delivery: Delivery, moment: str) -> None:
    delivery.plan()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for a command in the background of a script
    try:
        ran = _run("cli", moment, "apply", str(delivery.path))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ran.returncode, delivery.path.exists()) == (Exit.DONE, True)
