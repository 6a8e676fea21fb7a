"""Walk: scans folders and files of the origin and returns hashed folder records.

The work is divided into batches of about a second. A batch walks whole subtrees, hashes the files and encodes each
folder record, so the coordinator only collects bytes. Folders that are left when its budget is spent come back as
batches for any worker. Big files come back too, to be hashed in parallel. Read-only.

A symlink in the origin counts as its target. It may lead anywhere inside the origin, and outside only if that was
allowed. A symlink to a folder is followed unless it is a loop.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TypeVar

from qa2pack.manifest.casa.column_split import is_table_file
from qa2pack.manifest.casa.table_dat import TableNames
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.fs.at_once import at_once, each
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import is_file, is_folder
from qa2pack.manifest.fs.safe_open import listed, opened_file, opened_folder
from qa2pack.manifest.layout.globs import first_match, matching
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem, unreadable
from qa2pack.manifest.scan.batches import (
    BatchGroup,
    BigFile,
    FileBatch,
    ScanBatch,
    ScanOptions,
    ScanResult,
    Subtree,
    SubtreeBatch,
)
from qa2pack.manifest.scan.digest_cache import KnownFolder, known_digests
from qa2pack.manifest.scan.known_folder import known_folder, records_within
from qa2pack.manifest.scan.record_builder import Columns
from qa2pack.manifest.scan.sources import changed, link_target
from qa2pack.manifest.scan.table_references import DESCRIPTION, OF_IMAGES, references, torn_table

BATCH_FILES = 4000
BATCH_BYTES = 128 << 20
_BATCH_SECONDS = 5.0  # where a file takes longer than on any disk of this machine
_FILES_PER_CALL = 16  # of a batch, for each call that is under way at once
_FIRST_FOLDERS = 8  # at once, before a file was seen for each call that may be under way
_PARTS = b"SUBMSS"  # the folder of the parts of a multi-MS
_SHARES = 4  # number of batches made of what a batch could not finish
_MAX_LINKED_FOLDERS = 8  # more nested symlinks to folders than this count as a loop

Item = TypeVar("Item")
Done = TypeVar("Done")
_Listing = list[tuple[bytes, "os.DirEntry[str]"]]


@dataclass(frozen=True, slots=True)
class _Budget:
    """What may be scanned before the rest is left to others, who may be idle until then.

    Attributes:
        file_count, byte_count: these take a second or less where files answer soon.
        until: the monotonic clock, where they do not.
    """

    file_count: int
    byte_count: int
    until: float

    def is_left(self, result: ScanResult) -> bool:
        """Return whether the work whose result this is may go on; as long as there is none it always may."""
        if not result.blobs:
            return True
        is_small = result.file_count < self.file_count and result.read_bytes < self.byte_count
        return is_small and time.monotonic() < self.until

    def share(self, result: ScanResult, count: int) -> "_Budget":
        """Return what one of so many parts has of what is left."""
        files, read = self.file_count - result.file_count, self.byte_count - result.read_bytes
        return self if count == 1 else _Budget(max(1, files // count), max(1, read // count), self.until)


def scan_batch(batch: ScanBatch) -> ScanResult:
    """Scan one batch of any kind."""
    result = ScanResult()
    _do(_Budget(_budget_files(), BATCH_BYTES, time.monotonic() + _BATCH_SECONDS), batch, result)
    return result


def _do(budget: _Budget, batch: ScanBatch, result: ScanResult) -> None:
    match batch:
        case SubtreeBatch():
            _scan_subtrees(budget, batch, result)
        case FileBatch():
            _scan_files(batch, result)
        case BigFile():
            _hash_big_file(batch, result)
        case BatchGroup():
            left = list(reversed(batch.batches))
            while left and budget.is_left(result):
                together = _taken(left, at_once())
                _each_in_part(partial(_do, budget.share(result, len(together))), together, result)
            result.more.extend(BatchGroup(share) for share in _shares(left))


def _budget_files() -> int:
    """Return how many files take about a second, or less where each waits: other workers are idle until then."""
    count = at_once()
    return BATCH_FILES if count == 1 else min(BATCH_FILES, _FILES_PER_CALL * count)


def _scan_subtrees(budget: _Budget, batch: SubtreeBatch, result: ScanResult) -> None:
    pending = list(reversed(batch.subtrees))
    while pending and budget.is_left(result):
        together = _taken(pending, _at_a_time(budget, result))
        below = _each_in_part(partial(_scan_if_readable, batch.options), together, result)
        pending.extend(reversed([*chain.from_iterable(below)]))
    result.more.extend(SubtreeBatch(batch.options, share) for share in _shares(pending))


def _at_a_time(budget: _Budget, result: ScanResult) -> int:
    """Return how many folders are scanned at once: as many as fill the budget, if they are like those before them."""
    count = at_once()
    if result.file_count < count:  # the upper levels have few files
        return max(1, min(count, _FIRST_FOLDERS, budget.file_count // _FILES_PER_CALL))
    return max(1, min(count, budget.file_count * len(result.blobs) // result.file_count))


def _taken(pending: list[Item], count: int) -> list[Item]:
    """Take from the end of the list what is done next."""
    return [pending.pop() for _ in range(min(count, len(pending)))]


def _shares(pending: list[Item]) -> Iterator[tuple[Item, ...]]:
    """Yield what is left, from the end of the list on, in a few shares for other workers."""
    left = pending[::-1]
    size = max(1, -(-len(left) // _SHARES))
    return (tuple(left[start : start + size]) for start in range(0, len(left), size))


def _each_in_part(work: Callable[[Item, ScanResult], Done], items: list[Item], result: ScanResult) -> list[Done]:
    """Do the work on each item, several with a part of the result each, so that they can be done at once."""
    if len(items) == 1:
        return [work(items[0], result)]
    parts = [ScanResult() for _ in items]
    done = each(lambda index: work(items[index], parts[index]), range(len(items)))
    for part in parts:
        result.add(part)
    return done


def _scan_if_readable(options: ScanOptions, subtree: Subtree, result: ScanResult) -> list[Subtree]:
    try:
        return _scan_folder(options, subtree, result)
    except OSError as error:
        result.problems.append(unreadable(os.path.join(options.root, subtree.source), error))
        return []


def _scan_folder(options: ScanOptions, subtree: Subtree, result: ScanResult) -> list[Subtree]:
    """Scan the files of one folder, add its record to the result, and return its subfolders, sorted."""
    known = known_folder(options, subtree)
    found = Columns(options, subtree.path, subtree.source, known, result)
    folders: list[Subtree] = []
    with opened_folder(os.path.join(options.root, subtree.source)) as fd:
        files, others = _sorted_out(options, subtree, fd, result)
        found.add_files([name for name, _ in files], [entry for _, entry in files], fd)
        for name, entry in others:
            source = join(subtree.source, name)
            if entry.is_symlink():
                folders.extend(_scan_link(found, subtree, name, result))
            elif entry.is_dir(follow_symlinks=False):
                path = join(subtree.path, name)
                below = records_within(subtree.known, path)
                folders.append(Subtree(source, path, link_count=subtree.link_count, known=below))
            else:
                result.problems.append(Problem(Code.SPECIAL_FILE, os.path.join(options.root, source)))
        # With the folder open: the state of an entry that is a symlink is read only now.
        entries = [*files, *others]
        names = {name for name, _ in entries} if _is_looking(options, subtree) else frozenset()
    if DESCRIPTION in names:
        _look(_look_into_table, options, subtree, result)
    if not OF_IMAGES.isdisjoint(names):
        _look(_look_into_image, options, subtree, result)
    found.finish([os.path.basename(folder.path) for folder in folders])
    return folders


def _look(
    into: "Callable[[ScanOptions, Subtree, ScanResult], TableNames]",
    options: ScanOptions,
    subtree: Subtree,
    result: ScanResult,
) -> None:
    """Add what a table or image needs, and what else is seen of it, whether or not an earlier plan saw it.

    One that cannot be read is a problem, which its hashing may have found too.
    """
    try:
        names = into(options, subtree, result)
    except OSError as error:
        path = os.fsencode(error.filename or os.path.join(options.root, subtree.source))
        problem = unreadable(path, error)
        result.problems.extend([] if problem in result.problems else [problem])
    else:
        result.references.extend(references(names, subtree.source, subtree.path, options.exclude))


def _look_into_table(options: ScanOptions, subtree: Subtree, result: ScanResult) -> TableNames:
    from qa2pack.manifest.scan.table_look import look_into_table  # of no use where there are no tables

    look = look_into_table(os.path.join(options.root, subtree.source))
    result.warnings.extend(look.faults)
    expected = options.measurement_sets
    # By where it goes: a part of a multi-MS may be a link, whose target lies elsewhere.
    if look.is_measurement_set and expected is not None and _whole_set(subtree.path) not in expected:
        path, found = os.path.join(options.root, _whole_set(subtree.source)), "a measurement set among other files"
        result.warnings.append(Problem(Code.W_TABLE_WHOLE, path, "--include or --exclude", found))
    return look.names


def _whole_set(path: bytes) -> bytes:
    """Return the folder of the multi-MS that a measurement set is a part of, or its own."""
    folder = os.path.dirname(path)
    return os.path.dirname(folder) if os.path.basename(folder) == _PARTS else path


def _look_into_image(options: ScanOptions, subtree: Subtree, _: ScanResult) -> TableNames:
    from qa2pack.manifest.casa.image_files import read_image_names  # nearly no reduction has such an image

    return read_image_names(os.path.join(options.root, subtree.source))


def _sorted_out(options: ScanOptions, subtree: Subtree, fd: int, result: ScanResult) -> "tuple[_Listing, _Listing]":
    """Return the entries of the open folder, sorted by name: the regular files, and all others."""
    files: _Listing = []
    others: _Listing = []
    excluded: list[tuple[bytes, str]] = []
    entries = listed(fd)
    foreign = matching([name for name, _ in entries], options.foreign)
    if not (foreign or subtree.omit or options.exclude):  # as most folders
        files = [listed for listed in entries if listed[1].is_file(follow_symlinks=False)]
        if len(files) < len(entries):
            others = [listed for listed in entries if not listed[1].is_file(follow_symlinks=False)]
        return files, others
    for name, entry in entries:
        if name in foreign:
            result.foreign.append((join(subtree.source, name), entry.is_dir(follow_symlinks=False)))
        elif name in subtree.omit:
            continue
        elif options.exclude and (glob := first_match(join(subtree.source, name), options.exclude)):
            excluded.append((name, glob))
        else:
            (files if entry.is_file(follow_symlinks=False) else others).append((name, entry))
    if excluded and options.is_hashing:
        result.problems.extend(_torn_table(options, subtree, excluded, {name for name, _ in (*files, *others)}))
    return files, others


def _torn_table(
    options: ScanOptions, subtree: Subtree, excluded: list[tuple[bytes, str]], staying: set[bytes]
) -> Iterator[Problem]:
    """Yield a problem for each file that globs take out of a table; its subtables are no such files."""
    names = {*staying, *subtree.omit, *(name for name, _ in excluded)}
    for name, glob in excluded:
        if DESCRIPTION in names and is_table_file(name):
            table = os.path.join(options.root, subtree.source)
            if is_file(join(table, name)):  # else a symlink to nothing, which the table does not have anyway
                yield torn_table(table, join(table, name), glob)


def _is_looking(options: ScanOptions, subtree: Subtree) -> bool:
    """Tell whether tables are looked into: those of an origin, unless casacore was asked about this one."""
    return options.is_hashing and options.follows_links and not subtree.is_looked_into


def _scan_link(found: Columns, subtree: Subtree, name: bytes, result: ScanResult) -> Iterable[Subtree]:
    """Add the file that a symlink leads to, or return the folder as a subtree."""
    options = found.options
    link = join(subtree.source, name)
    target = link_target(options, link)
    if isinstance(target, Problem):
        result.problems.append(target)
        return ()
    if not options.is_in_package(target) and is_folder(os.path.join(options.root, target)):
        return _linked_folder(options, subtree, name, target, result)
    found.add_linked(name, link, target)
    return ()


def _linked_folder(
    options: ScanOptions, subtree: Subtree, name: bytes, target: bytes, result: ScanResult
) -> Iterable[Subtree]:
    resolved = os.path.join(options.root, target)
    here = os.path.join(options.root, subtree.source)
    if is_within(here, resolved) or subtree.link_count >= _MAX_LINKED_FOLDERS:
        result.problems.append(
            Problem(Code.LINK_LOOP, os.path.join(options.root, subtree.source, name), found=os.fsdecode(resolved))
        )
        return ()
    return (Subtree(target, join(subtree.path, name), link_count=subtree.link_count + 1),)


def _scan_files(batch: FileBatch, result: ScanResult) -> None:
    options = batch.options
    known = known_digests(options.known).folder(batch.path) if options.known else None
    if batch.known:
        known = KnownFolder(batch.known)
    found = Columns(options, batch.path, b"", known, result)
    found.add_from_elsewhere(batch.names, batch.sources)
    found.finish(())


def _hash_big_file(big: BigFile, result: ScanResult) -> None:
    path = os.path.join(big.root, big.source)
    try:
        folder, name = os.path.split(path)
        with opened_folder(folder) as fd, opened_file(name, dir_fd=fd) as file:
            digest = digest_of_fd(file, big.state.size)
            found = state_of(os.fstat(file))
    except OSError as error:
        result.problems.append(unreadable(path, error))
        return
    except FileGrewOrShrankError as error:
        result.problems.append(changed(path, error))
        return
    if found != big.state:
        result.problems.append(Problem(Code.ORIGIN_CHANGED, path, big.state, found))
    result.digests.append((big.path, big.name, digest))
    result.read_bytes += big.state.size
