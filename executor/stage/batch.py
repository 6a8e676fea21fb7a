"""Stage batch: makes the planned files of some folders in the staging tree.

The work on a batch is idempotent: files that are already correct stay, others are made again.
"""

import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from functools import partial

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.folder import FolderStage
from qa2pack.executor.stage.planned_source import is_copied
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Problem


@dataclass(frozen=True, slots=True)
class StageBatch:
    """Encoded records of folders to stage.

    Attributes:
        big_bytes: files of at least this size are left to batches of their own.
        is_part: the one record in it lists only some files of its folder.
    """

    context: StagingContext
    blobs: tuple[bytes, ...]
    big_bytes: int
    is_part: bool = False


@dataclass(slots=True)
class StageResult:
    """Result of a batch.

    Attributes:
        blobs: (path, encoded record) of every folder, with the present ctimes of linked sources.
        problems: sources that are not as planned, absolute paths; their files are not staged.
        more: batches of big files, left for other workers.
    """

    blobs: list[tuple[bytes, bytes]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    more: list[StageBatch] = field(default_factory=list)
    file_count: int = 0
    byte_count: int = 0

    def add(self, other: "StageResult") -> None:
        """Add the result of other folders of the same batch."""
        self.blobs += other.blobs
        self.problems += other.problems
        self.more += other.more
        self.file_count += other.file_count
        self.byte_count += other.byte_count


def stage_batch(batch: StageBatch) -> StageResult:
    """Stage the folders of a batch.

    Raises:
        OSError: writing to staging fails: no free space, no permission, a failing disk.
    """
    result = StageResult()
    for part in each(partial(_stage_record, batch), batch.blobs):
        result.add(part)
    return result


def _stage_record(batch: StageBatch, blob: bytes) -> StageResult:
    result = StageResult()
    record = decode_record(blob)
    linked = _stage_folder(batch, record, result)
    if batch.is_part:
        return result
    if linked:
        ctimes = [linked.get(index, ctime) for index, ctime in enumerate(record.ctimes)]
        record = replace(record, ctimes=ctimes)
    result.blobs.append((record.path, encode_record(record) if linked else blob))
    return result


def _stage_folder(batch: StageBatch, record: FolderRecord, result: StageResult) -> dict[int, int]:
    """Stage one folder; return the present ctimes of the linked sources, by index."""
    is_new = make_folders(batch.context.disk, batch.context.member, record.path)
    with ExitStack() as stack:
        folder = FolderStage(batch.context, record, stack, is_new=is_new)
        if not (is_new or batch.is_part):
            folder.sweep()
        if folder.is_linkable and at_once() == 1:
            index = 0
            while (index := folder.stage_links(index)) < len(record.names):
                _stage_or_leave(batch, folder, record, (index,), result)
                index += 1
        else:
            _stage_or_leave(batch, folder, record, range(len(record.names)), result)
    result.problems += folder.problems
    result.file_count += folder.file_count
    result.byte_count += folder.byte_count
    return folder.linked_ctimes


def _stage_or_leave(
    batch: StageBatch, folder: FolderStage, record: FolderRecord, indexes: Sequence[int], result: StageResult
) -> None:
    """Stage these files of an open folder; those that are big are left to other workers."""
    left = [index for index in indexes if _is_left_out(batch, record, index)]
    folder.stage([index for index in indexes if index not in left] if left else indexes)
    for index in left:
        part = encode_record(record.selected([index]))
        result.more.append(StageBatch(batch.context, (part,), batch.big_bytes, is_part=True))


def _is_left_out(batch: StageBatch, record: FolderRecord, index: int) -> bool:
    """Return whether a file is so big that it gets a batch of its own."""
    is_big = record.sizes[index] >= batch.big_bytes
    return is_big and not batch.is_part and is_copied(record, index, batch.context.device)


def make_folders(disk: Disk, root: bytes, path: bytes) -> bool:
    """Make a folder below `root` and its missing parents; other workers may do the same concurrently.

    Returns:
        True if the folder did not exist, so that it is empty.
    """
    folder = join(root, path)
    try:
        disk.mkdir(folder)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise
        return False
    except FileNotFoundError:
        if not path:
            raise
        make_folders(disk, root, path.rpartition(b"/")[0])
        return make_folders(disk, root, path)
    return True
