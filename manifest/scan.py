"""Scanning: from folders and files of the origin to hashed folder records.

The work is cut into batches of about a second. A batch walks whole subtrees, hashes what it meets and packs each folder's
record where it was read, so the coordinator only collects bytes; what is left when its budget is spent comes back
as folders still to do, for any worker. Big files come back too, to be hashed side by side. Nothing here writes.

Links in the origin count as their content. A link may lead anywhere inside the origin, and outside only if
that was allowed; a link to a folder is followed unless it leads in a circle.
"""

import os
import stat
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import xxhash

from manifest.digest import FileGrewOrShrankError, digest_of_fd
from manifest.findings import PATH_BYTES, Sums, count_oddities, count_one, stat_problems
from manifest.folder import opened_file, opened_folder
from manifest.glob import first_match
from manifest.header import Relink
from manifest.known import Identity, KnownFolder, KnownStream, known_digests
from manifest.path import is_within, join
from manifest.portable import case_warnings
from manifest.problem import Code, Problem
from manifest.receivers import name_warnings
from manifest.record import NO_DIGEST, Action, FolderRecord, decode_record, encode_record

BIG_FILE_BYTES = 32 << 20
BATCH_FILES = 4000
BATCH_BYTES = 128 << 20
STAGING_ROOM_BYTES = 64  # what the path is longer by while the package is made
_SHARES = 4  # batches made of what a batch could not finish
_MAX_LINKED_FOLDERS = 8  # more links to folders inside each other than this are a circle


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What holds for every batch of one scan.

    Attributes:
        root: the origin, absolute and resolved.
        action: of every file.
        is_hashing: False leaves all digests empty and opens no file.
        exclude: globs of names or paths (relative to the origin) that are passed over.
        may_leave: follow links that lead out of the origin.
        known: earlier streams whose digests may be reused.
        package: where the package is; after a move, links of the origin lead into it.
        carried: what is done with files that only the package has any more: CARRY if it is being replaced, so that none
            is lost, None if it stays and they are packaged as content.
        member: absolute path that the new member will have.
        link_device: file system within which links are possible; a file elsewhere is copied instead of linked. None
            where that is to be refused.
    """

    root: bytes
    action: Action
    is_hashing: bool = True
    exclude: tuple[str, ...] = ()
    may_leave: bool = False
    known: tuple[KnownStream, ...] = ()
    package: bytes = b""
    carried: Action | None = None
    member: bytes = b""
    link_device: int | None = None

    def is_in_package(self, target: bytes) -> bool:
        """Tell whether a resolved path lies in the package."""
        return bool(self.package) and is_within(target, self.package)


@dataclass(frozen=True, slots=True)
class Subtree:
    """A folder to scan with all below it.

    Attributes:
        source: relative to the root, or absolute outside of it.
        path: its folder in the package.
        omit: names of files of this folder, not of those below, that are passed over.
        link_count: how many links to folders led here.
    """

    source: bytes
    path: bytes
    omit: frozenset[bytes] = frozenset()
    link_count: int = 0


@dataclass(frozen=True, slots=True)
class SubtreeBatch:
    """Subtrees for one worker."""

    options: ScanOptions
    subtrees: tuple[Subtree, ...]


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Single files from anywhere in the origin that meet in one folder of the package.

    Attributes:
        names: in the package, sorted.
        sources: relative to the root, or absolute outside of it; no links.
        known: encoded earlier records to look into instead of those of the options, each with the time of its scan.
    """

    options: ScanOptions
    path: bytes
    names: tuple[bytes, ...]
    sources: tuple[bytes, ...]
    known: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BigFile:
    """A file whose digest is still to come."""

    root: bytes
    path: bytes
    name: bytes
    source: bytes
    identity: Identity


@dataclass(slots=True)
class ScanResult:
    """What a batch found; the one value that workers send back."""

    blobs: list[tuple[bytes, bytes]] = field(default_factory=list)
    more: "list[ScanBatch]" = field(default_factory=list)  # what this batch left for others
    digests: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)  # folder, name, digest of big files
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    devices: dict[int, bytes] = field(default_factory=dict)  # each with a path on it
    carried: "array[int]" = field(default_factory=lambda: array("Q"))  # XXH3-64 of their paths in the package
    sums: Sums = field(default_factory=dict)
    relinks: list[Relink] = field(default_factory=list)
    counts: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # files and bytes by role folder
    file_count: int = 0
    byte_count: int = 0
    read_bytes: int = 0

    def count(self, path: bytes, file_count: int, byte_count: int) -> None:
        """Count files of one folder of the package."""
        role = path.split(b"/", 1)[0]
        files, size = self.counts.get(role, (0, 0))
        self.counts[role] = (files + file_count, size + byte_count)
        self.file_count += file_count
        self.byte_count += byte_count


