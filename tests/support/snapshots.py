"""What a tree looks like, as a value that two moments can be compared by."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import xxhash


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing in a tree; the digest is of a file's content, or the target of a link, else empty."""

    kind: str
    digest: str
    mode: int
    nlink: int
    inode: int
    mtime_ns: int


def snapshot(root: Path) -> dict[str, Seen]:
    """Return everything below root, and root itself as `.`, by path; nothing is followed."""
    paths = [root]
    for folder, folders, files in os.walk(root):
        paths.extend(Path(folder) / name for name in (*folders, *files))
    return {os.fspath(path.relative_to(root)): _seen(path) for path in sorted(paths)}


def contents(root: Path) -> dict[str, str]:
    """Return only what kind of thing stands where and what it holds."""
    return {path: f"{seen.kind} {seen.digest}" for path, seen in snapshot(root).items()}


def files(root: Path) -> dict[str, Seen]:
    """Return the regular files of the snapshot."""
    return {path: seen for path, seen in snapshot(root).items() if seen.kind == "file"}


def _seen(path: Path) -> Seen:
    status = path.lstat()
    kind, digest = "other", ""
    if stat.S_ISREG(status.st_mode):
        kind, digest = "file", xxhash.xxh3_128_hexdigest(path.read_bytes())
    elif stat.S_ISDIR(status.st_mode):
        kind = "folder"
    elif stat.S_ISLNK(status.st_mode):
        kind, digest = "link", os.readlink(path)
    return Seen(kind, digest, stat.S_IMODE(status.st_mode), status.st_nlink, status.st_ino, status.st_mtime_ns)
