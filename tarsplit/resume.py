"""Resume a delivery: find finished chunks of an earlier run, and leftover files to remove."""

import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.control_file import read_control
from qa2pack.manifest.fs.digest import blocks_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.signature.signature import signature_name
from qa2pack.tarsplit.naming import PART, checksum_name
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.sidecar import open_sidecar
from qa2pack.tarsplit.state import MOST_BYTES, FinishedChunk, State, decode_state
from qa2pack.tarsplit.store.store import Store
from qa2pack.tarsplit.tar.checksums import Sums


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A chunk that the state file or sidecar lists as finished."""

    path: bytes
    byte_count: int
    chunk: FinishedChunk


def find_finished(
    cut: Cut, output: bytes, fingerprint: str, *, engine: Engine, progress: Progress
) -> Mapping[int, FinishedChunk] | None:
    """Return the chunks, by number, that an earlier run finished and whose size and checksum are still right.

    Each chunk is read. None if there is no earlier run of the same delivery.
    """
    state = _of_fingerprint(cut, output, fingerprint)
    if state is None:
        return None
    batches = deque(
        KeptBatch(join(output, cut.chunks[chunk.number].name), cut.chunks[chunk.number].byte_count, chunk)
        for chunk in state.chunks
        if 0 <= chunk.number < len(cut.chunks)
    )
    progress.phase("check finished chunks", byte_count=sum(batch.byte_count for batch in batches))
    kept = {}
    for batch, is_whole in engine.run(check_kept, batches):
        progress.advance(byte_count=batch.byte_count)
        if is_whole:
            kept[batch.chunk.number] = batch.chunk
    return kept


def find_sent(cut: Cut, output: bytes, fingerprint: str, store: Store) -> Mapping[int, FinishedChunk] | None:
    """Return the chunks, by number, that an earlier run sent, and of which the store tells the same; reads none.

    Args:
        output: a folder with the state file and the sidecar of the store.
    """
    state = _of_fingerprint(cut, output, fingerprint)
    if state is None:
        return None
    kept = {}
    for chunk in state.chunks:
        planned = cut.chunks[chunk.number] if 0 <= chunk.number < len(cut.chunks) else None
        seen = store.seen(planned.name) if planned else None
        if planned and seen and seen[0] == planned.byte_count and _is_alike(seen[1], chunk):
            kept[chunk.number] = chunk
    return kept


def _is_alike(stored: str, chunk: FinishedChunk) -> bool:
    """Return whether the checksum that a store tells is that of the chunk, as far as that is known.

    The state file has what the store told when the chunk was sent; a sidecar has the MD5, which is the checksum of an
    object that was sent in one part.
    """
    if chunk.stored:
        return stored == chunk.stored
    md5 = dict(chunk.checksums).get("md5")
    return not md5 or not stored or "-" in stored or stored == md5


def _of_fingerprint(cut: Cut, output: bytes, fingerprint: str) -> State | None:
    states = [state for state in (_state(cut, output), _completed(cut, output)) if state]
    return next((state for state in states if state.fingerprint == fingerprint), None)


def check_kept(batch: KeptBatch) -> tuple[KeptBatch, bool]:
    """Return whether the chunk has the recorded size and checksum."""
    sums = Sums(())
    try:
        with opened_file(batch.path) as fd:
            if os.fstat(fd).st_size != batch.byte_count:
                return batch, False
            for block in blocks_of(fd):
                sums.update(block)
    except OSError:
        return batch, False  # the chunk is written again, which reports the error if it persists
    return batch, sums.result() == batch.chunk.xxh128


def find_leftovers(
    cut: Cut,
    output: bytes,
    names: Iterable[bytes],
    finished: Mapping[int, FinishedChunk] | None,
    *,
    is_replacing: bool,
) -> list[bytes]:
    """Return the names of files to remove: unfinished files and, with `is_replacing`, files of another delivery.

    Args:
        names: of what is there.

    Raises:
        Refused: another delivery of the same name is there, and `is_replacing` is false.
    """
    name = cut.header.name
    there = sorted(entry for entry in names if name.owns(entry) and entry != name.manifest + PART)
    expected = _expected(cut) if finished is not None else set()
    foreign = [entry for entry in there if not entry.endswith(PART) and entry not in expected]
    if foreign and not is_replacing:
        more = f" and {counted(len(foreign) - 1, 'more file')}" if len(foreign) > 1 else ""
        raise Refused(Problem(Code.DELIVERY_IN_THE_WAY, output, found=f"{shown(foreign[0])}{more}"))
    return [entry for entry in there if entry.endswith(PART) or entry in foreign]


def _expected(cut: Cut) -> set[bytes]:
    name = cut.header.name
    files = {name.manifest, *(chunk.name for chunk in cut.chunks)}
    sums = (checksum_name(file, algorithm) for file in files for algorithm in cut.header.checksums)
    return {name.state, signature_name(name.manifest), *files, *sums}


def _state(cut: Cut, output: bytes) -> State | None:
    try:
        return decode_state(read_control(join(output, cut.header.name.state), limit_bytes=MOST_BYTES))
    except FileNotFoundError:
        return None


def _completed(cut: Cut, output: bytes) -> State | None:
    """Return the state of a complete delivery, from its sidecar."""
    try:
        sidecar = open_sidecar(join(output, cut.header.name.manifest))
    except (FileNotFoundError, StreamError):
        return None
    chunks = (FinishedChunk(n, row.xxh128, row.checksums) for n, row in enumerate(sidecar.chunks))
    return State(sidecar.fingerprint, tuple(chunks))
