"""What a plan or manifest says about itself: header and notes as values, apart from their wire form.

The header is written before the first folder is known, so it holds what was asked for and the state it relies on; the
notes come after the last folder and hold what the work brought to light.
"""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind
from qa2pack.manifest.alma.split_spec import SplitSpec
from qa2pack.manifest.format.record_codec import check_columns
from qa2pack.manifest.format.stream import Stream, StreamError
from qa2pack.manifest.format.wire import Moment, WireError, read_value
from qa2pack.manifest.path import check_name, check_relative, join
from qa2pack.manifest.problem import Problem


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or a whole tree of the origin, by its path there, that is not packaged."""

    path: bytes
    reason: str
    is_tree: bool


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
    scanned_ns: Moment
    layout: str
    may_leave: bool
    standing: DestinationKind
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
        StreamError: it is of another kind, or a field is missing, unsafe, or of another type than it should be.
    """
    try:
        header = read_value(Header, _known(Header, stream.header))
        for name in (header.project, header.group, header.member):
            check_name(name)
        for member, _ in header.base:
            check_relative(member)
    except ValueError as error:
        raise StreamError(stream.path, "is damaged: it has a header that does not make sense") from error
    if header.kind is not kind:
        raise StreamError(stream.path, f"is a {header.kind}, not a {kind}")
    return header


def read_notes(stream: Stream) -> Notes:
    """Return the notes of a stream.

    Raises:
        StreamError: a field is missing, unsafe, or of another type than it should be.
    """
    try:
        notes = read_value(Notes, _known(Notes, stream.notes))
        for task in notes.splits:
            _check_task(task)
        for spec in (note.spec for note in notes.tables if note.spec):
            _check_spec(spec)
        for relink in notes.relinks:
            check_relative(relink.link)
    except ValueError as error:
        raise StreamError(stream.path, "is damaged: it has notes that do not make sense") from error
    return notes


def _known(kind: type[Header] | type[Notes], wire: dict[str, object]) -> dict[str, object]:
    """Return what this program knows of; no field has a default here, because each is always written."""
    try:
        return {field.name: wire[field.name] for field in fields(kind)}
    except KeyError as error:
        raise WireError(f"nothing of {error}") from error


def _check_task(task: SplitTask) -> None:
    check_relative(task.path)
    check_relative(task.source.removeprefix(b"/"))
    check_columns(task.before)
    _check_spec(task.spec)


def _check_spec(spec: SplitSpec) -> None:
    for name in (*spec.written, *spec.placeholders, *spec.dropped, *(name for name, _ in spec.sizes)):
        check_name(name)
