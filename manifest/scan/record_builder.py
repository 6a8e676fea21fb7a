"""Record builder: collects the columns of one folder record, file by file, with problems and warnings."""

import os
import stat
from collections.abc import Iterator, Sequence

from qa2pack.manifest.actions import Action
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import Relink
from qa2pack.manifest.format.record import DIGEST_BYTES, NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES, FileGrewOrShrankError, digest_of_fd, digests_of_files
from qa2pack.manifest.fs.file_kind import kind_in_words
from qa2pack.manifest.fs.holes import hole_bytes
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.mount import OTHER_MOUNT
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.safe_open import opened_file, opened_folder
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, unreadable
from qa2pack.manifest.quantity import Time
from qa2pack.manifest.scan.batches import BigFile, ScanOptions, ScanResult
from qa2pack.manifest.scan.broken_files import unsound_files
from qa2pack.manifest.scan.digest_cache import KnownFolder
from qa2pack.manifest.scan.link_and_owner_checks import (
    LINKING,
    FileStates,
    StateColumns,
    count_back_in_part,
    count_modes_and_owners,
    count_names,
    count_one,
    folder_problems,
    mark_problems,
    path_problems,
    stat_problems,
)
from qa2pack.manifest.scan.sources import changed, link_target
from qa2pack.manifest.table_lock import LOCK_NAME

