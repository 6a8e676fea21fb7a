"""Ownership, mode and link-count checks of the sources: warnings are counted, errors list each path.

A copy belongs to the user who makes it and gets no set-uid bits; the warning gives the number of files. Most systems
forbid ordinary users a hard link to a file of another user (fs.protected_hardlinks), and an inode has a maximum link
count. Both would stop an apply half-way, so they are checked when planning.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.fs.immutable import has_marks, mark_of, marks_in
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Count, Size, owner_named

PATH_BYTES = 4095
_STAGING_RESERVE_BYTES = 64  # how much longer a path is during staging
_DEPTH_LIMIT = 300  # removing a tree takes a descriptor and a recursive call per level
_SET_ID = 0o6000
_NO_LIMIT_BELOW = 1000  # the C library says 127 of every file system whose limit it does not know
_OF_ONE_FILE = frozenset(("system.posix_acl_access", "security.capability"))
LINKING = frozenset((Action.LINK, Action.MOVE))
_MARKED = frozenset((*LINKING, Action.CARRY))

Sums = dict[Code, tuple[int, bytes]]
# By device number and inode: links that the package adds, links that exist, and one of its paths.
Names = dict[tuple[int, int], tuple[int, int, bytes]]


def path_problems(member: bytes, path: bytes, names: Sequence[bytes]) -> Iterator[Problem]:
    """Yield a problem if a folder of a package is too deep, or the path of one of its files too long.

    Args:
        member: absolute path of the member in the package.
        path: of the folder in the member.
    """
    longest = len(member) + len(path) + max(map(len, names), default=0)
    if longest > PATH_BYTES - _STAGING_RESERVE_BYTES:
        yield Problem(Code.PATH_TOO_LONG, path, Size(PATH_BYTES, bound="at most"), Size(longest))
    elif path.count(b"/") >= _DEPTH_LIMIT:
        yield Problem(Code.PATH_TOO_LONG, path, f"at most {_DEPTH_LIMIT} folders inside each other", "more")


@dataclass(frozen=True, slots=True)
class StateColumns:
    """Stat results of many files in columns, so that a property of all files is checked without a loop."""

    modes: tuple[int, ...] = ()
    inodes: tuple[int, ...] = ()
    devices: tuple[int, ...] = ()
    link_counts: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()

    @classmethod
    def of(cls, stats: Sequence[os.stat_result]) -> "StateColumns":
        """Return the columns of these stat results."""
        if not stats:
            return cls()
        modes, inodes, devices, link_counts, owners, _, sizes, *_ = zip(*stats, strict=True)
        return cls(modes, inodes, devices, link_counts, owners, sizes)


@dataclass(frozen=True, slots=True)
class FileStates:
    """Files to be packaged, with their stat results.

    Attributes:
        root: the folder that all are in, or the root of the origin.
        sources: relative to the root, or absolute.
    """

    root: bytes
    sources: Sequence[bytes]
    actions: Sequence[int]
    states: StateColumns

    def path(self, source: bytes) -> bytes:
        """Return the absolute path of one of the sources."""
        return source if source.startswith(b"/") else join(self.root, source)


def stat_problems(files: FileStates) -> Iterator[Problem]:
    """Yield a problem for each source that may not be linked."""
    user = os.geteuid()
    owners = files.states.owners
    if user == 0 or {*owners} <= {user} or not _are_links_protected():
        return
    for source, action, owner in zip(files.sources, files.actions, owners, strict=True):
        if action in LINKING and owner != user:
            path = os.path.join(files.root, source)
            if not os.access(path, os.R_OK | os.W_OK):
                yield Problem(Code.LINK_FORBIDDEN, path, found=owner_named(owner, "a file of"))


def folder_problems(files: FileStates) -> list[Problem]:
    """Return a problem for each folder of the origin in which a move could not replace a file by a symlink."""
    if Action.MOVE not in files.actions:
        return []
    owners: dict[bytes, set[int]] = {}
    for source, action, owner in zip(files.sources, files.actions, files.states.owners, strict=True):
        if action == Action.MOVE and not source.startswith(b"/"):
            owners.setdefault(source.rpartition(b"/")[0], set()).add(owner)
    problems = []
    for path, owning in ((path_in(files.root, folder), owners[folder]) for folder in sorted(owners)):
        if mark := mark_of(path):
            problems.append(Problem(Code.UNCHANGEABLE, path, found=mark))
        elif not os.access(path, os.W_OK | os.X_OK):
            problems.append(Problem(Code.ORIGIN_NOT_WRITABLE, path))
        elif owning - {os.geteuid()} and _is_sticky(path):
            problems.append(Problem(Code.ORIGIN_NOT_WRITABLE, path, found="a sticky one, with files of others"))
    return problems


def _is_sticky(folder: bytes) -> bool:
    """Return whether one may replace only one's own files in a folder, as in /tmp: rename(2), EPERM."""
    status = os.stat(folder)
    return bool(status.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, status.st_uid)


