"""Codec of headers and notes: from values to what msgpack takes, and back, checked when they are read."""

from dataclasses import fields
from typing import Any

from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.bundle.form import form_of
from qa2pack.manifest.bundle.gzip_format import USUAL_LEVEL
from qa2pack.manifest.casa.column_split import SplitSpec, Weights
from qa2pack.manifest.dataclass import asdict
from qa2pack.manifest.format.delivery_row import check_row, without_unsaid
from qa2pack.manifest.format.header import (
    BundleTask,
    Header,
    Notes,
    ReceivedDelivery,
    SplitTask,
    StreamKind,
)
from qa2pack.manifest.format.member_field import check_member, member_from_wire, member_to_wire
from qa2pack.manifest.format.record import DIGEST_BYTES
from qa2pack.manifest.format.record_codec import check_columns, record_path
from qa2pack.manifest.format.stream import Stream, StreamError
from qa2pack.manifest.format.wire import WireError, read_value
from qa2pack.manifest.format.written import check_written
from qa2pack.manifest.path import check_name, check_relative


def header_to_wire(header: Header) -> dict[str, object]:
    """Return the header as msgpack takes it."""
    wire = _without_empty(member_to_wire(asdict(header)), _LATER_IN_HEADERS)
    for name in _ROWS_OF_SETS & wire.keys():
        wire[name] = [without_unsaid(row) for row in wire[name]]
    if header.received_from:
        wire[_RECEIVED_ON_DISK] = wire.pop("received_from")
    if header.made_with and header.compression == USUAL_LEVEL:
        del wire["made_with"]["compression"]  # later, too
    return wire


# Fields that came after the first release of the format. They are written only where they say something, so that
# older programs read all other plans and manifests.
_LATER_IN_HEADERS = (
    "made_with",
    "is_rebuilt",
    "roles",
    "written",
    "beside",
    "checks",
    "found_texts",
    "delivery_sets",
    "received_from",
    "all_sets",
    "arrived_in",
)
_ROWS_OF_SETS = {"delivery_sets", "all_sets"}
_RECEIVED_ON_DISK = "delivery"  # `received_from`, which is easily taken for what a layout delivers
_LATER_IN_NOTES = ("recalled", "extra", "changed", "trees", "bundles", "opened")
_LATER_IN_SPECS = {"weights": Weights.CONSISTENT, "adds_spectrum": False}


def notes_to_wire(notes: Notes) -> dict[str, object]:
    """Return the notes as msgpack takes them."""
    wire = _without_empty(asdict(notes), _LATER_IN_NOTES)
    for bundle in (each for each in wire.get("bundles", ()) if each["earlier"] is None):
        del bundle["earlier"]  # later, too
    for opened in (each for each in wire.get("opened", ()) if not each["inode"]):
        del opened["inode"], opened["ctime_ns"]  # of older manifests, whose notes go on as they are
    for spec in filter(None, (each["spec"] for each in (*wire["splits"], *wire["tables"]))):
        for name, usual in _LATER_IN_SPECS.items():
            if spec[name] == usual:
                del spec[name]
    return wire


def _without_empty(wire: dict[str, Any], later: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if value or name not in later}


def read_header(stream: Stream, kind: StreamKind) -> Header:
    """Return the header of a stream that must be of this kind.

    Raises:
        StreamError: it is of another kind, or a field is missing, unsafe, or has the wrong type.
    """
    try:
        wire = member_from_wire(stream.header)
        wire["received_from"] = wire.pop(_RECEIVED_ON_DISK, None)
        header = read_value(Header, _known(Header, wire))
        check_name(header.project)
        if header.append is Append.RENAME:
            check_name(header.renamed_from)
        for member, _ in header.base:
            check_member(member)
        check_written((*header.written, *(beside.file for beside in header.beside)))
        for beside in header.beside:
            check_name(beside.name)
        for row in header.checks:
            check_relative(row.folder)
        for row_of_set in (*header.delivery_sets, *header.all_sets):
            check_row(row_of_set)
        if header.received_from:
            _check_received(header.received_from, header.member)
    except ValueError as error:
        raise StreamError(stream.path, "is damaged: it has a header that does not make sense") from error
    if header.kind is not kind:
        raise StreamError(stream.path, f"is a {header.kind}, not a {kind}")
    return header


def read_notes(stream: Stream) -> Notes:
    """Return the notes of a stream.

    Raises:
        StreamError: a field is missing, unsafe, or has the wrong type.
    """
    try:
        notes = read_value(Notes, _known(Notes, stream.notes))
        for task in notes.splits:
            _check_task(task)
        for bundle in notes.bundles:
            _check_bundle(bundle)
        for spec in (note.spec for note in notes.tables if note.spec):
            _check_spec(spec)
        for relink in notes.relinks:
            check_relative(relink.link)
        for tree in notes.trees:
            check_relative(tree)
        for opened in notes.opened:
            check_relative(opened.source.removeprefix(b"/") or b"//")
    except ValueError as error:
        raise StreamError(stream.path, "is damaged: it has notes that do not make sense") from error
    return notes


def _known(kind: type[Header] | type[Notes], wire: dict[str, object]) -> dict[str, object]:
    """Return the fields that this program knows; all but the later ones are required, for they are always written."""
    later = _LATER_IN_HEADERS if kind is Header else _LATER_IN_NOTES
    try:
        return {
            field.name: wire[field.name] for field in fields(kind) if field.name in wire or field.name not in later
        }
    except KeyError as error:
        raise WireError(f"nothing of {error}") from error


def _check_received(delivery: ReceivedDelivery, first: bytes) -> None:
    for member in delivery.members:
        check_member(member)
    if delivery.members[:1] != (first,):
        raise WireError("other members are received than are made")


def _check_task(task: SplitTask) -> None:
    check_relative(task.path)
    check_relative(task.source.removeprefix(b"/"))
    check_columns(task.before)
    _check_spec(task.spec)


def _check_bundle(bundle: BundleTask) -> None:
    check_relative(bundle.path or b"//")
    if form_of(bundle.path) is None:
        raise WireError("a bundle has the name of none")
    if bundle.earlier and len(bundle.earlier.digest) != DIGEST_BYTES:
        raise WireError("a bundle has a digest of another length")
    for blob in bundle.records:
        check_columns(blob)
        path = record_path(blob)
        if path != bundle.path and not path.startswith(bundle.path + b"/"):
            raise WireError("a bundle has a folder that is elsewhere")


def _check_spec(spec: SplitSpec) -> None:
    for name in (*spec.written, *spec.placeholders, *spec.dropped, *(name for name, _ in spec.sizes)):
        check_name(name)
