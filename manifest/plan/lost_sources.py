"""Lost sources: which packaged files the origin does not have any more, and only the package that is removed has.

The files that are in doubt are looked for at the origin by their content, in batches.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.fs.presence import file_status_of, is_there, status_of
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.going_trees import GoingTrees
from qa2pack.manifest.plan.opened_bundles import ChangedBundle
from qa2pack.manifest.plan.origin_files import OriginFiles
from qa2pack.manifest.plan.packaged_file import PackagedFile, Reading
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.progress import Progress

_BATCH_FILES = 500
_EXPECTED = "the file that was packaged"


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Files to look for at the origin; all that were taken out of one bundle are one batch, which reads that once."""

    files: tuple[PackagedFile, ...]


@dataclass(frozen=True, slots=True)
class SourceResult:
    """Those that the origin does not have, and what was read of the others."""

    missing: tuple[PackagedFile, ...]
    file_count: int
    byte_count: int


def lost_sources(
    manifest: Described,
    member: bytes,
    kept: bytes = b"",
    *,
    going: bytes,
    reading: Reading,
    engine: Engine,
    progress: Progress,
) -> Iterator[Problem]:
    """Yield a problem for each source that is missing or changed at the origin, and that only the member still has.

    Args:
        member: folder of the member; what it does not have itself, as after a repair, cannot be lost with it.
        kept: folder of an older state of the member; what it has as well is not lost. Empty for none.
        going: the tree that is removed, which may be more than the member.
        reading: what is beyond it counts as unchanged; where it is limited, the engine runs in this process.
    """
    files = OriginFiles(manifest, GoingTrees((going,)))
    doubtful = (known for file in files.doubtful() if (known := _unless_linked(file, join(member, file.path))))
    for file in _missing(doubtful, reading, engine=engine, progress=progress):
        packaged, older = join(member, file.path), join(kept, file.path) if kept else b""
        if _has_copy(packaged, file, reading) and not (older and _is_kept(older, packaged, file, reading)):
            yield _lost(file)
    made = (
        file
        for path, some in files.doubtful_in_made()
        if is_there(join(member, path)) and not (kept and _name_count(join(member, path), join(kept, path)))
        for file in some
    )
    yield from map(_lost, _missing(made, reading, engine=engine, progress=progress))


def _missing(
    files: Iterable[PackagedFile], reading: Reading, *, engine: Engine, progress: Progress
) -> Iterator[PackagedFile]:
    """Yield the files that the origin does not have, in any order.

    Args:
        reading: each batch begins with it as it is: where it is limited, the batches must run in this process.
    """
    for result in run_streamed(engine, partial(look_for_sources, reading), _batches(files, progress)):
        progress.advance(file_count=result.file_count, byte_count=result.byte_count)
        yield from result.missing


def look_for_sources(reading: Reading, batch: SourceBatch) -> SourceResult:
    """Look for the files of one batch."""
    missing, found_bytes = [], 0
    for file in batch.files:
        current_meter().look()  # small files are not counted while they are read
        if reading.finds_at_origin(file):
            found_bytes += file.size
        else:
            missing.append(file)
    return SourceResult(tuple(missing), len(batch.files), found_bytes)


def _batches(files: Iterable[PackagedFile], progress: Progress) -> Iterator[SourceBatch]:
    """Yield the batches, and tell of the phase if there is one; those of bundles come last."""
    in_bundles: dict[ChangedBundle, list[PackagedFile]] = {}
    loose: list[PackagedFile] = []
    byte_count = 0
    for number, file in enumerate(files):
        if not number:
            progress.phase("compare with the origin")
        if file.bundle:
            in_bundles.setdefault(file.bundle, []).append(file)
            continue
        loose.append(file)
        byte_count += file.size
        if byte_count >= BIG_FILE_BYTES or len(loose) >= _BATCH_FILES:
            yield SourceBatch(tuple(loose))
            loose, byte_count = [], 0
    if loose:
        yield SourceBatch(tuple(loose))
    yield from (SourceBatch(tuple(some)) for some in in_bundles.values())


def _unless_linked(file: PackagedFile, packaged: bytes) -> PackagedFile | None:
    """Return a file if the origin has it by no other name than the package: one with the same name is mounted there.

    A further link, as of a snapshot, changes the ctime of both.
    """
    current_meter().look()
    name_count = 0 if file.goes_too else _name_count(file.source, packaged)
    return None if name_count > 1 else replace(file, goes_too=file.goes_too or name_count == 1)


def _lost(file: PackagedFile) -> Problem:
    return Problem(Code.ORIGIN_CHANGED, file.source, _EXPECTED, "another one, or none")


def _has_copy(path: bytes, file: PackagedFile, reading: Reading) -> bool:
    """Return whether a package has the file at a path; its own files are compared by verify."""
    return file.is_written(path) or reading.finds(file, path)


def _is_kept(path: bytes, packaged: bytes, file: PackagedFile, reading: Reading) -> bool:
    """Return whether an older state has the file: another one may have had its size and time."""
    return bool(_name_count(path, packaged)) or reading.finds(file, path)


def _name_count(path: bytes, other: bytes) -> int:
    """Return how many names a file has that is at both paths; 0 if they are not of one file."""
    status, found = file_status_of(path), status_of(other)
    return status.st_nlink if status is not None and found is not None and os.path.samestat(status, found) else 0
