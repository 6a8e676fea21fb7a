"""Being an ordinary user for a while, where the tests run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def as_ordinary_user() -> Iterator[int]:
    """Yield the number of a user who is not root, and whom this process is until the end of the block.

    What is imported later than now may be out of reach: import it before.
    """
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield NOBODY
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@contextmanager
def folder_of_everybody() -> Iterator[Path]:
    """Yield an empty folder that every user can reach and write to."""
    folder = Path(tempfile.mkdtemp(prefix="qa2pack-test-", dir="/tmp"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        for inner, _, _ in os.walk(folder):
            os.chmod(inner, 0o700)
        shutil.rmtree(folder)
