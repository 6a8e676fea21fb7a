"""Check a delivery against its sidecar: all chunks, all checksum files, and no other files of that name.

Only the sidecar is needed. The delivery can also be compared with the manifests of a package, and a tree that was
unpacked from the chunks can be verified against the sidecar. Writes nothing.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import xxhash

from qa2pack.manifest.alma.member_ids import member_at
from qa2pack.manifest.alma.package import Package, PackageState
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.delivery_form import TREES
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import check_record, encode_record, record_path
from qa2pack.manifest.format.stream import StreamError, read_frames
from qa2pack.manifest.fs.at_once import each
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.signature.names import signature_name
from qa2pack.manifest.verify.member import verify_tree
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk
from qa2pack.tarsplit.chunk_entries import RecordIndex, chunk_part
from qa2pack.tarsplit.contents import Delivered, choose_members, delivered_records
from qa2pack.tarsplit.naming import checksum_line, checksum_name, is_unfinished
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.sidecar import ChunkRow, Sidecar
from qa2pack.tarsplit.sidecar_files import checksum_file_problems, sidecar_checksum_problems


def find_sidecars(folder: bytes) -> list[bytes]:
    """Return the names in the folder that may be sidecars, sorted."""
    return sorted(name for name in os.listdir(folder) if name.endswith(b".manifest"))


def check_delivery(sidecar: Sidecar, place: Place, *, engine: Engine, progress: Progress) -> Iterator[Problem]:
    """Yield the problems of a delivery; the path of an entry starts with the name of its chunk.

    Every chunk is read. Each missing chunk, extra file with a name of this delivery, entry that differs and checksum
    file that does not match gives a problem.

    Args:
        place: where the chunks are; what is small is in the folder of the sidecar, too.

    Raises:
        StreamError: the sidecar contradicts itself.
    """
    yield from _stray_files(sidecar, place.names())
    batches = chunk_batches(sidecar, place)
    progress.phase(
        "check chunks",
        file_count=sum(row.file_count + row.folder_count for row in sidecar.chunks),
        byte_count=sum(row.byte_count for row in sidecar.chunks),
    )
    for result in engine.run(check_chunk, batches):
        row = result.batch.row
        progress.advance(file_count=row.file_count + row.folder_count, byte_count=row.byte_count)
        yield from result.problems
    yield from problems_of_checksum_files(sidecar, sidecar.chunks, os.path.dirname(sidecar.path))


def problems_of_checksum_files(sidecar: Sidecar, rows: Iterable[ChunkRow], folder: bytes) -> Iterator[Problem]:
    """Yield the problems of the checksum files of some chunks, and of the sidecar; their names are the paths.

    Args:
        folder: holds them.
    """
    rows = [row for row in rows if row.form not in TREES]  # the lists of trees are compared with these
    for problems in each(lambda row: list(_checksum_problems(row, folder)), rows):
        yield from problems
    yield from sidecar_checksum_problems(sidecar, folder)


def _in_words(problem: Problem) -> str:
    is_missing = problem.code is Code.MANIFEST_MISSING
    return f"there is no manifest of {shown(problem.path)}" if is_missing else str(problem)


def compare_with_package(
    sidecar: Sidecar, package: Package, state: PackageState, opened: OpenedFiles
) -> Iterator[Problem]:
    """Yield a problem for each folder that differs between delivery and manifests of the package; reads no chunk."""
    try:
        members = [
            member
            for path, source in sidecar.header.members
            for member in _chosen(sidecar, package, state, opened, path, source)
        ]
    except Refused as error:
        yield Problem(Code.MANIFEST_MISSING, b"", found="; ".join(_in_words(problem) for problem in error.problems))
        return
    delivered = {record_path(blob): xxhash.xxh3_128_digest(blob) for blob in sidecar.stream.blobs()}
    for record in delivered_records(members):
        digest = delivered.pop(record.path, None)
        if digest is None:
            yield Problem(Code.MISSING, record.path, "a folder of the delivery")
        elif digest != xxhash.xxh3_128_digest(encode_record(record)):
            yield Problem(Code.CHANGED, record.path, "the files of the package", "others in the delivery")
    for path in sorted(delivered):
        yield Problem(Code.EXTRA_FOLDER, path)


def _chosen(
    sidecar: Sidecar, package: Package, state: PackageState, opened: OpenedFiles, path: bytes, source: bytes
) -> list[Delivered]:
    day = sidecar.header.day if path != source else ""
    wanted = member_at(source)
    members = choose_members(package, state, opened, wanted=wanted, label_day=day, allow_dummies=True)
    rows, among = sidecar.rows_of(path), sidecar.all_rows_of(path)
    return [replace(member, rows=rows, among=among) for member in members]


def verify_unpacked(sidecar: Sidecar, tree: bytes, *, engine: Engine, progress: Progress) -> Iterator[Problem]:
    """Yield the problems of an unpacked package, compared with the sidecar.

    Args:
        tree: absolute path of the package's folder, as unpacked from the chunks.
    """
    progress.phase("verify", file_count=sidecar.file_count)
    yield from verify_tree(tree, sidecar.stream.blobs(), is_quick=False, engine=engine, progress=progress)


def _stray_files(sidecar: Sidecar, names: Iterable[bytes]) -> Iterator[Problem]:
    name = sidecar.header.name
    known = {name.manifest, signature_name(name.manifest)}
    known |= {checksum_name(name.manifest, algorithm) for algorithm in sidecar.header.checksums}
    for row in sidecar.chunks:
        known |= {row.name, *(checksum_name(row.name, algorithm) for algorithm, _ in row.checksums)}
    there = [entry for entry in names if name.owns(entry)]
    is_begun = name.state in there
    for entry in there:
        if entry not in known:
            found = "of a run that was stopped, or is at work" if is_begun and is_unfinished(entry) else ""
            yield Problem(Code.EXTRA, entry, "only files that the delivery names", found)


def chunk_batches(sidecar: Sidecar, place: Place) -> deque[CheckBatch]:
    """Return a batch for each chunk of a delivery, in their order.

    Args:
        place: where the chunks are.

    Raises:
        StreamError: the sidecar contradicts itself.
    """
    stream = sidecar.stream
    index = RecordIndex.at(stream.folders_offset)
    try:
        for end, blob in read_frames(stream.path, stream.folders_offset, stream.notes_offset):
            index.add(end, check_record(blob))
        _check_complete(sidecar, index)
        return deque(
            CheckBatch(
                place,
                row,
                chunk_part(stream.path, index, row.folders, row.files),
                sidecar.header.project,
                sidecar.header.folder_mtime,
            )
            for row in sidecar.chunks
        )
    except ValueError as error:
        raise StreamError(stream.path, f"contradicts itself ({error})") from error


def _check_complete(sidecar: Sidecar, index: RecordIndex) -> None:
    may_lack_folders = bool(sidecar.header.sets)  # those above the files of a set have no entry
    may_overlap = any(each.row.also for each in sidecar.header.sets)
    for spans, count, may_lack in (
        ([span for row in sidecar.chunks for span in row.folders], len(index.offsets) - 1, may_lack_folders),
        ([span for row in sidecar.chunks for span in row.files], index.first_files[-1], False),
    ):
        place = 0
        for start, end in sorted(spans):
            if (start < place and not may_overlap) or (start > place and not may_lack):
                raise ValueError("an entry is in no chunk, or in two")
            place = max(place, end)
        if place > count or (place < count and not may_lack):
            raise ValueError("an entry is in no chunk")


def _checksum_problems(row: ChunkRow, folder: bytes) -> Iterator[Problem]:
    for algorithm, digest in row.checksums:
        name = checksum_name(row.name, algorithm)
        line = checksum_line(row.name, digest)
        try:
            yield from checksum_file_problems(folder, name, line, f"the {algorithm} of {shown(row.name)}")
        except FileNotFoundError:
            yield Problem(Code.MISSING, name)
