"""Quantities that problems expect and find, each with its one text and the value for JSON.

Sizes, counts and digests; times, users, and names such as those of modes. Also the words for what differs between two
states of a file.
"""

import pwd
import re
from functools import cache

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.humanize import counted, exact_bytes, human_bytes, local_time

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMGT]?)(i?)B?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class Size:
    """A size in bytes.

    Attributes:
        is_rounded: shown with a unit only, as amounts of space are.
        bound: words before it, such as `at least`.
    """

    byte_count: int
    is_rounded: bool = False
    bound: str = ""

    def __str__(self) -> str:
        text = human_bytes(self.byte_count) if self.is_rounded else counted(self.byte_count, "byte")
        return f"{self.bound} {text}".lstrip()

    @property
    def value(self) -> int:
        """The size in bytes."""
        return self.byte_count


@dataclass(frozen=True, slots=True)
class Space:
    """The space that is free, in bytes, where more is needed."""

    free_bytes: int
    needed_bytes: int

    def __str__(self) -> str:
        missing = self.needed_bytes - self.free_bytes
        return f"{human_bytes(self.free_bytes)}; {human_bytes(missing)} ({missing:,} bytes) are missing"

    @property
    def value(self) -> int:
        """The free space in bytes."""
        return self.free_bytes


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, `noun` in the singular; `bound` as of a size."""

    number: int
    noun: str
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound} {counted(self.number, self.noun)}".lstrip()

    @property
    def value(self) -> int:
        """The number."""
        return self.number


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest or checksum in hexadecimal; `name` says of which kind where that is shown."""

    value: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.value}".lstrip()


@dataclass(frozen=True, slots=True)
class Time:
    """A time in ns since the epoch; `bound` as of a size."""

    at_ns: int
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound} {local_time(self.at_ns)}".lstrip()

    @property
    def value(self) -> int:
        """The time in ns since the epoch."""
        return self.at_ns


@dataclass(frozen=True, slots=True)
class Owner:
    """The user to whom a file belongs.

    Attributes:
        name: empty where the system has none for the number.
        bound: words before it, such as `a file of`.
    """

    uid: int
    name: str = ""
    bound: str = ""

    def __str__(self) -> str:
        user = f"{self.name} (user {self.uid})" if self.name else f"user {self.uid}"
        return f"{self.bound} {user}".lstrip()

    @property
    def value(self) -> int:
        """The number of the user."""
        return self.uid


@dataclass(frozen=True, slots=True)
class Name:
    """One of a fixed set of names, such as a mode or a phase; `noun` is shown before it."""

    value: str
    noun: str = ""

    def __str__(self) -> str:
        return f"{self.noun} {self.value}".lstrip()


Quantity = Size | Space | Count | Digest | Time | Owner | Name


@cache
def owner_named(uid: int, bound: str = "") -> Owner:
    """Return the owner with the name that this machine has for the number, looked up once."""
    try:
        return Owner(uid, pwd.getpwuid(uid).pw_name, bound)
    except KeyError:
        return Owner(uid, bound=bound)


def difference_texts(expected: FileState, found: FileState) -> tuple[str, str]:
    """Return, in words for people, what differs between two states of a file."""
    texts = _size_and_time(expected, found), _size_and_time(found, expected)
    if texts[0]:
        return texts
    if expected.inode != found.inode:
        return "the file itself", "another file of its size and time"
    return (
        f"last touched at {_time_text(expected.ctime_ns, found.ctime_ns)}",
        f"last touched at {_time_text(found.ctime_ns, expected.ctime_ns)}",
    )


def _size_and_time(state: FileState, other: FileState) -> str:
    parts = [exact_bytes(state.size)] if state.size != other.size else []
    if state.mtime_ns != other.mtime_ns:
        parts.append(f"written at {_time_text(state.mtime_ns, other.mtime_ns)}")
    return ", ".join(parts)


def _time_text(at_ns: int, other_ns: int) -> str:
    # Two times of one second differ in what a clock does not show.
    return local_time(at_ns, has_fraction=at_ns // 10**9 == other_ns // 10**9)


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
