"""Disk probe: tries out hard links, difficult names, case sensitivity and large files before a plan is saved.

A plan that is kept can be applied. So what only the disk knows is asked of the disk: a hard link, names that some
file systems refuse or change, names that differ in case only. A few names that are hard to hold are tried first; a
disk that takes them all takes every name, and no record of the plan is looked at. All that is made here lies in one
folder of the control folder, and is gone afterwards. Of a move the origin is asked, too; see
`executor.probe.origin_symlinks`.
"""

import errno
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from qa2pack.executor.io.disk import Disk, is_linked
from qa2pack.executor.io.remove import ensure_folder, remove_tree
from qa2pack.executor.probe.file_sizes import largest_file_bytes, too_large_files
from qa2pack.executor.probe.origin_symlinks import Leaving, has_symlinks
from qa2pack.executor.probe.overlay_renames import unmovable
from qa2pack.executor.transaction.paths import probe_folder
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.scratch import DISK_FULL
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused

# What FAT, exFAT, NTFS, SMB, HFS and encrypted folders refuse or change, one name for each reason.
_HARD_NAMES = (
    *(b"probe" + bytes([byte]) + b"x" for byte in b':*?"<>|\\\x01\t\n\x7f'),
    b"probe.",
    b"probe ",
    b" probe",
    b"aux.txt",
    b"probe\xff",
    "probe\xe9".encode(),
    "probe\u0301".encode(),
    "probe\U0001f52d".encode(),
    b"probe".ljust(255, b"x"),
)
_ALIKE_NAMES = ((b"probe", b"PROBE"), ("\xe9".encode(), "\xc9".encode()), ("\xe9".encode(), b"e\xcc\x81"))
# Names that every disk accepts; any other name is tried out if the disk refused one of the difficult names.
_PLAIN = re.compile(rb"(?![. ]|(?i:aux|con|nul|prn|com\d|lpt\d)(?:\.|\Z))[\w.+,=@%#~ -]{1,99}(?<![. ])")
_HOLE_BYTES = 1 << 20
_REFUSED_NAMES = (errno.EINVAL, errno.ENOENT, errno.EILSEQ, errno.ENAMETOOLONG)
_REFUSALS = (
    *_REFUSED_NAMES,
    *(errno.EACCES, errno.EPERM, errno.EEXIST, errno.EOPNOTSUPP, errno.ENOTDIR, errno.ENXIO),
)


def check_disk(package: Package, header: Header, blobs: Iterable[tuple[bytes, bytes]], disk: Disk) -> None:
    """Check that the disk can hold the planned files; the control folder must exist.

    Args:
        blobs: the plan's records, encoded, with their paths; looked at only if the disk is of a peculiar kind, or for
            a move.

    Raises:
        Refused: has all names and links that the disk cannot hold.
    """
    with _probed(package, disk) as fd:
        has_links = _can_link(disk, fd)
        is_choosy = not all(_holds(disk, fd, name) for name in _HARD_NAMES)
        is_folding = any(_merges(disk, fd, *pair) for pair in _ALIKE_NAMES)
        limit = largest_file_bytes(disk, fd)
        problems = [*_refused_package(package, disk, fd), *_unmovable_package(package, header, disk)]
        is_plain = has_links and not is_choosy and not is_folding and limit is None
        device, target, known = os.fstat(fd).st_dev, probe_folder(package), dict[int, bool]()
        if header.mode is Mode.MOVE:
            known[device] = has_symlinks(disk, fd, target)
        leaving = Leaving(disk, header.origin, target, known)
        tried: dict[bytes, bool] = {}
        for _, blob in () if is_plain and header.mode is not Mode.MOVE else blobs:
            record = decode_record(blob)
            problems.extend(leaving.problems(record))
            if not has_links and _links(record, device):
                has_links = True  # reported once
                problems.append(_no_links(package, header))
            if is_choosy:
                problems.extend(_refused_names(disk, fd, record, tried))
            if limit is not None:
                problems.extend(too_large_files(record, limit))
            if is_folding:
                problems.extend(_merged_names(disk, fd, record))
    if problems:
        raise Refused(*problems)


def make_control(package: Package, disk: Disk) -> None:
    """Make the control folder if it is not there; the folder that it lies in must exist.

    Raises:
        Refused: the disk refuses its name.
    """
    try:
        ensure_folder(disk, package.control)
    except OSError as error:
        if error.errno not in _REFUSED_NAMES:
            raise
        found = error.strerror or ""
        raise Refused(Problem(Code.NAME_REFUSED, package.control, "a name that the disk takes", found)) from error


def has_hard_links(package: Package, disk: Disk) -> bool:
    """Try whether the disk has hard links; the control folder must exist."""
    with _probed(package, disk) as fd:
        return _can_link(disk, fd)


