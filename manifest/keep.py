"""Replacing without copying again: files of the old member that are the same in the new one are linked over."""

from dataclasses import replace

from manifest.record import NO_DIGEST, Action, FolderRecord

# Only what is a file of its own in the package: a hard link to the origin would make the new copy one, too.
_OWN_FILES = frozenset((Action.COPY, Action.KEEP))


def with_kept(old: FolderRecord | None, new: FolderRecord) -> FolderRecord:
    """Return the new record with KEEP for every copy that the old folder has with the same name, size and digest."""
    if old is None:
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
        and old.sizes[place] == new.sizes[index]
        and old.mtimes[place] == new.mtimes[index]
        and old.digest(place) == new.digest(index) != NO_DIGEST
    )
