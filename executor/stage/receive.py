"""Stage a delivery: its chunks are read once, each by one worker, and its files and manifests staged.

The chunks come from a `DeliverySource`, which compares them with the manifest of the delivery while their files are
written here. A chunk that is as it should be is noted in the journal. A stopped run goes on with those that are not;
after a restart of the system all are read again, because their files may not have been on the disk.
"""

import os
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.stage.batch import StageBatch, make_folders, stage_batch
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.received_tree import ReceivedTree
from qa2pack.executor.stage.stage import (
    link_manifests,
    make_control_folders,
    write_ticket_files,
)
from qa2pack.executor.transaction.journal import Journal
from qa2pack.executor.transaction.journal_records import Staged
from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.files import Described, write_records
from qa2pack.manifest.format.header import ReceivedDelivery
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record, grouped_blobs, record_path
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.fs.control_file import LARGE_BYTES, read_control
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.plan.receiving import (
    contents_of,
    in_package,
    received_header,
    received_notes,
    received_record,
    with_sets,
)
from qa2pack.manifest.problem import Problem, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.lock_rows import with_row_count

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout

_FOLDER_MODE = 0o755
_FOLDERS = 1000  # whose paths are in memory
_ANOTHER_COPY = (
    Remedy("Have the listed tars delivered again. Then give the same command again: the others are not read again."),
    Remedy("To give it up:", ("pack rollback PACKAGE",)),
)


@dataclass(frozen=True, slots=True)
class ReceivedChunk:
    """A chunk that was read.

    Attributes:
        file_count, byte_count: its files, and the bytes of the tar.
        problems: what is not as in the manifest of the delivery, paths absolute; then not all its files are staged.
    """

    name: bytes
    file_count: int
    byte_count: int
    problems: tuple[Problem, ...] = ()


class DeliverySource(Protocol):
    """A delivery whose chunks can be read."""

    @property
    def folder_mtime_ns(self) -> int:
        """The mtime of all its folders."""
        ...

    def folders(self) -> Iterator[bytes]:
        """Yield the folders of the members that are received, and those above, in path order.

        The paths are relative to the package.
        """
        ...

    def records_of(self, member: bytes) -> Iterator[FolderRecord]:
        """Yield the records of a member that is received, in path order; their paths are relative to the package."""
        ...

    def delivery_sets(self, member: bytes) -> tuple[DeliveryRow, ...]:
        """Return the sets by which a member was delivered; none: it was delivered as a whole."""
        ...

    def all_sets(self, member: bytes) -> tuple[DeliveryRow, ...]:
        """Return all sets of a member, if it has others than those by which it was delivered."""
        ...

    def chunks(
        self, place: ReceivedTree, *, done: Set[bytes], engine: Engine, progress: Progress
    ) -> Iterator[ReceivedChunk]:
        """Read the chunks that hold something of these members, and yield each.

        Args:
            place: where the files are written.
            done: the names of those that are not read again.
        """
        ...


OpenDelivery = Callable[[ReceivedDelivery], DeliverySource]


def stage_delivery(
    plan: Described,
    source: DeliverySource,
    read: Callable[[ReceivedTree], Iterator[ReceivedChunk]],
    paths: TransactionPaths,
    journal: Journal,
    disk: Disk,
    opened: OpenedFiles,
) -> None:
    """Stage all members that the plan receives, and their manifests; called again, it resumes.

    Args:
        read: reads the chunks of the source whose files are not staged.

    Raises:
        OriginChangedError: chunks are not as in the manifest of the delivery.
        OSError: the disk fails or is full.
        InterruptedByUser: a stop was requested.
    """
    make_control_folders(paths, disk)
    _for_folders(source, lambda path: make_folders(disk, paths.tree, path))
    _receive(read(ReceivedTree(disk, paths.tree, paths.received)), journal)
    mtime_ns = source.folder_mtime_ns
    for record in map(decode_record, plan.stream.blobs()):
        _finish_folder(path_in(paths.staged_member, record.path), mtime_ns, disk)
    _for_folders(source, lambda path: _finish_folder(path_in(paths.tree, path), mtime_ns, disk))
    remove_tree(disk, paths.new_manifests)
    disk.mkdir(paths.new_manifests)
    link_manifests(plan, paths, disk)
    for member in paths.received:
        _write_manifest(member, plan, source, paths, opened, disk)
    write_ticket_files(paths, opened, disk, may_lack=False)


