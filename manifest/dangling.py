"""Links to nothing in a table: why casacore cannot open it once the package that its files moved to was moved."""

import os
from collections.abc import Iterator

from qa2pack.manifest.fs.presence import is_link, leads_anywhere
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem


def dangling_links(table: bytes, foreign: tuple[str, ...] = ()) -> Iterator[Problem]:
    """Yield a problem for each link right in the folder of the table that leads to nothing, sorted by name.

    Names that match `foreign` are no files of the table; an editor's lock is such a link.
    """
    try:
        names = sorted(os.listdir(table))
    except (FileNotFoundError, NotADirectoryError):
        return  # told by whoever looked for the table
    for path in (join(table, name) for name in names if not matches(name, foreign)):
        if is_link(path) and not leads_anywhere(path):
            yield Problem(Code.LINK_DANGLING, path, found=os.fsdecode(os.readlink(path)))
