"""Embedded pictures (data URIs) and texts of a report, within a size budget.

A report must open on a phone, so its size is bounded; it says how much did not fit. Files are opened without
following symlinks, and a file that differs from its manifest is not shown.
"""

import base64
import os
import stat
from collections.abc import Iterable

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.safe_open import opened_beneath, opened_file
from qa2pack.manifest.path import shown
from qa2pack.pack.report.contents import Candidate

PICTURE_BYTES = 4 << 20
TEXT_BYTES = 256 << 10  # takes up to five times as much of a page
TOO_LARGE = "too large"
FULL = "the report is full"
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a report; if it is not shown, the uri is empty and the note gives the reason."""

    path: str
    size: int
    uri: str = ""
    note: str = ""

    @property
    def folder(self) -> str:
        """The folder it is in."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Its format: png, jpeg or gif."""
        return self.uri.partition(";")[0].rpartition("/")[2]

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return base64.b64decode(self.uri.partition(",")[2])


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a report; the note says which part is missing."""

    path: str
    size: int
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many bytes of pictures and texts are shown, of all members together or of each."""

    picture_bytes: int
    text_bytes: int
    of_each: bool = False


OF_ALL_MEMBERS = Limits(24 << 20, 4 << 20)
OF_EACH_MEMBER = Limits(640 << 10, 128 << 10, of_each=True)  # of so many that all together would be too much


@dataclass(slots=True)
class Budget:
    """What remains of the limits."""

    picture_bytes: int = OF_ALL_MEMBERS.picture_bytes
    text_bytes: int = OF_ALL_MEMBERS.text_bytes


def embed_pictures(member: bytes, candidates: Iterable[Candidate], budget: Budget) -> list[Picture]:
    """Return the pictures in their order, as many as fit."""
    return [_picture(member, candidate, budget) for candidate in candidates]


def embed_texts(member: bytes, candidates: Iterable[Candidate], budget: Budget) -> list[Text]:
    """Return the texts in their order; long ones are cut."""
    return [_text(member, candidate, budget) for candidate in candidates]


def _picture(member: bytes, candidate: Candidate, budget: Budget) -> Picture:
    path = shown(candidate.path)
    if candidate.size > PICTURE_BYTES:
        return Picture(path, candidate.size, note=TOO_LARGE)
    if candidate.size > budget.picture_bytes:
        return Picture(path, candidate.size, note=FULL)
    data = _read(member, candidate, candidate.size + 1)
    if data is None or len(data) != candidate.size:
        return Picture(path, candidate.size, note="not as it was packaged")
    kind = next((kind for start, kind in _KINDS if data.startswith(start)), None)
    if kind is None:
        return Picture(path, candidate.size, note="not a picture that browsers show")
    budget.picture_bytes -= candidate.size
    return Picture(path, candidate.size, f"data:{kind};base64,{base64.b64encode(data).decode()}")


def _text(member: bytes, candidate: Candidate, budget: Budget) -> Text:
    path = shown(candidate.path)
    limit = min(TEXT_BYTES, budget.text_bytes)
    if not limit:
        return Text(path, candidate.size, note=FULL)
    data = _read(member, candidate, limit)
    if data is None:
        return Text(path, candidate.size, note="not as it was packaged")
    if b"\0" in data:
        return Text(path, candidate.size, note="not a text")
    budget.text_bytes -= len(data)
    note = f"only the first {len(data):,} bytes" if len(data) < candidate.size else ""
    return Text(path, candidate.size, readable(data), note)


def readable(data: bytes) -> str:
    """Return the text with escapes for characters that are not printable, except line ends and tabs."""
    lines = data.decode(errors="surrogateescape").replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(shown, line.split("\t"))) for line in lines)


def _read(member: bytes, candidate: Candidate, limit: int) -> bytes | None:
    """Return the first bytes of the file; None if the file is not as packaged."""
    folder, _, name = candidate.path.rpartition(b"/")
    try:
        with opened_beneath(member, folder) as dir_fd, opened_file(name, dir_fd=dir_fd) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read(limit)
    except OSError:
        return None