ScanBatch = SubtreeBatch | FileBatch | BigFile


def scan_batch(batch: ScanBatch) -> ScanResult:
    """Do one batch of any kind."""
    result = ScanResult()
    match batch:
        case SubtreeBatch():
            _scan_subtrees(batch, result)
        case FileBatch():
            _scan_files(batch, result)
        case BigFile():
            _hash_big_file(batch, result)
    return result


def _scan_subtrees(batch: SubtreeBatch, result: ScanResult) -> None:
    pending = list(reversed(batch.subtrees))
    while pending and result.file_count < BATCH_FILES and result.read_bytes < BATCH_BYTES:
        subtree = pending.pop()
        try:
            pending.extend(reversed(_scan_folder(batch.options, subtree, result)))
        except OSError as error:
            result.problems.append(_unreadable(os.path.join(batch.options.root, subtree.source), error))
    pending.reverse()
    share = max(1, -(-len(pending) // _SHARES))
    result.more.extend(
        SubtreeBatch(batch.options, tuple(pending[i : i + share])) for i in range(0, len(pending), share)
    )


def _scan_folder(options: ScanOptions, subtree: Subtree, result: ScanResult) -> list[Subtree]:
    """Scan the files of one folder, add its record to the result, and return its subfolders, sorted."""
    known = known_digests(options.known).folder(subtree.path) if options.known else None
    found = _Columns(options, subtree.path, subtree.source, known, result)
    folders: list[Subtree] = []
    with opened_folder(os.path.join(options.root, subtree.source)) as fd:
        with os.scandir(fd) as listing:
            entries = sorted((os.fsencode(entry.name), entry) for entry in listing)
        for name, entry in entries:
            if name in subtree.omit or (options.exclude and first_match(join(subtree.source, name), options.exclude)):
                continue
            if entry.is_symlink():
                target = _resolve(options, join(subtree.source, name), result)
                if target is None:
                    continue
                if options.is_in_package(target):
                    found.add_carried(name, join(subtree.source, name), target)
                elif os.path.isdir(os.path.join(options.root, target)):
                    folders.extend(_linked_folder(options, subtree, name, target, result))
                else:
                    found.add_stranger(name, target)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(
                    Subtree(join(subtree.source, name), join(subtree.path, name), link_count=subtree.link_count)
                )
            elif entry.is_file(follow_symlinks=False):
                found.add(name, name, fd, entry)
            else:
                result.problems.append(Problem(Code.SPECIAL_FILE, _absolute(options, subtree.source, name)))
    found.finish([os.path.basename(folder.path) for folder in folders])
    return folders


def _linked_folder(
    options: ScanOptions, subtree: Subtree, name: bytes, target: bytes, result: ScanResult
) -> Iterable[Subtree]:
    resolved = os.path.join(options.root, target)
    here = os.path.join(options.root, subtree.source)
    if is_within(here, resolved) or subtree.link_count >= _MAX_LINKED_FOLDERS:
        result.problems.append(
            Problem(Code.LINK_LOOP, _absolute(options, subtree.source, name), found=os.fsdecode(resolved))
        )
        return ()
    return (Subtree(target, join(subtree.path, name), link_count=subtree.link_count + 1),)


def _scan_files(batch: FileBatch, result: ScanResult) -> None:
    options = batch.options
    known = known_digests(options.known).folder(batch.path) if options.known else None
    if batch.known:
        known = KnownFolder([(decode_record(blob), scanned_ns) for blob, scanned_ns in batch.known])
    found = _Columns(options, batch.path, b"", known, result)
    for name, source in zip(batch.names, batch.sources, strict=True):
        found.add_stranger(name, source)
    found.finish(())


class _Columns:
    """Gathers the columns of one folder's record; a file that cannot be read becomes a problem."""

    def __init__(
        self, options: ScanOptions, path: bytes, source: bytes, known: KnownFolder | None, result: ScanResult
    ) -> None:
        self._options = options
        self._path = path
        self._source = source
        self._known = known
        self._result = result
        self._names: list[bytes] = []
        self._sources: list[bytes] = []
        self._has_strangers = False
        self._stats: list[os.stat_result] = []
        self._digests: list[bytes] = []
        self._actions = bytearray()
        self._action = options.action
        self._is_hashing = options.is_hashing
        self._byte_count = 0

    def add(self, name: bytes, source_name: bytes, fd: int, entry: "os.DirEntry[str] | None" = None) -> None:
        """Add the file `source_name` of the open folder `fd`, which is the record's own source folder."""
        source = join(self._source, source_name)
        try:
            self._add(name, source, source_name, fd, entry)
        except OSError as error:
            self._result.problems.append(_unreadable(os.path.join(self._options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(_changed(os.path.join(self._options.root, source), error))

    def add_stranger(self, name: bytes, source: bytes) -> None:
        """Add a file from elsewhere, relative to the root or absolute; a link only if it leads into the package."""
        folder, source_name = os.path.split(source)
        self._has_strangers = True
        try:
            with opened_folder(os.path.join(self._options.root, folder)) as fd:
                mode = os.lstat(source_name, dir_fd=fd).st_mode
                if stat.S_ISREG(mode):
                    self._add(name, source, source_name, fd, None)
                    return
            path = os.path.join(self._options.root, source)
            target = os.path.realpath(path)
            if stat.S_ISLNK(mode) and self._options.is_in_package(target):
                self.add_carried(name, source, target)
            else:
                self._result.problems.append(Problem(Code.SPECIAL_FILE, path))
        except OSError as error:
            self._result.problems.append(_unreadable(os.path.join(self._options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(_changed(os.path.join(self._options.root, source), error))

    def add_carried(self, name: bytes, link: bytes, target: bytes) -> None:
        """Add a file that was moved into the package before: `link`, relative to the root, leads to `target` there."""
        if self._options.carried is None:
            self.add_stranger(name, target)
            return
        self._action = self._options.carried
        self._is_hashing = True  # this is the real content in every mode
        try:
            folder, target_name = os.path.split(target)
            with opened_folder(folder) as fd:
                self._has_strangers = True
                self._add(name, link, target_name, fd, None)
            self._result.carried.append(xxhash.xxh3_64_intdigest(target))
            self._note_new_place(name, link, target)
        except OSError as error:
            self._result.problems.append(_unreadable(target, error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(_changed(target, error))
        finally:
            self._action, self._is_hashing = self._options.action, self._options.is_hashing

    def _note_new_place(self, name: bytes, link: bytes, target: bytes) -> None:
        new = b"/".join((self._options.member, join(self._path, name)))
        if new != target:
            old = os.readlink(os.path.join(self._options.root, link))
            self._result.relinks.append(Relink(link, old, new))

    def finish(self, folders: Sequence[bytes]) -> None:
        """Pack the record and add it to the result."""
        stats = self._stats
        record = FolderRecord(
            path=self._path,
            names=self._names,
            folders=folders,
            sizes=[status.st_size for status in stats],
            mtimes=[status.st_mtime_ns for status in stats],
            modes=[status.st_mode & 0o7777 for status in stats],
            actions=bytes(self._actions),
            digests=b"".join(self._digests),
            source=b"" if self._has_strangers else self._source,
            source_names=self._sources if self._has_strangers else (),
            device=stats[0].st_dev if stats else 0,
            inodes=[status.st_ino for status in stats],
            ctimes=[status.st_ctime_ns for status in stats],
        )
        self._note_findings(folders)
        self._result.blobs.append((self._path, encode_record(record)))
        self._result.count(self._path, len(stats), self._byte_count)

    def _note_findings(self, folders: Sequence[bytes]) -> None:
        """Add to the result what stands against packaging these files, or should be known of them."""
        result, path = self._result, self._path
        device = None
        for name, status in zip(self._names, self._stats, strict=True):
            if status.st_dev != device:
                device = status.st_dev
                result.devices.setdefault(device, join(path, name))
        names = [*self._names, *folders]
        result.warnings.extend(name_warnings(path, names))
        if len({name.lower() for name in names}) < len(names) or not b"".join(names).isascii():
            result.warnings.extend(case_warnings(join(path, name) for name in names))
        count_oddities(result.sums, path, self._names, self._stats)
        result.problems.extend(stat_problems(self._options.root, self._sources, self._actions, self._stats))
        longest = len(self._options.member) + len(path) + max(map(len, names), default=0)
        if longest > PATH_BYTES - STAGING_ROOM_BYTES:
            result.problems.append(
                Problem(Code.PATH_TOO_LONG, path, f"at most {PATH_BYTES} bytes", f"{longest} bytes")
            )

    def _add(self, name: bytes, source: bytes, source_name: bytes, fd: int, entry: "os.DirEntry[str] | None") -> None:
        if self._known is not None or not self._is_hashing:
            status = entry.stat(follow_symlinks=False) if entry else os.lstat(source_name, dir_fd=fd)
            digest = self._digest_without_reading(source, status)
            if digest is not None:
                self._append(name, source, status, digest)
                return
        with opened_file(source_name, dir_fd=fd) as file:
            status = os.fstat(file)
            if status.st_size < BIG_FILE_BYTES:
                digest = digest_of_fd(file, status.st_size)
                self._result.read_bytes += status.st_size
            else:
                digest = NO_DIGEST
                big = BigFile(self._options.root, self._path, name, source, identity_of(status))
                self._result.more.append(big)
        self._append(name, source, status, digest)

    def _digest_without_reading(self, source: bytes, status: os.stat_result) -> bytes | None:
        if not self._is_hashing:
            return NO_DIGEST
        return self._known.digest(source, identity_of(status)) if self._known else None

    def _append(self, name: bytes, source: bytes, status: os.stat_result, digest: bytes) -> None:
        self._names.append(name)
        self._sources.append(source)
        self._stats.append(status)
        self._digests.append(digest)
        self._actions.append(self._action_for(status))
        self._byte_count += status.st_size

    def _action_for(self, status: os.stat_result) -> Action:
        device = self._options.link_device
        if self._action is Action.LINK and device is not None and status.st_dev != device:
            count_one(self._result.sums, Code.W_COPIED, join(self._path, self._names[-1]))
            return Action.COPY
        return self._action


def _hash_big_file(big: BigFile, result: ScanResult) -> None:
    path = os.path.join(big.root, big.source)
    try:
        folder, name = os.path.split(path)
        with opened_folder(folder) as fd, opened_file(name, dir_fd=fd) as file:
            digest = digest_of_fd(file, big.identity.size)
            found = identity_of(os.fstat(file))
    except OSError as error:
        result.problems.append(_unreadable(path, error))
        return
    except FileGrewOrShrankError as error:
        result.problems.append(_changed(path, error))
        return
    if found != big.identity:
        result.problems.append(Problem(Code.ORIGIN_CHANGED, path, "no change while it was read", "a newer time"))
    result.digests.append((big.path, big.name, digest))
    result.read_bytes += big.identity.size


def identity_of(status: os.stat_result) -> Identity:
    """Return what identifies the state of the file."""
    return Identity(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def _resolve(options: ScanOptions, source: bytes, result: ScanResult) -> bytes | None:
    """Return what a link leads to, relative to the root if inside; None with a problem if it may not be used."""
    link = os.path.join(options.root, source)
    try:
        target = os.path.realpath(link, strict=True)
    except OSError as error:
        code = Code.LINK_DANGLING if isinstance(error, FileNotFoundError) else Code.LINK_LOOP
        result.problems.append(Problem(code, link, found=os.fsdecode(os.readlink(link))))
        return None
    if is_within(target, options.root):
        return target[len(options.root.rstrip(b"/")) + 1 :]
    if not (options.may_leave or options.is_in_package(target)):
        result.problems.append(Problem(Code.LINK_OUTSIDE, link, found=os.fsdecode(target)))
        return None
    return target


def _absolute(options: ScanOptions, source: bytes, name: bytes) -> bytes:
    return os.path.join(options.root, source, name)


def _changed(path: bytes, error: FileGrewOrShrankError) -> Problem:
    return Problem(Code.ORIGIN_CHANGED, path, f"{error.expected_bytes} bytes", f"{error.found_bytes} bytes")


def _unreadable(path: bytes, error: OSError) -> Problem:
    return Problem(Code.UNREADABLE, path, found=error.strerror or str(error))
