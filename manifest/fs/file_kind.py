"""Kind of a file in words, as problems say it: a file, a folder, a link, a named pipe, a socket, a device."""

import os
import stat

from qa2pack.manifest.path import shown

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_in_words(mode: int) -> str:
    """Return the kind of a file with this mode."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def kind_at(path: bytes, mode: int) -> str:
    """Return the kind of the file at a path, which has this mode; of a symlink with where it leads."""
    return f"a link to {shown(os.readlink(path))}" if stat.S_ISLNK(mode) else kind_in_words(mode)
