"""Make batches: one batch per tree, and one per some files of the same destination folder."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from qa2pack.manifest.actions import Action, Mode, action_for
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.item import Item
from qa2pack.manifest.scan.batches import FileBatch, ScanBatch, ScanOptions, Subtree, SubtreeBatch

_FILES_PER_BATCH = 2000


@dataclass(frozen=True, slots=True)
class _Group:
    action: Action
    folder: bytes


def scan_batches(
    items: Iterable[Item],
    options: ScanOptions,
    mode: Mode,
    in_tickets: Container[bytes],
    omit: Mapping[bytes, frozenset[bytes]],
    *,
    looked_into: Container[bytes] = (),
) -> Iterator[ScanBatch]:
    """Yield one batch per tree, and one per at most `_FILES_PER_BATCH` files of the same folder and action.

    Args:
        options: the action in it is replaced by the one of the mode; files that become placeholders are not read.
        in_tickets: the folders of the member whose files go into the ticket files.
        omit: by destination of a tree, the names in its first folder that are left out.
        looked_into: sources of the tables of which is known what they need.
    """
    files: dict[_Group, list[Item]] = {}
    for item in items:
        action = action_for(mode, in_tickets=item.folder in in_tickets)
        if item.is_tree:
            tree = Subtree(
                item.source,
                item.path,
                omit.get(item.path, frozenset()),
                is_looked_into=item.source in looked_into,
            )
            yield SubtreeBatch(_with_action(options, action), (tree,))
        else:
            files.setdefault(_Group(action, item.path.rpartition(b"/")[0]), []).append(item)
    for group, members in files.items():
        members.sort(key=lambda item: item.path)
        for start in range(0, len(members), _FILES_PER_BATCH):
            part = members[start : start + _FILES_PER_BATCH]
            names = tuple(item.path.rpartition(b"/")[2] for item in part)
            sources = tuple(item.source for item in part)
            yield FileBatch(_with_action(options, group.action), group.folder, names, sources)


def _with_action(options: ScanOptions, action: Action) -> ScanOptions:
    return replace(options, action=action, is_hashing=options.is_hashing and action is not Action.DUMMY)
