"""Line numbers of the tables in a TOML file, for messages: the parser does not report them.

The text is only scanned, so a file that writes its tables in another form has no lines here, never wrong ones.
"""

import re
from collections.abc import Sequence


def table_lines(text: str, key: str, count: int) -> Sequence[int]:
    """Return the lines, from 1, of the headers `[[key]]`; empty if there are not just as many as tables.

    Args:
        count: how many tables of the key the parser found.
    """
    header = re.compile(rf"\s*\[\[\s*([\"']?){re.escape(key)}\1\s*\]\]")
    found = [number for number, line in enumerate(text.split("\n"), 1) if header.match(line)]
    return found if len(found) == count else ()
