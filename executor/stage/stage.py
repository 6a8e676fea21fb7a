"""Staging phase: runs all stage batches and table splits, and writes the new manifests and ticket files.

Most plans link or copy files and do nothing else. What the others need is imported when they are staged.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from qa2pack.executor.errors import OriginChangedError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.manifests import link_manifest
from qa2pack.executor.io.remove import ensure_folder, remove_tree
from qa2pack.executor.stage.batch import StageBatch, StageResult, make_folders, stage_batch
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.made import MadeFile, Records, with_made
from qa2pack.executor.tickets.write import ChangedFileError, Member, write_tickets
from qa2pack.executor.transaction.journal import Journal
from qa2pack.executor.transaction.journal_records import TICKET_SUFFIXES, Publishing, Staged
from qa2pack.executor.transaction.paths import TransactionPaths, published_members
from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import manifests_in
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.files import Described, write_records
from qa2pack.manifest.format.header import Header, Notes, SplitTask, StreamKind
from qa2pack.manifest.format.inside import content_bytes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record, encode_record, grouped_blobs
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.format.written import BesideFile
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.plan.grown_totals import grown
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.role import role_of
from qa2pack.manifest.scan.lock_rows import with_row_count

if TYPE_CHECKING:
    from qa2pack.executor.stage.table import SplitResult

_BIG_FILE_BYTES = 64 << 20


def stage_all(
    plan: Described,
    context: StagingContext,
    paths: TransactionPaths,
    journal: Journal,
    *,
    opened: OpenedFiles,
    engine: Engine,
    progress: Progress,
) -> None:
    """Stage all files of the plan, and the manifests; called again, it resumes.

    Raises:
        OriginChangedError: sources are not as planned.
        OSError: the disk fails or is full.
        InterruptedByUser: a stop was requested.
    """
    disk = context.disk
    make_control_folders(paths, disk)
    make_folders(disk, paths.staging, context.member.removeprefix(paths.staging + b"/"))
    notes = plan.notes
    byte_count = notes.byte_count if plan.header.mode.has_content else 0
    progress.phase("stage", file_count=notes.file_count, byte_count=byte_count)
    if _is_splitting(plan):
        from qa2pack.executor.casa.child_process import start_host

        start_host()  # it loads casacore while files are staged
    if plan.header.append is Append.RENAME:
        remove_tree(disk, paths.new_manifests)
        disk.mkdir(paths.new_manifests)
        for member, _ in plan.header.base:
            _stage_renamed(
                member, plan.header, context, paths, journal, opened=opened, engine=engine, progress=progress
            )
        write_ticket_files(paths, opened, disk, may_lack=False)
        return
    with closing(RecordSpool()) as spool:
        _stage_files(plan.stream.blobs(), context, journal, spool, engine=engine, progress=progress)
        if plan.notes.opened:
            _extract_files(plan, context, engine=engine, progress=progress)
        splits = _split_tables(plan, context, engine=engine, progress=progress)
        bundles = _write_bundles(plan, context, engine=engine, progress=progress)
        remove_tree(disk, paths.new_manifests)
        disk.mkdir(paths.new_manifests)
        link_manifests(plan, paths, disk)
        is_rebuilt = plan.header.is_rebuilt
        staged = spool.sorted_blobs if is_rebuilt else partial(_final_records, spool, splits, paths.staged_member)
        final = partial(_with_made, staged, bundles)
        late = _write_late(plan.header, final, context, engine=engine, progress=progress)
        records = partial(_with_made, final, late)
        beside = _write_beside(plan.header, records, context, paths, engine=engine, progress=progress)
        _write_manifest(plan, paths, records(), splits, {**bundles, **late}, beside, opened, disk)
        write_ticket_files(paths, opened, disk, may_lack=is_rebuilt)


def make_control_folders(paths: TransactionPaths, disk: Disk) -> None:
    """Make the folders of the transaction in the control folder, as far as they do not exist."""
    ensure_folder(disk, paths.staging, 0o700)
    ensure_folder(disk, paths.partial)
    ensure_folder(disk, os.path.dirname(paths.previous))
    ensure_folder(disk, paths.previous)


def _write_late(
    header: Header, records: Records, context: StagingContext, *, engine: Engine, progress: Progress
) -> dict[bytes, MadeFile]:
    if not header.late:
        return {}
    from qa2pack.executor.stage.late_texts import write_late

    return write_late(header, records, context, engine=engine, progress=progress)


def _write_beside(
    header: Header,
    records: Records,
    context: StagingContext,
    paths: TransactionPaths,
    *,
    engine: Engine,
    progress: Progress,
) -> tuple[BesideFile, ...]:
    if not header.beside:
        return ()
    from qa2pack.executor.stage.late_texts import write_beside

    return write_beside(header, records, context, paths, engine=engine, progress=progress)


def _with_made(records: Records, made: Mapping[bytes, MadeFile]) -> Iterator[tuple[bytes, bytes]]:
    return with_made(records(), made)


def _stage_renamed(
    member: bytes,
    header: Header,
    context: StagingContext,
    paths: TransactionPaths,
    journal: Journal,
    *,
    opened: OpenedFiles,
    engine: Engine,
    progress: Progress,
) -> None:
    """Stage one member of the package that gets another name, and its manifest.

    Args:
        header: of the plan.
    """
    from qa2pack.manifest.plan.rebuild import (
        own_records,
        rebuilt_header,
        rebuilt_notes,
        rebuilt_records,
        totals_with_texts,
    )
    from qa2pack.manifest.plan.renaming import renamed_header, renamed_record

    old = opened.manifest_of(member, paths.old_package.manifest(member))
    planned = renamed_header(old, header)
    folder = paths.staged(member)
    context = replace(context, member=folder, texts=planned.texts)
    make_folders(context.disk, paths.staging, folder.removeprefix(paths.staging + b"/"))
    problems: list[Problem] = []
    records = map(encode_record, own_records(old, planned, paths.old_package.member(member), problems))
    with closing(RecordSpool()) as spool:
        _stage_files(records, context, journal, spool, engine=engine, progress=progress)
        if problems:
            raise OriginChangedError(tuple(problems))
        late = _write_late(planned, spool.sorted_blobs, context, engine=engine, progress=progress)
        totals = grown(totals_with_texts(old.notes.totals, old.header, planned), _growth_of(late))
        notes = rebuilt_notes(Notes(totals=totals), old.notes)
        before = (encode_record(renamed_record(decode_record(blob), header)) for blob in old.stream.blobs())
        blobs = rebuilt_records(before, (blob for _, blob in with_made(spool.sorted_blobs(), late)))
        name = os.path.basename(paths.package.manifest(member))
        with created_file(context.disk, join(paths.new_manifests, name)) as file:
            write_records(file, rebuilt_header(planned, old.header), notes, blobs)


def _stage_files(
    blobs: Iterable[bytes],
    context: StagingContext,
    journal: Journal,
    spool: RecordSpool,
    *,
    engine: Engine,
    progress: Progress,
) -> None:
    problems: list[Problem] = []
    results = run_streamed(engine, stage_batch, _batches(context, blobs), _leftover)
    for result in results:
        for path, blob in result.blobs:
            spool.add(path, blob)
        problems.extend(result.problems)
        journal.append(Staged(result.file_count, result.byte_count))
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)
    if problems:
        raise OriginChangedError(tuple(sorted(problems, key=lambda problem: problem.path)))


def _leftover(result: StageResult) -> Iterable[StageBatch]:
    return result.more


def _batches(context: StagingContext, blobs: Iterable[bytes]) -> Iterator[StageBatch]:
    return (StageBatch(context, group, _BIG_FILE_BYTES) for group in grouped_blobs(blobs))


def _extract_files(plan: Described, context: StagingContext, *, engine: Engine, progress: Progress) -> None:
    """Take files out of the bundles of the origin, each bundle read once."""
    from qa2pack.executor.stage.extract import ExtractBatch, extract_batch, extracted_by_bundle

    wanted = extracted_by_bundle(plan.notes.opened, plan.stream.blobs())
    if not wanted:
        return
    file_count, byte_count = sum(each.file_count for each in wanted), sum(each.byte_count for each in wanted)
    progress.phase("extract", file_count=file_count, byte_count=byte_count)
    problems: list[Problem] = []
    batches = (ExtractBatch(context, bundle, tuple(records)) for bundle, records in wanted.items())
    for result in run_streamed(engine, extract_batch, batches):
        problems.extend(result.problems)
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)
    if problems:
        raise OriginChangedError(tuple(sorted(problems, key=lambda problem: problem.path)))


def _split_tables(
    plan: Described, context: StagingContext, *, engine: Engine, progress: Progress
) -> "dict[bytes, SplitResult]":
    """Split the tables and return the results by folder."""
    splits: dict[bytes, SplitResult] = {}
    problems: list[Problem] = []
    if not _is_splitting(plan):
        return splits
    from qa2pack.executor.stage.table import SplitBatch, split_batch

    progress.phase("split tables", file_count=len(plan.notes.splits))
    read_bytes = {task.path: _bytes_to_read(task) for task in plan.notes.splits}
    batches = (SplitBatch(context, task, _split_files(plan, task.path)) for task in plan.notes.splits)
    for result in cast("Iterator[SplitResult]", run_streamed(engine, split_batch, batches)):
        problems.extend(result.problems)
        splits[result.path] = result
        progress.advance(file_count=1, byte_count=read_bytes[result.path])
    if problems:
        raise OriginChangedError(tuple(problems))
    return splits


def _write_bundles(
    plan: Described, context: StagingContext, *, engine: Engine, progress: Progress
) -> dict[bytes, MadeFile]:
    """Write the bundles, the largest first because one that begins last would delay the end; return them by path."""
    tasks = [task for task in plan.notes.bundles if not task.is_placeholder]
    if not tasks:
        return {}
    from qa2pack.executor.stage.bundle import BundleBatch, bundle_batch, threads_for

    tasks.sort(key=lambda task: task.largest_bytes, reverse=True)
    read_bytes = {task.path: content_bytes(task) for task in tasks}
    all_bytes = sum(read_bytes.values())
    progress.phase("write bundles", file_count=len(tasks), byte_count=all_bytes)
    made: dict[bytes, MadeFile] = {}
    problems: list[Problem] = []
    level, is_repair = plan.header.compression, plan.header.is_rebuilt
    batches = (
        BundleBatch(context, task, level, threads_for(read_bytes[task.path], all_bytes, engine.jobs), is_repair)
        for task in tasks
    )
    for result in run_streamed(engine, bundle_batch, batches):
        problems.extend(result.problems)
        if result.made:
            made[result.path] = result.made
        progress.advance(file_count=1, byte_count=read_bytes[result.path])
    if problems:
        raise OriginChangedError(tuple(sorted(problems, key=lambda problem: problem.path)))
    return made


def _bytes_to_read(task: SplitTask) -> int:
    """Return the bytes of the files that a split copies, and of its results, which are hashed."""
    return sum(decode_record(task.before).sizes) + sum(size for _, size in task.spec.sizes)


def _is_splitting(plan: Described) -> bool:
    """Return whether tables are split; all are, or none, because placeholders and what is kept have other actions."""
    first = plan.notes.splits[:1]
    return any(Action.SPLIT in decode_record(_table(plan, task.path)).actions for task in first)


def _split_files(plan: Described, path: bytes) -> bytes:
    """Return the encoded record of those files of a table that the split makes."""
    record = decode_record(_table(plan, path))
    return encode_record(record.selected([i for i, action in enumerate(record.actions) if action == Action.SPLIT]))


def _table(plan: Described, path: bytes) -> bytes:
    """Return the encoded record of a table that the plan's notes name.

    Raises:
        StreamError: the plan has no such folder.
    """
    blob = plan.stream.find(path)
    if blob is None:
        raise StreamError(plan.stream.path, f"is damaged: it has no folder {shown(path)}, which it splits")
    return blob


def link_manifests(plan: Described, paths: TransactionPaths, disk: Disk) -> None:
    """Hard-link the manifests of members that stay into the new set, with their signatures."""
    for member, digest in plan.header.staying:
        if digest:
            link_manifest(disk, paths.new_manifests, paths.package.manifest(member))


def _write_manifest(
    plan: Described,
    paths: TransactionPaths,
    final: Iterable[tuple[bytes, bytes]],
    splits: "dict[bytes, SplitResult]",
    made: Mapping[bytes, MadeFile],
    beside: tuple[BesideFile, ...],
    opened: OpenedFiles,
    disk: Disk,
) -> None:
    if plan.header.append is Append.REMOVE:
        return
    published = paths.package.manifest(plan.header.member)
    if plan.header.is_rebuilt:
        from qa2pack.manifest.plan.rebuild import rebuilt_header, rebuilt_notes, rebuilt_records

        old = opened.manifest_of(plan.header.member, published)
        header, notes = rebuilt_header(plan.header, old.header), rebuilt_notes(plan.notes, old.notes)
        records = rebuilt_records(old.stream.blobs(), (blob for _, blob in final))
    else:
        header, notes = replace(plan.header, kind=StreamKind.MANIFEST), _final_notes(plan.notes, plan, splits)
        records = iter(final)
    header = replace(header, beside=beside)
    notes = replace(notes, totals=grown(notes.totals, _growth_of(made)))
    with created_file(disk, join(paths.new_manifests, os.path.basename(published))) as file:
        write_records(file, header, notes, records)


def write_ticket_files(paths: TransactionPaths, opened: OpenedFiles, disk: Disk, *, may_lack: bool) -> None:
    """Write the ticket files for all members that the package will have, if it has any.

    Args:
        may_lack: leave out what is not as packaged: of several damaged members one is repaired after the other, and
            what cannot be had must not be in the way of the rest.
    """
    for suffix in TICKET_SUFFIXES:
        remove_tree(disk, paths.staged_ticket(suffix))
    if not paths.has_tickets:
        return
    members = []
    for name in manifests_in(paths.new_manifests):
        # The new one is read for the first time here, which also checks what was written.
        manifest = opened.manifest(join(paths.new_manifests, name))
        member = manifest.header.member
        is_new = paths.publishing is Publishing.RENAME or member in published_members(paths)
        folder = paths.staged(member) if is_new else paths.package.member(member)
        members.append(Member(manifest, folder, may_lack))
    try:
        write_tickets(paths.package.project, members, paths.staging, disk)
    except ChangedFileError as error:  # changed while all else was staged
        raise OriginChangedError((error.problem,)) from error


def _final_records(
    spool: RecordSpool, splits: "dict[bytes, SplitResult]", member: bytes
) -> Iterator[tuple[bytes, bytes]]:
    for path, blob in spool.sorted_blobs():
        result = splits.get(path)
        final = _with_results(blob, result.blob) if result else blob
        yield path, with_row_count(final, member)


def _with_results(blob: bytes, results: bytes) -> bytes:
    """Return a table's encoded record with sizes and digests of the files that the split made."""
    record, result = decode_record(blob), decode_record(results)
    found = {name: index for index, name in enumerate(result.names)}
    sizes = [result.sizes[found[n]] if n in found else record.sizes[i] for i, n in enumerate(record.names)]
    digests = [result.digest(found[n]) if n in found else record.digest(i) for i, n in enumerate(record.names)]
    return encode_record(replace(record, sizes=sizes, digests=b"".join(digests)))


def _final_notes(notes: Notes, plan: Described, splits: "dict[bytes, SplitResult]") -> Notes:
    """Return the notes with the actual sizes after the splits; they differ only where they were estimates."""
    growth = []
    for path, result in splits.items():
        planned = decode_record(_split_files(plan, path))
        more = sum(decode_record(result.blob).sizes) - sum(planned.sizes)
        growth.append((role_of(path, is_folder=True), more))
    bundles = tuple(replace(task, earlier=None) for task in notes.bundles)
    return replace(
        notes,
        totals=grown(notes.totals, growth),
        difference=None,
        recalled=(),
        extra=(),
        changed=(),
        bundles=bundles,
    )


def _growth_of(made: Mapping[bytes, MadeFile]) -> Iterator[tuple[bytes, int]]:
    """Yield the role of each made file, and by how many bytes it is longer than planned."""
    return ((role_of(path), file.growth) for path, file in made.items())
