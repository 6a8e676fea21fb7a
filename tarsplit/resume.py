"""Resume a delivery: find finished chunks of an earlier run, and leftover files to remove."""

from collections import deque
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.signature.names import signature_name
from qa2pack.tarsplit.before import Before
from qa2pack.tarsplit.check_chunk import check_chunk
from qa2pack.tarsplit.naming import PART, checksum_name
from qa2pack.tarsplit.place.place import A_LINK, Place, PlaceError
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.state import FinishedChunk, State


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A chunk that the state file or sidecar lists as finished."""

    place: Place
    name: bytes
    chunk: FinishedChunk


def find_finished(
    cut: Cut, place: Place, state: State | None, *, engine: Engine, progress: Progress
) -> Mapping[int, FinishedChunk] | None:
    """Return the chunks, by number, that an earlier run finished and that are still there as they were.

    None if there is no earlier run of the same delivery. A tree is not one of them: who writes it keeps its files.
    """
    if state is None:
        return None
    batches = deque(
        KeptBatch(place, cut.chunks[chunk.number].name, chunk)
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


def check_kept(batch: KeptBatch) -> tuple[KeptBatch, bool]:
    """Return whether the chunk is as it was recorded."""
    return batch, batch.place.has(batch.name, batch.chunk)


def find_leftovers(
    cut: Cut, place: Place, before: Before, state: State | None, *, growing: Set[bytes], is_replacing: bool
) -> list[bytes]:
    """Return the names of files to remove: unfinished files and, with `is_replacing`, files of another delivery.

    Args:
        state: of what is there of the same delivery.
        growing: names of the objects to which a version is added; they and what belongs to their sidecar stay.

    Raises:
        Refused: another delivery of the same name is there, and `is_replacing` is false; or a folder is not known to
            be of this one.
    """
    name = cut.header.name
    of_runs = name.manifest + PART, name.before, name.sender
    there = [entry for entry in place.names() if name.owns(entry) and entry not in of_runs]
    expected = _expected(cut) if state else (growing | _sidecar_files(cut)) if growing else set()
    trees = {chunk.name for chunk in cut.chunks if chunk.made.is_tree}
    kept = {file + PART for file in expected if place.goes_on or (file in trees and file not in there)}
    kept |= {file + PART for file in growing} if state else set()
    foreign = [entry for entry in there if not entry.endswith(PART) and entry not in expected]
    removed = [entry for entry in there if (entry.endswith(PART) and entry not in kept) or entry in foreign]
    _check_no_link(place, trees.intersection(there))
    _check_folders(place, before, removed, is_replacing=is_replacing)
    if foreign and not is_replacing:
        raise Refused(*(Problem(Code.DELIVERY_IN_THE_WAY, join(place.path, entry)) for entry in foreign))
    return removed


def _check_no_link(place: Place, trees: Iterable[bytes]) -> None:
    """Refuse a link in the place of a tree: somebody made it, and what it leads to may have all of the history."""
    others = (name for name in sorted(trees) if not _is_folder(place, name))
    links = [name for name in others if (seen := place.seen(name)) and seen.kind == A_LINK]
    if links:
        raise Refused(*(Problem(Code.FOLDER_IN_THE_WAY, join(place.path, name), found=A_LINK) for name in links))


def _check_folders(place: Place, before: Before, removed: Iterable[bytes], *, is_replacing: bool) -> None:
    """Refuse to remove a folder with anything that this delivery has not written.

    A layout may call a set as anything else is called, and people put files into folders that they were given. So a
    complete tree must be as the sidecar here says, but for what is missing. Of an unfinished one nothing says what is
    in it: that a run of this delivery was stopped here has to do, and that it is to be replaced. An object has the
    history of what was delivered: it grows or is in the way, whatever is missing in it.
    """
    written = before.trees
    is_begun = bool(written) or before.has_state
    for entry in (entry for entry in removed if _is_folder(place, entry)):
        others = [entry]
        if entry.endswith(PART) and is_begun:
            if not is_replacing:
                raise Refused(Problem(Code.DELIVERY_IN_THE_WAY, join(place.path, entry)))
            others = []
        elif entry in written:
            problems = check_chunk(written[entry]).problems
            if entry in before.objects:
                others = [problem.path for problem in problems] or [entry]
            else:
                others = [problem.path for problem in problems if problem.code is not Code.MISSING]
        if others:
            found = "a folder" if others == [entry] else shown(others[0])
            raise Refused(Problem(Code.FOLDER_IN_THE_WAY, join(place.path, entry), found=found))


def _is_folder(place: Place, name: bytes) -> bool:
    """Return whether something is in a folder of this name; a symlink is none."""
    with suppress(PlaceError):
        return bool(place.names(name))
    return False


def _sidecar_files(cut: Cut) -> set[bytes]:
    name = cut.header.name
    sums = (checksum_name(name.manifest, algorithm) for algorithm in cut.header.checksums)
    return {name.state, name.manifest, signature_name(name.manifest), *sums}


def _expected(cut: Cut) -> set[bytes]:
    usual = cut.header.checksums
    files = [(chunk.name, chunk.sums_beside(usual)) for chunk in cut.chunks]
    sums = (checksum_name(file, algorithm) for file, algorithms in files for algorithm in algorithms)
    return {*_sidecar_files(cut), *(file for file, _ in files), *sums}
