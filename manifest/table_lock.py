"""Table lock: the file `table.lock` of a CASA table, which is not content.

casacore keeps one in every table. Every program that opens the table writes to it: which process holds the table, and
how often it was changed. Its bytes are therefore neither hashed nor compared. A move leaves the origin its own
`table.lock`, so that no program locks the package's table by opening that of the origin. It is not opened in a
process that may hold such a lock itself: closing any descriptor of the file would drop the lock.
"""

LOCK_NAME = b"table.lock"


def is_table_lock(path: bytes) -> bool:
    """Return whether the name, or the last part of the path, is `table.lock`."""
    return path == LOCK_NAME or path.endswith(b"/" + LOCK_NAME)
