"""Named errors: adds the path to errors of the system that have none, to tell which file and which disk it was."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def naming(path: bytes) -> Iterator[None]:
    """Add the file name to errors that have none, such as those of write and fsync."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise
