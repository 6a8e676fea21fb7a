"""Gathering the columns of one folder's record, file by file."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from manifest.digest import FileGrewOrShrankError, digest_of_fd
from manifest.findings import (
    PATH_BYTES,
    count_names,
    count_oddities,
    count_one,
    folder_problems,
    stat_problems,
)
from manifest.folder import opened_file, opened_folder
from manifest.header import Relink
from manifest.known import KnownFolder, identity_of
from manifest.path import join
from manifest.portable import case_warnings
from manifest.problem import Code, Problem
from manifest.receivers import name_warnings
from manifest.record import NO_DIGEST, Action, FolderRecord, encode_record
from manifest.scanbatch import BIG_FILE_BYTES, BigFile, ScanOptions, ScanResult

DEPTH_LIMIT = 300  # each folder on the way takes a descriptor and a call inside a call when a tree is removed
_LAST_NS = (1 << 63) - 1  # what a record holds
STAGING_ROOM_BYTES = 64  # what a path is longer by while the package is made


class Columns:
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
            self._result.problems.append(unreadable(os.path.join(self._options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(os.path.join(self._options.root, source), error))

    def add_known(self, files: "list[tuple[bytes, os.DirEntry[str]]]") -> bool:
        """Add all files of the record's own source folder, sorted, if the digests of all are known; else add none."""
        if self._known is None or not self._is_hashing:
            return False
        names = [name for name, _ in files]
        try:
            stats = [entry.stat(follow_symlinks=False) for _, entry in files]
        except OSError:
            return False  # gone meanwhile: looked at one by one, this one gets a problem of its own
        digests = self._known.digests(self._source, names, stats)
        if digests is None:
            return False
        self._names += names
        self._sources += [join(self._source, name) for name in names]
        self._stats += stats
        self._digests.append(digests)
        self._actions += bytes(self._actions_for(stats))
        self._byte_count += sum(status.st_size for status in stats)
        return True

    def _actions_for(self, stats: Sequence[os.stat_result]) -> Iterable[int]:
        """Return the actions of many files; linking them is the same for all and makes nothing new."""
        is_linking = self._action is Action.LINK or self._action is Action.MOVE
        if is_linking and all(status.st_dev == self._options.device for status in stats):
            return bytes([self._action]) * len(stats)
        return [self._action_for(status) for status in stats]

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
            self._result.problems.append(unreadable(os.path.join(self._options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(os.path.join(self._options.root, source), error))

    def add_carried(self, name: bytes, link: bytes, target: bytes) -> None:
        """Add a file that was moved into the package: `link`, relative to the root, leads to `target` there."""
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
            self._note_new_place(name, link, target)
        except OSError as error:
            self._result.problems.append(unreadable(target, error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(target, error))
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
        root, sources, actions = self._options.root, self._sources, self._actions
        result.problems.extend(stat_problems(root, sources, actions, self._stats))
        result.problems.extend(folder_problems(root, sources, actions))
        count_names(result.linked, root, sources, actions, self._stats)
        result.problems.extend(self._depth_problems(names))

    def _depth_problems(self, names: Sequence[bytes]) -> Iterator[Problem]:
        path = self._path
        longest = len(self._options.member) + len(path) + max(map(len, names), default=0)
        if longest > PATH_BYTES - STAGING_ROOM_BYTES:
            yield Problem(Code.PATH_TOO_LONG, path, f"at most {PATH_BYTES} bytes", f"{longest} bytes")
        elif path.count(b"/") >= DEPTH_LIMIT:
            yield Problem(Code.PATH_TOO_LONG, path, f"at most {DEPTH_LIMIT} folders inside each other", "more")

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
        if max(status.st_mtime_ns, status.st_ctime_ns) > _LAST_NS:
            raise OSError(errno.EOVERFLOW, "its time is after the year 2262")
        self._names.append(name)
        self._sources.append(source)
        self._stats.append(status)
        self._digests.append(digest)
        self._actions.append(self._action_for(status))
        self._byte_count += status.st_size

    def _action_for(self, status: os.stat_result) -> Action:
        action, is_far = self._action, status.st_dev != self._options.device
        if action is Action.LINK and is_far and self._options.may_copy:
            count_one(self._result.sums, Code.W_COPIED, join(self._path, self._names[-1]))
            action = Action.COPY
        if action in (Action.COPY, Action.DUMMY) or (action is Action.MOVE and is_far):
            self._result.new_files += 1
            self._result.new_bytes += 0 if action is Action.DUMMY else status.st_size
        return action


def changed(path: bytes, error: FileGrewOrShrankError) -> Problem:
    """Return the problem of a file whose size changed while it was read."""
    return Problem(Code.ORIGIN_CHANGED, path, f"{error.expected_bytes} bytes", f"{error.found_bytes} bytes")


def unreadable(path: bytes, error: OSError) -> Problem:
    """Return the problem of a file or folder that the system will not give."""
    return Problem(Code.UNREADABLE, path, found=error.strerror or str(error))
