"""Record builder: collects the columns of one folder record, file by file, with problems and warnings."""

import os
import stat
import time
from collections.abc import Iterator, Sequence

from qa2pack.manifest.actions import Action
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import Relink
from qa2pack.manifest.format.record import DIGEST_BYTES, NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd, digests_of_files
from qa2pack.manifest.fs.holes import hole_bytes
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Size, Time
from qa2pack.manifest.scan.batches import BIG_FILE_BYTES, BigFile, ScanOptions, ScanResult
from qa2pack.manifest.scan.broken_files import unsound_files
from qa2pack.manifest.scan.digest_cache import KnownFolder
from qa2pack.manifest.scan.link_and_owner_checks import (
    FileStates,
    StateColumns,
    count_modes_and_owners,
    count_names,
    count_one,
    folder_problems,
    mark_problems,
    path_problems,
    stat_problems,
)
from qa2pack.manifest.table_lock import LOCK_NAME

_LAST_NS = (1 << 63) - 1  # the maximum that a record can hold
_LOOKED_AT_TOGETHER = 200  # files, between looks at the clock


class Columns:
    """Collects the columns of one folder record; a file that cannot be read becomes a problem."""

    def __init__(
        self, options: ScanOptions, path: bytes, source: bytes, known: KnownFolder | None, result: ScanResult
    ) -> None:
        self.options = options
        self._path = path
        self._source = source
        self._known = known
        self._result = result
        self._names: list[bytes] = []
        self._sources: list[bytes] = []
        self._has_mixed_sources = False
        self._stats: list[os.stat_result] = []
        self._digests: list[bytes] = []
        self._actions = bytearray()
        self._action = options.action
        self._is_hashing = options.is_hashing

    def add_files(self, names: Sequence[bytes], fd: int) -> int:
        """Add regular files of the record's own source folder, which is open as `fd`, sorted by name.

        Most of the time of a scan is spent here, so many files are handled per call: a function call per file would
        take as long as reading it.

        Returns:
            How many were added, at least one; less than all if the time of the batch is up.
        """
        add = self._add_read if self._known is None and self._is_hashing else self._add_known
        done = 0
        while done < len(names) and not (done and time.monotonic() > self._result.until):
            done = add(names, done, fd)
        return done

    def _add_read(self, names: Sequence[bytes], start: int, fd: int) -> int:
        stats, digests = digests_of_files(fd, names, start, until=self._result.until)
        end = start + len(stats)
        self._extend(names[start:end], stats, digests)
        self._result.read_bytes += sum(status.st_size for status in stats)
        if end < len(names) and (end == start or time.monotonic() < self._result.until):  # a special case
            self.add(names[end], fd)
            end += 1
        return end

    def _add_known(self, names: Sequence[bytes], start: int, fd: int) -> int:
        end = min(start + _LOOKED_AT_TOGETHER, len(names))
        if not self._add_unread(names[start:end], fd):
            for name in names[start:end]:
                self.add(name, fd)
        return end

    def _add_unread(self, names: Sequence[bytes], fd: int) -> bool:
        """Add all files if all digests are known, or if none is needed; else add none and return False."""
        try:
            stats = [os.lstat(name, dir_fd=fd) for name in names]
        except OSError:
            return False  # a file is gone: added one by one, it gets a problem of its own
        if not self._is_hashing:
            digests: bytes | None = NO_DIGEST * len(stats)
        else:
            digests = self._known.digests(self._source, names, stats) if self._known else None
        if digests is None:
            return False
        self._extend(names, stats, [digests])
        return True

    def _extend(self, names: Sequence[bytes], stats: Sequence[os.stat_result], digests: Sequence[bytes]) -> None:
        self._names += names
        self._stats += stats
        self._digests += digests
        self._actions += self._actions_for(names, stats)
        prefix = join(self._source, b"")
        self._sources += [prefix + name for name in names]

    def _actions_for(self, names: Sequence[bytes], stats: Sequence[os.stat_result]) -> bytes:
        """Return the actions of many files; if all are linked, it is one action and no file is created."""
        is_linking = self._action is Action.LINK or self._action is Action.MOVE
        if is_linking and LOCK_NAME not in names and {status.st_dev for status in stats} <= {self.options.device}:
            return bytes([self._action]) * len(stats)
        return bytes(map(self._action_for, names, stats))

    def add(self, name: bytes, fd: int) -> None:
        """Add one file of the record's own source folder, which is open as `fd`."""
        source = join(self._source, name)
        try:
            self._add(name, source, name, fd)
        except OSError as error:
            self._result.problems.append(unreadable(os.path.join(self.options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(os.path.join(self.options.root, source), error))

    def add_from_elsewhere(self, name: bytes, source: bytes) -> None:
        """Add a file of another folder, relative to the root or absolute; symlinks only into the package."""
        folder, source_name = os.path.split(source)
        self._has_mixed_sources = True
        try:
            with opened_folder(os.path.join(self.options.root, folder)) as fd:
                mode = os.lstat(source_name, dir_fd=fd).st_mode
                if stat.S_ISREG(mode):
                    self._add(name, source, source_name, fd)
                    return
            path = os.path.join(self.options.root, source)
            target = real_path(path)
            if stat.S_ISLNK(mode) and self.options.is_in_package(target):
                self.add_carried(name, source, target)
            else:
                self._result.problems.append(Problem(Code.SPECIAL_FILE, path))
        except OSError as error:
            self._result.problems.append(unreadable(os.path.join(self.options.root, source), error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(os.path.join(self.options.root, source), error))

    def add_carried(self, name: bytes, link: bytes, target: bytes) -> None:
        """Add a file that was moved into the package: the symlink `link`, relative to the root, leads to `target`."""
        if not self.options.is_replaced(target):
            self.add_from_elsewhere(name, target)
            return
        self._action = Action.CARRY
        self._is_hashing = True  # the target has the real content in every mode
        try:
            folder, target_name = os.path.split(target)
            with opened_folder(folder) as fd:
                self._has_mixed_sources = True
                self._add(name, link, target_name, fd)
            self._note_new_path(name, link, target)
        except OSError as error:
            self._result.problems.append(unreadable(target, error))
        except FileGrewOrShrankError as error:
            self._result.problems.append(changed(target, error))
        finally:
            self._action, self._is_hashing = self.options.action, self.options.is_hashing

    def _note_new_path(self, name: bytes, link: bytes, target: bytes) -> None:
        new = b"/".join((self.options.member, join(self._path, name)))
        if new != target:
            old = os.readlink(os.path.join(self.options.root, link))
            # Any other symlink belongs to the origin: it leads to one of these, and stays valid when it changes.
            if old.startswith(b"/") and self.options.is_in_package(_real_path(old)):
                self._result.relinks.append(Relink(link, old, new))

    def finish(self, folders: Sequence[bytes], left: Sequence[bytes] = (), *, is_rest: bool = False) -> None:
        """Pack the record and add it to the result.

        Args:
            left: names of files that are left to other batches; all names of a folder are checked together.
            is_rest: the names were checked by another batch.
        """
        if self._has_mixed_sources:
            self._sort()
        stats = self._stats
        states = StateColumns.of(stats)
        times = [[status.st_mtime_ns for status in stats], [status.st_ctime_ns for status in stats]]
        if any(max(column, default=0) > _LAST_NS for column in times):
            self._result.problems.extend(self._time_problems())
            times = [[min(time, _LAST_NS) for time in column] for column in times]
        record = FolderRecord(
            path=self._path,
            names=self._names,
            folders=folders,
            sizes=states.sizes,
            mtimes=times[0],
            modes=[mode & 0o7777 for mode in states.modes],
            actions=bytes(self._actions),
            digests=b"".join(self._digests),
            source=b"" if self._has_mixed_sources else self._source,
            source_names=self._sources if self._has_mixed_sources else (),
            device=states.devices[0] if stats else 0,
            inodes=states.inodes,
            ctimes=times[1],
        )
        self._note_findings(states)
        if not is_rest:
            self._check_names([*self._names, *folders, *left])
        self._result.blobs.append((self._path, encode_record(record)))
        self._result.count(self._path, len(stats), sum(states.sizes))

    def _sort(self) -> None:
        """Sort the files by name: targets of symlinks were added after the others."""
        digests = b"".join(self._digests)
        order = sorted(range(len(self._names)), key=self._names.__getitem__)
        self._names = [self._names[i] for i in order]
        self._sources = [self._sources[i] for i in order]
        self._stats = [self._stats[i] for i in order]
        self._digests = [digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES] for i in order]
        self._actions = bytearray(self._actions[i] for i in order)

    def _time_problems(self) -> Iterator[Problem]:
        for source, status in zip(self._sources, self._stats, strict=True):
            last_ns = max(status.st_mtime_ns, status.st_ctime_ns)
            if last_ns > _LAST_NS:
                path = os.path.join(self.options.root, source)
                yield Problem(Code.UNREADABLE, path, Time(_LAST_NS, "a time up to"), Time(last_ns))

    def _check_names(self, names: Sequence[bytes]) -> None:
        self._result.warnings.extend(self.options.names.warnings(self._path, names))
        self._result.warnings.extend(self.options.names.case_warnings_in(self._path, names))
        self._result.problems.extend(path_problems(self.options.member, self._path, names))

    def _note_findings(self, states: StateColumns) -> None:
        """Add the problems and warnings of these files to the result."""
        result, path = self._result, self._path
        for device in set(states.devices):
            result.devices.setdefault(device, join(path, self._names[states.devices.index(device)]))
        files = FileStates(self.options.root, self._sources, self._actions, states)
        count_modes_and_owners(result.sums, path, self._names, states)
        result.warnings.extend(unsound_files(files, is_reading=self.options.is_hashing))
        result.problems.extend(stat_problems(files))
        result.problems.extend(folder_problems(files))
        result.problems.extend(mark_problems(files))
        count_names(result.linked, files)
        self._note_holes()

    def _note_holes(self) -> None:
        if not {*self._actions} & {Action.COPY, Action.MOVE}:
            return
        columns = zip(self._names, self._sources, self._actions, self._stats, strict=True)
        for name, source, action, status in columns:
            is_far = status.st_dev != self.options.device
            is_copied = action == Action.COPY or (action == Action.MOVE and is_far)
            if is_copied and (holes := hole_bytes(os.path.join(self.options.root, source), status)):
                self._result.holes[join(self._path, name)] = holes

    def _add(self, name: bytes, source: bytes, source_name: bytes, fd: int) -> None:
        if source_name == LOCK_NAME and self._action is not Action.CARRY:
            self._append(name, source, os.lstat(source_name, dir_fd=fd), NO_DIGEST)
            return
        if self._known is not None or not self._is_hashing:
            status = os.lstat(source_name, dir_fd=fd)
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
                big = BigFile(self.options.root, self._path, name, source, state_of(status))
                self._result.more.append(big)
        self._append(name, source, status, digest)

    def _digest_without_reading(self, source: bytes, status: os.stat_result) -> bytes | None:
        if not self._is_hashing:
            return NO_DIGEST
        return self._known.digest(source, state_of(status)) if self._known else None

    def _append(self, name: bytes, source: bytes, status: os.stat_result, digest: bytes) -> None:
        self._names.append(name)
        self._sources.append(source)
        self._stats.append(status)
        self._digests.append(digest)
        self._actions.append(self._action_for(name, status))

    def _action_for(self, name: bytes, status: os.stat_result) -> Action:
        action, is_far = self._action, status.st_dev != self.options.device
        if action is Action.LINK and is_far and self.options.may_copy:
            count_one(self._result.sums, Code.W_COPIED, join(self._path, name))
            action = Action.COPY
        if name == LOCK_NAME and action is Action.MOVE:
            action = Action.COPY  # the origin keeps its own table.lock
        if action in (Action.COPY, Action.DUMMY) or (action is Action.MOVE and is_far):
            self._result.new_files += 1
            self._result.new_bytes += 0 if action is Action.DUMMY else status.st_size
        return action


def changed(path: bytes, error: FileGrewOrShrankError) -> Problem:
    """Return the problem of a file whose size changed while it was read."""
    return Problem(Code.ORIGIN_CHANGED, path, Size(error.expected_bytes), Size(error.found_bytes))


def unreadable(path: bytes, error: OSError) -> Problem:
    """Return the problem of a file or folder that cannot be read."""
    return Problem(Code.UNREADABLE, path, found=error.strerror or str(error))


def _real_path(path: bytes) -> bytes:
    """Return the path with the symlinks in its folder resolved; the last part is not followed."""
    folder, name = os.path.split(path)
    return join(real_path(folder), name)
