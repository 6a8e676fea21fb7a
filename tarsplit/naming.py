"""File names of a delivery, and parsing of its options: dates, checksum names. Pure.

A delivery is called `2011.01234.S_2012-06-20`. Its chunks end in `_001_of_003.tar` (three digits each), their
checksum files in `.tar.md5sum` and so on, its sidecar in `.manifest`, with `.manifest.md5sum` and so on, and with
`.manifest.sig` if it is signed.
"""

import re
from datetime import date

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.delivery_row import CHECKSUMS, escaped, expression_of, named
from qa2pack.manifest.format.delivery_row import PART as PART_NUMBER
from qa2pack.manifest.format.delivery_row import PARTS as PART_COUNT
from qa2pack.manifest.path import check_name

SIGNED_CHECKSUM = "sha256"  # of a signed delivery beside the wanted ones: so the signature covers its tars
STRONG_CHECKSUMS = frozenset((SIGNED_CHECKSUM, "sha512"))  # no forgery is known; an OCFL object has sha512
_OF_SIDECAR = re.compile(rb"\.manifest(\.[a-z0-9]+sum|\.sig|\.before)?|\.state|\.begun|\.sender")
_CHECKSUM = rb"(\.[a-z0-9]+sum)?"
_ENDS_IN_CHECKSUM = re.compile(rb"\.[a-z0-9]+sum\Z")
PART = b".part"  # suffix of every unfinished file
BEFORE = b".before"  # suffix of the sidecar that another one is about to replace


@dataclass(frozen=True, slots=True)
class DeliveryName:
    """The file names of one delivery.

    Attributes:
        project: the project code, a plain name.
        day: the date of the delivery, as in ISO 8601; may be empty where there is a label.
        label: what tells it from other deliveries of the project; empty: the date.
        files: names of the files of its sets, in which `{part}` and `{parts}` may stand for numbers; none: it is one
            set of tars that have its name.
    """

    project: bytes
    day: str = ""
    label: bytes = b""
    files: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.project)
        if self.day or not self.files:
            parse_day(self.day)
        check_name(self.stem)

    @property
    def stem(self) -> bytes:
        """The name of the sidecar without its suffix."""
        label = self.label or (b"" if self.files else self.day.encode())
        return self.project + b"_" + label if label else self.project

    @property
    def manifest(self) -> bytes:
        """Name of the sidecar."""
        return self.stem + b".manifest"

    @property
    def before(self) -> bytes:
        """Name that the sidecar of the delivery before has until that of this one is there, on a disk."""
        return self.manifest + BEFORE

    @property
    def state(self) -> bytes:
        """Name of the state file, which lists finished chunks until the delivery is complete."""
        return self.stem + b".state"

    @property
    def begun(self) -> bytes:
        """Name of the sidecar of what is being written, without checksums, while the delivery has folders."""
        return self.stem + b".begun"

    @property
    def sender(self) -> bytes:
        """Name of the file by which a store knows who sends the delivery, while it is sent."""
        return self.stem + b".sender"

    @property
    def own(self) -> list[bytes]:
        """The names of the files by which a run knows what an earlier one did, and those that they have before."""
        files = (self.manifest, self.before, self.state, self.begun)
        return [*files, *(file + PART for file in files)]

    @property
    def of_sets(self) -> tuple[bytes, ...]:
        """The name of the files of each set; see `files`."""
        return self.files or (escaped(self.stem) + b"_{part}_of_{parts}.tar",)

    def is_of_sidecar(self, name: bytes) -> bool:
        """Return whether a file name is that of the sidecar, of its state file, or of what is beside it."""
        return name.startswith(self.stem) and _OF_SIDECAR.fullmatch(name, len(self.stem)) is not None

    def owns(self, name: bytes) -> bool:
        """Return whether a file name belongs to this delivery, for any number of chunks."""
        bare = name.removesuffix(PART)
        return self.is_of_sidecar(bare) or any(
            re.fullmatch(expression_of(file).pattern + _CHECKSUM, bare) for file in self.of_sets
        )


def chunk_of(name: bytes) -> bytes:
    """Return the name of the chunk that a file is, or that it is the checksum file of."""
    return _ENDS_IN_CHECKSUM.sub(b"", name)


def is_unfinished(name: bytes) -> bool:
    """Return whether a name is one that a delivery has only while it is written: a stop leaves it."""
    return name.endswith((PART, b".state", b".begun", b".sender"))


def chunk_name(file: bytes, number: int, count: int) -> bytes:
    """Return the name of a chunk of a set whose files have this name; numbers start at 1."""
    return named(file, {PART_NUMBER: b"%03d" % number, PART_COUNT: b"%03d" % count})


def is_beside_chunks(name: bytes) -> bool:
    """Return whether a name is that of a sidecar, a checksum file or a signature: small, and of no package file."""
    return name.endswith((b".manifest", b".manifest.sig", *(checksum_name(b"", each) for each in CHECKSUMS)))


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
