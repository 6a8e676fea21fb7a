"""What a plan or manifest says about itself: header and notes as values, apart from their wire form.

The header is written before the first folder is known, so it holds what was asked for and the state it relies on; the
notes come after the last folder and hold what the work brought to light.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from qa2pack.manifest.ids import Append
from qa2pack.manifest.item import LeftOut
from qa2pack.manifest.package import Standing
from qa2pack.manifest.path import check_name, check_relative, join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.request import Mode
from qa2pack.manifest.stream import Stream, StreamError
from qa2pack.manifest.table import SplitSpec


class StreamKind(StrEnum):
    """What a stream describes."""

    PLAN = "plan"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Header:
    """What was asked for, and what it relies on.

    Attributes:
        project, group, member: names of the folders.
        origin: absolute path that relative sources start from.
        scanned_ns: when the scan began, ns since the epoch.
        may_leave: sources outside the origin were allowed.
        base: members that the package held, each with the digest of its manifest (empty if it has none).
        readme: text of the member's README.
        is_adopted: the member was found on disk, not packaged by this program.
    """

    kind: StreamKind
    project: bytes
    group: bytes
    member: bytes
    mode: Mode
    append: Append
    origin: bytes
    scanned_ns: int
    layout: str
    may_leave: bool
    standing: Standing
    base: tuple[tuple[bytes, bytes], ...]
    readme: bytes
    host: str
    user: str
    program: str
    is_adopted: bool = False

    @property
    def member_path(self) -> bytes:
        """The member as `group/member`."""
        return join(self.group, self.member)


@dataclass(frozen=True, slots=True)
class Total:
    """Files and bytes of one role; README counts as the role `""`."""

    role: str
    file_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class SplitTask:
    """A measurement set that is packaged with one data column.

    Attributes:
        path: folder of the table, relative to the member.
        source: folder of the table at the origin, relative or absolute.
        before: encoded record of the files that are copied because the split rewrites or needs them, as scanned.
        saved_bytes: what the dropped files hold.
    """

    path: bytes
    source: bytes
    spec: SplitSpec
    before: bytes
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class Relink:
    """A link of the origin whose file gets another place in the package.

    Attributes:
        link: relative to the origin.
        old, new: what it leads to before and after, as written in the link.
    """

    link: bytes
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class TableNote:
    """What casacore said of a table, kept so that an unchanged one need not be opened again.

    Attributes:
        fingerprint: digest over names, sizes, mtimes and inodes of the files in the table's folder.
        columns: its data columns.
        spec: how it is split, None if it holds one data column.
    """

    source: bytes
    keep: str
    fingerprint: bytes
    columns: tuple[str, ...]
    spec: SplitSpec | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How many files of the old member and of the new one were added, removed, changed, or are the same.

    Attributes:
        kept, kept_bytes: of the unchanged, those that are linked over from the old member instead of being copied.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    kept_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Notes:
    """What the work brought to light.

    Attributes:
        new_files, new_bytes: what will be made, not linked or kept; without folders.
    """

    totals: tuple[Total, ...] = ()
    new_files: int = 0
    new_bytes: int = 0
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[Problem, ...] = ()
    splits: tuple[SplitTask, ...] = ()
    tables: tuple[TableNote, ...] = ()
    relinks: tuple[Relink, ...] = ()
    difference: Difference | None = None

    @property
    def file_count(self) -> int:
        """All files of the member."""
        return sum(total.file_count for total in self.totals)

    @property
    def byte_count(self) -> int:
        """All bytes of the member, real sizes in every mode."""
        return sum(total.byte_count for total in self.totals)


def header_to_wire(header: Header) -> dict[str, object]:
    """Return the header as msgpack takes it."""
    return asdict(header)


def notes_to_wire(notes: Notes) -> dict[str, object]:
    """Return the notes as msgpack takes them."""
    return asdict(notes)


def read_header(stream: Stream, kind: StreamKind) -> Header:
    """Return the header of a stream that must be of the kind.

    Raises:
        StreamError: it is of another kind, or a field is missing or unsafe.
    """
    try:
        wire: dict[str, Any] = dict(stream.header)
        header = Header(
            **{
                **{field.name: wire[field.name] for field in fields(Header)},
                "kind": StreamKind(wire["kind"]),
                "mode": Mode(wire["mode"]),
                "append": Append(wire["append"]),
                "standing": Standing(wire["standing"]),
                "base": tuple((member, digest) for member, digest in wire["base"]),
            }
        )
        for name in (header.project, header.group, header.member):
            check_name(name)
        for member, _ in header.base:
            check_relative(member)
    except (KeyError, TypeError, ValueError) as error:
        raise StreamError(stream.path, "has a header that does not make sense") from error
    if header.kind is not kind:
        raise StreamError(stream.path, f"is a {header.kind}, not a {kind}")
    return header


def read_notes(stream: Stream) -> Notes:
    """Return the notes of a stream.

    Raises:
        StreamError: a field is missing or unsafe.
    """
    wire: dict[str, Any] = stream.notes
    try:
        difference = wire["difference"]
        return Notes(
            totals=tuple(Total(**total) for total in wire["totals"]),
            new_files=wire["new_files"],
            new_bytes=wire["new_bytes"],
            left_out=tuple(LeftOut(**left) for left in wire["left_out"]),
            warnings=tuple(Problem(**{**warning, "code": Code(warning["code"])}) for warning in wire["warnings"]),
            splits=tuple(_read_split(split) for split in wire["splits"]),
            tables=tuple(_read_table_note(note) for note in wire["tables"]),
            relinks=tuple(_read_relink(relink) for relink in wire["relinks"]),
            difference=Difference(**difference) if difference else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StreamError(stream.path, "has notes that do not make sense") from error


def _read_split(wire: dict[str, Any]) -> SplitTask:
    task = SplitTask(**{**wire, "spec": _read_spec(wire["spec"])})
    check_relative(task.path)
    check_relative(task.source.removeprefix(b"/"))
    return task


def _read_relink(wire: dict[str, Any]) -> Relink:
    relink = Relink(**wire)
    check_relative(relink.link)
    return relink


def _read_table_note(wire: dict[str, Any]) -> TableNote:
    spec = wire["spec"]
    return TableNote(**{**wire, "columns": tuple(wire["columns"]), "spec": _read_spec(spec) if spec else None})


def _read_spec(wire: dict[str, Any]) -> SplitSpec:
    values: dict[str, Any] = {name: _tuple(value) for name, value in wire.items()}
    spec = SplitSpec(**{**values, "sizes": tuple((name, size) for name, size in wire["sizes"])})
    for name in (*spec.written, *spec.placeholders, *spec.dropped, *(name for name, _ in spec.sizes)):
        check_name(name)
    return spec


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value