def stage_carried(
    plan: Described,
    context: StagingContext,
    paths: TransactionPaths,
    journal: Journal,
    *,
    engine: Engine,
    progress: Progress,
) -> None:
    """Stage what a member keeps that gets more files; called again, it resumes. It removes nothing that is staged.

    Raises:
        OriginChangedError: files of the package are not as planned.
        OSError: the disk fails or is full.
        InterruptedByUser: a stop was requested.
    """
    make_control_folders(paths, context.disk)
    make_folders(context.disk, paths.staging, context.member.removeprefix(paths.staging + b"/"))
    batches = (StageBatch(context, group, 0, is_part=True) for group in grouped_blobs(plan.stream.blobs()))
    problems: list[Problem] = []
    progress.phase("stage")
    for result in run_streamed(engine, stage_batch, batches):
        problems.extend(result.problems)
        journal.append(Staged(result.file_count, result.byte_count))
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)
    if problems:
        raise OriginChangedError(tuple(sorted(problems, key=lambda problem: problem.path)))


def _for_folders(source: DeliverySource, work: Callable[[bytes], object]) -> None:
    """Do the work for each folder that is received, for many at once where the disk answers late."""
    paths = source.folders()
    while some := tuple(islice(paths, _FOLDERS)):
        each(work, some)


def _receive(chunks: Iterator[ReceivedChunk], journal: Journal) -> None:
    problems: list[Problem] = []
    for chunk in chunks:
        problems.extend(chunk.problems)
        if not chunk.problems:
            journal.append(Staged(chunk.file_count, chunk.byte_count, chunk.name))
    if problems:
        raise OriginChangedError(tuple(sorted(problems, key=lambda problem: problem.path)), _ANOTHER_COPY)


def _finish_folder(path: bytes, mtime_ns: int, disk: Disk) -> None:
    """Give a folder mode and time, when nothing more is made in it."""
    with opened_beneath(path, b"") as fd:
        if os.fstat(fd).st_mode & 0o777 != _FOLDER_MODE:
            disk.set_mode(fd, _FOLDER_MODE)
        disk.set_times(fd, mtime_ns)


def _write_manifest(
    member: bytes,
    plan: Described,
    source: DeliverySource,
    paths: TransactionPaths,
    opened: OpenedFiles,
    disk: Disk,
) -> None:
    folder, published = paths.staged(member), paths.package.manifest(member)
    layout = load_layout(plan.header.layout) if plan.header.layout else None
    is_in_place = plan.header.append is Append.REPLACE
    earlier = opened.manifest_of(member, published) if is_in_place else None

    def received() -> Iterator[FolderRecord]:
        return (received_record(record, member) for record in source.records_of(member))

    def final() -> Iterator[FolderRecord]:
        return _with_carried(received(), earlier, plan) if earlier else received()

    def final_blobs() -> Iterator[bytes]:
        blobs = (with_row_count(encode_record(record), folder) for record in received())
        # Of what is carried over, the rows stay those of the old manifest: a lock may tell others by now.
        return map(encode_record, _with_carried(map(decode_record, blobs), earlier, plan)) if earlier else blobs

    contents = contents_of(in_package(final(), member), [member])
    has_readme = layout is None or layout.has_readme
    texts = _found_texts(layout, final(), os.listdir(paths.package.parent)) if layout else ()
    readme = _readme(folder) if has_readme and contents.mode is not Mode.FAKE else b""
    header = replace(
        received_header(plan.header, member, readme, texts), mode=contents.mode, origin=paths.package.path
    )
    before = earlier.header if earlier else None
    header = with_sets(header, before, source.delivery_sets(member), source.all_sets(member))
    with created_file(disk, join(paths.new_manifests, os.path.basename(published))) as file:
        blobs = ((record_path(blob), blob) for blob in final_blobs())
        write_records(file, header, received_notes(contents, header), blobs)


def _with_carried(received: Iterator[FolderRecord], earlier: Described, plan: Described) -> Iterator[FolderRecord]:
    from qa2pack.manifest.plan.carried import carried_records, together  # slow to import, and rarely needed

    return together(carried_records(earlier.stream.blobs(), plan.stream.blobs()), received)


def _found_texts(layout: "Layout", records: Iterator[FolderRecord], beside: Sequence[bytes]) -> tuple[bytes, ...]:
    from qa2pack.manifest.layout.found_texts import found_texts  # slow to import, and most deliveries have no layout

    return found_texts(layout, (join(record.path, name) for record in records for name in record.names), beside)


def _readme(folder: bytes) -> bytes:
    try:
        return read_control(join(folder, README), limit_bytes=LARGE_BYTES)
    except FileNotFoundError:
        return b""
