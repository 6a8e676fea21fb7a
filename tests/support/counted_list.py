"""A list that counts how often its items are taken, to see that work does not grow with the square of it."""

from collections.abc import Iterator
from typing import Any


class Counted(list[bytes]):
    """A list whose items are counted as they are taken, also those of a slice."""

    taken = 0

    def __getitem__(self, where: Any) -> Any:
        """Take one item or a slice."""
        found = super().__getitem__(where)
        self.taken += len(found) if isinstance(where, slice) else 1
        return found

    def __iter__(self) -> Iterator[bytes]:
        """Take one item after the other."""
        for item in super().__iter__():
            self.taken += 1
            yield item
