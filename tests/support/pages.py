"""Pages of documents taken apart: what is typed in them, what they show, and what of it cannot be run.

A page is a story that is run from top to bottom. Its fenced blocks called `console` hold commands, each after `$ `
(where one goes on, after `> `), and below each what it prints. Comments that no reader sees may stand before a block:

    <!-- file: NAME -->         the block is the text of this file, which is there from then on
    <!-- not run: WHY -->       the commands in the block cannot be run
    <!-- before: COMMAND -->    needs no block: this is done at that place, out of sight

Only reads text; running is done by `stories`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = re.compile(
    r"^<!-- before: (?P<hidden>.+) -->$"
    r"|(?:^<!-- (?P<kind>file|not run): (?P<note>.+) -->\n\n?)?"
    r"(?:^```(?P<language>\w*)\n(?P<fenced>(?s:.*?))^```$|(?P<set_in>^ {4}.*\n(?:^ {4}.*\n|^\n)*))",
    re.MULTILINE,
)
_PROMPT = re.compile(r"\$ |> ")
# One with a word in capitals, or with a remark behind a wide gap, is no command but says what commands there are.
_COMMAND_LINE = re.compile(
    r"(?!.*\b[A-Z]{3,}\b|.*\S {3,}\S)\s*(?:\$ )?"
    r"(?:pack|tarsplit|tarsplit\.py|python3?|pipx?|make|git|cd|[a-z0-9]+sum|bagit\.py) \S"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and what the page shows below it.

    Attributes:
        line: number of its first line.
        shown_line: number of the first line that is shown below.
    """

    line: int
    text: str
    shown_line: int
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file whose text is on the page."""

    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """A command that is not on the page."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Unrun:
    """A block of commands that cannot be run."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A line that looks like a command and is in no block that says what is to become of it."""

    line: int
    text: str


Step = Command | File | Hidden | Unrun | Stray


def steps_of(text: str) -> Iterator[Step]:
    """Yield what is to be done with a page, in its order; line numbers count from 1."""
    for part in _PART.finditer(text):
        line = text.count("\n", 0, part.start()) + 1
        if part["hidden"]:
            yield Hidden(line, part["hidden"])
        elif part["kind"] == "not run":
            yield Unrun(line, part["note"])
        elif part["kind"] == "file":
            yield File(line, part["note"], part["fenced"])
        elif part["language"] == "console":
            yield from _commands(part["fenced"].splitlines(), text.count("\n", 0, part.start("fenced")) + 1)
        else:
            body = part["fenced"] or part["set_in"] or ""
            yield from (Stray(line, each) for each in body.splitlines() if _COMMAND_LINE.match(each))


def _commands(lines: list[str], first_line: int) -> Iterator[Command]:
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        after = start + 1
        while after < end and lines[after].startswith("> "):
            after += 1
        typed = "\n".join(_PROMPT.sub("", line, count=1) for line in lines[start:after])
        shown = lines[after:end]
        while shown and not shown[-1]:
            shown.pop()  # the empty line before the next prompt
        yield Command(first_line + start, typed, first_line + after, tuple(shown))
