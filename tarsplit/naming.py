"""File names of a delivery, and parsing of its options: dates, sizes, checksum names. Pure.

A delivery is called `2011.01234.S_2012-06-20`. Its chunks end in `_001_of_003.tar` (three digits each), their
checksum files in `.tar.md5sum` and so on, its sidecar in `.manifest`, with `.manifest.md5sum` and so on, and with
`.manifest.sig` if it is signed.
"""

import re
from dataclasses import dataclass
from datetime import date

from qa2pack.manifest.path import check_name

CHECKSUMS = ("md5", "sha256", "xxh128")
SIGNED_CHECKSUM = "sha256"  # the only one by which a signature of the sidecar covers the tars, too
_OWN = re.compile(rb"(_[0-9]+_of_[0-9]+\.tar(\.[a-z0-9]+sum)?|\.manifest(\.[a-z0-9]+sum|\.sig)?|\.state)(\.part)?")
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)(i?)B?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
PART = b".part"  # suffix of every unfinished file


@dataclass(frozen=True, slots=True)
class DeliveryName:
    """The common part of the file names of one delivery.

    Attributes:
        project: the project code, a plain name.
        day: the date of the delivery, as in ISO 8601.
    """

    project: bytes
    day: str

    def __post_init__(self) -> None:
        check_name(self.project)
        parse_day(self.day)

    @property
    def stem(self) -> bytes:
        """The common prefix of the names."""
        return self.project + b"_" + self.day.encode()

    @property
    def manifest(self) -> bytes:
        """Name of the sidecar."""
        return self.stem + b".manifest"

    @property
    def state(self) -> bytes:
        """Name of the state file, which lists finished chunks until the delivery is complete."""
        return self.stem + b".state"

    def chunk(self, number: int, count: int) -> bytes:
        """Return the name of a chunk; numbers start at 1."""
        return self.stem + b"_%03d_of_%03d.tar" % (number, count)

    def owns(self, name: bytes) -> bool:
        """Return whether a file name belongs to this delivery, for any number of chunks."""
        return name.startswith(self.stem) and _OWN.fullmatch(name, len(self.stem)) is not None


def in_tar(project: bytes, path: bytes) -> bytes:
    """Return the path in the tar of a path relative to the package; empty is the package itself."""
    return project + b"/" + path if path else project


def checksum_name(name: bytes, algorithm: str) -> bytes:
    """Return the name of the file that holds the checksum of a chunk or sidecar."""
    return name + b"." + algorithm.encode() + b"sum"


def checksum_line(name: bytes, digest: str) -> bytes:
    """Return the line that md5sum or sha256sum writes for a file, with their escaping of the name."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def parse_day(text: str) -> str:
    """Return the date as it was given.

    Raises:
        ValueError: the text is not a date of the form 2012-06-20.
    """
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{text!r} is not a date of the form 2012-06-20")
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date of the calendar: {error}") from error
    return text


def parse_size(text: str) -> int:
    """Return bytes from a number with or without a unit: 500000, 6GiB, 2GB, 1.5 TiB, 700M (as MB).

    Raises:
        ValueError: the text is not a size.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is not a size; write bytes or a number with a unit, like 6GiB or 2GB")
    base = 1024 if match[3] else 1000
    whole, _, fraction = match[1].partition(".")
    unit: int = base ** _POWERS[match[2].upper()]
    return int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)


def parse_checksums(text: str) -> tuple[str, ...]:
    """Return the names of checksums from a comma-separated list; `none` is the empty list.

    Raises:
        ValueError: a name is not known.
    """
    if text.strip() == "none":
        return ()
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in CHECKSUMS:
            raise ValueError(f"{name!r} is not a known checksum; choose from {', '.join(CHECKSUMS)}, or none")
    return tuple(name for name in CHECKSUMS if name in names)
