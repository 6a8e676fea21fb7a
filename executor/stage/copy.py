"""Checked copy: read, hash and write in one pass; a file counts as copied only when its digest is correct.

A small file gets its name at once and its planned mtime last, so a staged file with the planned size and mtime is
complete. A big file is written under a temporary name that holds the number of bytes on disk. A stopped copy resumes
there; the existing part is read again, because the digest covers the whole file.
"""

import errno
import os

import xxhash

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.planned_source import Planned, SourceChangedError, changed_source, check_source
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.fs.digest import aligned_buffer, blocks_of
from qa2pack.manifest.fs.holes import HOLE_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.throttle import current_pace
from qa2pack.manifest.quantity import Digest

BIG_COPY_BYTES = 256 << 20
SYNC_STEP_BYTES = 256 << 20
# For writes of 1 MiB, ext4 (Linux 6.18) took three to five times as long in the kernel; see docs/measurements.md.
COPY_BLOCK_BYTES = HOLE_BYTES
_ZEROS = bytes(COPY_BLOCK_BYTES)
# The answers of file systems in which truncate(2) cannot make a file longer.
_NO_EXTENDING = (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def copy_small(disk: Disk, source_fd: int, name: bytes, dir_fd: int, planned: Planned) -> None:
    """Copy an opened source to a name that does not exist yet, with mode and mtime as planned.

    Raises:
        SourceChangedError: the source is not as planned; the copy was removed.
    """
    status = os.fstat(source_fd)
    is_untouched = check_source(planned, status)
    target = disk.create(name, dir_fd=dir_fd, mode=planned.mode & 0o777 | 0o200)
    try:
        if not (is_untouched and _cloned(disk, source_fd, target, planned)):
            state = xxhash.xxh3_128()
            _pump(disk, source_fd, target, state, is_sparse=_is_sparse(status))
            _check_digest(planned, state.digest())
        _finish(disk, target, planned)
    except SourceChangedError:
        disk.unlink(name, dir_fd=dir_fd)
        raise
    finally:
        os.close(target)


def copy_big(disk: Disk, source_fd: int, partial: bytes, planned: Planned) -> bytes:
    """Copy a big source under a temporary name, resuming a partial copy; return the path of the complete file.

    Args:
        partial: path without its suffix, which is the number of bytes on disk; its folder holds only such files.

    Raises:
        SourceChangedError: the source is not as planned; no temporary file is left.
    """
    status = os.fstat(source_fd)
    is_untouched = check_source(planned, status)
    path, done = _found_part(disk, partial, planned.state.size)
    if path is None:
        path = _part(partial, 0)
        os.close(disk.create(path))
    target = disk.reopen(path)
    try:
        if done == 0 and is_untouched and _cloned(disk, source_fd, target, planned):
            _finish(disk, target, planned)
            return path
        disk.truncate(target, done)
        state = xxhash.xxh3_128()
        _rehash(target, state, done)
        os.lseek(source_fd, done, os.SEEK_SET)
        while done < planned.state.size:
            count = _pump(disk, source_fd, target, state, is_sparse=_is_sparse(status), limit=SYNC_STEP_BYTES)
            if count == 0:
                break
            done += count
            _sync_part(disk, target, path)
            disk.replace(path, _part(partial, done))
            path = _part(partial, done)
        _check_digest(planned, state.digest())
        _finish(disk, target, planned)
    except SourceChangedError:
        disk.unlink(path)
        raise
    finally:
        os.close(target)
    return path


def _cloned(disk: Disk, source_fd: int, target: int, planned: Planned) -> bool:
    """Clone the source's blocks (reflink), if the file system can; the content is not read, so the ctime is checked.

    Raises:
        SourceChangedError: the source was changed during the clone.
    """
    if not disk.clone(source_fd, target):
        return False
    status = os.fstat(source_fd)
    if not check_source(planned, status):
        raise changed_source(planned, status)
    return True


def _sync_part(disk: Disk, fd: int, path: bytes) -> None:
    try:
        disk.fsync(fd)
    except OSError:
        disk.unlink(path)  # after a failed fsync the content on disk is not known: the copy starts over
        raise


def _pump(
    disk: Disk, source_fd: int, target: int, state: "xxhash.xxh3_128", *, is_sparse: bool, limit: int | None = None
) -> int:
    """Copy and hash from the current positions to the end or the limit; return the number of bytes."""
    buffer = aligned_buffer()[:COPY_BLOCK_BYTES]
    pace, meter = current_pace(), current_meter()
    done = 0
    while limit is None or done < limit:
        count = os.readv(source_fd, [buffer])
        if count == 0:
            break
        block = buffer[:count]
        state.update(block)
        if is_sparse and block == memoryview(_ZEROS)[:count]:
            _leave_hole(disk, target, block)
        else:
            disk.write(target, block)
        done += count
        meter.add(count)
        if pace:
            pace.take(count)
    return done


def _leave_hole(disk: Disk, target: int, zeros: memoryview) -> None:
    """Move on behind zeros that are not written, and let the size say so; write them where a disk refuses that."""
    try:
        disk.truncate(target, os.lseek(target, len(zeros), os.SEEK_CUR))
    except OSError as error:
        if error.errno not in _NO_EXTENDING:
            raise
        os.lseek(target, -len(zeros), os.SEEK_CUR)
        disk.write(target, zeros)


def _is_sparse(status: os.stat_result) -> bool:
    return status.st_blocks * 512 < status.st_size


def _rehash(fd: int, state: "xxhash.xxh3_128", length: int) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    for block in blocks_of(fd, length):
        state.update(block)


def _check_digest(planned: Planned, digest: bytes) -> None:
    if planned.digest not in (NO_DIGEST, digest):
        raise SourceChangedError(Digest(planned.digest.hex(), "digest"), Digest(digest.hex(), "digest"))


def _finish(disk: Disk, fd: int, planned: Planned) -> None:
    if os.fstat(fd).st_mode & 0o777 != planned.mode & 0o777:
        disk.set_mode(fd, planned.mode & 0o777)  # the umask cleared bits; set-uid bits are not copied
    disk.set_times(fd, planned.state.mtime_ns)


def _part(partial: bytes, done: int) -> bytes:
    return b"%s.%015d" % (partial, done)


def _found_part(disk: Disk, partial: bytes, size: int) -> tuple[bytes | None, int]:
    """Return the temporary file with the most bytes on disk, and that number; remove the others."""
    folder, stem = os.path.split(partial)
    found = sorted(
        (int(number), name)
        for name in os.listdir(folder)
        if name.startswith(stem + b".") and (number := name[len(stem) + 1 :]).isdigit()
    )
    for _, name in found[:-1]:
        disk.unlink(os.path.join(folder, name))
    if not found or found[-1][0] > size:
        return None, 0
    done, name = found[-1]
    return os.path.join(folder, name), done
