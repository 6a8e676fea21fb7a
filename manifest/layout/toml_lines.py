"""Line numbers of the tables in a TOML file, for messages: the parser does not report them.

The text is only scanned, so a file that writes its tables in another form has no lines here, never wrong ones.
"""

import re
from collections.abc import Sequence

# A text over several lines, in which a line may look like a header.
_LONG_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)


def table_lines(text: str, key: str, count: int) -> Sequence[int]:
    """Return the lines, from 1, of the headers `[[key]]`; empty if there are not just as many as tables.

    Args:
        count: how many tables of the key the parser found.
    """
    return _lines(text, rf"\[\[\s*{_name(key)}\s*\]\]", count)


def sub_table_line(text: str, key: str, name: str) -> Sequence[int]:
    """Return the line of the header `[key.name]`, from 1; empty if there is not just one."""
    return _lines(text, rf"\[\s*{_name(key)}\s*\.\s*{_name(name)}\s*[.\]]", 1)


def key_line(text: str, key: str) -> Sequence[int]:
    """Return the line, from 1, where a key of the whole file begins: of its value, or of its first table."""
    head = re.split(r"^[ \t]*\[", _without_long_texts(text), maxsplit=1, flags=re.MULTILINE)[0]
    return _all_lines(head, rf"{_name(key)}\s*[.=]")[:1] or _all_lines(text, rf"\[\[?\s*{_name(key)}\s*[.\]]")[:1]


def _name(key: str) -> str:
    return rf"(?:{re.escape(key)}|\"{re.escape(key)}\"|'{re.escape(key)}')"


def _lines(text: str, header: str, count: int) -> Sequence[int]:
    found = _all_lines(text, header)
    return found if len(found) == count else ()


def _all_lines(text: str, start: str) -> Sequence[int]:
    lines = _without_long_texts(text).split("\n")
    begins = re.compile(r"\s*" + start).match
    return [number for number, line in enumerate(lines, 1) if begins(line)]


def _without_long_texts(text: str) -> str:
    return _LONG_TEXT.sub(lambda match: "\n" * match[0].count("\n"), text)
