"""The sidecar: manifest of a delivery, `2011.01234.S_2012-06-20.manifest`, by which a receiver checks the chunks.

A stream of the same format as a member's manifest. The header holds the options of the delivery, the records describe
all delivered folders (paths relative to the package), the notes hold the table of chunks: checksums, and the spans of
folders and files by index in the stream. It holds nothing about the machine that made it, and the time only where it
is signed, so that the same package and options give the same bytes.
"""

from collections.abc import Iterable, Mapping

from qa2pack.manifest.dataclass import asdict, dataclass
from qa2pack.manifest.format.delivery_form import DeliveryForm, own_checksums
from qa2pack.manifest.format.delivery_row import CHECKSUMS, DeliveryRow, check_row, without_unsaid
from qa2pack.manifest.format.header import ArrivedIn
from qa2pack.manifest.format.stream import Stream, StreamError, open_stream
from qa2pack.manifest.format.wire import Moment, read_value
from qa2pack.manifest.path import check_name, check_relative
from qa2pack.manifest.problem import Code, PackError, Problem
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.packing.bins import Span
from qa2pack.tarsplit.state import EarlierVersion

KIND = "delivery"
# Fields that came after the first release of the format; written only where they say something.
_LATER_IN_HEADERS = ("label", "sets", "all_sets")
_LATER_IN_NOTES = ("signed_ns",)


class NotADeliveryError(StreamError):
    """A plan, or the manifest of a member, where that of a delivery is expected; the file itself is good."""

    code = Code.NOT_A_DELIVERY_MANIFEST


class NotSignedError(PackError):
    """The key could sign before, and cannot any more; the sidecar has no name yet."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class DeliverySet:
    """What is delivered together of one member.

    Attributes:
        member: path in the tars, relative to the package.
        row: with a file name that waits for numbers alone.
    """

    member: bytes
    row: DeliveryRow


@dataclass(frozen=True, slots=True)
class DeliveryHeader:
    """Options of a delivery.

    Attributes:
        limit_bytes: maximum size of a chunk; a larger file has a chunk of its own.
        fill: how chunks are filled, a value of `Fill`.
        members: path in the tars and path on disk of each, both relative to the package.
        folder_mtime: of all folders, in seconds.
        checksums: names of the checksum files written beside each chunk.
        label: see `DeliveryName`.
        sets: what is delivered of each member; none: all, in one set of tars.
        all_sets: of the members that have other sets, too, which are not in this delivery: all that have something of
            the member, in the order in which they take its files.
    """

    project: bytes
    day: str
    limit_bytes: int
    fill: str
    members: tuple[tuple[bytes, bytes], ...]
    folder_mtime: Moment
    checksums: tuple[str, ...]
    label: bytes = b""
    sets: tuple[DeliverySet, ...] = ()
    all_sets: tuple[DeliverySet, ...] = ()

    @property
    def name(self) -> DeliveryName:
        """The file names."""
        return DeliveryName(self.project, self.day, self.label, tuple(each.row.file for each in self.sets))


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """One finished chunk.

    Attributes:
        folders, files: spans of its entries.
        xxh128: of the whole tar, hexadecimal; always present.
        checksums: name and hexadecimal digest of each requested checksum.
        earlier: of an object that had versions before.
    """

    name: bytes
    byte_count: int
    folders: tuple[Span, ...]
    files: tuple[Span, ...]
    xxh128: str
    checksums: tuple[tuple[str, str], ...]
    form: DeliveryForm = DeliveryForm.TAR
    earlier: EarlierVersion | None = None

    @property
    def version(self) -> int:
        """Number of its version, if it is an object."""
        return self.earlier.version + 1 if self.earlier else 1

    @property
    def file_count(self) -> int:
        """Number of files in it."""
        return sum(end - start for start, end in self.files)

    @property
    def folder_count(self) -> int:
        """Number of folder entries in it."""
        return sum(end - start for start, end in self.folders)


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes of a delivery."""

    fingerprint: str
    chunks: tuple[ChunkRow, ...]
    signed_ns: Moment = 0


