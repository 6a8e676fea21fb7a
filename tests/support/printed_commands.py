"""Commands in what is printed: each must be alone on its line, so that the line can be copied into a shell."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from typer.main import get_command

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.command_tree import application

PROGRAMS = frozenset({"pack", "tarsplit", "mkdir", "rm", "chmod", "iconv", "cd", "mv"})
_COMMAND = re.compile(
    rf"\bpack (?:{'|'.join(COMMANDS)})\b(?! --check:)[^:]"
    r"|\btarsplit --(?!check:)|\b(?:mkdir|mv|rm -r|chmod -R|iconv) [/'\w]"
)


def bad_command(command: str) -> bool:
    """Return whether a shell would not take it as it is: another first word, open quotes, a full stop at its end."""
    try:
        words = shlex.split(command)
    except ValueError:
        return True
    return not words or words[0] not in PROGRAMS or words[-1].endswith((".", ",", ";", ":"))


def mixed_lines(lines: Iterable[str]) -> list[str]:
    """Return the lines that hold a command and cannot be copied as they are."""
    return [line for line in lines if _COMMAND.search(f"{line} ") and bad_command(line.strip())]


# What the program cannot know: a package or reduction that nobody named, a copy, a file of the reader's own.
PLACEHOLDERS = frozenset({"ORIGIN", "MODE", "FOLDER", "FILE", "UNPACKED", "CODE", "ENCODING", "NEW", "NAME"})
_PATHS = frozenset({"origin", "package", "check", "chunks", "manifest", "readme", "from_"})


def printed_commands(text: str) -> list[list[str]]:
    """Return the words of each command that is alone on its line, and indented, in the order in which they stand."""
    lines = (line.strip() for line in text.splitlines() if line.startswith("  "))
    return [shlex.split(line) for line in lines if line.split(" ")[0] in PROGRAMS and not bad_command(line)]


def ready_commands(text: str) -> list[list[str]]:
    """Return the printed commands that can be typed as they stand: without a placeholder."""
    return [words for words in printed_commands(text) if not PLACEHOLDERS & set(words)]


def misfits(commands: Iterable[list[str]]) -> list[str]:
    """Return what is wrong with printed commands: options that do not exist, paths that are not there."""
    return [fault for words in commands for fault in _faults(words)]


def _faults(words: list[str]) -> Iterator[str]:
    program, *arguments = words
    if program not in ("pack", "tarsplit"):
        yield from (f"{words}: no {path}" for path in arguments if "/" in path and not _may_be_typed(program, path))
        return
    name, *arguments = arguments if program == "pack" else ["tarsplit", *arguments]
    if arguments == ["--help"]:
        return
    top: Any = get_command(application([name]))
    arguments = ["hard" if word == "MODE" else word for word in arguments]
    context = top.make_context("pack", [name, *arguments])
    command = top.get_command(context, name)
    try:
        params = command.make_context(name, arguments, parent=context).params
    except Exception as error:  # the classes of the parser have no names of their own
        yield f"{words}: {error}"
        return
    for option in _PATHS & params.keys():
        value = params[option]
        for path in value if isinstance(value, list | tuple) else [value]:
            is_new = option == "package" and os.path.isdir(os.path.dirname(str(path)))  # a plan makes it
            if path and path not in PLACEHOLDERS and not os.path.lexists(path) and not is_new:
                yield f"{words}: no {path}"


def _may_be_typed(program: str, path: str) -> bool:
    return os.path.lexists(os.path.dirname(path) if program in ("mkdir", "mv") else path)
