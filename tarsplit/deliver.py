"""Write a delivery, resumable: chunks, checksum files and the sidecar.

    lock -> write records -> find finished chunks -> check free space -> write chunks in parallel -> publish sidecar
         -> remove state file

Every file gets its final name only when it is complete and synced. The sidecar is published last: a delivery that has
a sidecar is complete. Until then the state file lists the finished chunks. The same package and request give the same
bytes, however often the run was stopped, but for the time in a sidecar that is signed.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, replace
from functools import partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.record_codec import encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.quantity import Size
from qa2pack.manifest.signature.names import signature_name
from qa2pack.tarsplit import output_files as outfile
from qa2pack.tarsplit.before import Before, read_before
from qa2pack.tarsplit.check_chunk import CheckBatch
from qa2pack.tarsplit.chunk_entries import ChunkPart, RecordIndex, chunk_part
from qa2pack.tarsplit.earlier_versions import find_growths, remove_begun_versions
from qa2pack.tarsplit.growth import Growth
from qa2pack.tarsplit.in_the_way import check_kinds, check_sidecar_part, listed_in
from qa2pack.tarsplit.naming import PART, checksum_line, checksum_name
from qa2pack.tarsplit.place.place import Place
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.resume import find_finished, find_leftovers, find_unlisted_whole, find_whole_trees
from qa2pack.tarsplit.sidecar import ChunkRow, header_to_wire, notes_to_wire
from qa2pack.tarsplit.sidecar_files import publish_sidecar
from qa2pack.tarsplit.state import FinishedChunk, State, encode_state
from qa2pack.tarsplit.write_chunk import ChunkBatch, ChunkResult, write_chunk


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a delivery comes from and where it goes.

    Attributes:
        root: path of the package, absolute.
        is_replacing: remove the files of another delivery of the same name.
        key: file of the SSH key that signs the sidecar; empty for none.
        is_taking_over: the run that a store names as the sender of this delivery has ended.
    """

    root: bytes
    place: Place
    is_replacing: bool = False
    key: bytes = b""
    is_taking_over: bool = False


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
        Refused: too little free space, or something of another delivery or of somebody is in the way.
        OutputBusyError, StoreBusyError: another process writes this delivery.
        NotSignedError: the key cannot be used any more; all chunks are finished, and are in the state file.
        OSError, PlaceError: the output cannot be written; finished chunks stay and are in the state file.
    """
    place, name = destination.place, cut.header.name
    place.make()
    check_kinds(place, name.own, kept=name.own, trees=())
    with (
        place.alone(name.sender, is_taking_over=destination.is_taking_over) as check_alone,
        place.local({name.state, name.state + PART, name.begun, name.manifest}.__contains__) as folder,
        outfile.locked_part(join(folder, name.manifest), partial(check_sidecar_part, place, name, folder)) as file,
    ):
        writer = StreamWriter(file, header_to_wire(cut.header))
        index = _write_records(cut, writer, progress)
        outfile.flush(file)  # workers read it, and may run on other machines
        run = _Run(
            cut, destination, folder, join(folder, name.manifest + PART), index, writer.digest().hex(), check_alone
        )
        before = read_before(name, place, folder)
        run.resume(before, engine=engine, progress=progress)
        kept_count = len(run.finished)
        problems = run.write_chunks(engine=engine, progress=progress)
        rows = run.rows()
        if not problems:
            # Without a key the same bytes as before: what is signed stays so.
            signed_ns = time.time_ns() if destination.key else before.signed_ns_of(run.fingerprint)
            writer.close(notes_to_wire(run.fingerprint, rows, signed_ns))
            is_new = publish_sidecar(file, join(folder, name.manifest), cut.header.checksums, destination.key)
            check_alone()
            if is_new and not destination.key:  # a store still has the signature of the one before
                place.remove([signature_name(name.manifest)])
            place.take(folder, _of_sidecar(cut, destination))
            place.remove([name.before, name.begun, name.state])
    return Outcome(tuple(rows), kept_count + run.kept_trees, tuple(problems))


def _of_sidecar(cut: Cut, destination: Destination) -> Iterator[bytes]:
    """Yield the names of what is beside the sidecar, and then its own."""
    manifest = cut.header.name.manifest
    yield from (checksum_name(manifest, algorithm) for algorithm in cut.header.checksums)
    if destination.key:
        yield signature_name(manifest)
    yield manifest


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
    """One run of the coordinator, the only process that records finished chunks.

    Attributes:
        folder: where the small files of the place are on this machine.
        records: path of the file with the records, for the workers.
        index: where in it each folder is.
        check_alone: see `Place.alone`.
        growths: by number of the chunk, what there is of objects to which a version is added.
        kept: numbers of the trees of which what there is is of this delivery.
        is_read: what a store has of trees is read, and not known by its size.
        kept_trees: number of those of which all was there.
    """

    cut: Cut
    destination: Destination
    folder: bytes
    records: bytes
    index: RecordIndex
    fingerprint: str
    check_alone: Callable[[], None]
    finished: dict[int, FinishedChunk] = field(default_factory=dict)
    growths: dict[int, Growth] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)
    is_read: bool = False
    kept_trees: int = 0

    def resume(self, before: Before, *, engine: Engine, progress: Progress) -> None:
        """Find what earlier runs left: what is of this delivery is kept, and what is of none any more is removed.

        Raises:
            Refused: something is in the way, or the missing chunks do not fit. But for versions that another state
                of the package had begun nothing was changed.
        """
        cut, place = self.cut, self.destination.place
        self.check_alone()
        remove_begun_versions(cut, before, place, self.fingerprint)
        state = before.of(self.fingerprint)
        whole = set() if state else self._unlisted_whole(before, engine=engine, progress=progress)
        self.kept = {*range(len(cut.chunks))} if state else whole
        self.growths = find_growths(cut, place, before, state, whole=whole)
        if state:
            # Of all files a disk tells the sizes alone, and so does a store of some.
            self.is_read = not (place.goes_on and before.is_of_last_run(state))
            self.finished = find_finished(cut, place, state, is_read=self.is_read, engine=engine, progress=progress)
            if self.destination.key:
                self._forget_other_sums(engine=engine, progress=progress)
            else:
                self._keep_trees(before, state, engine=engine, progress=progress)
        leftovers = find_leftovers(
            cut,
            place,
            before,
            state,
            self._unfinished_tree,
            staying={cut.chunks[number].name for number in {*self.growths, *whole}},
            is_replacing=self.destination.is_replacing,
        )
        self._check_space(leftovers)
        place.remove(leftovers)
        self.keep_state()
        if before.begun_by != self.fingerprint:
            self._tell_trees()

    def _tell_trees(self) -> None:
        """Write what the trees are to become: should this run be stopped, a later state can tell what is of it."""
        if not any(chunk.made.is_tree for chunk in self.cut.chunks):
            return
        rows = [self._row(self._unlisted(number)) for number in range(len(self.cut.chunks))]
        name = self.cut.header.name.begun
        with outfile.new_file(join(self.folder, name)) as file:
            writer = StreamWriter(file, header_to_wire(self.cut.header))
            for record in self.cut.records():
                writer.folder(record.path, encode_record(record))
            writer.close(notes_to_wire(self.fingerprint, rows))
        self.destination.place.take(self.folder, [name])

    def _forget_other_sums(self, *, engine: Engine, progress: Progress) -> None:
        """Keep only chunks whose checksums are those of the package: what is signed is not what a place says.

        Whoever writes there could change a tar and its checksums in the state file or sidecar. Trees are written
        again, file by file, which finds their checksums as well.
        """
        kept, self.finished = self.finished, {}
        batches = deque(replace(self._batch(number), is_summed_alone=True) for number in kept)
        progress.phase("compare finished chunks", byte_count=sum(batch.made.byte_count for batch in batches))
        for found in engine.run(write_chunk, batches):
            chunk = kept[found.number]
            progress.advance(byte_count=self.cut.chunks[found.number].byte_count)
            if (found.byte_count, found.xxh128, found.checksums) == (chunk.byte_count, chunk.xxh128, chunk.checksums):
                self.finished[found.number] = chunk

    def _check_space(self, leftovers: Iterable[bytes]) -> None:
        """Refuse, before anything is removed, if the missing chunks do not fit even without the leftovers."""
        needed = sum(map(self._needed, range(len(self.cut.chunks))))
        place = self.destination.place
        trees = {
            chunk.name + ending
            for number, chunk in enumerate(self.cut.chunks)
            if chunk.made.is_tree and number not in self.finished
            for ending in ((PART,) if number in self.growths else (b"", PART))
        }
        room = place.room_bytes({*leftovers, *trees.intersection(place.names())})
        if room is not None and needed > room:
            sizes = Size(needed, is_rounded=True), Size(room, is_rounded=True)
            problem = Problem(Code.NO_SPACE, place.path, *sizes)
            raise Refused(problem, remedies=(_MAKE_ROOM,))

    def _keep_trees(self, before: Before, state: State, *, engine: Engine, progress: Progress) -> None:
        """Keep the complete trees of an earlier run that are as they were written; raises as `find_whole_trees`.

        Those of a store, which would have to be fetched, are known by their sizes when they are written again, and an
        object of several versions by its inventory.
        """
        place = self.destination.place
        if place.goes_on:
            return
        listed = {chunk.number: chunk for chunk in state.chunks}
        others = before.begun_by_another(state.fingerprint)
        there = {
            n: listed.get(n) or self._unlisted(n)
            for n, chunk in enumerate(self.cut.chunks)
            if chunk.made.is_tree and n not in self.growths and chunk.name not in others and place.names(chunk.name)
        }
        batches = {number: self._check_batch(self._row(chunk), number) for number, chunk in there.items()}
        if batches:
            for number in find_whole_trees(batches, engine=engine, progress=progress):
                self.finished[number] = there[number]

    def _unlisted_whole(self, before: Before, *, engine: Engine, progress: Progress) -> set[int]:
        """Return the trees that are just what is to be delivered, where their sidecar is damaged or gone.

        Those of a store would have to be fetched.
        """
        place = self.destination.place
        there = {
            chunk.name: n
            for n, chunk in enumerate(self.cut.chunks)
            if chunk.made.is_tree and not place.goes_on and chunk.name not in before.trees and place.names(chunk.name)
        }
        listed = listed_in(place, there.keys(), but=self.cut.header.name.manifest) if there else ()
        unlisted = [n for name, n in there.items() if name not in listed]
        batches = {n: self._check_batch(self._row(self._unlisted(n)), n) for n in unlisted}
        return {*find_unlisted_whole(batches, engine=engine, progress=progress)} if batches else set()

    def _unfinished_tree(self, name: bytes) -> CheckBatch | None:
        """Return what a tree of this name is to become; None if the delivery has none."""
        for number, chunk in enumerate(self.cut.chunks):
            if chunk.name == name and chunk.made.is_tree:
                return self._check_batch(self._row(self._unlisted(number)), number)
        return None

    def _unlisted(self, number: int) -> FinishedChunk:
        """Return a tree as it is listed, but for its checksums, which are not known."""
        chunk = self.cut.chunks[number]
        sums = tuple((each, "") for each in chunk.sums_beside(self.cut.header.checksums))
        return FinishedChunk(number, chunk.made.plain_bytes, "", sums)

    def keep_state(self) -> None:
        """Write the state file: the finished chunks."""
        self.check_alone()
        self.destination.place.write(
            self.cut.header.name.state,
            encode_state(
                State(
                    self.fingerprint,
                    tuple(self.finished.values()),
                    tuple((number, growth.earlier) for number, growth in self.growths.items()),
                )
            ),
        )

    def write_chunks(self, *, engine: Engine, progress: Progress) -> list[Problem]:
        """Write all unfinished chunks, largest first; return the problems that stopped some of them."""
        missing = [number for number in range(len(self.cut.chunks)) if number not in self.finished]
        missing.sort(key=lambda number: -self.cut.chunks[number].byte_count)
        problems = []
        for chunk in self.finished.values():
            self._write_checksums(chunk)
        batches = deque(self._batch(number) for number in missing)
        chunks = self.cut.chunks
        progress.phase(
            "write chunks",
            file_count=sum(chunks[number].entry_count for number in missing),
            byte_count=sum(batch.made.byte_count for batch in batches),
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
        return [self._row(chunk) for _, chunk in sorted(self.finished.items())]

    def _row(self, chunk: FinishedChunk) -> ChunkRow:
        planned = self.cut.chunks[chunk.number]
        return ChunkRow(
            name=planned.name,
            byte_count=chunk.byte_count,
            folders=planned.chunk.folders,
            files=planned.chunk.files,
            xxh128=chunk.xxh128,
            checksums=chunk.checksums,
            form=planned.made.form,
            earlier=self.growths[chunk.number].earlier if chunk.number in self.growths else None,
        )

    def _check_batch(self, row: ChunkRow, number: int) -> CheckBatch:
        header = self.cut.header
        part = self._part(number)
        return CheckBatch(self.destination.place, row, part, header.project, header.folder_mtime)

    def _batch(self, number: int) -> ChunkBatch:
        planned = self.cut.chunks[number]
        header = self.cut.header
        members = self.cut.members
        return ChunkBatch(
            number=number,
            place=self.destination.place,
            name=planned.name,
            part=self._part(number),
            project=header.project,
            root=self.destination.root,
            renamed=tuple((m.path, m.source) for m in members if m.path != m.source),
            texts=tuple((m.readme_path, m.readme) for m in members if m.readme is not None),
            folder_mtime=header.folder_mtime,
            checksums=planned.sums_beside(header.checksums),
            made=planned.made,
            keeps=number in self.kept,
            is_read=self.is_read,
            growth=self.growths.get(number),
        )

    def _part(self, number: int) -> ChunkPart:
        chunk = self.cut.chunks[number].chunk
        return chunk_part(self.records, self.index, chunk.folders, chunk.files)

    def _needed(self, number: int) -> int:
        """Return how many bytes of a chunk are not there."""
        if growth := self.growths.get(number):
            return growth.added_bytes(self._part(number))
        return 0 if number in self.finished else self.cut.chunks[number].byte_count

    def _finish(self, result: ChunkResult) -> None:
        chunk = FinishedChunk(result.number, result.byte_count, result.xxh128, result.checksums, result.stored)
        self._write_checksums(chunk)
        self.kept_trees += result.is_kept
        self.finished[result.number] = chunk
        self.keep_state()  # also syncs the folder, and with it the chunk's name

    def _write_checksums(self, chunk: FinishedChunk) -> None:
        planned = self.cut.chunks[chunk.number]
        if planned.made.is_tree:
            return  # its lists were written with it
        name = planned.name
        for algorithm, digest in chunk.checksums:
            self.destination.place.write(checksum_name(name, algorithm), checksum_line(name, digest))
