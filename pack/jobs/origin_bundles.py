"""Bundles in a repair: which can be written again from the files of the origin, and files out of bundles of it."""

import os
import stat
from collections.abc import Collection, Iterator

from qa2pack.manifest.bundle.read import BundleError, read_bundle_file
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask, OpenedBundle
from qa2pack.manifest.format.inside import inside_of
from qa2pack.manifest.format.record import NO_DIGEST, Entry
from qa2pack.manifest.fs.digest import FileGrewOrShrankError, digest_of_fd
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.fs.safe_open import opened_file
from qa2pack.manifest.path import is_within
from qa2pack.manifest.scan.origin_bundle import form_of_bundle, inner_path
from qa2pack.manifest.table_lock import is_table_lock
from qa2pack.pack.jobs.fetched import Fetched


def bundles_to_write(manifest: Described, missing: Collection[bytes]) -> list[BundleTask]:
    """Return those of the missing files that are bundles of which the origin still has every file; these are read."""
    tasks = [task for task in manifest.notes.bundles if task.path in missing and not task.is_placeholder]
    return [task for task in tasks if _has_all(manifest.header.origin, task)]


def _has_all(origin: bytes, task: BundleTask) -> bool:
    """Return whether the files of a bundle have their content; no digest tells that of a `table.lock`."""
    return all(
        is_table_lock(inside.path) or _has_content(origin, next(inside.record.selected([inside.index]).entries()))
        for inside in inside_of(task)
        if inside.index is not None
    )


def _has_content(origin: bytes, entry: Entry) -> bool:
    try:
        with opened_file(os.path.join(origin, entry.source)) as fd:
            is_file = stat.S_ISREG(os.fstat(fd).st_mode)
            return is_file and entry.digest != NO_DIGEST and digest_of_fd(fd, entry.size) == entry.digest
    except (OSError, FileGrewOrShrankError):
        return False


def take_out(manifest: Described, missing: Collection[Entry], folder: Fetched) -> Iterator[tuple[bytes, bytes]]:
    """Write those of the missing files that were taken out of bundles of the origin, as these have them now.

    Yields the path of each, and that of the bundle. Whoever takes them compares the content.

    Raises:
        OSError: the folder cannot be written.
    """
    for bundle in manifest.notes.opened:
        start = len(bundle.source) + 1
        wanted = {entry.source[start:] for entry in missing if is_within(entry.source, bundle.source)}
        if wanted:
            path = os.path.join(manifest.header.origin, bundle.source)
            yield from ((file, path) for file in _taken_out(path, bundle, wanted, folder))


def _taken_out(path: bytes, bundle: OpenedBundle, wanted: Collection[bytes], folder: Fetched) -> Iterator[bytes]:
    try:
        opened = opened_file(real_path(path))
    except OSError:
        return  # it is gone: nothing can be had
    with opened as fd:
        try:
            for entry, blocks in read_bundle_file(fd, form_of_bundle(bundle.source)):
                if not entry.is_folder and inner_path(entry, bundle.source) in wanted:
                    yield folder.file_of_blocks(blocks)
        except BundleError:
            return  # what was before the damage can be had
