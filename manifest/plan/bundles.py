"""Bundles of a plan: which files of the origin go into which tar or compressed file, and what that takes at most."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from qa2pack.manifest.actions import Action, Mode, action_for
from qa2pack.manifest.bundle.form import form_of, largest_bytes
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.header import BundleTask, Difference
from qa2pack.manifest.format.inside import inside_of, newest_ns
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import encode_record, record_path
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.plan.totals import folder_records
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import FileBatch, ScanBatch, ScanOptions, SubtreeBatch
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.known_folder import records_within
from qa2pack.manifest.scan.make_batches import scan_batches
from qa2pack.manifest.scan.table_references import Reference

_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Bundles:
    """The bundles of a plan, and what the scan of their files found.

    Attributes:
        tasks: sorted by path.
        foreign: skipped files of other programs; whether each is a folder.
    """

    tasks: tuple[BundleTask, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    foreign: tuple[tuple[bytes, bool], ...] = ()
    references: tuple[Reference, ...] = ()

    @property
    def largest_bytes(self) -> Mapping[bytes, int]:
        """The size that each has at most, by path."""
        return {task.path: task.largest_bytes for task in self.tasks}

    @property
    def planned_bytes(self) -> Mapping[bytes, int]:
        """The size of each by path: of those that are kept that which they have, of others the largest."""
        return {task.path: task.planned_bytes for task in self.tasks}

    @property
    def sources(self) -> Iterator[bytes]:
        """Encoded records of the files in them."""
        return (blob for task in self.tasks for blob in task.records)

    def counted_in(self, difference: Difference) -> Difference:
        """Return the difference with the bundles that are kept among the files that are."""
        kept = [task.earlier for task in self.tasks if task.earlier]
        return replace(
            difference,
            kept=difference.kept + len(kept),
            kept_bytes=difference.kept_bytes + sum(made.size for made in kept),
        )

    def records(self) -> Iterator[FolderRecord]:
        """Yield a record for each bundle itself; the digest is not known yet."""
        for task in self.tasks:
            folder, _, name = task.path.rpartition(b"/")
            yield FolderRecord(
                path=folder,
                names=[name],
                sizes=[task.largest_bytes],
                mtimes=[newest_ns(task.records)],
                modes=[_FILE_MODE],
                actions=bytes([Action.DUMMY if task.is_placeholder else Action.BUNDLE]),
                digests=NO_DIGEST,
                inodes=[0],
                ctimes=[0],
            )


def without_insides(items: Iterable[Item]) -> tuple[Item, ...]:
    """Return the items with each bundle once, as a file, in place of what goes into it; sorted as they were."""
    found: dict[bytes, Item] = {}
    for item in items:
        if item.bundle:
            found.setdefault(item.bundle, Item(b"", item.bundle, is_tree=False))
        else:
            found[item.path] = item
    return tuple(found.values())


def scan_bundles(
    items: Sequence[Item],
    options: ScanOptions,
    mode: Mode,
    in_tickets: Container[bytes],
    *,
    known: Mapping[bytes, tuple[tuple[bytes, int], ...]],
    looked_into: Container[bytes],
    engine: Engine,
    progress: Progress,
) -> Bundles:
    """Scan the files that go into bundles, and hash those that are written; in all modes they are copied.

    Args:
        items: of the whole plan.
        in_tickets: the folders of the member whose files go into the ticket files.
        known: earlier records of the files in them, by the path of the bundle, with the times of their scans.
        looked_into: sources of the tables of which is known what they need.
    """
    bundled = [item for item in items if item.bundle]
    if not bundled:
        return Bundles()
    real: list[Item] = []
    empty: list[Item] = []
    for item in bundled:
        is_placeholder = action_for(mode, in_tickets=item.folder in in_tickets) is Action.DUMMY
        (empty if is_placeholder else real).append(item)
    batches: list[ScanBatch] = []
    for some, as_mode in ((real, Mode.COPY), (empty, Mode.FAKE)):
        batches += scan_batches(some, options, as_mode, in_tickets, {}, looked_into=looked_into)
    paths = frozenset(item.bundle for item in bundled)
    batches = [_with_known(batch, known, paths) for batch in batches]
    gathered = gather(batches, phase="scan bundles", engine=engine, progress=progress)
    placeholders = frozenset(item.bundle for item in empty)
    for record in folder_records(bundled):
        gathered.spool.add(record.path, encode_record(record))
    inside = ((_bundle_of(path, paths), blob) for path, blob in gathered.spool.sorted_blobs())
    tasks = tuple(
        _task(bundle, tuple(blob for _, blob in group), is_placeholder=bundle in placeholders)
        for bundle, group in groupby(inside, key=lambda one: one[0])
        if bundle
    )
    gathered.spool.close()
    return Bundles(
        tasks,
        tuple(gathered.problems),
        tuple(gathered.warnings),
        tuple(gathered.foreign),
        tuple(gathered.references),
    )


def _with_known(
    batch: ScanBatch, known: Mapping[bytes, tuple[tuple[bytes, int], ...]], bundles: Container[bytes]
) -> ScanBatch:
    match batch:
        case SubtreeBatch(subtrees=(tree,)):
            records = known.get(_bundle_of(tree.path, bundles), ())
            return replace(batch, subtrees=(replace(tree, known=records_within(records, tree.path)),))
        case FileBatch():
            records = known.get(_bundle_of(batch.path, bundles), ())
            return replace(batch, known=tuple(one for one in records if record_path(one[0]) == batch.path))
        case _:
            return batch


def _bundle_of(path: bytes, bundles: Container[bytes]) -> bytes:
    """Return the bundle that a folder is in, or is; empty for a folder above bundles."""
    while path and path not in bundles:
        path = path.rpartition(b"/")[0]
    return path


def _task(path: bytes, blobs: tuple[bytes, ...], *, is_placeholder: bool) -> BundleTask:
    task = BundleTask(path, 0, is_placeholder, blobs)
    form = form_of(path)
    assert form is not None  # the layout was checked when it was loaded
    return replace(task, largest_bytes=largest_bytes(form, (inside.entry for inside in inside_of(task))))
