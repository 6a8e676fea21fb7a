"""Making a delivery: the chunks, their checksums and the sidecar, so that it can be stopped anywhere and run again.

    lock -> records of the sidecar -> what is finished already -> room -> chunks side by side -> sidecar -> state away

Each chunk and each small file gets its name only when it is whole and on the disk; the sidecar comes last, so a
delivery that has one is complete. Until then the state says which chunks are finished. The same package and
request give the same bytes whatever happened between.
"""

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.chunk_entries import RecordIndex, chunk_part
from qa2pack.tarsplit.file_progress import watching
from qa2pack.tarsplit.naming import PART, checksum_line, checksum_name
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.refusal import DeliveryRefused
from qa2pack.tarsplit.resume import find_finished, find_leftovers
from qa2pack.tarsplit.sidecar import ChunkRow, header_to_wire, notes_to_wire
from qa2pack.tarsplit.state import FinishedChunk, encode_state
from qa2pack.tarsplit.write_chunk import ChunkBatch, ChunkResult, write_chunk

_BLOCK_BYTES = 512  # as `st_blocks` counts


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the delivery goes.

    Attributes:
        root: the package, absolute.
        output: folder of the chunks, absolute.
        is_replacing: remove what another delivery of that name left.
    """

    root: bytes
    output: bytes
    is_replacing: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery.

    Attributes:
        chunks: those that are finished, in order.
        kept_count: how many of them an earlier run had finished.
        problems: files that were not as the manifest says; each stopped its chunk. Empty when all is done.
    """

    chunks: tuple[ChunkRow, ...]
    kept_count: int
    problems: tuple[Problem, ...]


def deliver(cut: Cut, destination: Destination, *, engine: Engine, progress: Progress) -> Outcome:
    """Write what is missing of the delivery.

    Raises:
        DeliveryRefused: there is not enough room, or another delivery of that name is in the way.
        OutputBusyError: another process writes it.
        OSError: the output cannot be written; what is finished stays and is known.
    """
    output = destination.output
    outfile.make_folder(output)
    sidecar = join(output, cut.header.name.manifest)
    with outfile.locked_part(sidecar) as file:
        writer = StreamWriter(file, header_to_wire(cut.header))
        index = _write_records(cut, writer, progress)
        outfile.flush(file)  # workers read it, and they may be on other machines
        fingerprint = writer.digest().hex()
        finished = find_finished(cut, output, fingerprint, engine=engine, progress=progress)
        leftovers = find_leftovers(cut, output, finished, is_replacing=destination.is_replacing)
        run = _Run(cut, destination, fingerprint, dict(finished or {}))
        run.check_space(leftovers)
        for name in leftovers:
            outfile.remove(join(output, name))
        run.keep_state()
        problems = run.write_chunks(index, engine=engine, progress=progress)
        rows = run.rows()
        if not problems:
            writer.close(notes_to_wire(fingerprint, rows))
            file.flush()
            outfile.publish_part(file.fileno(), sidecar)
            outfile.sync_folder(output)
            outfile.remove(join(output, cut.header.name.state))
            outfile.sync_folder(output)
    return Outcome(tuple(rows), len(finished or {}), tuple(problems))


def _write_records(cut: Cut, writer: StreamWriter, progress: Progress) -> RecordIndex:
    progress.phase("write manifest", file_count=cut.file_count)
    index = RecordIndex.at(writer.offset)
    for record in cut.records():
        writer.folder(record.path, encode_record(record))
        index.add(writer.offset, len(record.names))
        progress.advance(file_count=len(record.names))
    return index


@dataclass(slots=True)
class _Run:
    """One run of the coordinator, which alone knows and records what is finished."""

    cut: Cut
    destination: Destination
    fingerprint: str
    finished: dict[int, FinishedChunk]

    def check_space(self, leftovers: Iterable[bytes]) -> None:
        """Refuse before anything is removed if the missing chunks do not fit on the disk, also without the litter."""
        needed = sum(chunk.byte_count for number, chunk in enumerate(self.cut.chunks) if number not in self.finished)
        status = os.statvfs(self.destination.output)
        room = status.f_bavail * status.f_frsize
        room += sum(os.lstat(join(self.destination.output, name)).st_blocks for name in leftovers) * _BLOCK_BYTES
        if needed > room:
            amounts = f"{human_bytes(needed)} are needed, and {human_bytes(room)} are free"
            raise DeliveryRefused(
                f"{amounts} in {shown(self.destination.output)}",
                "make room, or choose another folder with --output",
            )

    def keep_state(self) -> None:
        """Record what is finished."""
        path = join(self.destination.output, self.cut.header.name.state)
        outfile.write_durably(path, encode_state(self.fingerprint, self.finished.values()))

    def write_chunks(self, index: RecordIndex, *, engine: Engine, progress: Progress) -> list[Problem]:
        """Write all chunks that are not finished, the largest first; return what stopped some of them."""
        missing = [number for number in range(len(self.cut.chunks)) if number not in self.finished]
        missing.sort(key=lambda number: -self.cut.chunks[number].byte_count)
        problems = []
        for chunk in self.finished.values():
            self._write_checksums(chunk)
        batches = deque(self._batch(number, index) for number in missing)
        growing = [(batch.target, batch.byte_count) for batch in batches]
        entry_count = sum(self.cut.chunks[number].entry_count for number in missing)
        with watching(growing, entry_count, engine, progress) as watch:
            for result in engine.run(write_chunk, batches):
                if result.problem:
                    problems.append(result.problem)
                    continue
                self._finish(result)
                watch.count_files(self.cut.chunks[result.number].entry_count)
        return sorted(problems, key=lambda problem: problem.path)

    def rows(self) -> list[ChunkRow]:
        """Return the finished chunks in order."""
        planned = self.cut.chunks
        return [
            ChunkRow(
                name=planned[number].name,
                byte_count=planned[number].byte_count,
                folders=planned[number].chunk.folders,
                files=planned[number].chunk.files,
                xxh128=chunk.xxh128,
                checksums=chunk.checksums,
            )
            for number, chunk in sorted(self.finished.items())
        ]

    def _batch(self, number: int, index: RecordIndex) -> ChunkBatch:
        planned = self.cut.chunks[number]
        header = self.cut.header
        members = self.cut.members
        stream = join(self.destination.output, header.name.manifest + PART)
        return ChunkBatch(
            number=number,
            target=join(self.destination.output, planned.name),
            part=chunk_part(stream, index, planned.chunk.folders, planned.chunk.files),
            project=header.project,
            root=self.destination.root,
            renamed=tuple((m.path, m.source) for m in members if m.path != m.source),
            texts=tuple((m.readme_path, m.readme) for m in members if m.readme is not None),
            folder_mtime=header.folder_mtime,
            checksums=header.checksums,
            byte_count=planned.byte_count,
        )

    def _finish(self, result: ChunkResult) -> None:
        chunk = FinishedChunk(result.number, result.xxh128, result.checksums)
        self._write_checksums(chunk)
        self.finished[result.number] = chunk
        self.keep_state()  # syncs the folder, so the chunk's name too

    def _write_checksums(self, chunk: FinishedChunk) -> None:
        name = self.cut.chunks[chunk.number].name
        for algorithm, digest in chunk.checksums:
            path = join(self.destination.output, checksum_name(name, algorithm))
            outfile.write_durably(path, checksum_line(name, digest))
