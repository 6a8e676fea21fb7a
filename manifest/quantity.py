"""Quantities that problems expect and find: sizes, counts and digests, with their one text and the value for JSON."""

from dataclasses import dataclass

from qa2pack.manifest.humanize import counted, human_bytes


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
