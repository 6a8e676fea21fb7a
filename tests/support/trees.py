"""Makes trees on disk from listings, with sparse files, so that a reduction of hundreds of GB takes no room.

One path a line: `folder/`, `file<TAB>size in bytes` (the size may be missing: an empty file), `link -> target`.
"""

from collections.abc import Iterable
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def make_tree(root: Path, lines: Iterable[str]) -> Path:
    """Make what the lines list below root, and the folders that this needs; return root."""
    root.mkdir(parents=True, exist_ok=True)
    for line in lines:
        _make(root, line)
    return root


def _make(root: Path, line: str) -> None:
    link, is_link, target = line.partition(" -> ")
    name, _, size = line.partition("\t")
    path = root / (link if is_link else name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_link:
        path.symlink_to(target)
    elif name.endswith("/"):
        path.mkdir(exist_ok=True)
    else:
        with path.open("xb") as file:
            file.truncate(int(size or 0))


def make_project229(root: Path) -> Path:
    """Make the documented reduction of the project, both scheduling blocks."""
    return make_tree(root, (DATA / "project229.txt").read_text().splitlines())


def expected_of_project229(scheduling_block: str) -> list[tuple[str, str]]:
    """Return the sources, relative to the scheduling block, and destinations of all that is packaged."""
    pairs = (line.split("\t") for line in (DATA / "project229.expected.txt").read_text().splitlines())
    start = scheduling_block + "/"
    return [(source.removeprefix(start), path) for source, path in pairs if source.startswith(start)]
