"""Tree view of a planned member, every file with its size; drawn like the tree in README.

Notes on a table are on the line below its name, because names of tables take half of 80 columns.
"""

from collections.abc import Iterator

from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.path import shown
from qa2pack.pack.views.files import records_of

_MEMBER_DEPTH = 3  # below the package, its one science goal and the group


def tree_lines(plan: Described) -> Iterator[str]:
    """Yield the lines, from the package's folder down; in each folder first files, then subfolders."""
    header = plan.header
    for depth, name in enumerate((header.project, SCIENCE_GOAL, header.group)):
        yield _line(depth, "", shown(name) + "/")
    splits = {task.path: task for task in plan.notes.splits}
    for record in records_of(plan.stream):
        yield from _folder_lines(record, header.member, splits.get(record.path))


def _folder_lines(record: FolderRecord, member: bytes, split: SplitTask | None) -> Iterator[str]:
    name = record.path.rpartition(b"/")[2] or member
    depth = _MEMBER_DEPTH + (record.path.count(b"/") + 1 if record.path else 0)
    yield _line(depth, "", shown(name) + "/")
    if split:
        yield _below(depth + 1, "", _columns(split))
    for file, size in zip(record.names, record.sizes, strict=True):
        yield _line(depth + 1, human_bytes(size), shown(file))


def _columns(split: SplitTask) -> str:
    dropped = ", ".join(map(shown, split.spec.drop))
    return f"drops {dropped}" if dropped else f"keeps {shown(split.spec.keep)}"


def _line(depth: int, size: str, name: str) -> str:
    return _below(depth, size, f"|-- {name}")


def _below(depth: int, size: str, text: str) -> str:
    return f"{size:>10}  {'|   ' * depth}{text}"
