"""Telling the story of a page: its commands, typed into a real shell in a folder with real reductions.

All of a page is one shell, so folders and variables stay. What a command prints is compared with what the page shows
but for what differs from machine to machine: sizes on the disk, times, digests, names of user and host, and where
lines are broken. How many files and bytes are packaged is the same everywhere. `…` on the page stands for anything. A
command must end well unless the next one is `echo $?`.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.pages import Command, File, Hidden, Step

FOLDER = "/data"  # what the story's folder is called on the pages
SHELL = ("bash", "--noprofile", "--norc")
_SECONDS = 600
_MARK = "\036"
# What is packaged: a row of the table of roles, or the sum of its files in a sentence.
_PACKAGED = re.compile(r"^  \w+ +[\d,]+ +[\d.]+ [KMGT]?i?B +[\d,]+$|\b[\d,]+ files, [\d.]+ [KMGT]?i?B", re.MULTILINE)
_ALIKE = (
    (re.compile(r"\b\d[\d,.]* ?(?:B|[KMGT]iB|bytes)(?:/s)?(?![\w])"), "<size>"),
    (re.compile(r"\b\d{1,3}(?:,\d{3})+\b"), "<number>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z| ?[+-]\d{4})?"), "<time>"),
    (re.compile(r"\b(?:[0-9a-f]{8,}-)?[0-9a-f]{16,}\b"), "<digest>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:s|min|h|seconds?|minutes?)(?!\w)"), "<duration>"),
    (re.compile(r"\bqa2pack \d[\w.]*"), "<version>"),
    (re.compile(r"\bprocess \d+"), "<process>"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command of a page did.

    Attributes:
        printed: all it printed, as the page would show it.
    """

    command: Command
    code: int
    printed: tuple[str, ...]

    @property
    def is_as_shown(self) -> bool:
        """Tell whether the page shows what was printed."""
        shown, printed = "\n".join(self.command.shown), "\n".join(self.printed)
        pattern = ".*".join(re.escape(piece.strip()) for piece in _alike(shown).split("…"))
        is_alike = re.fullmatch(r"\s*" + pattern + r"\s*", _alike(printed)) is not None
        return is_alike and set(_PACKAGED.findall(shown)) <= set(_PACKAGED.findall(printed))


class StoryError(Exception):
    """The story cannot be run to its end."""


def run_steps(steps: Iterable[Step], folder: Path, shell: Sequence[str] = SHELL) -> list[Printed]:
    """Run all steps in the folder and return what the commands on the page did.

    Raises:
        StoryError: a command that is not on the page failed, or the shell ended early.
    """
    acted = [step for step in steps if isinstance(step, Command | File | Hidden)]
    done = subprocess.run(
        shell,
        input="".join(map(_script, acted)),
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=_SECONDS,
        check=False,
    )
    parts = done.stdout.split(_MARK)
    reported = []
    for step, printed, code in zip(acted, parts[::2], parts[1::2], strict=False):
        if isinstance(step, Command):
            reported.append(Printed(step, int(code), _as_shown(printed, folder)))
        elif int(code):
            raise StoryError(f"line {step.line}: exit code {code}: {printed}")
    if len(parts) // 2 != len(acted):
        raise StoryError(f"line {acted[len(parts) // 2].line}: the shell ended: {parts[-1]}")
    return reported


def exit_faults(reported: list[Printed]) -> list[str]:
    """Return which commands failed though the page does not ask for the exit code, in words."""
    following = [*(each.command.text for each in reported[1:]), ""]
    return [
        f"line {each.command.line}: exit code {each.code}, printed: {each.printed}"
        for each, then in zip(reported, following, strict=False)
        if each.code and then != "echo $?"
    ]


def _script(step: Command | File | Hidden) -> str:
    if isinstance(step, File):
        name = shlex.quote(step.name)
        typed = f'mkdir -p -- "$(dirname -- {name})" && printf %s {shlex.quote(step.text)} > {name}'
    else:
        typed = step.text
    # Not a subshell: folders and variables stay. The code is handed on, for `echo $?`.
    return f'{{ {typed}\n}} < /dev/null; code=$?; printf "{_MARK}%d{_MARK}" "$code"; (exit "$code")\n'


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own shows."""
    beside = Path(sys.executable).parent
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PACK_", "XDG_", "PYTHON"))}
    return kept | {
        "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.fspath(home),
        "LOGNAME": "reducer",
        "LC_ALL": "C.UTF-8",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",  # of other programs, which a newer Python warns of
        "TZ": "UTC",
        "TERM": "dumb",
        "COLUMNS": "80",
    }


def _as_shown(printed: str, folder: Path) -> tuple[str, ...]:
    text = printed.replace(os.fspath(folder), FOLDER)
    text = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "workstation", text)
    return tuple(line.rstrip() for line in text.strip("\n").splitlines())


def _alike(text: str) -> str:
    for pattern, word in _ALIKE:
        text = pattern.sub(word, text)
    return text.strip()
