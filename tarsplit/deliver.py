"""Write a delivery, resumable: chunks, checksum files and the sidecar.

    lock -> write records -> find finished chunks -> check free space -> write chunks in parallel -> publish sidecar
         -> remove state file

Every file gets its final name only when it is complete and synced. The sidecar is published last: a delivery that has
a sidecar is complete. Until then the state file lists the finished chunks. The same package and request give the same
bytes, however often the run was stopped.
"""

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Size
from qa2pack.manifest.signature.signature import signature_name
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.chunk_entries import RecordIndex, chunk_part
from qa2pack.tarsplit.naming import PART, checksum_line, checksum_name
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.resume import find_finished, find_leftovers, find_sent
from qa2pack.tarsplit.sidecar import ChunkRow, header_to_wire, notes_to_wire
from qa2pack.tarsplit.sidecar_files import publish_sidecar
from qa2pack.tarsplit.state import FinishedChunk, encode_state
from qa2pack.tarsplit.store.mirror import fetch, send
from qa2pack.tarsplit.store.store import Store
from qa2pack.tarsplit.write_chunk import ChunkBatch, ChunkResult, write_chunk

_BLOCK_BYTES = 512  # as `st_blocks` counts


@dataclass(frozen=True, slots=True)
class Destination:
    """Paths of the package and of the output folder.

    Attributes:
        root: the package, absolute.
        output: folder of the chunks, absolute.
        is_replacing: remove the files of another delivery of the same name.
        store: where all is sent; the output is then a folder for what is made on this machine.
        key: file of the SSH key that signs the sidecar; empty for none.
    """

    root: bytes
    output: bytes
    is_replacing: bool = False
    key: bytes = b""
    store: Store | None = None

    def names(self) -> list[bytes]:
        """Return the names of all files where the delivery goes."""
        return self.store.names() if self.store else os.listdir(self.output)

    def write(self, name: bytes, data: bytes) -> None:
        """Write a small file; it is there, whole, when this returns."""
        if self.store:
            self.store.write(name, data)
        else:
            outfile.write_durably(join(self.output, name), data)

    def remove(self, name: bytes) -> None:
        """Remove a file, if it is there."""
        if self.store:
            self.store.remove(name)
        outfile.remove(join(self.output, name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one run.

    Attributes:
        chunks: the finished chunks, in order.
        kept_count: number of chunks that an earlier run had finished.
        problems: files that differ from the manifest; each stopped its chunk. Empty if the delivery is complete.
    """

    chunks: tuple[ChunkRow, ...]
    kept_count: int
    problems: tuple[Problem, ...]


def deliver(cut: Cut, destination: Destination, *, engine: Engine, progress: Progress) -> Outcome:
    """Write the missing parts of the delivery.

    Raises:
        Refused: too little free space, or another delivery of the same name is in the output folder.
        OutputBusyError: another process writes this delivery.
        NotSignedError: the key cannot be used any more; all chunks are finished, and are in the state file.
        OSError: the output cannot be written; finished chunks stay and are in the state file.
    """
    output = destination.output
    outfile.make_folder(output)
    name = cut.header.name
    sidecar = join(output, name.manifest)
    if destination.store:
        fetch(destination.store, output, (name.state, name.manifest))
    with outfile.locked_part(sidecar) as file:
        writer = StreamWriter(file, header_to_wire(cut.header))
        index = _write_records(cut, writer, progress)
        outfile.flush(file)  # workers read it, and may run on other machines
        fingerprint = writer.digest().hex()
        if destination.store:
            finished = find_sent(cut, output, fingerprint, destination.store)
        else:
            finished = find_finished(cut, output, fingerprint, engine=engine, progress=progress)
        there = destination.names()
        leftovers = find_leftovers(cut, output, there, finished, is_replacing=destination.is_replacing)
        run = _Run(cut, destination, fingerprint, dict(finished or {}))
        if not destination.store:
            run.check_space(leftovers)
        for leftover in leftovers:
            destination.remove(leftover)
        run.keep_state()
        problems = run.write_chunks(index, engine=engine, progress=progress)
        rows = run.rows()
        if not problems:
            writer.close(notes_to_wire(fingerprint, rows))
            publish_sidecar(file, sidecar, cut.header.checksums, destination.key)
            if destination.store:
                _send_sidecar(cut, destination, destination.store)
            destination.remove(name.state)
            outfile.sync_folder(output)
    return Outcome(tuple(rows), len(finished or {}), tuple(problems))


def _send_sidecar(cut: Cut, destination: Destination, store: Store) -> None:
    """Send the sidecar, after all that is beside it."""
    manifest = cut.header.name.manifest
    beside = [checksum_name(manifest, algorithm) for algorithm in cut.header.checksums]
    beside += [signature_name(manifest)] if destination.key else []
    send(store, destination.output, (*beside, manifest))


def _write_records(cut: Cut, writer: StreamWriter, progress: Progress) -> RecordIndex:
    progress.phase("write manifest", file_count=cut.file_count)
    index = RecordIndex.at(writer.offset)
    for record in cut.records():
        writer.folder(record.path, encode_record(record))
        index.add(writer.offset, len(record.names))
        progress.advance(file_count=len(record.names))
    return index


_MAKE_ROOM = Remedy("Make room, or choose another folder with --output")


@dataclass(slots=True)
class _Run:
    """One run of the coordinator, the only process that records finished chunks."""

    cut: Cut
    destination: Destination
    fingerprint: str
    finished: dict[int, FinishedChunk]

    def check_space(self, leftovers: Iterable[bytes]) -> None:
        """Refuse, before anything is removed, if the missing chunks do not fit even without the leftovers."""
        needed = sum(chunk.byte_count for number, chunk in enumerate(self.cut.chunks) if number not in self.finished)
        status = os.statvfs(self.destination.output)
        room = status.f_bavail * status.f_frsize
        room += sum(os.lstat(join(self.destination.output, name)).st_blocks for name in leftovers) * _BLOCK_BYTES
        if status.f_blocks and needed > room:  # else a file system that does not tell how big it is
            sizes = Size(needed, is_rounded=True), Size(room, is_rounded=True)
            problem = Problem(Code.NO_SPACE, self.destination.output, *sizes)
            raise Refused(problem, remedies=(_MAKE_ROOM,))

    def keep_state(self) -> None:
        """Write the state file: the finished chunks."""
        self.destination.write(self.cut.header.name.state, encode_state(self.fingerprint, self.finished.values()))

    def write_chunks(self, index: RecordIndex, *, engine: Engine, progress: Progress) -> list[Problem]:
        """Write all unfinished chunks, largest first; return the problems that stopped some of them."""
        missing = [number for number in range(len(self.cut.chunks)) if number not in self.finished]
        missing.sort(key=lambda number: -self.cut.chunks[number].byte_count)
        problems = []
        for chunk in self.finished.values():
            self._write_checksums(chunk)
        batches = deque(self._batch(number, index) for number in missing)
        chunks = self.cut.chunks
        progress.phase(
            "write chunks",
            file_count=sum(chunks[number].entry_count for number in missing),
            byte_count=sum(batch.byte_count for batch in batches),
        )
        for result in engine.run(write_chunk, batches):
            if result.problem:
                problems.append(result.problem)
                continue
            self._finish(result)
            written = chunks[result.number]
            progress.advance(file_count=written.entry_count, byte_count=written.byte_count)
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
                is_file=planned[number].is_file,
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
            is_file=planned.is_file,
            store=self.destination.store,
        )

    def _finish(self, result: ChunkResult) -> None:
        chunk = FinishedChunk(result.number, result.xxh128, result.checksums, result.stored)
        self._write_checksums(chunk)
        self.finished[result.number] = chunk
        self.keep_state()  # also syncs the folder, and with it the chunk's name

    def _write_checksums(self, chunk: FinishedChunk) -> None:
        name = self.cut.chunks[chunk.number].name
        for algorithm, digest in chunk.checksums:
            self.destination.write(checksum_name(name, algorithm), checksum_line(name, digest))
