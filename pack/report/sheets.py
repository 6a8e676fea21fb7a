"""Which pictures and texts are on the page of their member, and which on further pages, so that none is too large.

All stay in their order.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import TypeVar

from qa2pack.manifest.dataclass import dataclass
from qa2pack.pack.report.embed import TOO_LARGE, Picture, Text
from qa2pack.pack.report.members import Part

PAGE_BYTES = 2_000_000
SHEET_BYTES = PAGE_BYTES - (100 << 10)  # without style, header and links of the page
_TEXTS_SHARE = 4  # the part of a member's page that texts may take before its pictures: a quarter

_Item = TypeVar("_Item", Picture, Text)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Pictures or texts of one page besides that of their member.

    Attributes:
        title: which of them, as `Pictures 13 to 24 of 60`.
        before, after: addresses of the pages before and after it; empty where there is none.
    """

    title: str
    pictures: tuple[Picture, ...] = ()
    texts: tuple[Text, ...] = ()
    before: str = ""
    after: str = ""


def without_too_large(part: Part) -> tuple[Part, tuple[Picture, ...]]:
    """Return the section without what is too large for any page, and these pictures; such a text gets a note."""
    pictures = tuple(picture for picture in part.pictures if _picture_bytes(picture) <= SHEET_BYTES)
    texts = tuple(
        text if _text_bytes(text) <= SHEET_BYTES else replace(text, text="", note=TOO_LARGE) for text in part.texts
    )
    large = tuple(picture for picture in part.pictures if _picture_bytes(picture) > SHEET_BYTES)
    return replace(part, pictures=pictures, texts=texts), large


def placed(part: Part, room: int) -> tuple[Part, tuple[Sheet, ...]]:
    """Return the section with the pictures and texts for which its page has room, and all others on sheets.

    Args:
        part: without what is too large for any page.
        room: bytes of the page that pictures and texts may take.
    """
    texts, text_sheets = _filled(part.texts, room // _TEXTS_SHARE, _text_bytes)
    pictures, picture_sheets = _filled(part.pictures, room - sum(map(_text_bytes, texts)), _picture_bytes)
    sheets = (
        *(Sheet(title, pictures=these) for title, these in _titled("Picture", pictures, picture_sheets)),
        *(Sheet(title, texts=these) for title, these in _titled("Text", texts, text_sheets)),
    )
    return replace(part, pictures=tuple(pictures), texts=tuple(texts)), sheets


def _filled(
    items: Iterable[_Item], first: int, byte_count: Callable[[_Item], int]
) -> tuple[list[_Item], list[list[_Item]]]:
    """Return the items that the first bytes have room for, and the others in sheets."""
    here: list[_Item] = []
    sheets: list[list[_Item]] = []
    last, left = here, first
    for item in items:
        needed = byte_count(item)
        if needed > left:
            last, left = [], SHEET_BYTES
            sheets.append(last)
        last.append(item)
        left -= needed
    return here, sheets


def _titled(
    kind: str, here: Sequence[_Item], sheets: Iterable[Sequence[_Item]]
) -> Iterator[tuple[str, tuple[_Item, ...]]]:
    sheets = list(sheets)
    first, total = len(here) + 1, len(here) + sum(map(len, sheets))
    for items in sheets:
        last = first + len(items) - 1
        which = f"{kind}s {first:,} to {last:,}" if items[1:] else f"{kind} {first:,}"
        yield f"{which} of {total:,}", tuple(items)
        first = last + 1


def _picture_bytes(picture: Picture) -> int:
    """Return how many bytes of a page it takes at most; its names are escaped and have places for line breaks."""
    return len(picture.uri) + 1000 + 16 * len(picture.path.encode())


def _text_bytes(text: Text) -> int:
    return len(escape(text.text).encode()) + 500 + 5 * len(text.path.encode())
