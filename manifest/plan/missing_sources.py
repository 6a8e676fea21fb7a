"""Missing sources: which of the packaged files that are in doubt the origin does not have; it is read in batches."""

from collections.abc import Iterable, Iterator
from functools import partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine, run_streamed
from qa2pack.manifest.fs.digest import BIG_FILE_BYTES
from qa2pack.manifest.fs.meter import current_meter
from qa2pack.manifest.plan.opened_bundles import ChangedBundle
from qa2pack.manifest.plan.packaged_file import PackagedFile, Reading
from qa2pack.manifest.progress import Progress

_BATCH_FILES = 500


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


def missing_sources(
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
