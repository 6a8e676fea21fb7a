"""Colours and line folding of terminal output.

Colours only on a terminal, and not if NO_COLOR (https://no-color.org) is set; also elsewhere if FORCE_COLOR
(https://force-color.org) or CLICOLOR_FORCE (https://bixense.com/clicolors) is set. `--color` counts before these.

Text is folded at 80 columns; a path is never folded, so that it can be copied. Only tree drawings are cut, and only
on a terminal that would wrap them.
"""

import os
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from qa2pack.manifest.dataclass import dataclass
from qa2pack.pack.terminal.choices import Color

WIDTH = 79
_GAP = "..."  # not one character: a terminal may show ASCII alone
_NO_BREAK = "\N{NO-BREAK SPACE}"  # never in shown text: it is not printable, so it is escaped there


_COLOR: "ContextVar[Color]" = ContextVar("color", default=Color.AUTO)


@dataclass(frozen=True, slots=True)
class Style:
    """Adds colours for a terminal, or leaves text unchanged.

    Attributes:
        columns: width of the terminal; 0 if there is none.
    """

    is_coloured: bool = False
    columns: int = 0

    def bold(self, text: str) -> str:
        """Mark a heading."""
        return self._marked(text, "1")

    def dim(self, text: str) -> str:
        """Mark secondary text."""
        return self._marked(text, "2")

    def good(self, text: str) -> str:
        """Mark a success."""
        return self._marked(text, "32")

    def warning(self, text: str) -> str:
        """Mark a warning."""
        return self._marked(text, "33")

    def bad(self, text: str) -> str:
        """Mark a failure."""
        return self._marked(text, "31")

    def fitted(self, line: str) -> str:
        """Return a line of a drawing, with its middle cut out if the terminal would wrap it."""
        if not 0 < self.columns < len(line):
            return line
        kept = max(self.columns - len(_GAP), 0)
        return line[: kept - kept // 2] + _GAP + line[len(line) - kept // 2 :]

    def sentence(self, text: str, *, indent: int = 0) -> Iterator[str]:
        """Yield a sentence with a path in it: folded on a terminal, otherwise one line, for grep."""
        return folded(text, indent=indent) if self.columns else iter([" " * indent + text.replace(_NO_BREAK, " ")])

    def _marked(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.is_coloured else text


@contextmanager
def coloured(choice: Color) -> Iterator[None]:
    """Colour output as chosen in this context."""
    token = _COLOR.set(choice)
    try:
        yield
    finally:
        _COLOR.reset(token)


def style_for(stream: TextIO) -> Style:
    """Return the style for a stream."""
    columns = shutil.get_terminal_size((0, 0)).columns if stream.isatty() else 0
    return Style(is_coloured(stream), columns)


def is_coloured(stream: TextIO) -> bool:
    """Return whether output to the stream is coloured."""
    choice, environment = _COLOR.get(), os.environ
    if choice is not Color.AUTO:
        return choice is Color.ALWAYS
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def folded(text: str, *, indent: int = 0, label: str = "") -> Iterator[str]:
    """Yield the lines of folded text; a label precedes the first line, the others are indented by its width."""
    start = " " * indent + label
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line.replace(_NO_BREAK, " ") for line in lines)


def unbroken(text: str) -> str:
    """Return text that `folded` keeps on one line, such as a command to copy."""
    return text.replace(" ", _NO_BREAK)