def mark_problems(files: FileStates) -> Iterator[Problem]:
    """Yield a problem for each immutable or append-only source: it can neither be linked nor replaced."""
    if not {*files.actions} & _MARKED:
        return
    devices = files.states.devices
    marking = {device for device in {*devices} if has_marks(device, files.path(files.sources[devices.index(device)]))}
    if not marking:
        return
    sources = files.sources
    if not ({*files.actions} <= _MARKED and {*devices} <= marking):
        columns = zip(sources, files.actions, devices, strict=True)
        sources = [source for source, action, device in columns if action in _MARKED and device in marking]
    with suppress(OSError):  # a folder that is gone: whoever reads or links its files reports that
        for source, mark in marks_in(files.root, sources):
            yield Problem(Code.UNCHANGEABLE, files.path(source), found=mark)


def count_names(names: Names, files: FileStates) -> None:
    """Count the links that the package adds to inodes which have very many already."""
    states = files.states
    if max(states.link_counts, default=0) <= _NO_LIMIT_BELOW:
        return
    columns = zip(files.sources, files.actions, states.devices, states.inodes, states.link_counts, strict=True)
    for source, action, device, inode, link_count in columns:
        if link_count > _NO_LIMIT_BELOW and action in LINKING:
            path = os.path.join(files.root, source)
            count, _, first = names.get((device, inode), (0, 0, path))
            names[device, inode] = (count + 1, link_count, min(first, path))


def add_names(total: Names, more: Names) -> None:
    """Add the link counts of a batch to the total."""
    for key, (count, nlink, path) in more.items():
        before, _, first = total.get(key, (0, nlink, path))
        total[key] = (before + count, nlink, min(first, path))


def name_problems(names: Names) -> list[Problem]:
    """Return a problem for each inode that would exceed the maximum link count of its file system."""
    return [
        Problem(
            Code.LINK_LIMIT,
            path,
            Count(limit, "link", "at most"),
            f"{counted(nlink, 'link')}, and {count:,} more would be made",
        )
        for count, nlink, path in names.values()
        if nlink + count > (limit := _link_limit(path))
    ]


def count_modes_and_owners(sums: Sums, path: bytes, names: Sequence[bytes], states: StateColumns) -> None:
    """Count the files with set-uid bits or another owner, with the first path of each kind."""
    user = os.geteuid()
    if {*states.owners} <= {user} and not any(mode & _SET_ID for mode in {*states.modes}):
        return
    for name, mode, owner in zip(names, states.modes, states.owners, strict=True):
        if mode & _SET_ID:
            count_one(sums, Code.W_SET_ID, join(path, name))
        if owner != user:
            count_one(sums, Code.W_OWNER, join(path, name))


def count_back_in_part(sums: Sums, path: bytes, names: Sequence[bytes], files: FileStates) -> None:
    """Count the files, all moved to another file system, of which a rollback does not bring back everything.

    They come back as copies. A manifest has neither owner nor extended attributes, and a set-id bit is not given to
    a file that may have got another owner.
    """
    user, states = os.geteuid(), files.states
    plain = zip(states.owners, states.modes, states.link_counts, strict=True)
    has_more = [owner != user or bool(mode & _SET_ID) or count > 1 for owner, mode, count in plain]
    attributes = each(lambda source: _has_attributes(files.path(source)), files.sources)
    for name, *reasons in zip(names, has_more, attributes, strict=True):
        if any(reasons):
            count_one(sums, Code.W_BACK_IN_PART, join(path, name))


def _has_attributes(path: bytes) -> bool:
    """Return whether a file has extended attributes but those that the system gives to each file of a folder."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:  # a file system without them; a file that is gone is reported by whoever reads it
        return False
    return any(name.startswith("user.") or name in _OF_ONE_FILE for name in names)


def count_one(sums: Sums, code: Code, path: bytes) -> None:
    """Count one file of a kind, and keep the path that sorts first, in whatever order files are counted."""
    count, first = sums.get(code, (0, path))
    sums[code] = (count + 1, min(first, path))


def add_sums(total: Sums, more: Sums) -> None:
    """Add the counts of a batch to the total."""
    for code, (count, path) in more.items():
        before, first = total.get(code, (0, path))
        total[code] = (before + count, min(first, path))


def sum_warnings(sums: Sums) -> list[Problem]:
    """Return one warning for each kind."""
    return [Problem(code, path, found=counted(count, "file")) for code, (count, path) in sorted(sums.items())]


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
