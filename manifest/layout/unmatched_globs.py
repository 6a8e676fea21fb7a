"""Unmatched globs: warns of typed includes and excludes that match nothing, which are most likely mistyped.

Only names are read, and the folders of packaged trees only for a glob that matches nothing else.
"""

import os
from collections.abc import Collection, Iterator, Sequence

from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.item import Item, Placement
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem


def unmatched_globs(
    origin: bytes, globs: Sequence[str], placement: Placement, inside: Collection[bytes]
) -> Iterator[Problem]:
    """Yield a warning for each glob that matches nothing in the origin.

    Args:
        inside: paths of the files in bundles of the origin, as if these were folders.
    """
    for glob in globs:
        if any(first_match(path, (glob,)) is not None for path in inside):
            continue
        if not _is_about_any(glob, placement) and not any(_is_about_part(glob, origin, i) for i in placement.items):
            path = glob.encode("utf-8", "surrogateescape")
            yield Problem(Code.W_NO_MATCH, path, expected="a name or path of the origin")


def _is_about_any(glob: str, placement: Placement) -> bool:
    paths = [path for item in placement.items for path in (item.source, item.path)]
    paths += [left.path for left in placement.left_out]
    return any(first_match(path, (glob,)) is not None for path in paths)


def _is_about_part(glob: str, origin: bytes, item: Item) -> bool:
    """Return whether the glob matches something inside a packaged tree."""
    if not item.is_tree:
        return False
    root = os.path.join(origin, item.source)
    return any(
        first_match(join(item.source + folder.removeprefix(root), name), (glob,)) is not None
        for folder, folders, files in os.walk(root)
        for name in (*folders, *files)
    )
