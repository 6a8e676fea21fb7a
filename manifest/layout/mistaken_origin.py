"""Scheduling blocks below a folder that was named by mistake: a short look, for advice, never at a whole tree."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qa2pack.manifest.path import join

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout

_DEEPEST = 3
_MOST_ENTRIES = 10_000


def scheduling_blocks(folder: bytes, layout: "Layout") -> list[bytes]:
    """Return the folders that hold execution blocks: this one, or those a few levels below it; sorted.

    Folders that cannot be read are left out, and so is what comes after the first thousands of entries.

    Args:
        folder: absolute path.
        layout: its first marked place is what a scheduling block holds.
    """
    place = layout.marked_place
    marks = place.marked_by if place else None
    if marks is None:
        return []
    found: set[bytes] = set()
    level, left = [folder], _MOST_ENTRIES
    for depth in range(_DEEPEST + 1):
        below: list[bytes] = []
        for path in level:
            names = list(_entries(path))[:left]
            left -= len(names)
            if any(marks.fits(name) for name, _ in names):
                found.add(os.path.dirname(path) if depth else path)
            else:
                below += (join(path, name) for name, is_folder in names if is_folder)
        level = below
    return sorted(found)


def _entries(path: bytes) -> Iterator[tuple[bytes, bool]]:
    try:
        with os.scandir(path) as listing:
            yield from sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
    except OSError:
        return
