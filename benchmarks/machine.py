"""What a figure depends on: the machine, the file system, the versions, the commit, and how busy the machine was."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import REPO


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and with what was measured.

    Attributes:
        load: how many processes wanted a processor, on average of the last minute, before the first measurement.
    """

    processor: str
    processor_count: int
    memory_gib: float
    kernel: str
    python: str
    file_system: str
    commit: str
    load: float

    def sentence(self) -> str:
        """Return all of it in words."""
        commit, _, is_dirty = self.commit.partition("-")
        at = f"commit {commit[:12]}{' with changes' if is_dirty else ''}"
        return (
            f"{self.processor_count} processors ({self.processor}), {self.memory_gib:.0f} GiB of memory, "
            f"Linux {self.kernel}, Python {self.python}, {self.file_system}, {at}, "
            f"load {self.load:.1f} at the start."
        )

    def of_rounds(self, rounds: int) -> str:
        """Return the same, and how many rounds the figures are medians of."""
        return f"{self.sentence()} Medians of {rounds} rounds."


def this_machine(folder: Path) -> Machine:
    """Look at this machine, and at the file system of an existing folder."""
    return Machine(
        processor=_processor(),
        processor_count=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30,
        kernel=platform.release().partition("-")[0],
        python=platform.python_version(),
        file_system=_said(["df", "--output=fstype", str(folder)]).split()[-1],
        commit=_said(["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]),
        load=os.getloadavg()[0],
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _said(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