_LAST_NS = (1 << 63) - 1  # the maximum that a record can hold
# After so many small files it is looked whether the run was stopped: each may wait for a server.
_FILES_PER_LOOK = 128
_FILES_PER_HELPER = 16  # where many calls are under way at once


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at one file found.

    Attributes:
        digest: None where the file is so big that it is read later.
    """

    status: os.stat_result
    digest: bytes | None
    read_bytes: int = 0


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
        self._were_linked = False  # by an earlier plan, and none has changed since: so none is marked

    def add_files(self, names: Sequence[bytes], entries: "Sequence[os.DirEntry[str]]", fd: int) -> None:
        """Add regular files of the record's own source folder, which is open as `fd`, sorted by name.

        Most of the time of a scan is spent here, so many files are handled per call: a function call per file would
        take as long as reading it. Not so where each call waits for a server; then many are under way at once.
        """
        is_read = self._known is None and self._is_hashing
        if is_read and at_once() == 1:
            on_disk = _as_on_disk(names, entries)
            self._add_read(on_disk, fd)
            if on_disk is not names:
                self._sort()
        elif is_read or not self._add_unread(names, entries):
            self._add_each(names, entries, fd)

    def _add_each(self, names: Sequence[bytes], entries: "Sequence[os.DirEntry[str]]", fd: int) -> None:
        sources = [join(self._source, name) for name in names]
        columns = list(zip(sources, names, entries, strict=True))
        step = _FILES_PER_LOOK if at_once() == 1 else _FILES_PER_HELPER * at_once()
        for start in range(0, len(columns), step):
            some = columns[start : start + step]
            looks = each(lambda file: self._seen(file[0], file[1], fd, file[2]), some)
            for (source, name, _), look in zip(some, looks, strict=True):
                self._take(name, source, look)
            current_meter().look()

    def _add_read(self, names: Sequence[bytes], fd: int) -> None:
        for start in range(0, len(names), _FILES_PER_LOOK):
            some = names[start : start + _FILES_PER_LOOK]
            done = 0
            while done < len(some):
                stats, digests = digests_of_files(fd, some, done)
                self._extend(some[done : done + len(stats)], stats, digests)
                self._result.read_bytes += sum(status.st_size for status in stats)
                done += len(stats)
                if done < len(some):
                    self._add(some[done], fd)
                    done += 1
            current_meter().look()

    def _add_unread(self, names: Sequence[bytes], entries: "Sequence[os.DirEntry[str]]") -> bool:
        """Add all files if all digests are known, or if none is needed; else add none and return False."""
        try:
            # A function call per file would take half as long as the system call.
            is_alone = at_once() == 1
            stats = [file.stat(follow_symlinks=False) for file in entries] if is_alone else each(_status, entries)
        except OSError:
            return False  # a file is gone: added one by one, it gets a problem of its own
        if not all(map(stat.S_ISREG, {file.st_mode for file in stats})):
            return False  # the same for one in whose place something else is
        if not self._is_hashing:
            digests: bytes | None = NO_DIGEST * len(stats)
        else:
            known = self._known.unchanged(self._source, names, stats) if self._known else None
            digests = known.digests if known else None
            self._were_linked = known is not None and {*known.actions} <= LINKING
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
        if is_linking and LOCK_NAME not in names and self._are_near(stats):
            return bytes([self._action]) * len(stats)
        return bytes(map(self._action_for, names, [join(self._source, name) for name in names], stats))

    def _are_near(self, stats: Sequence[os.stat_result]) -> bool:
        """Return whether none of the files is far, as `ScanOptions.is_far` tells of one."""
        return not self.options.other_mounts.points and {status.st_dev for status in stats} <= {self.options.device}

    def _add(self, name: bytes, fd: int) -> None:
        """Add one file of the record's own source folder, which is open as `fd`."""
        source = join(self._source, name)
        self._take(name, source, self._seen(source, name, fd))

    def add_from_elsewhere(self, names: Sequence[bytes], sources: Sequence[bytes]) -> None:
        """Add files of other folders, relative to the root or absolute; of a symlink the file that it leads to."""
        self._has_mixed_sources = True
        for name, source, found in zip(names, sources, each(self._seen_elsewhere, sources), strict=True):
            if isinstance(found, bytes):
                self.add_linked(name, source, found)
            else:
                self._take(name, source, found)

    def _seen_elsewhere(self, source: bytes) -> _Look | Problem | bytes:
        """Look at a file of another folder; of a symlink return where it leads."""
        path = os.path.join(self.options.root, source)
        folder, name = os.path.split(source)
        try:
            with opened_folder(os.path.join(self.options.root, folder)) as fd:
                mode = os.lstat(name, dir_fd=fd).st_mode
                if stat.S_ISREG(mode):
                    return self._seen(source, name, fd)
        except OSError as error:
            return unreadable(path, error)
        return link_target(self.options, source) if stat.S_ISLNK(mode) else Problem(Code.SPECIAL_FILE, path)

    def add_linked(self, name: bytes, link: bytes, target: bytes) -> None:
        """Add the file that the symlink `link` leads to; one that was moved into the package is carried over.

        Args:
            link: relative to the root or absolute.
            target: as `link_target` returns it.
        """
        if not self.options.is_replaced(target):
            self.add_from_elsewhere((name,), (target,))
            return
        self._action = Action.CARRY
        self._is_hashing = True  # the target has the real content in every mode
        try:
            folder, target_name = os.path.split(target)
            with opened_folder(folder) as fd:
                self._has_mixed_sources = True
                self._take(name, link, self._look(link, target_name, fd))
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

    def finish(self, folders: Sequence[bytes]) -> None:
        """Pack the record and add it to the result."""
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
        self._note_findings(folders, states)
        self._result.blobs.append((self._path, encode_record(record)))
        self._result.count(self._path, len(stats), sum(states.sizes))

    def _sort(self) -> None:
        """Sort the files by name: they were read as they lie on the disk, or targets of symlinks came after them."""
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

    def _note_findings(self, folders: Sequence[bytes], states: StateColumns) -> None:
        """Add the problems and warnings of these files to the result."""
        result, path = self._result, self._path
        self._note_devices(states.devices)
        names = [*self._names, *folders]
        result.warnings.extend(self.options.names.warnings(path, names))
        result.warnings.extend(self.options.names.case_warnings_in(path, names))
        files = self._file_states(states)
        count_modes_and_owners(result.sums, path, self._names, states)
        result.warnings.extend(unsound_files(files, is_reading=self.options.is_hashing))
        result.problems.extend(stat_problems(files))
        result.problems.extend(folder_problems(files))
        if self._has_mixed_sources or not self._were_linked:
            result.problems.extend(mark_problems(files))
        count_names(result.linked, files)
        self._note_holes()
        self._note_back_in_part()
        result.problems.extend(path_problems(self.options.member, self._path, names))

    def _note_devices(self, devices: Sequence[int]) -> None:
        root, others = self.options.root, self.options.other_mounts
        found = {device: self._sources[devices.index(device)] for device in set(devices)}
        if others.points:
            far = [source for source in self._sources if others.have(os.path.join(root, source))]
            found |= {OTHER_MOUNT: far[0]} if far else {}
        for device, source in found.items():
            self._result.devices.setdefault(device, os.path.join(root, source))

    def _file_states(self, states: StateColumns) -> FileStates:
        if self._has_mixed_sources:
            return FileStates(self.options.root, self._sources, self._actions, states)
        return FileStates(os.path.join(self.options.root, self._source), self._names, self._actions, states)

    def _note_back_in_part(self) -> None:
        if Action.MOVE not in self._actions or self._are_near(self._stats):
            return
        columns = zip(self._names, self._sources, self._actions, self._stats, strict=True)
        far = [
            (name, source, status)
            for name, source, action, status in columns
            if action == Action.MOVE and not source.startswith(b"/") and self.options.is_far(source, status.st_dev)
        ]
        if far:
            names, sources, stats = zip(*far, strict=True)
            files = FileStates(self.options.root, sources, bytes([Action.MOVE]) * len(far), StateColumns.of(stats))
            count_back_in_part(self._result.sums, self._path, names, files)

    def _note_holes(self) -> None:
        if not {*self._actions} & {Action.COPY, Action.MOVE}:
            return
        columns = zip(self._names, self._sources, self._actions, self._stats, strict=True)
        for name, source, action, status in columns:
            is_far = action == Action.MOVE and self.options.is_far(source, status.st_dev)
            if (action == Action.COPY or is_far) and (
                holes := hole_bytes(os.path.join(self.options.root, source), status)
            ):
                self._result.holes[join(self._path, name)] = holes

    def _seen(self, source: bytes, name: bytes, fd: int, entry: "os.DirEntry[str] | None" = None) -> _Look | Problem:
        """Look at a file; of one that cannot be read return the problem."""
        try:
            return self._look(source, name, fd, entry)
        except OSError as error:
            return unreadable(os.path.join(self.options.root, source), error)
        except FileGrewOrShrankError as error:
            return changed(os.path.join(self.options.root, source), error)

    def _look(self, source: bytes, name: bytes, fd: int, entry: "os.DirEntry[str] | None" = None) -> _Look:
        """Look at a file, and read it unless its digest is known or not needed; several may be looked at at once.

        Args:
            name: in the open folder; `source` is what the record says.
        """
        if name == LOCK_NAME and self._action is not Action.CARRY:
            return _Look(os.lstat(name, dir_fd=fd), NO_DIGEST)
        if self._known is not None or not self._is_hashing:
            status = _status(entry) if entry else os.lstat(name, dir_fd=fd)
            digest = self._digest_without_reading(source, status)
            if digest is not None:
                return _Look(status, digest)
        with opened_file(name, dir_fd=fd) as file:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):  # what is in a pipe is for another program
                return _Look(status, NO_DIGEST)
            if status.st_size >= BIG_FILE_BYTES:
                return _Look(status, None)
            return _Look(status, digest_of_fd(file, status.st_size), status.st_size)

    def _take(self, name: bytes, source: bytes, found: _Look | Problem) -> None:
        if isinstance(found, Problem):
            self._result.problems.append(found)
            return
        if not stat.S_ISREG(found.status.st_mode):  # it was a file when its folder was listed
            path, kind = os.path.join(self.options.root, source), kind_in_words(found.status.st_mode)
            self._result.problems.append(Problem(Code.ORIGIN_CHANGED, path, "a file", kind))
            return
        if found.digest is None:
            big = BigFile(self.options.root, self._path, name, source, state_of(found.status))
            self._result.more.append(big)
        self._result.read_bytes += found.read_bytes
        self._append(name, source, found.status, found.digest or NO_DIGEST)

    def _digest_without_reading(self, source: bytes, status: os.stat_result) -> bytes | None:
        if not self._is_hashing:
            return NO_DIGEST
        return self._known.digest(source, state_of(status)) if self._known else None

    def _append(self, name: bytes, source: bytes, status: os.stat_result, digest: bytes) -> None:
        self._names.append(name)
        self._sources.append(source)
        self._stats.append(status)
        self._digests.append(digest)
        self._actions.append(self._action_for(name, source, status))

    def _action_for(self, name: bytes, source: bytes, status: os.stat_result) -> Action:
        action, is_far = self._action, self.options.is_far(source, status.st_dev)
        if action is Action.LINK and is_far and self.options.may_copy:
            count_one(self._result.sums, Code.W_COPIED, join(self._path, name))
            action = Action.COPY
        if name == LOCK_NAME and action is Action.MOVE:
            action = Action.COPY  # the origin keeps its own table.lock
        if action in (Action.COPY, Action.DUMMY) or (action is Action.MOVE and is_far):
            self._result.new_files += 1
            self._result.new_bytes += 0 if action is Action.DUMMY else status.st_size
        return action


def _as_on_disk(names: Sequence[bytes], entries: "Sequence[os.DirEntry[str]]") -> Sequence[bytes]:
    """Return the names in the order of inode numbers, which most file systems give out in that of the content.

    A rotating disk takes some 10 ms to get elsewhere. Of 5,000 files that were made in random order ext4 has 4,713
    farther than a MiB from the one before in the order of names, and 554 in this one. The names themselves are
    returned where they are in that order.
    """
    inodes = [entry.inode() for entry in entries]
    if inodes == sorted(inodes):
        return names
    return [name for _, name in sorted(zip(inodes, names, strict=True))]


def _status(entry: "os.DirEntry[str]") -> os.stat_result:
    return entry.stat(follow_symlinks=False)


def _real_path(path: bytes) -> bytes:
    """Return the path with the symlinks in its folder resolved; the last part is not followed."""
    folder, name = os.path.split(path)
    return join(real_path(folder), name)
