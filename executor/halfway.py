"""How far a staging came that is under way or was stopped: counted in the folder itself. Only looks.

The journal tells of a batch when it is done, and of nothing in a batch that was cut short.
"""

import os

from qa2pack.executor.places import Places


def staged_amount(places: Places) -> tuple[int, int] | None:
    """Return files and bytes that are staged, with the bytes of big files that are half copied.

    None if they cannot be counted: the folder is closed to everybody but its owner. What is staged or published at
    the same time may be counted or not.
    """
    try:
        file_count, byte_count = _amount(places.tree)
        return file_count, byte_count + _amount(places.partial)[1]
    except OSError:
        return None


def _amount(folder: bytes) -> tuple[int, int]:
    file_count = byte_count = 0
    for above, _, names in os.walk(folder, onerror=_raise_unless_gone):
        for name in names:
            try:
                byte_count += os.lstat(os.path.join(above, name)).st_size
            except FileNotFoundError:
                continue
            file_count += 1
    return file_count, byte_count


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
