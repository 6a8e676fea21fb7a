"""`table.lock`, which casacore keeps in every table: whoever opens the table writes to it, so it is no content.

It says who holds the table and how often it was changed. Its bytes are therefore neither hashed nor compared, and a
move leaves the origin its own, so that no program locks the package's table by opening that of the origin. Nor is it
opened in a process that may hold such a lock itself: closing any descriptor of the file would drop the lock.
"""

LOCK_NAME = b"table.lock"


def is_table_lock(path: bytes) -> bool:
    """Tell whether the name, or the last part of the path, is that of a table's lock."""
    return path == LOCK_NAME or path.endswith(b"/" + LOCK_NAME)
