"""Table split files: scans the source files of the splits in a plan, and predicts their result files."""

import os
from collections.abc import Iterator, Mapping

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.casa.column_split import SplitSpec
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.header import SplitTask, TableNote
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import FileBatch, ScanOptions
from qa2pack.manifest.scan.collect import gather


@dataclass(frozen=True, slots=True)
class SplitSources:
    """The table splits of a plan.

    Attributes:
        tasks: by destination folder.
        results: by destination folder, encoded records of the files after the split.
        problems: files that cannot be read; if there are any, the rest is empty.
    """

    tasks: Mapping[bytes, SplitTask]
    results: Mapping[bytes, bytes]
    problems: tuple[Problem, ...]

    @property
    def sources(self) -> Iterator[bytes]:
        """Encoded records of the files that the tables are split of."""
        return (task.before for task in self.tasks.values())


def omitted_names(spec: SplitSpec) -> frozenset[bytes]:
    """Return the names in the table's folder that must not be packaged unchanged."""
    return frozenset((*spec.written, *spec.placeholders, *spec.dropped))


def scan_split_sources(
    notes: Mapping[bytes, TableNote],
    options: ScanOptions,
    mode: Mode,
    *,
    known: Mapping[bytes, tuple[tuple[bytes, int], ...]],
    engine: Engine,
    progress: Progress,
) -> SplitSources:
    """Scan the files that the splits rewrite, and predict the files after the split.

    Args:
        notes: by destination folder; those without a spec are skipped.
        known: earlier `before` records with the times of their scans, by destination folder.
    """
    splits = {path: (note.source, note.spec) for path, note in notes.items() if note.spec is not None}
    batches = [
        FileBatch(options, path, names, tuple(join(source, name) for name in names), known.get(path, ()))
        for path, (source, spec) in splits.items()
        for names in (tuple(sorted({*spec.written, *spec.placeholders})),)
    ]
    gathered = gather(batches, phase="scan tables", engine=engine, progress=progress)
    before = dict(gathered.spool.sorted_blobs())
    gathered.spool.close()
    if gathered.problems:
        return SplitSources({}, {}, tuple(gathered.problems))
    action = Action.SPLIT if mode.has_content else Action.DUMMY
    return SplitSources(
        tasks={
            path: SplitTask(path, source, spec, before[path], _saved_bytes(os.path.join(options.root, source), spec))
            for path, (source, spec) in splits.items()
        },
        results={
            path: encode_record(_result(path, source, spec, decode_record(before[path]), action))
            for path, (source, spec) in splits.items()
        },
        problems=(),
    )


def _result(path: bytes, source: bytes, spec: SplitSpec, before: FolderRecord, action: Action) -> FolderRecord:
    """Return the record of the files after the split: sizes are known, contents not yet."""
    positions = {name: index for index, name in enumerate(before.names)}
    sizes = sorted(spec.sizes)
    main = positions[b"table.dat"]
    origins = [positions.get(name, main) for name, _ in sizes]  # new files: as table.dat
    return FolderRecord(
        path=path,
        names=[name for name, _ in sizes],
        sizes=[size for _, size in sizes],
        mtimes=[before.mtimes[i] for i in origins],
        modes=[before.modes[i] for i in origins],
        actions=bytes([action]) * len(sizes),
        digests=NO_DIGEST * len(sizes),
        source=source,
        device=before.device,
        # No inode and ctime: the digest will be of the split file, not of the source with the same name.
        inodes=[0] * len(sizes),
        ctimes=[0] * len(sizes),
    )


def _saved_bytes(table: bytes, spec: SplitSpec) -> int:
    return sum(_sizes(table, spec))


def _sizes(table: bytes, spec: SplitSpec) -> Iterator[int]:
    for name in spec.dropped:
        yield os.stat(join(table, name)).st_size
