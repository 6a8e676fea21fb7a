"""Reuse of copies: unchanged copies of the replaced member are hard-linked into the new one."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

from qa2pack.manifest.actions import Action
from qa2pack.manifest.diff import Kind, count_changes, paired_folders
from qa2pack.manifest.file_state import WRITTEN
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.header import BundleTask, Difference, Header
from qa2pack.manifest.format.inside import without_bundles
from qa2pack.manifest.format.record import NO_DIGEST, FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.spool import RecordSpool
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.destination import Destination
from qa2pack.manifest.plan.written import header_text_of
from qa2pack.manifest.problem import Refused
from qa2pack.manifest.scan.gathered import Gathered

# Only real copies: if the old file is a hard link to the origin, the new one would be one too.
_OWN_FILES = frozenset((Action.COPY, Action.KEEP))


def with_kept(old: FolderRecord | None, new: FolderRecord) -> FolderRecord:
    """Return the new record with KEEP for every copy that is unchanged in the old folder."""
    if old is None or Action.COPY not in new.actions:
        return new
    positions = {name: index for index, name in enumerate(old.names)}
    actions = bytearray(new.actions)
    for index, name in enumerate(new.names):
        place = positions.get(name)
        if actions[index] == Action.COPY and place is not None and _is_kept(old, place, new, index):
            actions[index] = Action.KEEP
    return replace(new, actions=bytes(actions))


def _is_kept(old: FolderRecord, place: int, new: FolderRecord, index: int) -> bool:
    return (
        old.actions[place] in _OWN_FILES
        and old.untouched(place)[WRITTEN] == new.untouched(index)[WRITTEN]
        and old.modes[place] == new.modes[index]
        and old.digest(place) == new.digest(index) != NO_DIGEST
    )


def compare_with_old(
    header: Header, destination: Destination, gathered: Gathered, bundles: Sequence[BundleTask], *, may_keep: bool
) -> Difference | None:
    """Compare with the replaced member, and mark the copies that it already has as KEEP.

    Args:
        bundles: of the plan.
        may_keep: False marks none: the old copies are not trusted, and all files are copied again.

    Returns:
        Counts of added, removed, changed and unchanged files; None if no member with a manifest is replaced.

    Raises:
        Refused: the manifest of the old member is damaged.
    """
    path = destination.state.manifests.get(header.member)
    if path is None or header.member not in destination.going:
        return None
    counts = dict.fromkeys(Kind, 0)
    try:
        old = destination.opened.manifest(path)
    except StreamError as error:
        raise Refused(unusable_manifest(error, path)) from error
    files = [decode_record(blob) for task in bundles for blob in task.records]
    old_files = [decode_record(blob) for task in old.notes.bundles for blob in task.records]
    for before, after in paired_folders(old_files, files):  # of bundles what is in them is compared
        count_changes(before, after, counts)
    in_bundles = frozenset(task.path for task in (*bundles, *old.notes.bundles))
    kept = kept_bytes = 0
    spool = RecordSpool()
    new_records = (decode_record(blob) for _, blob in gathered.spool.sorted_blobs())
    for before, after in paired_folders(map(decode_record, old.stream.blobs()), new_records):
        count_changes(_loose(before, in_bundles), _loose(after, in_bundles), counts)
        if may_keep and after is not None:
            marked = with_kept(before, after)
            kept += marked.actions.count(Action.KEEP)
            kept_bytes += sum(s for s, a in zip(marked.sizes, marked.actions, strict=True) if a == Action.KEEP)
            for name in (n for n, a in zip(marked.names, marked.actions, strict=True) if a == Action.KEEP):
                gathered.holes.pop(join(marked.path, name), None)  # its whole size is subtracted
            spool.add(marked.path, encode_record(marked))
    if _only_lists_are_new(old.header, header, counts):
        counts[Kind.UNCHANGED] += counts[Kind.CHANGED]
        counts[Kind.CHANGED] = 0
    replaced, gathered.spool = (gathered.spool, spool) if may_keep else (spool, gathered.spool)
    replaced.close()
    return Difference(
        added=counts[Kind.ADDED],
        removed=counts[Kind.REMOVED],
        changed=counts[Kind.CHANGED],
        unchanged=counts[Kind.UNCHANGED],
        kept=kept,
        kept_bytes=kept_bytes,
    )


def _loose(record: FolderRecord | None, bundles: Container[bytes]) -> FolderRecord | None:
    return without_bundles(record, bundles) if record and bundles else record


def _only_lists_are_new(old: Header, new: Header, counts: Mapping[Kind, int]) -> bool:
    """Return whether nothing differs but the files that list all others: they will be the same.

    They have no digest yet, so they count as changed each time.
    """
    others = counts[Kind.ADDED] + counts[Kind.REMOVED] + counts[Kind.CHANGED] - len(new.late)
    return bool(new.late) and not others and _facts(old) == _facts(new)


def _facts(header: Header) -> tuple[object, ...]:
    """Return what lists are made of, apart from the files."""
    return header.project, header.member, header.readme, header.roles, header.written, header_text_of(header)
