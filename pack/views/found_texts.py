"""Found texts: which lists and other texts of adopted members a command left as they were."""

import os
from collections.abc import Iterable, Iterator, Sequence

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.path import join, shown
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded


def found_texts_of(members: Iterable[bytes], target: Target) -> list[bytes]:
    """Return the found texts of members of a package, as paths in the package; those beside it as `../NAME`."""
    headers = (target.opened.peek_header(target.package.manifest(each), StreamKind.MANIFEST) for each in members)
    return [
        path if path.startswith(b"../") else join(folder_of(header.member), path)
        for header in headers
        for path in header.found_texts
    ]


def found_text_lines(texts: Sequence[bytes], target: Target, style: Style) -> Iterator[str]:
    """Yield what is left as it was, though what it is made of may have changed."""
    if texts:
        why = (
            "Left as they were when the package was adopted or received, because it is not known how they were made:"
        )
        yield from map(style.warning, folded(why))
        yield from (f"  {shown(os.path.normpath(join(target.package.path, path)))}" for path in texts)