def has_holes(package: Package, disk: Disk) -> bool:
    """Try whether the disk supports sparse files; the control folder must exist."""
    with _probed(package, disk) as fd:
        file = disk.create(b"probe", dir_fd=fd)
        try:
            disk.truncate(file, _HOLE_BYTES)
            return os.fstat(file).st_blocks * 512 < _HOLE_BYTES
        except OSError as error:
            if error.errno not in (*DISK_FULL, errno.EFBIG, *_REFUSALS):
                raise
            return False
        finally:
            os.close(file)


@contextmanager
def _probed(package: Package, disk: Disk) -> Iterator[int]:
    """Make an empty folder on the package's disk, yield its descriptor, and remove it with its content."""
    folder = probe_folder(package)
    remove_tree(disk, folder)
    disk.mkdir(folder)
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)
    finally:
        remove_tree(disk, folder)


def _can_link(disk: Disk, fd: int) -> bool:
    os.close(disk.create(b"probe", dir_fd=fd))
    try:
        return is_linked(disk, b"probe", b"link", source_fd=fd, dir_fd=fd)
    finally:
        _empty(disk, fd)


def _holds(disk: Disk, fd: int, name: bytes) -> bool:
    """Return whether a file of this name can be created and is listed under the same name."""
    try:
        os.close(disk.create(name, dir_fd=fd))
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        return False
    return _empty(disk, fd) == [name]


def _merges(disk: Disk, fd: int, one: bytes, other: bytes) -> bool:
    """Return whether both names are the same file on the disk; False if it refuses one of them."""
    try:
        os.close(disk.create(one, dir_fd=fd))
        os.lstat(other, dir_fd=fd)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        return False
    finally:
        _empty(disk, fd)
    return True


def _empty(disk: Disk, fd: int) -> list[bytes]:
    """Remove all files from the probe's folder; return their names."""
    # Opened again: btrfs lists by a descriptor only what was there when that was opened.
    listed = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
    try:
        names = [os.fsencode(name) for name in os.listdir(listed)]
    finally:
        os.close(listed)
    for name in names:
        with suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=fd)
    return names


def _links(record: FolderRecord, device: int) -> bool:
    """Return whether a file of the folder becomes a hard link on the package's disk."""
    actions = {*record.actions}
    return bool(actions & {Action.LINK, Action.CARRY}) or (Action.MOVE in actions and record.device == device)


def _no_links(package: Package, header: Header) -> Problem:
    return Problem(
        Code.NO_HARD_LINKS, package.parent, f"a disk that has hard links, for mode {header.mode}", "one that has none"
    )


def _refused_package(package: Package, disk: Disk, fd: int) -> Iterator[Problem]:
    """Yield a problem if the package, or what stands beside it, cannot have its name."""
    for path in (package.path, *package.tickets):
        name = os.path.basename(path)
        if not _PLAIN.fullmatch(name) and not _holds(disk, fd, name):
            yield Problem(Code.NAME_REFUSED, path, "a name that the disk takes")


def _unmovable_package(package: Package, header: Header, disk: Disk) -> Iterator[Problem]:
    """Yield a problem for each folder that gives way to a new one and cannot be renamed."""
    for folder in unmovable((*_giving_way(package, header), package.manifests), probe_folder(package), disk):
        yield Problem(
            Code.NOT_MOVABLE, folder, "a folder that can be renamed", "one from a lower layer of an overlay"
        )


def _giving_way(package: Package, header: Header) -> tuple[bytes, ...]:
    match header.append:
        case Append.NOTHING:
            return (package.path,)
        case Append.GROUP | Append.MEMBER | Append.RENAME:
            return ()
        case Append.REPLACE | Append.REMOVE:
            return (package.member(header.member),)


def _refused_names(disk: Disk, fd: int, record: FolderRecord, tried: dict[bytes, bool]) -> Iterator[Problem]:
    """Yield a problem for each name of the folder that the disk refuses or changes; each name is tried once."""
    for name in _all_names(record):
        if _PLAIN.fullmatch(name):
            continue
        if name not in tried:
            tried[name] = _holds(disk, fd, name)
        if not tried[name]:
            yield Problem(Code.NAME_REFUSED, join(record.path, name), "a name that the disk takes")


def _merged_names(disk: Disk, fd: int, record: FolderRecord) -> Iterator[Problem]:
    """Yield a problem for each name that the disk does not distinguish from another one in the folder."""
    alike: dict[str, list[bytes]] = {}
    for name in _all_names(record):
        text = name.decode("utf-8", "surrogateescape")
        alike.setdefault(unicodedata.normalize("NFC", text).casefold(), []).append(name)
    for first, *others in alike.values():
        for other in others:
            if _merges(disk, fd, first, other):
                yield Problem(
                    Code.NAMES_MERGE,
                    join(record.path, other),
                    "a name that the disk distinguishes from others",
                    shown(join(record.path, first)),
                )


def _all_names(record: FolderRecord) -> Sequence[bytes]:
    return [*record.names, *record.folders]
