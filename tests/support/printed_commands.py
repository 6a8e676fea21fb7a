"""Commands in what is printed: each must be alone on its line, so that the line can be copied into a shell."""

import re
import shlex
from collections.abc import Iterable

from qa2pack.pack.cli import COMMANDS

PROGRAMS = frozenset({"pack", "tarsplit", "mkdir", "mv", "rm", "chmod", "iconv", "cd"})
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
