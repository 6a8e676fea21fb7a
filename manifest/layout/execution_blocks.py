"""Which folders of the origin are execution blocks, and what their uids are.

An execution block lies directly in the folder of its scheduling block, or is the origin itself. Deeper ones
(old copies, mostly) are not packaged; they are found so that a person can be told.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qa2pack.manifest.alma.uid import uid_of
from qa2pack.manifest.layout.globs import matches
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.path import join


@dataclass(frozen=True, slots=True)
class Block:
    """An execution block.

    Attributes:
        path: of its folder, relative to the origin; empty for the origin itself.
        folder: the name of its folder.
        uids: never empty; the first is the one that most of the marking names carry.
    """

    path: bytes
    folder: bytes
    uids: tuple[bytes, ...]

    def owner_of(self, name: bytes) -> bytes:
        """Return the uid under which something of this block is filed: its own if that is the block's."""
        own = uid_of(name)
        return own if own in self.uids else self.uids[0]


def find_blocks(
    origin: Node, layout: Layout, *, origin_name: bytes, is_wanted: Callable[[bytes], bool]
) -> tuple[Block, ...]:
    """Return the execution blocks of an origin, sorted by path.

    They are the wanted marked folders in it; only where there are none, the origin itself.
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


def _folders(node: Node, path: bytes) -> Iterator[tuple[bytes, Node]]:
    yield path, node
    for child in node.children:
        yield from _folders(child, join(path, child.name))


def _block(node: Node, layout: Layout, path: bytes, folder: bytes) -> Block | None:
    """Return the folder as a block, or None if nothing in it marks one."""
    marks = (uid_of(child.name) for child in node.children if matches(child.name, layout.block_marks))
    counts = Counter(uid for uid in marks if uid)
    uids = tuple(sorted(counts, key=lambda uid: (-counts[uid], uid)))
    return Block(path, folder, uids) if uids else None
