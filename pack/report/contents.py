"""Contents of a member for the report: tables with sizes, pictures and texts, from the manifest.

One pass over the records of a member; memory grows with the number of tables, not of files.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from qa2pack.manifest.actions import Action
from qa2pack.manifest.alma.package import README
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import SplitTask
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.layout.patterns import UID
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.role import Role, Shown

_TABLE_MARK = b"table.dat"
_UID = re.compile(UID.encode())
_PICTURE = re.compile(rb"\.(png|jpe?g|gif)", re.IGNORECASE)
_TEXT = re.compile(rb".*(\.txt|checklist)", re.IGNORECASE | re.DOTALL)
_MOST_CANDIDATES = 2000
NO_BLOCK = ""


@dataclass(slots=True)
class Table:
    """A CASA table with its subtables; path relative to the member."""

    path: bytes
    split: SplitTask | None
    file_count: int = 0
    byte_count: int = 0

    @property
    def role(self) -> str:
        """The role folder it is in."""
        return shown(self.path.partition(b"/")[0])

    @property
    def block(self) -> str:
        """The uid of its execution block; empty if its path has none."""
        match = _UID.search(self.path)
        return shown(match[0]) if match else NO_BLOCK


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that the page may show."""

    path: bytes
    size: int

    @property
    def role(self) -> str:
        """The role folder it is in."""
        return shown(self.path.partition(b"/")[0])


@dataclass(slots=True)
class Contents:
    """Tables, pictures and texts of a member.

    Attributes:
        roles: of the member.
        pictures, plots: pictures of the roles that show them, and all others.
        texts: README, texts beside the pictures, scripts; in this order.
        unlisted_pictures, unlisted_texts: number of those beyond the limit.
        placeholder_count: number of placeholders.
        products: the files of the roles that show them, placeholders too; without those of tables.
        unlisted_products: number of those beyond the limit.
    """

    roles: Sequence[Role] = ()
    tables: list[Table] = field(default_factory=list)
    pictures: list[Candidate] = field(default_factory=list)
    plots: list[Candidate] = field(default_factory=list)
    texts: list[Candidate] = field(default_factory=list)
    scripts: list[Candidate] = field(default_factory=list)
    unlisted_pictures: int = 0
    unlisted_texts: int = 0
    placeholder_count: int = 0
    products: list[Candidate] = field(default_factory=list)
    unlisted_products: int = 0

    def blocks(self) -> Iterator[tuple[str, list[Table]]]:
        """Yield each execution block with its tables; tables without a block come last."""
        names = sorted({table.block for table in self.tables}, key=lambda name: (name == NO_BLOCK, name))
        for name in names:
            yield name, sorted((table for table in self.tables if table.block == name), key=self._place)

    def _place(self, table: Table) -> tuple[int, bytes]:
        """Return the key that sorts tables in the order of the roles."""
        order = [role.name for role in self.roles]
        return (order.index(table.role) if table.role in order else len(order), table.path)

    def shows(self, folder: bytes, shown: Shown) -> bool:
        """Return whether this is shown of a role's folder."""
        return any(role.folder == folder and shown in role.shown for role in self.roles)


def read_contents(
    records: Iterable[FolderRecord], splits: Iterable[SplitTask], roles: Sequence[Role] = ()
) -> Contents:
    """Return the contents from the records, which must be in order."""
    tasks = {task.path: task for task in splits}
    contents = Contents(roles)
    for record in records:
        contents.placeholder_count += record.actions.count(Action.DUMMY)
        table = _table_of(record, contents, tasks)
        if table is not None:
            table.file_count += len(record.names)
            table.byte_count += sum(record.sizes)
        else:
            _add_candidates(record, contents)
    return contents


def _table_of(record: FolderRecord, contents: Contents, tasks: dict[bytes, SplitTask]) -> Table | None:
    """Return the outermost table that the folder belongs to, adding it if it is new."""
    last = contents.tables[-1] if contents.tables else None
    if last is not None and record.path.startswith(last.path + b"/"):
        return last
    if _TABLE_MARK not in record.names or not record.path:
        return None
    table = Table(record.path, tasks.get(record.path))
    contents.tables.append(table)
    return table


def _add_candidates(record: FolderRecord, contents: Contents) -> None:
    role = record.path.partition(b"/")[0]
    has_products, has_scripts = contents.shows(role, Shown.PRODUCTS), contents.shows(role, Shown.SCRIPTS)
    has_pictures = contents.shows(role, Shown.PICTURES)
    for index, name in enumerate(record.names):
        if has_products:
            contents.unlisted_products += _added(
                Candidate(join(record.path, name), record.sizes[index]), contents.products
            )
        if record.actions[index] == Action.DUMMY:
            continue
        candidate = Candidate(join(record.path, name), record.sizes[index])
        if _PICTURE.fullmatch(name[name.rfind(b".") :] if b"." in name else b""):
            kind = contents.pictures if has_pictures else contents.plots
            contents.unlisted_pictures += _added(candidate, kind)
        elif not record.path and name == README:
            contents.texts.insert(0, candidate)
        elif has_pictures and _TEXT.fullmatch(name):
            contents.unlisted_texts += _added(candidate, contents.texts)
        elif has_scripts:
            contents.unlisted_texts += _added(candidate, contents.scripts)


def _added(candidate: Candidate, candidates: list[Candidate]) -> int:
    """Add the candidate and return 0, or return 1 if the limit is reached."""
    if len(candidates) >= _MOST_CANDIDATES:
        return 1
    candidates.append(candidate)
    return 0
