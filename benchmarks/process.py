"""Running one command as a whole process and telling what it took.

The measuring process must stay small: on Linux the peak memory of a child is never told as less than what its parent
held when it was started.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_OF_PYTHON = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPYCACHEPREFIX")
REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: seconds of wall clock, seconds of all its processors, and its largest process in MiB."""

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


class CommandFailedError(Exception):
    """A command that was to be measured, or prepared what is measured, did not end well."""

    def __init__(self, command: str, code: int, errors: str) -> None:
        last = errors.strip().splitlines()[-3:]
        super().__init__("\n    ".join((f"exit code {code} of: {command}", *last)))


def environment() -> dict[str, str]:
    """Return the environment for all commands: this tree's program, no settings of the user, and the virtual
    environment's programs first.

    Python may keep what it compiled, as it does where the program is installed: without, each of our commands would
    compile all modules anew, which takes longer than the work on a small tree.
    """
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)))
    python_path = os.pathsep.join((str(REPO), str(REPO / "tests")))
    kept = {name: value for name, value in os.environ.items() if name not in _OF_PYTHON}
    return {**kept, "PATH": path, "PYTHONPATH": python_path, "PACK_NO_SETTINGS": "1", "LC_ALL": "C.UTF-8"}


def started(folder: Path, command: str, errors: int) -> "subprocess.Popen[bytes]":
    """Start a shell command whose results nobody sees, in a process group of its own."""
    return subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        process_group=0,
    )


def timed(folder: Path, command: str) -> Run:
    """Run a shell command in the folder.

    Raises:
        CommandFailedError: its exit code is not 0; what it wrote to stderr is told only then.
    """
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        return finished(started(folder, command, errors.fileno()), command, start, errors.fileno())


def finished(process: "subprocess.Popen[bytes]", command: str, start: float, errors: int) -> Run:
    """Wait for a command that was started at that moment of `time.perf_counter`.

    Raises:
        CommandFailedError: its exit code is not 0.
    """
    _, status, usage = os.wait4(process.pid, 0)  # tells the processors and memory of this command alone
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailedError(command, process.returncode, os.pread(errors, 4096, 0).decode(errors="replace"))
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
