"""Receiver limits: file names that the programs which receive a package fail on.

Source: public code of the time.

They compare the tree in README with the names in the tar and fail on a name with a space, tab, newline, `|`,
backquote, `;`, `--` or a letter that is not ASCII, and on any path but README's own that holds the letters README.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem

_REFUSED = re.compile(rb"[ \t\n|`;]|--|[^\x00-\x7f]")
_README = b"README"


def name_warnings(folder: bytes, names: Sequence[bytes]) -> list[Problem]:
    """Return a warning for each name of the folder that receivers refuse."""
    joined = b"\0".join(names)
    if not _REFUSED.search(joined) and _README not in joined:
        return []  # one search per folder instead of one per name
    return [Problem(code, join(folder, name)) for name in names for code in _codes(folder, name)]


def _codes(folder: bytes, name: bytes) -> list[Code]:
    codes = []
    if _REFUSED.search(name):
        codes.append(Code.W_NAME)
    if _README in name and (folder or name != _README):
        codes.append(Code.W_README_IN_PATH)
    return codes


def case_warnings(paths: Iterable[bytes]) -> Iterator[Problem]:
    """Warn of each path that a case-insensitive file system would merge with an earlier one."""
    seen: dict[str, bytes] = {}
    for path in paths:
        text = path.decode("utf-8", "surrogateescape")
        other = seen.setdefault(unicodedata.normalize("NFC", text).casefold(), path)
        if other != path:
            yield Problem(Code.W_CASE, path, expected="a difference other than case", found=shown(other))