@dataclass(frozen=True, slots=True)
class Sidecar:
    """An opened sidecar.

    Attributes:
        path: where it was found; the stream may be a copy of it.
        fingerprint: over the header and all records.
        signed_ns: when it was made to be signed, ns since the epoch; 0 where it was not.
    """

    path: bytes
    stream: Stream
    header: DeliveryHeader
    fingerprint: str
    chunks: tuple[ChunkRow, ...]
    signed_ns: int = 0

    @property
    def noun(self) -> str:
        """What its chunks are called: `tar`, or `part` where there are others."""
        return "tar" if all(row.form is DeliveryForm.TAR for row in self.chunks) else "part"

    @property
    def arrived_in(self) -> ArrivedIn:
        """What it says of itself in the manifests of the members that come in it."""
        return ArrivedIn(self.header.name.manifest, self.header.folder_mtime, self.signed_ns)

    def rows_of(self, path: bytes) -> tuple[DeliveryRow, ...]:
        """Return the sets by which a member, its path in the tar, is delivered; none: it is delivered as a whole."""
        return tuple(each.row for each in self.header.sets if each.member == path)

    def all_rows_of(self, path: bytes) -> tuple[DeliveryRow, ...]:
        """Return all sets of a member, its path in the tar, if it has others than those by which it is delivered."""
        return tuple(each.row for each in self.header.all_sets if each.member == path)

    def members(self) -> list[bytes]:
        """Return the paths in the tar of the members that it has something of: sets can have nothing of a member."""
        find, is_of_sets = self.stream.find, bool(self.header.sets)
        return [path for path, _ in self.header.members if not is_of_sets or find(path) is not None]

    @property
    def file_count(self) -> int:
        """Number of the files that are delivered; one that several chunks have is counted once."""
        count = counted = 0
        for start, end in sorted(span for row in self.chunks for span in row.files):
            count += max(end - max(start, counted), 0)
            counted = max(end, counted)
        return count


def header_to_wire(header: DeliveryHeader) -> dict[str, object]:
    """Return the header as msgpack takes it."""
    wire = asdict(header)
    for name in ("sets", "all_sets"):
        wire[name] = [{**each, "row": without_unsaid(each["row"])} for each in wire[name]]
    return {"kind": KIND, **{name: value for name, value in wire.items() if value or name not in _LATER_IN_HEADERS}}


def notes_to_wire(fingerprint: str, chunks: Iterable[ChunkRow], signed_ns: int = 0) -> dict[str, object]:
    """Return the notes as msgpack takes them."""
    rows = [asdict(chunk) for chunk in chunks]
    for row in rows:
        if row["form"] is DeliveryForm.TAR:
            del row["form"]  # later than the first release of the format, too
        if row["earlier"] is None:
            del row["earlier"]
    notes: dict[str, object] = {"fingerprint": fingerprint, "chunks": rows, "signed_ns": signed_ns}
    return {name: value for name, value in notes.items() if value or name not in _LATER_IN_NOTES}


def kind_in_words(header: Mapping[str, object]) -> str:
    """Return what a stream with this header is, as text: `the manifest of a member`."""
    words = {KIND: "the manifest of a delivery", "manifest": "the manifest of a member", "plan": "a plan"}
    return words.get(str(header.get("kind")), "of an unknown kind")


def open_sidecar(path: bytes, *, read_from: bytes = b"") -> Sidecar:
    """Open a sidecar and check it completely.

    Args:
        read_from: path of a copy to be read instead; empty for none.

    Raises:
        NotADeliveryError: the file describes something else.
        StreamError: the file is damaged, foreign or of a newer version.
        FileNotFoundError: there is no such file.
    """
    stream = open_stream(read_from or path)
    if stream.header.get("kind") != KIND:
        raise NotADeliveryError(path, f"is {kind_in_words(stream.header)}, not the manifest of a delivery")
    try:
        header = read_value(DeliveryHeader, {key: value for key, value in stream.header.items() if key != "kind"})
        for each in (*header.sets, *header.all_sets):
            check_relative(each.member)
            check_row(each.row)
        _ = header.name
        for name in (name for member in header.members for name in member):
            check_relative(name)
        notes = read_value(_Notes, stream.notes)
        for row in notes.chunks:
            _check_row(row)
    except ValueError as error:
        raise StreamError(path, f"is damaged: it describes a delivery that does not make sense ({error})") from error
    return Sidecar(path, stream, header, notes.fingerprint, notes.chunks, notes.signed_ns)


def _check_row(row: ChunkRow) -> None:
    check_name(row.name)
    if any(end < start for start, end in (*row.folders, *row.files)):
        raise ValueError("a span that ends before it begins")
    if row.form is DeliveryForm.FILE and (row.folders or row.file_count != 1):
        raise ValueError("a file that is more than one")
    if row.earlier and (row.form is not DeliveryForm.OCFL or not row.earlier.version):
        raise ValueError("an earlier version of what has none")
    names, own = {name for name, _ in row.checksums}, {*own_checksums(row.form, CHECKSUMS)}
    if not names <= own or (row.form is DeliveryForm.OCFL and names != own):
        raise ValueError("a checksum that is not known")
