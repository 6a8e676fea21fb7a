"""Resume a delivery: find finished chunks of an earlier run, and leftover files to remove."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.fs.digest import BUFFER_BYTES
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.signature.names import signature_name
from qa2pack.tarsplit.before import Before
from qa2pack.tarsplit.check_chunk import CheckBatch, check_chunk
from qa2pack.tarsplit.checksums import Sums
from qa2pack.tarsplit.container.reader import summed
from qa2pack.tarsplit.in_the_way import check_kinds, check_of_no_other, check_removed, foreign_paths, in_the_way
from qa2pack.tarsplit.naming import PART, checksum_name
from qa2pack.tarsplit.place.place import Place, PlaceError
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.state import FinishedChunk, State


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A chunk that the state file or sidecar lists as finished."""

    place: Place
    name: bytes
    chunk: FinishedChunk
    is_read: bool


def find_finished(
    cut: Cut, place: Place, state: State, *, is_read: bool, engine: Engine, progress: Progress
) -> dict[int, FinishedChunk]:
    """Return the chunks, by number, that an earlier run finished and that are still there as they were.

    A tree is not one of them: see `find_whole_trees`.

    Args:
        state: of an earlier run of the same delivery.
        is_read: that a file has the right size is not enough.
    """
    batches = deque(
        KeptBatch(place, cut.chunks[chunk.number].name, chunk, is_read)
        for chunk in state.chunks
        if 0 <= chunk.number < len(cut.chunks) and not cut.chunks[chunk.number].made.is_tree
    )
    progress.phase("check finished chunks", byte_count=sum(batch.chunk.byte_count for batch in batches))
    kept = {}
    for batch, is_whole in engine.run(check_kept, batches):
        progress.advance(byte_count=batch.chunk.byte_count)
        if is_whole:
            kept[batch.chunk.number] = batch.chunk
    return kept


def find_whole_trees(batches: Mapping[int, CheckBatch], *, engine: Engine, progress: Progress) -> Iterator[int]:
    """Yield the numbers of the complete trees that are as they were written.

    One in which something is missing is written again, file by file; so is one whose checksums are not known, because
    the run ended before it listed them.

    Args:
        batches: the trees that an earlier run of the same delivery finished, by number.

    Raises:
        Refused: something in one of them is changed, or not of it: somebody did that, and it is not taken away.
    """
    progress.phase("check finished trees", byte_count=sum(batch.row.byte_count for batch in batches.values()))
    numbers = {batch.row.name: number for number, batch in batches.items()}
    foreign: list[Problem] = []
    for result in engine.run(check_chunk, deque(batches.values())):
        batch, row = result.batch, result.batch.row
        progress.advance(byte_count=row.byte_count)
        if not result.problems:
            yield numbers[row.name]
        foreign += in_the_way(batch.place, foreign_paths(batch, result.problems))
    if foreign:
        raise Refused(*sorted(foreign, key=lambda problem: problem.path))


def find_unlisted_whole(batches: Mapping[int, CheckBatch], *, engine: Engine, progress: Progress) -> Iterator[int]:
    """Yield the numbers of the trees that are just what is to be delivered, although no sidecar and no state says so.

    Args:
        batches: trees that are there, by number, without checksums of the whole.
    """
    progress.phase("check folders", byte_count=sum(batch.row.byte_count for batch in batches.values()))
    numbers = {batch.row.name: number for number, batch in batches.items()}
    for result in engine.run(check_chunk, deque(batches.values())):
        name = result.batch.row.name
        progress.advance(byte_count=result.batch.row.byte_count)
        if all(problem.path == name and problem.code is Code.CHANGED for problem in result.problems):
            yield numbers[name]


def check_kept(batch: KeptBatch) -> tuple[KeptBatch, bool]:
    """Return whether the chunk is as it was recorded."""
    is_there = batch.place.has(batch.name, batch.chunk)
    if is_there is None:
        is_there = not batch.is_read or _xxh128(batch.place, batch.name) == batch.chunk.xxh128
    return batch, is_there


def _xxh128(place: Place, name: bytes) -> str:
    """Return the XXH3-128 of a file that is read; empty if it cannot be."""
    sums = Sums(())
    with suppress(FileNotFoundError, PlaceError), place.opened(name) as file:
        read = summed(file.read, sums)
        while read(BUFFER_BYTES):
            pass
        return sums.result()
    return ""


def find_leftovers(
    cut: Cut,
    place: Place,
    before: Before,
    state: State | None,
    unfinished: Callable[[bytes], CheckBatch | None],
    *,
    staying: Set[bytes],
    is_replacing: bool,
) -> list[bytes]:
    """Return the names of files to remove: unfinished files and, with `is_replacing`, files of another delivery.

    Args:
        state: of what is there of the same delivery.
        unfinished: as of `check_removed`.
        staying: names of the objects to which a version is added, and of trees that are what is delivered; they and
            what belongs to their sidecar stay.

    Raises:
        Refused: another delivery of the same name is there, and `is_replacing` is false; or something is not known to
            be of one.
    """
    name = cut.header.name
    of_runs = name.before, name.sender, *(() if place.goes_on else (name.manifest + PART,))  # that is the lock
    there = [entry for entry in place.names() if name.owns(entry) and entry not in of_runs]
    others = before.begun_by_another(state.fingerprint) if state else set()
    expected = _expected(cut) - others if state else (staying | _sidecar_files(cut)) if staying else set()
    trees = {chunk.name for chunk in cut.chunks if chunk.made.is_tree}
    kept = {file + PART for file in expected if place.goes_on or (file in trees and file not in there)}
    kept |= {file + PART for file in staying} if state else set()
    foreign = [entry for entry in there if not entry.endswith(PART) and entry not in expected]
    removed = [entry for entry in there if (entry.endswith(PART) and entry not in kept) or entry in foreign]
    check_kinds(place, there, {*there}.difference(removed), trees)
    check_removed(place, name, removed, before, unfinished, is_replacing=is_replacing)
    check_of_no_other(place, name, [*foreign, *_rewritten(cut, state, there)], before)
    if foreign and not is_replacing:
        raise Refused(*(Problem(Code.DELIVERY_IN_THE_WAY, join(place.path, entry)) for entry in foreign))
    # What tells whose the others are goes last: a stop in between leaves nothing that is nobody's.
    return sorted(removed, key=lambda entry: name.is_of_sidecar(entry.removesuffix(PART)))


def _rewritten(cut: Cut, state: State | None, there: Iterable[bytes]) -> list[bytes]:
    """Return the files that are there and written over, as no earlier run of the same delivery has finished them."""
    if state is None:
        return []
    finished = {chunk.number for chunk in state.chunks}
    missing = {c.name for n, c in enumerate(cut.chunks) if n not in finished and not c.made.is_tree}
    return [entry for entry in there if entry in missing]


def _sidecar_files(cut: Cut) -> set[bytes]:
    name = cut.header.name
    sums = (checksum_name(name.manifest, algorithm) for algorithm in cut.header.checksums)
    return {name.state, name.begun, name.manifest, signature_name(name.manifest), *sums}


def _expected(cut: Cut) -> set[bytes]:
    usual = cut.header.checksums
    files = [(chunk.name, chunk.sums_beside(usual)) for chunk in cut.chunks]
    sums = (checksum_name(file, algorithm) for file, algorithms in files for algorithm in algorithms)
    return {*_sidecar_files(cut), *(file for file, _ in files), *sums}
