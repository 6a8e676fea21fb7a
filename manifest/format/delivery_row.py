"""Delivery rows: the delivery sets of a member, as its plan and manifest record them: deliver needs no layout.

Values only. `manifest.layout.deliveries` makes them of the sets of a layout.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_form import WITH_PARTS, DeliveryForm, fits_form, usual_form
from qa2pack.manifest.path import check_name

DATE, MEMBER, PART, PARTS, PROJECT = "date", "member", "part", "parts", "project"
# What is known only when a package is delivered; a renamed package has another project, a counted member its number.
LATE = (PROJECT, MEMBER, DATE, PART, PARTS)
_PIECE = re.compile(rb"\{\{|\}\}|\{(%b)\}" % "|".join(LATE).encode())
_BELOW = "**"
_LATER = ("form", "checksums", "also", "at_apply")
CHECKSUMS = ("md5", "sha256", "xxh128")  # that are written beside a file
_BESIDE = re.compile(
    rb".*\.(manifest(\.sig|\.before)?|state|begun|sender|part|(%b)sum)" % "|".join(CHECKSUMS).encode(), re.DOTALL
)
MOST_NAME_BYTES = 240  # of a file: `.sha256sum.part` is written behind it


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery set: which files of a member go into files of which name.

    Attributes:
        name: of the set.
        file: name of its file. `{project}`, `{member}`, `{date}`, `{part}` and `{parts}` stand for what is known
            later, `{{` and `}}` for braces.
        select: paths in the member, of which each part is a glob; a last part `**` is all below.
        limit_bytes: of a part; what does not fit goes into more. 0: it has one part of any size.
        form: what its files are made into; None: as the name of its file says.
        checksums: that are written beside its files; None: those of the delivery.
        also: it has all that it selects, and takes none of it from the other sets.
        at_apply: it is written whenever the package was applied, and not on request alone.
    """

    name: str
    file: bytes
    select: tuple[str, ...]
    limit_bytes: int = 0
    form: DeliveryForm | None = None
    checksums: tuple[str, ...] | None = None
    also: bool = False
    at_apply: bool = False

    @property
    def kind(self) -> DeliveryForm:
        """What its files are made into."""
        return self.form or usual_form(self.file)

    @property
    def pieces(self) -> frozenset[str]:
        """What the name of its file waits for."""
        return frozenset(match[1].decode() for match in _PIECE.finditer(self.file) if match[1])


def check_row(row: DeliveryRow) -> None:
    """Check that a recorded set makes sense.

    Raises:
        ValueError: it does not; no program writes such a one.
    """
    if not row.select or not all(row.select):
        raise ValueError("a delivery set that selects nothing")
    if bool(row.limit_bytes) is not ({PART, PARTS} <= row.pieces) or (row.limit_bytes and row.kind not in WITH_PARTS):
        raise ValueError("a delivery set with parts that have no limit")
    if not fits_form(row.file, row.kind):
        raise ValueError("a delivery set whose file has the name of another form")
    if not set(row.checksums or ()) <= set(CHECKSUMS):
        raise ValueError("a delivery set with a checksum that is not known")
    if row.at_apply and DATE in row.pieces:
        raise ValueError("a delivery set of each apply whose name waits for a date")
    check_name(named(row.file, {PROJECT: b"P", MEMBER: b"M", DATE: b"2012-06-20", PART: b"001", PARTS: b"001"}))


def without_unsaid(wire: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is written: what came later is left out where it says nothing."""
    return {name: value for name, value in wire.items() if name not in _LATER or value not in (None, False)}


def escaped(value: bytes) -> bytes:
    """Return a value as it stands in the name of a row."""
    return value.replace(b"{", b"{{").replace(b"}", b"}}")


def filled(file: bytes, values: Mapping[str, bytes]) -> bytes:
    """Return the name of a row with these values in it; what has none, and braces, stay as they are."""

    def text(match: re.Match[bytes]) -> bytes:
        piece = (match[1] or b"").decode()
        return escaped(values[piece]) if piece in values else match[0]

    return _PIECE.sub(text, file)


def named(file: bytes, values: Mapping[str, bytes]) -> bytes:
    """Return the name of a file; what has no value stays as it is, `{part}`.

    Raises:
        UnsafePathError: it is no name.
    """

    def text(match: re.Match[bytes]) -> bytes:
        return values.get(match[1].decode(), match[0]) if match[1] else match[0][:1]

    name = _PIECE.sub(text, file)
    check_name(name)
    return name


def is_of_delivery(name: bytes) -> bool:
    """Return whether a delivery itself gives such names, to its sidecar, to what is unfinished, and beside files."""
    return _BESIDE.fullmatch(name) is not None


@functools.cache
def expression_of(file: bytes) -> re.Pattern[bytes]:
    """Return the pattern of all names that a file of a set may have, whatever the number of its parts."""
    parts, last = [], 0
    for match in _PIECE.finditer(file):
        parts += [re.escape(file[last : match.start()]), b"[0-9]+" if match[1] else re.escape(match[0][:1])]
        last = match.end()
    return re.compile(b"".join([*parts, re.escape(file[last:])]))


def selects_all_below(select: str) -> bool:
    """Return whether a path selects all that is below its folder."""
    return select.rpartition("/")[2] == _BELOW
