"""Extract stage: takes files out of a bundle of the origin, which is read once, and compares them with the plan.

Nothing is written but at the paths of the plan, whatever the bundle says. A file gets its planned mtime last, so one
in staging with the planned size and mtime is complete, and stays.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

import xxhash

from qa2pack.executor.io.file_object import created_file
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.stage.context import StagingContext
from qa2pack.executor.stage.planned_source import SourceChangedError, as_change, denied_source
from qa2pack.manifest.actions import Action
from qa2pack.manifest.bundle.read import BundleError, read_bundle_file
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.header import OpenedBundle
from qa2pack.manifest.format.record import Entry
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.fs.digest import digest_of_rest
from qa2pack.manifest.fs.presence import status_of
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.quantity import Digest, Size, Time
from qa2pack.manifest.scan.origin_bundle import form_of_bundle, inner_path, opened_bundle


@dataclass(frozen=True, slots=True)
class ExtractBatch:
    """A bundle of the origin, and encoded records of the files that are taken out of it."""

    context: StagingContext
    bundle: OpenedBundle
    records: tuple[bytes, ...]


@dataclass(slots=True)
class ExtractResult:
    """What is in staging; or problems of the bundle, whose paths are absolute."""

    problems: list[Problem] = field(default_factory=list)
    file_count: int = 0
    byte_count: int = 0


def extracted_by_bundle(bundles: Sequence[OpenedBundle], blobs: Iterable[bytes]) -> dict[OpenedBundle, list[bytes]]:
    """Return by bundle the encoded records of the files that a plan takes out of it."""
    found: defaultdict[OpenedBundle, list[bytes]] = defaultdict(list)
    for record in map(decode_record, blobs if bundles else ()):
        for bundle in bundles if Action.EXTRACT in record.actions else ():
            indexes = [
                index
                for index, action in enumerate(record.actions)
                if action == Action.EXTRACT and is_within(record.source_path(index), bundle.source)
            ]
            if indexes:
                found[bundle].append(encode_record(record.selected(indexes)))
    return dict(found)


def extract_batch(batch: ExtractBatch) -> ExtractResult:
    """Write the files of a batch into staging, where some may be already.

    Raises:
        OSError: writing to staging fails, or a disk fails to read.
    """
    result = ExtractResult()
    entries = [entry for blob in batch.records for entry in decode_record(blob).entries()]
    start = len(batch.bundle.source) + 1
    missing = {entry.source[start:]: entry for entry in entries if not _is_staged(batch.context, entry)}
    path = os.path.join(batch.context.origin, batch.bundle.source)
    try:
        if missing:
            _extract(batch.context, batch.bundle, missing)
    except SourceChangedError as error:
        result.problems.append(Problem(Code.ORIGIN_CHANGED, path, error.expected, error.found))
    except PermissionError as error:
        raise denied_source(error, path) from error
    else:
        result.file_count, result.byte_count = len(entries), sum(entry.size for entry in entries)
    return result


def _is_staged(context: StagingContext, entry: Entry) -> bool:
    path = join(context.member, entry.path)
    status = status_of(path)
    if status is None or not stat.S_ISREG(status.st_mode) or state_of(status).written != entry.state.written:
        return False
    if context.is_trusting:
        return True
    with opened_file(path) as fd:
        return digest_of_rest(fd) == entry.digest


def _extract(context: StagingContext, bundle: OpenedBundle, missing: Mapping[bytes, Entry]) -> None:
    """Write these files, by their path in the bundle.

    Raises:
        SourceChangedError: the bundle is not as planned.
    """
    left = dict(missing)
    try:
        opened = opened_bundle(context.origin, bundle.source, context.package)
    except OSError as error:
        raise as_change("the file", error) from error
    with opened as fd:
        _check_state(bundle, os.fstat(fd))
        try:
            for entry, blocks in read_bundle_file(fd, form_of_bundle(bundle.source)):
                planned = None if entry.is_folder else left.pop(inner_path(entry, bundle.source), None)
                if planned is not None:
                    _write(context, planned, blocks)
                if not left:
                    break
        except BundleError as error:
            raise SourceChangedError("a bundle that can be read", str(error)) from error
        _check_state(bundle, os.fstat(fd))
    for name in left:
        raise SourceChangedError(f"{shown(name)} in it", "none")


def _check_state(bundle: OpenedBundle, status: os.stat_result) -> None:
    """Raise SourceChangedError if size or mtime is not as planned; of the files the content tells."""
    if status.st_size != bundle.size:
        raise SourceChangedError(Size(bundle.size), Size(status.st_size))
    if status.st_mtime_ns != bundle.mtime_ns:
        raise SourceChangedError(Time(bundle.mtime_ns), Time(status.st_mtime_ns))


def _write(context: StagingContext, planned: Entry, blocks: Iterator[bytes]) -> None:
    disk, target = context.disk, join(context.member, planned.path)
    remove_tree(disk, target)  # what an earlier run left unfinished
    state = xxhash.xxh3_128()
    with created_file(disk, target) as file:
        for block in blocks:
            state.update(block)
            file.write(block)
        file.flush()  # a write after it would change the time
        # With its time, a wrong file would count as right after a stop before it is removed.
        if state.digest() == planned.digest:
            disk.set_mode(file.fileno(), planned.mode)
            disk.set_times(file.fileno(), planned.state.mtime_ns)
            return
    disk.unlink(target)
    raise SourceChangedError(Digest(planned.digest.hex(), "digest"), Digest(state.hexdigest(), "digest"))
