"""What owner, mode and link count of the sources mean for packaging: told once for many files, refused by name.

Copies belong to whoever makes them and get no set-uid bits; that is told, with a count. A hard link to a file of
somebody else is forbidden to ordinary users on most systems (fs.protected_hardlinks), and an inode takes only so many
names; both would stop an apply half-way, so they are found when planning.
"""

import os
from collections.abc import Sequence
from functools import cache

from manifest.path import join
from manifest.problem import Code, Problem
from manifest.record import Action

PATH_BYTES = 4095
_SET_ID = 0o6000
_NO_LIMIT_BELOW = 1000  # the C library says 127 of every file system whose limit it does not know
_LINKING = frozenset((Action.LINK, Action.MOVE))

Sums = dict[Code, tuple[int, bytes]]
# By device and inode: how many names the package gives it, how many it has, and one of its paths.
Names = dict[tuple[int, int], tuple[int, int, bytes]]


def stat_problems(
    root: bytes, sources: Sequence[bytes], actions: Sequence[int], stats: Sequence[os.stat_result]
) -> list[Problem]:
    """Return a problem for each source that may not be linked."""
    user = os.geteuid()
    problems = []
    for source, action, status in zip(sources, actions, stats, strict=True):
        if action in _LINKING and user not in (0, status.st_uid) and _are_links_protected():
            path = os.path.join(root, source)
            if not os.access(path, os.R_OK | os.W_OK):
                problems.append(Problem(Code.LINK_FORBIDDEN, path, found=f"owner {status.st_uid}"))
    return problems


def folder_problems(root: bytes, sources: Sequence[bytes], actions: Sequence[int]) -> list[Problem]:
    """Return a problem for each folder of the origin in which a move could not put a link in a file's place."""
    folders = {
        source.rpartition(b"/")[0]
        for source, action in zip(sources, actions, strict=True)
        if action == Action.MOVE and not source.startswith(b"/")
    }
    paths = (os.path.join(root, folder) for folder in sorted(folders))
    return [Problem(Code.NOT_WRITABLE, path) for path in paths if not os.access(path, os.W_OK | os.X_OK)]


def count_names(
    names: Names, root: bytes, sources: Sequence[bytes], actions: Sequence[int], stats: Sequence[os.stat_result]
) -> None:
    """Count the names that the package gives to inodes which have very many already."""
    for source, action, status in zip(sources, actions, stats, strict=True):
        if status.st_nlink > _NO_LIMIT_BELOW and action in _LINKING:
            key = (status.st_dev, status.st_ino)
            count, _, path = names.get(key, (0, 0, os.path.join(root, source)))
            names[key] = (count + 1, status.st_nlink, path)


def add_names(total: Names, more: Names) -> None:
    """Add the names of a batch to those of all."""
    for key, (count, nlink, path) in more.items():
        before, _, first = total.get(key, (0, nlink, path))
        total[key] = (before + count, nlink, min(first, path))


def name_problems(names: Names) -> list[Problem]:
    """Return a problem for each inode that would get more names than its file system takes."""
    return [
        Problem(Code.LINK_LIMIT, path, f"at most {limit} links", f"{nlink} links, and {count} more would be made")
        for count, nlink, path in names.values()
        if nlink + count > (limit := _link_limit(path))
    ]


def count_oddities(sums: Sums, path: bytes, names: Sequence[bytes], stats: Sequence[os.stat_result]) -> None:
    """Add to the sums how many files have set-uid bits or another owner, with the first path of each kind."""
    user = os.geteuid()
    for name, status in zip(names, stats, strict=True):
        if status.st_mode & _SET_ID:
            count_one(sums, Code.W_SET_ID, join(path, name))
        if status.st_uid != user:
            count_one(sums, Code.W_OWNER, join(path, name))


def count_one(sums: Sums, code: Code, path: bytes) -> None:
    """Add one file to the sum of a kind."""
    count, first = sums.get(code, (0, path))
    sums[code] = (count + 1, first)


def add_sums(total: Sums, more: Sums) -> None:
    """Add the sums of a batch to those of all."""
    for code, (count, path) in more.items():
        before, first = total.get(code, (0, path))
        total[code] = (before + count, min(first, path))


def sum_warnings(sums: Sums) -> list[Problem]:
    """Return one warning for each kind."""
    return [Problem(code, path, found=f"{count} files") for code, (count, path) in sorted(sums.items())]


def _link_limit(path: bytes) -> int:
    limit = os.pathconf(path, "PC_LINK_MAX")
    return limit if limit > _NO_LIMIT_BELOW else 2**63


@cache
def _are_links_protected() -> bool:
    try:
        with open("/proc/sys/fs/protected_hardlinks") as file:
            return file.read().strip() == "1"
    except OSError:
        return False
