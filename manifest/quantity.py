"""Quantities that problems expect and find: sizes, counts and digests, with their one text and the value for JSON.

Also the words for what differs between two states of a file.
"""

from dataclasses import dataclass

from qa2pack.manifest.file_state import FileState
from qa2pack.manifest.humanize import counted, exact_bytes, human_bytes, local_time


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


Quantity = Size | Space | Count | Digest


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
    if at_ns // 10**9 != other_ns // 10**9:
        return local_time(at_ns)
    # Two times of one second differ in what a clock does not show.
    day, clock, zone = local_time(at_ns).split()
    return f"{day} {clock}.{at_ns % 10**9:09} {zone}"
