"""Packages whose layout has delivery sets, their deliveries and the checks of these, by the commands."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from support.commands import Ran, run_redirected
from support.in_process import write

# What a run of one unit is, and the folders of its package; folders and rules of a test may follow, then RULES.
UNIT = """
tree = "unit"
[[place]]
name = "run"
path = "in"
needed = true
[[folder]]
name = "data"
[[folder]]
name = "notes"
"""
# Where the files of such a run go; a test adds what else its layout has.
RULES = """
[[rule]]
kind = "tree"
match = ["one", "two"]
to = "data/{name}"
[[rule]]
match = "*.txt"
to = "notes/{name}"
[[rule]]
match = "*"
to = "data/{name}"
"""


def package_run(home: Path, layout: str, files: Mapping[str, bytes]) -> None:
    """Write the layout and a run with these files, and make package P of it."""
    for path, data in files.items():
        write(home / "run/in" / path, data)
    (home / "layout.toml").write_text(layout)
    package_again(home)


def package_again(home: Path) -> None:
    """Make package P of the run and the layout as they are now."""
    words = ("--layout", home / "layout.toml", "--mode", "copy", "--as-is", "--no-settings")
    ran = run_redirected("package", home / "run", home / "P", *words)
    assert ran.code == 0, ran.err


def deliver(home: Path, *words: str | Path) -> Ran:
    """Deliver package P into the folder `out`."""
    return run_redirected("deliver", home / "P", "--output", home / "out", "--jobs", "1", "--json", *words)


def checked_delivery(folder: str | Path, *words: str | Path) -> list[str]:
    """Check a delivery, and return code and path of each problem."""
    ran = run_redirected("tarsplit", "--check", folder, "--json", *words)
    problems = [f"{each['code']} {each['path']}" for each in json.loads(ran.out)["problems"]]
    assert ran.code == (3 if problems else 0), ran.err
    return problems


def extract_safely(archive: tarfile.TarFile, folder: Path) -> None:
    """Extract a tar whose members may be anything: none leads out of the folder."""
    if hasattr(tarfile, "data_filter"):
        archive.extraction_filter = staticmethod(tarfile.data_filter)  # Debian 12 has Python 3.11.2, without it
    archive.extractall(folder)
