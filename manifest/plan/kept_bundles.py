"""Kept bundles: those of the replaced member that would be written with the same content, and need not be."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.bundle.entry import kept_mode, kept_seconds
from qa2pack.manifest.bundle.form import Form, form_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask, EarlierBundle, Header
from qa2pack.manifest.format.inside import inside_of
from qa2pack.manifest.format.record import NO_DIGEST
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.table_lock import is_table_lock


def with_earlier(tasks: Sequence[BundleTask], header: Header, destination: Destination) -> tuple[BundleTask, ...]:
    """Return the tasks, each that the replaced member has done already with the bundle that it made.

    Raises:
        StreamError: the manifest of the old member is damaged.
    """
    path = destination.state.manifests.get(header.member)
    if path is None or header.member not in destination.going:
        return tuple(tasks)
    old = destination.opened.manifest(path)
    before = {task.path: task for task in old.notes.bundles}
    is_of_level = old.header.compression == header.compression
    return tuple(
        replace(task, earlier=_made(task, old))
        if task.path in before
        and (is_of_level or form_of(task.path) is Form.TAR)
        and have_same_content(before[task.path], task)
        else task
        for task in tasks
    )


def have_same_content(old: BundleTask, new: BundleTask) -> bool:
    """Return whether two bundles surely hold the same, as far as records tell: of a `table.lock` not the rows.

    The time of a lock is not content, since every program that opens the table sets it; nor is that of a folder,
    which is the newest time in the bundle.
    """
    facts = list(_facts(new))
    return None not in facts and list(_facts(old)) == facts and not new.is_placeholder


def _facts(task: BundleTask) -> Iterator[tuple[object, ...] | None]:
    """Yield what is known of each entry, None where its content is not known."""
    for inside in inside_of(task):
        entry = inside.entry
        if inside.index is None:
            yield (entry.path,)
        elif is_table_lock(inside.path):
            yield entry.path, entry.size, kept_mode(entry)
        elif (digest := inside.record.digest(inside.index)) == NO_DIGEST:
            yield None
        else:
            yield entry.path, entry.size, kept_mode(entry), kept_seconds(entry), digest


def _made(task: BundleTask, old: Described) -> EarlierBundle | None:
    """Return the bundle as the manifest has it; None where the old member has a placeholder."""
    folder, _, name = task.path.rpartition(b"/")
    blob = old.stream.find(folder)
    record = decode_record(blob) if blob else None
    if record is None or name not in record.names:
        return None
    index = record.names.index(name)
    if record.actions[index] != Action.BUNDLE:
        return None
    return EarlierBundle(record.sizes[index], record.mtimes[index], record.digest(index))
