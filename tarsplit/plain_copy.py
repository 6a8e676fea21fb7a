"""Plain copy of a package, or of a part of it, in a store: single files are taken out of it by their content.

No sidecar tells what is there. So a file is first looked for where it belongs, and then, of what is still missing,
each file of the store that has the right size is read, whatever it is called.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from qa2pack.manifest.path import join
from qa2pack.tarsplit.container.reader import EndedError
from qa2pack.tarsplit.content_copy import (
    Located,
    OtherContentError,
    Wanted,
    copy_content,
    is_copied,
    keep_copies,
    target_of,
)
from qa2pack.tarsplit.place.place import PlaceError

if TYPE_CHECKING:
    from qa2pack.tarsplit.place.store import Store  # what it imports takes long


def extract_plain(
    store: "Store", expected: Sequence[Located], wanted: Wanted, folder: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Write the files with these contents into a folder, each once; yield the path of each, and its address.

    Args:
        expected: where each may be; the first of the right content is taken.
        wanted: what is written is taken out of it.

    Raises:
        StoreError: the store does not answer.
        OSError: the folder cannot be written.
    """
    for each in expected:
        if each.content in wanted and is_copied(folder, each.content, wanted[each.content]):
            del wanted[each.content]
            yield target_of(folder, each.content), join(store.path, each.path)
    yield from _taken(store, expected, wanted, folder)
    if wanted:
        yield from _taken(store, _of_the_same_size(store, expected, wanted), wanted, folder)


def _taken(store: "Store", places: Iterable[Located], wanted: Wanted, folder: bytes) -> Iterator[tuple[bytes, bytes]]:
    for each in places:
        if each.content in wanted and _is_copied_from(store, each, wanted[each.content], folder):
            del wanted[each.content]
            yield target_of(folder, each.content), join(store.path, each.path)


def _is_copied_from(store: "Store", found: Located, sha256: bytes, folder: bytes) -> bool:
    with suppress(PlaceError, FileNotFoundError, EndedError, OtherContentError), store.opened(found.path) as file:
        if file.byte_count in (None, found.content[0]):
            copy_content(file, found, sha256, folder)
            return bool(keep_copies(folder, [found.content], [found.content]))
    return False


def _of_the_same_size(store: "Store", expected: Iterable[Located], wanted: Wanted) -> Iterator[Located]:
    """Yield each file of the store with the wanted contents that it could have."""
    times = {each.content: each.mtime_ns for each in expected}
    for path, size in store.files():
        yield from (Located(path, each, times[each]) for each in [*wanted] if size in (None, each[0]))
