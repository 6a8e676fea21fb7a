"""Suggestions for mistyped paths: an existing path with a similar name."""

import os

from qa2pack.manifest.fs.presence import is_folder, leads_anywhere

_BESIDE_A_PACKAGE = (".pack", ".ticket.tar", ".ticket.zip")


def near_path(path: bytes) -> bytes | None:
    """Return an existing path that differs in one or two letters of one part; None if there is none.

    Args:
        path: absolute; it does not exist.
    """
    parent, name = os.path.split(path)
    if not is_folder(parent):
        above = near_path(parent)
        found = above and os.path.join(above, name)
        return found if found and leads_anywhere(found) else None
    near = _near_name(name, parent)
    return None if near is None else os.path.join(parent, near)


def _near_name(name: bytes, folder: bytes) -> bytes | None:
    from difflib import get_close_matches

    try:
        names = [os.fsdecode(each) for each in os.listdir(folder)]
    except OSError:
        return None
    wanted = os.fsdecode(name)
    names = [each for each in names if not each.endswith(_BESIDE_A_PACKAGE)]
    alike = [each for each in names if each.casefold() == wanted.casefold()]
    near = alike or get_close_matches(wanted, names, n=1)
    return os.fsencode(near[0]) if near else None
