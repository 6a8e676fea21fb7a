"""Putting measured tables into a page, between `<!-- begin NAME -->` and `<!-- end NAME -->`.

Everything between two marks is replaced, so a page can be filled anew as often as one likes.
"""

import re
from collections.abc import Sequence
from pathlib import Path


class NoMarksError(Exception):
    """The page has no such pair of marks."""


def fill(page: Path, name: str, text: str) -> None:
    """Replace what is between the marks of that name.

    Raises:
        NoMarksError: there are none; the page is as it was.
    """
    page.write_text(filled(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def filled(page: str, name: str, text: str) -> str:
    """Return the text of a page with another text between the marks of that name.

    Raises:
        NoMarksError: there are none.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    marks = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marks.search(page):
        raise NoMarksError(f"{begin} and {end} are not on the page")
    return marks.sub(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", page)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that reads well as plain text too; columns that begin with a number are set to the right."""
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    is_number = [all(row[index][:1] in "0123456789-" for row in rows) and bool(rows) for index in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, is_number, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    marks = zip(widths, is_number, strict=True)
    rule = "|".join("-" * (width + 1) + (":" if right else "-") for width, right in marks)
    return "\n".join((line(head), f"|{rule}|", *map(line, rows)))
