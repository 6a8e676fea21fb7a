"""Tree view of a planned member, every file with its size; drawn like the tree in README.

A table is one line with the size and number of its files, unless the tree is unfolded.
The columns of a table are on the line below its name, because names of tables take half of 80 columns.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter

from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import is_within, path_in, shown
from qa2pack.pack.views.files import records_of

_TABLE_FILE = b"table.dat"  # casacore's mark of a table


def tree_lines(plan: Described, *, is_unfolded: bool = False) -> Iterator[str]:
    """Yield the lines, from the package's folder down; in each folder first files, then subfolders.

    Args:
        is_unfolded: the files of tables are shown, too.
    """
    header = plan.header
    *above, member = path_in(header.project, folder_of(header.member)).split(b"/")
    for depth, name in enumerate(above):
        yield _line(depth, "", shown(name) + "/")
    splits = {task.path: task for task in plan.notes.splits}
    for table, records in groupby(_with_tables(records_of(plan.stream), is_unfolded=is_unfolded), itemgetter(0)):
        each = map(itemgetter(1), records)
        if table:
            yield from _table_lines(table, each, len(above), splits.get(table))
        else:
            yield from chain.from_iterable(
                _folder_lines(record, member, len(above), splits.get(record.path)) for record in each
            )


def _with_tables(records: Iterable[FolderRecord], *, is_unfolded: bool) -> Iterator[tuple[bytes, FolderRecord]]:
    """Yield each record with the path of the table that it is in; empty outside tables, and if these are unfolded."""
    table = b""
    for record in records:
        if not (table and is_within(record.path, table)):
            table = record.path if _TABLE_FILE in record.names and not is_unfolded else b""
        yield table, record


def _table_lines(table: bytes, records: Iterable[FolderRecord], top: int, split: SplitTask | None) -> Iterator[str]:
    sizes = [size for record in records for size in record.sizes]
    name, depth = shown(table.rpartition(b"/")[2]), top + _depth(table)
    yield _line(depth, human_bytes(sum(sizes)), f"{name}/  {counted(len(sizes), 'file')}")
    if split:
        yield _below(depth + 1, "", _columns(split))


def _folder_lines(record: FolderRecord, member: bytes, top: int, split: SplitTask | None) -> Iterator[str]:
    name = record.path.rpartition(b"/")[2] or member
    depth = top + _depth(record.path)
    yield _line(depth, "", shown(name) + "/")
    if split:
        yield _below(depth + 1, "", _columns(split))
    for file, size in zip(record.names, record.sizes, strict=True):
        yield _line(depth + 1, human_bytes(size), shown(file))


def _depth(path: bytes) -> int:
    """Return how far a folder is below the member."""
    return path.count(b"/") + 1 if path else 0


def _columns(split: SplitTask) -> str:
    dropped = ", ".join(map(shown, split.spec.drop))
    return f"drops {dropped}" if dropped else f"keeps {shown(split.spec.keep)}"


def _line(depth: int, size: str, name: str) -> str:
    return _below(depth, size, f"|-- {name}")


def _below(depth: int, size: str, text: str) -> str:
    return f"{size:>10}  {'|   ' * depth}{text}"
