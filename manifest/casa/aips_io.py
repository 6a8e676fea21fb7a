"""AipsIO, the form of casacore's small files: big-endian numbers, strings, and objects that begin with their length.

casacore describes it in its source `AipsIO.cc`, and refuses an object that is longer or shorter than it says, so
skipping by the length is sound.
"""

from qa2pack.manifest.dataclass import dataclass

_NAME_BYTES = 255
_MOST_NUMBERS = 1 << 16
_MOST_TEXT_BYTES = 1 << 20


class UnreadableTableError(Exception):
    """`table.dat` is not as casacore writes it; str() says in what."""


@dataclass(slots=True)
class Reader:
    """Reads AipsIO; raises UnreadableTableError where the data end too early or are of another form.

    Who sets `at` back may be led to the same bytes again and again. So numbers and bytes of texts are counted, and
    what has more of them than the data can hold is refused: the work stays in proportion to the data.
    """

    data: bytes
    at: int = 0
    number_count: int = 0
    text_bytes: int = 0

    def number(self) -> int:
        self.number_count += 1
        if self.number_count > max(_MOST_NUMBERS, len(self.data) // 4):  # each lies somewhere else
            raise UnreadableTableError("table.dat holds sets of keywords without an end")
        self.skip(4)
        return int.from_bytes(self.data[self.at - 4 : self.at], "big")

    def text(self) -> bytes:
        size = self.number()
        self.text_bytes += size
        if self.text_bytes > max(_MOST_TEXT_BYTES, len(self.data)):
            raise UnreadableTableError("table.dat holds texts without an end")
        self.skip(size)
        return self.data[self.at - size : self.at]

    def pass_text(self, kept_bytes: int = 0) -> bytes:
        """Pass a text, of which only the first bytes are wanted, and return these."""
        size = self.number()
        begin = self.at
        self.skip(size)
        return self.data[begin : begin + min(size, kept_bytes)]

    def name(self) -> str:
        size = int.from_bytes(self.data[self.at : self.at + 4], "big")
        if size > _NAME_BYTES:
            raise UnreadableTableError(f"table.dat holds a name of {size} bytes")
        return self.text().decode("latin-1")

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise UnreadableTableError("table.dat ends too early")

    def start(self, kind: bytes = b"") -> tuple[int, int]:
        """Enter an object of the kind, or of any; return its version and where it ends."""
        begin = self.at
        end = begin + self.number()
        found = self.pass_text(_NAME_BYTES + 1)  # of no kind, where it is longer
        if (kind and found != kind) or end <= self.at:
            raise UnreadableTableError(f"table.dat holds {found[:_NAME_BYTES]!a} where {kind.decode()!a} should be")
        return self.number(), end

    def pass_object(self) -> None:
        _, end = self.start()
        self.skip(end - self.at)
