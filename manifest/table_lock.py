"""Table lock: the file `table.lock` of a CASA table, of which nothing is content but the number of rows.

casacore keeps one in every table. Every program that opens the table writes to it: which process holds the table, and
how often it was changed. Its bytes are therefore neither hashed nor compared. A move leaves the origin its own
`table.lock`, so that no program locks the package's table by opening that of the origin. It is not opened in a
process that may hold such a lock itself: closing any descriptor of the file would drop the lock.

The number of rows is content. casacore writes it into `table.dat` only when columns change; a table that got rows
afterwards, as most subtables do, has the right number in `table.lock` alone, and without it its rows are not seen. A
manifest keeps the number in the place of the digest. The form is that of casacore's `LockFile.cc` and
`TableSyncData.cc`: which processes wait for the lock, the length of the rest, and an AipsIO object `sync`.
"""

LOCK_NAME = b"table.lock"
LOCK_BYTES = 1 << 20  # at most; casacore writes some hundred

_REQUESTS_BYTES = 260
_SYNC_AT = _REQUESTS_BYTES + 4
_MAGIC = b"\xbe\xbe\xbe\xbe"
_SYNC = b"\x00\x00\x00\x04sync"
_COUNT_BYTES = {1: 4, 2: 8}  # of the number of rows, by version
_LEAST_BYTES = _SYNC_AT + 24  # with a number of rows
_MARK = b"\x00\x00rows\x00\x00"  # as long as half a digest


def is_table_lock(path: bytes) -> bool:
    """Return whether the name, or the last part of the path, is `table.lock`."""
    return path == LOCK_NAME or path.endswith(b"/" + LOCK_NAME)


def row_count_of(lock: bytes) -> int | None:
    """Return the number of rows that the bytes of a `table.lock` tell; None if they tell none."""
    if lock[_SYNC_AT : _SYNC_AT + 4] != _MAGIC or lock[_SYNC_AT + 8 : _SYNC_AT + 16] != _SYNC:
        return None
    version = int.from_bytes(lock[_SYNC_AT + 16 : _SYNC_AT + 20], "big")
    count = lock[_SYNC_AT + 20 : _SYNC_AT + 20 + _COUNT_BYTES.get(version, 0)]
    return int.from_bytes(count, "big") if count and len(count) == _COUNT_BYTES[version] else None


def may_tell_rows(size_bytes: int) -> bool:
    """Return whether a `table.lock` of this size can tell the number of rows.

    One that casacore made where it found none cannot: only a program that writes to the table puts the number in.
    """
    return size_bytes >= _LEAST_BYTES


def without_requests(lock: bytes) -> bytes:
    """Return the bytes of a `table.lock` for which no process waits."""
    return bytes(min(len(lock), _REQUESTS_BYTES)) + lock[_REQUESTS_BYTES:]


def digest_of_rows(row_count: int) -> bytes:
    """Return what stands in a manifest for the digest of a `table.lock` that tells this number of rows (16 bytes)."""
    return _MARK + row_count.to_bytes(8, "big")


def rows_of_digest(digest: bytes) -> int | None:
    """Return the number of rows that stands in the place of a digest; None where there is another one, or none."""
    return int.from_bytes(digest[len(_MARK) :], "big") if digest.startswith(_MARK) else None
