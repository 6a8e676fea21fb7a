"""Read ahead: small files of a place read before their turn, for places that answer late.

What was wrong with a file is raised in its turn, where it is opened. So who opens it need not know how it is read.
"""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Never, Self

from qa2pack.manifest.fs.at_once import at_once
from qa2pack.tarsplit.place.place import OpenedFile, Place, PlaceError, content_of

_SMALL_BYTES = 256 << 10  # larger ones are read when it is their turn: many of them would fill the memory

Opening = Callable[[], OpenedFile]


def opening(place: Place, name: bytes, size: int) -> Opening:
    """Return how to open a file in its turn, which raises as `Place.opened`; read it now if others wait for it.

    Args:
        size: that it should have. Of a longer one only the beginning is read.
    """
    if at_once() == 1 or size > _SMALL_BYTES:
        return partial(place.opened, name)
    try:
        with place.opened(name) as file:
            known = file.byte_count
            return partial(_ReadFile, known, content_of(file, size if known is not None else size + 1))
    except (FileNotFoundError, PlaceError) as error:
        return partial(_failed, error)


def _failed(error: Exception) -> Never:
    raise error


class _ReadFile:
    def __init__(self, byte_count: int | None, content: bytes) -> None:
        self.byte_count = byte_count
        self._content = BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(size)

    def seek(self, offset: int) -> int:
        return self._content.seek(offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
