"""Execution blocks: the folders of the origin that are execution blocks, and their uids.

An execution block is directly in the folder of its scheduling block, or it is the origin itself. Deeper ones (mostly
old copies) are not packaged; they are found so that a warning can be given.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from qa2pack.manifest.alma.uid import uid_of
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.path import is_within, join


@dataclass(frozen=True, slots=True)
class Block:
    """An execution block.

    Attributes:
        path: of its folder, relative to the origin; empty for the origin itself.
        folder: the name of its folder.
        uids: never empty; the first is the most frequent one among the marking names.
    """

    path: bytes
    folder: bytes
    uids: tuple[bytes, ...]

    def owner_of(self, name: bytes) -> bytes:
        """Return the uid for a file of this block: the uid in its name if it is one of the block, else the first."""
        own = uid_of(name)
        return own if own in self.uids else self.uids[0]


def find_blocks(
    origin: Node, layout: Layout, *, origin_name: bytes, is_wanted: Callable[[bytes], bool]
) -> tuple[Block, ...]:
    """Return the execution blocks of an origin, sorted by path.

    They are the marked folders in it that are wanted; where there are none, the origin itself if it is marked.
    """
    marked = (_block(child, layout, child.name, child.name) for child in origin.children if is_wanted(child.name))
    blocks = tuple(block for block in marked if block)
    itself = None if blocks else _block(origin, layout, b"", origin_name)
    return (itself,) if itself else blocks


def nested_blocks(origin: Node, layout: Layout, blocks: tuple[Block, ...]) -> Iterator[bytes]:
    """Yield the paths of marked folders that are too deep to be taken as execution blocks."""
    known = {block.path for block in blocks}
    for path, node in _folders(origin, b""):
        is_deep = b"/" in path or b"" in known
        if is_deep and path not in known and _block(node, layout, path, node.name):
            yield path


def deeper_scheduling_blocks(
    origin: Node, layout: Layout, blocks: tuple[Block, ...]
) -> Mapping[bytes, tuple[Block, ...]]:
    """Return the folders below the origin that look like scheduling blocks of their own, with their execution blocks.

    Such a folder holds execution blocks, is not inside one, and none of its blocks is a copy of one of the origin.
    """
    if any(not block.path for block in blocks):
        return {}
    taken = {uid for block in blocks for uid in block.uids}
    places = tuple(block.path for block in blocks)
    found = defaultdict[bytes, list[Block]](list)
    for path, node in _folders(origin, b""):
        folder, _, name = path.rpartition(b"/")
        if not folder or any(is_within(path, place) for place in places):
            continue
        if block := _block(node, layout, path, name):
            found[folder].append(block)
    return {
        folder: tuple(inner)
        for folder, inner in found.items()
        if taken.isdisjoint(uid for block in inner for uid in block.uids)
    }


def _folders(node: Node, path: bytes) -> Iterator[tuple[bytes, Node]]:
    yield path, node
    for child in node.children:
        yield from _folders(child, join(path, child.name))


def _block(node: Node, layout: Layout, path: bytes, folder: bytes) -> Block | None:
    """Return the folder as a block, or None if it has no marking name."""
    marks = (uid_of(child.name) for child in node.children if matches(child.name, layout.block_marks))
    counts = Counter(uid for uid in marks if uid)
    uids = tuple(sorted(counts, key=lambda uid: (-counts[uid], uid)))
    return Block(path, folder, uids) if uids else None
