"""ALMA uid: the name of an execution block, `uid___A002_X3c9295_X8c`.

The observatory writes `uid://A002/X3c9295/X8c`; on disk each `:` and `/` is an underscore. The uid is read from the
names of tables and scripts, never from the name of a folder, because people shorten folder names.
"""

import re

UID_PATTERN = r"uid___A[0-9]+_X[0-9A-Fa-f]+_X[0-9A-Fa-f]+(?![0-9A-Za-z])"
_UID = re.compile(UID_PATTERN.encode())


def uid_of(name: bytes) -> bytes | None:
    """Return the uid with which a name begins, or None."""
    match = _UID.match(name)
    return match[0] if match else None


def names_its_block(name: bytes) -> bool:
    """Return whether a name already contains its execution block, in full or in the short form `X8c`.

    Source: the documentation of the Cycle 0 packaging script, which puts no uid before such names.
    """
    return name.startswith((b"uid___", b"X"))
