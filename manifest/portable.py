"""Paths that Linux tells apart and disks that fold case, or use one normal form of letters, do not."""

import unicodedata
from collections.abc import Iterable, Iterator

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem


def case_warnings(paths: Iterable[bytes]) -> Iterator[Problem]:
    """Warn of each path that such a disk would merge with an earlier one of them."""
    seen: dict[str, bytes] = {}
    for path in paths:
        text = path.decode("utf-8", "surrogateescape")
        other = seen.setdefault(unicodedata.normalize("NFC", text).casefold(), path)
        if other != path:
            yield Problem(Code.W_CASE, path, expected="more than case to tell it from another", found=shown(other))
