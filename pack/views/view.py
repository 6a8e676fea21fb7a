"""Result of a command as a value: lines, JSON fields, exit code; `commands/run.py` prints the wanted form.

Both forms are made only when they are printed, so that a view may hold a package of any size.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from qa2pack.manifest.dataclass import dataclass
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.style import Style

if TYPE_CHECKING:
    from qa2pack.pack.views.json_fields import Fields  # imports the formats, which not every command needs


def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, slots=True)
class View:
    """Result of a command.

    Attributes:
        lines: makes the lines for stdout, in the style of the terminal.
        fields: makes the JSON fields; verb and exit code precede them, and may be replaced by fields of that name.
        notes: lines for stderr, after those for stdout; not with `--json`.
        close: is called when all is printed, also if printing fails; it releases what lines and fields read.
        summary: the result in some words, for a table of several packages; empty if the command takes only one.
    """

    lines: Callable[[Style], Iterable[str]]
    fields: "Callable[[], Fields]"
    code: Exit = Exit.DONE
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = _nothing
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Result of a command that is printed as it is, byte for byte.

    Attributes:
        close: is called when all is printed, also if printing fails.
        notes: lines for stderr, after the pieces.
    """

    pieces: Iterable[bytes]
    close: Callable[[], None] = _nothing
    notes: tuple[str, ...] = ()
