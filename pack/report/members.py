"""Section of the report page about one member: facts, sizes, tables, pictures, texts, left-out files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from qa2pack.manifest.alma.member_ids import is_of_cycle0, member_words
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import unusable_manifest
from qa2pack.manifest.format.header import Header, LeftOut, Notes, Total
from qa2pack.manifest.humanize import local_time
from qa2pack.manifest.layout.roles import roles_of
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.jobs.members import Member
from qa2pack.pack.report.bundles import Bundle, Room, bundles_of
from qa2pack.pack.report.contents import Contents, Table, read_contents
from qa2pack.pack.report.embed import Budget, Picture, Text, embed_pictures, embed_texts
from qa2pack.pack.views.files import records_of
from qa2pack.pack.views.totals import NOT_IN_FOLDERS, named_totals

_MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a bar; `share` is its length in percent of the largest."""

    name: str
    file_count: int
    byte_count: int
    share: float
    role: str = ""
    kept: str = ""
    dropped: str = ""
    saved_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """An execution block with its tables; the name is empty for tables without a block."""

    name: str
    byte_count: int
    tables: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Paths with a common title; `more` of them are not listed."""

    title: str
    paths: tuple[str, ...]
    more: int

    @property
    def count(self) -> int:
        """Number of all paths."""
        return len(self.paths) + self.more

    def first(self, most: int) -> "Group":
        """Return the group with at most so many paths listed."""
        return replace(self, paths=self.paths[:most], more=self.more + len(self.paths[most:]))


@dataclass(frozen=True, slots=True)
class Further:
    """A link to a page of pictures or texts for which the page of their member has no room."""

    href: str
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    """The section of one member; only name and fault if its manifest cannot be used.

    Attributes:
        has_roles: its layout has roles; of one without them, the sizes are those of folders.
        unlisted_roles, unlisted_tables, ...: how many more there are.
        pictures: those that are shown.
        unseen: pictures that are not shown.
        more_pictures, more_texts: where those are that are not on the page itself.
        picture_files: pictures that are too large for any page, with their paths as titles.
    """

    name: str
    fault: str = ""
    signature: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    file_count: int = 0
    byte_count: int = 0
    has_roles: bool = True
    roles: tuple[Row, ...] = ()
    unlisted_roles: int = 0
    blocks: tuple[Block, ...] = ()
    unlisted_tables: int = 0
    pictures: tuple[Picture, ...] = ()
    more_pictures: tuple[Further, ...] = ()
    picture_files: tuple[Further, ...] = ()
    unseen: tuple[Picture, ...] = ()
    unlisted_pictures: int = 0
    texts: tuple[Text, ...] = ()
    more_texts: tuple[Further, ...] = ()
    unlisted_texts: int = 0
    products: tuple[Row, ...] = ()
    unlisted_products: int = 0
    placeholder_count: int = 0
    bundles: tuple[Bundle, ...] = ()
    unlisted_bundles: int = 0
    left_out: tuple[Group, ...] = ()
    warnings: tuple[Group, ...] = ()


def member_part(
    package: Package, member: Member, problems: Iterable[Problem], signature: str, *, budget: Budget, room: Room
) -> Part:
    """Return the section of a member.

    Args:
        problems: what of the member is not as packaged.
        signature: who signed it in words; empty where nothing is said of that.
        budget, room: what is left for pictures, texts and files in bundles; what it takes is subtracted.
    """
    manifest = member.manifest
    if manifest is None:
        fault = problem_line(unusable_manifest(member.fault)) if member.fault else "it has no manifest"
        return Part(member_words(member.path), fault)
    header, notes = manifest.header, manifest.notes
    contents = read_contents(records_of(manifest.stream), notes.splits, roles_of(header))
    folder = package.member(member.path)
    pictures = embed_pictures(folder, (*contents.pictures, *contents.plots), budget)
    roles, unlisted_roles = _roles(notes, header)
    return Part(
        name=member_words(member.path),
        signature=signature,
        facts=(*_facts(header), *((("signature", signature),) if signature else ())),
        file_count=notes.file_count,
        byte_count=notes.byte_count,
        has_roles=bool(roles_of(header)),
        roles=roles,
        unlisted_roles=unlisted_roles,
        blocks=tuple(_blocks(contents)),
        pictures=tuple(picture for picture in pictures if picture.uri),
        unseen=tuple(picture for picture in pictures if not picture.uri),
        unlisted_pictures=contents.unlisted_pictures,
        texts=tuple(embed_texts(folder, (*contents.texts, *contents.scripts), budget)),
        unlisted_texts=contents.unlisted_texts,
        products=tuple(_products(contents)),
        unlisted_products=contents.unlisted_products,
        placeholder_count=contents.placeholder_count,
        bundles=tuple(bundles_of(manifest, frozenset(problem.path for problem in problems), room)),
        left_out=tuple(_left_out(notes.left_out)),
        warnings=tuple(_warnings(notes.warnings)),
    )


def trimmed(part: Part, most: int) -> Part:
    """Return the section with at most so many rows of each kind; all others are counted. Pictures and texts stay."""
    blocks = _first_blocks(part.blocks, most)
    return replace(
        part,
        blocks=blocks,
        unlisted_tables=_table_count(part.blocks) - _table_count(blocks),
        roles=part.roles[:most],
        unlisted_roles=part.unlisted_roles + len(part.roles[most:]),
        unseen=part.unseen[:most],
        unlisted_pictures=part.unlisted_pictures + len(part.unseen[most:]),
        products=part.products[:most],
        unlisted_products=part.unlisted_products + len(part.products[most:]),
        bundles=part.bundles[:most],
        unlisted_bundles=part.unlisted_bundles + len(part.bundles[most:]),
        left_out=first_groups(part.left_out, most),
        warnings=first_groups(part.warnings, most),
    )


def first_groups(groups: Sequence[Group], most: int) -> tuple[Group, ...]:
    """Return at most so many groups with at most so many paths each; the paths of all others are counted."""
    others = sum(group.count for group in groups[most:])
    return (*(group.first(most) for group in groups[:most]), *((Group("others", (), others),) if others else ()))


def _first_blocks(blocks: Iterable[Block], most: int) -> tuple[Block, ...]:
    kept = []
    for block in blocks:
        if most > 0:
            kept.append(replace(block, tables=block.tables[:most]))
        most -= len(block.tables)
    return tuple(kept)


def _table_count(blocks: Iterable[Block]) -> int:
    return sum(len(block.tables) for block in blocks)


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    if header.arrived_in:
        yield "received", local_time(header.scanned_ns)
        yield "in", str(header.arrived_in)
    elif header.is_adopted:
        yield "adopted", f"{local_time(header.scanned_ns)}; found as it is, not made by this program"
    if header.is_adopted:
        if header.layout:
            yield "layout", shown(header.layout)
        return
    if is_of_cycle0(header.member):
        yield "scheduling block", shown(os.path.basename(header.origin))
    yield "from", shown(header.origin)
    yield "planned", local_time(header.scanned_ns)
    yield "by", f"{shown(header.user)} on {shown(header.host)}"
    yield "mode", header.mode
    yield "layout", shown(header.layout)
    yield "program", shown(header.program)


def _roles(notes: Notes, header: Header) -> tuple[tuple[Row, ...], int]:
    """Return the rows, and how many more folders there are where the layout has no roles."""
    roles = [role.name for role in roles_of(header)]
    totals = {total.role: total for total in named_totals(notes.totals, header)}
    largest = max((total.byte_count for total in notes.totals), default=0)
    at_top = [name for name in NOT_IN_FOLDERS if name in totals]
    names = dict.fromkeys([*roles, *([] if roles else islice(totals, _MOST_ROWS)), *at_top])
    rows = []
    for name in names:
        total = totals.get(name, Total(name, 0, 0))
        share = _share(total.byte_count, largest)
        rows.append(Row(name, total.file_count, total.byte_count, share, role=name if name in roles else "readme"))
    return tuple(rows), 0 if roles else len(totals) - len(names)


def _blocks(contents: Contents) -> Iterator[Block]:
    largest = max((table.byte_count for table in contents.tables), default=0)
    for name, tables in contents.blocks():
        rows = tuple(_table(table, largest) for table in tables)
        yield Block(name, sum(row.byte_count for row in rows), rows)


def _table(table: Table, largest: int) -> Row:
    split = table.split
    return Row(
        name=shown(table.path),
        file_count=table.file_count,
        byte_count=table.byte_count,
        share=_share(table.byte_count, largest),
        role=table.role,
        kept=shown(split.spec.keep) if split else "",
        dropped=", ".join(map(shown, split.spec.drop)) if split else "",
        saved_bytes=split.saved_bytes if split else 0,
    )


def _products(contents: Contents) -> Iterator[Row]:
    largest = max((product.size for product in contents.products), default=0)
    for product in contents.products:
        share = _share(product.size, largest)
        yield Row(shown(product.path), 1, product.size, share, role=product.role)


def _share(size: int, largest: int) -> float:
    return round(100 * size / largest, 2) if largest else 0.0


def _left_out(left_out: Iterable[LeftOut]) -> Iterator[Group]:
    pairs = ((left.reason, shown(left.path) + ("/" if left.is_tree else "")) for left in left_out)
    yield from _grouped((shown(reason), path) for reason, path in pairs)


def _warnings(warnings: Iterable[Problem]) -> Iterator[Group]:
    yield from problem_groups(warnings)


def problem_groups(problems: Iterable[Problem]) -> Iterator[Group]:
    """Yield a group per code, titled with its explanation."""
    for group in _grouped((problem.code.value, problem_line(problem)) for problem in problems):
        yield Group(f"{group.title}: {_MEANINGS[group.title]}", group.paths, group.more)


def problem_line(problem: Problem) -> str:
    """Return path, expected and found value as text."""
    expected, found = problem.details
    parts = (("expected", expected), ("found", found))
    details = ", ".join(f"{word} {shown(text)}" for word, text in parts if text)
    return shown(problem.path) + (f": {details}" if details else "")


def _grouped(pairs: Iterable[tuple[str, str]]) -> Iterator[Group]:
    groups: dict[str, list[str]] = {}
    for title, path in pairs:
        groups.setdefault(title, []).append(path)
    for title, paths in groups.items():
        yield Group(title, tuple(paths[:_MOST_ROWS]), max(0, len(paths) - _MOST_ROWS))


_MEANINGS = {code.value: row.what for code, row in WORDS.items()}
