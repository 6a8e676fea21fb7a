"""Codec of folder records: msgpack with integers in little-endian columns, validated when decoded."""

import operator
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import msgpack

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.record import DIGEST_BYTES, FolderRecord
from qa2pack.manifest.format.wire import WireError, unpack_columns
from qa2pack.manifest.path import UnsafePathError, check_name, check_relative

_BIN8 = b"\xc4"
_GROUP_BYTES = 256 << 10
_UNSAFE_PARTS = (b"\0\0", b"\0.\0", b"\0..\0")
_FIELDS = tuple(field.name for field in fields(FolderRecord))
_TYPES = [int if field.name == "device" else bytes for field in fields(FolderRecord)]
_NAMES = _FIELDS.index("names")  # and then those of the folders
_ACTIONS = _FIELDS.index("actions")
_KNOWN_ACTIONS = bytes(Action)


def encode_record(record: FolderRecord) -> bytes:
    """Return the record as msgpack; integers are little-endian columns."""
    columns = (
        record.path,
        b"\0".join(record.names),
        b"\0".join(record.folders),
        _packed("Q", record.sizes),
        _packed("q", record.mtimes),
        _packed("H", record.modes),
        record.actions,
        record.digests,
        record.source,
        b"\0".join(record.source_names),
        record.device,
        _packed("Q", record.inodes),
        _packed("q", record.ctimes),
    )
    packed: bytes = msgpack.packb(columns)
    return packed


def decode_record(blob: bytes) -> FolderRecord:
    """Return the record; its columns and paths are validated.

    Raises:
        WireError: the columns have wrong types or lengths.
        UnsafePathError: a path or name could lead out of the member or the origin.
    """
    columns = _unpacked_paths(blob)
    listed = _names(columns[_NAMES])
    _check_lengths(columns, len(listed))
    (path, _, folders, sizes, mtimes, modes, actions, digests, source, source_names, device, inodes, ctimes) = columns
    record = FolderRecord(
        path=path,
        names=listed,
        folders=_names(folders),
        sizes=_unpacked("Q", sizes),
        mtimes=_unpacked("q", mtimes),
        modes=_unpacked("H", modes),
        actions=actions,
        digests=digests,
        source=source,
        source_names=_names(source_names),
        device=device,
        inodes=_unpacked("Q", inodes),
        ctimes=_unpacked("q", ctimes),
    )
    _check_order(record.names)
    _check_order(record.folders)
    return record


def absolute_sources(blob: bytes) -> list[bytes]:
    """Return the sources of an encoded record that are outside the origin; cheaper than decoding it.

    Where the folder of all sources is absolute, that folder is returned for all of them.

    Raises:
        WireError: it is not a record.
        UnsafePathError: a path or name could lead out of the member, or not directly to its source.
    """
    *_, source, names, _, _, _ = _unpacked_paths(blob)
    if source.startswith(b"/"):
        return [source]
    return [name for name in _names(names) if name.startswith(b"/")] if b"/" in names else []


def grouped_blobs(blobs: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Yield encoded records in groups of some thousand files, the size of one batch of bulk work."""
    group: list[bytes] = []
    size = 0
    for blob in blobs:
        group.append(blob)
        size += len(blob)
        if size >= _GROUP_BYTES:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)


def record_path(blob: bytes) -> bytes:
    """Return the folder path of an encoded record without decoding it, for merging and lookup.

    Raises:
        WireError: it is not a record.
    """
    if blob[1:2] == _BIN8:  # the first element of the array, in msgpack's form for up to 255 bytes
        return blob[3 : 3 + blob[2]]
    path: bytes = _columns(blob)[0]
    return path


def record_actions(blob: bytes) -> bytes:
    """Return the actions of an encoded record without decoding it, to find the few records that must be decoded.

    Raises:
        WireError: it is not a record.
    """
    return bytes(_columns(blob)[_ACTIONS])


def record_file_count(blob: bytes) -> int:
    """Return the number of files of an encoded record without decoding it; raises as `record_path`."""
    return _count(_columns(blob)[_NAMES])


def _unpacked_paths(blob: bytes) -> list[Any]:
    columns = _columns(blob)
    path, names, folders, *_, source, source_names, _, _, _ = columns
    check_relative(path)
    for joined in (names, folders):
        if b"/" in joined or _has_unsafe_part(joined):
            for name in _parts(joined):
                check_name(name)
    for joined in (source, source_names):
        if _has_unsafe_part(joined.replace(b"/", b"\0")):
            for name in _parts(joined):
                check_relative(name.removeprefix(b"/"))
    if b"\0" in source:
        raise UnsafePathError(source)
    return columns


def _parts(joined: bytes) -> Iterator[bytes]:
    """Yield the names of a column one by one: a list of empty ones takes eight times the memory of the column."""
    start = 0
    while (end := joined.find(b"\0", start)) >= 0:
        yield joined[start:end]
        start = end + 1
    yield joined[start:]


def check_columns(blob: bytes) -> None:
    """Validate the types and lengths of the columns of an encoded record.

    Checks each column as a whole and no path, so that it costs little compared with reading the file.

    Raises:
        WireError: it is not a record.
    """
    columns = _columns(blob)
    _check_lengths(columns, _count(columns[_NAMES]))


def check_record(blob: bytes) -> int:
    """Validate an encoded record as `decode_record` does, in less time; return the number of its files.

    Raises:
        WireError: the columns have wrong types or lengths.
        UnsafePathError: a path or name could lead out of the member or the origin.
    """
    columns = _unpacked_paths(blob)
    count = _count(columns[_NAMES])
    _check_lengths(columns, count)
    for joined in columns[_NAMES : _NAMES + 2]:
        _check_order(_names(joined))
    return count


def _columns(blob: bytes) -> list[Any]:
    columns = unpack_columns(blob, len(_FIELDS))
    if list(map(type, columns)) != _TYPES:
        raise WireError("a folder record has columns of other types than it should")
    return columns


def _count(joined: bytes) -> int:
    return joined.count(b"\0") + 1 if joined else 0


def _check_lengths(columns: Sequence[Any], count: int) -> None:
    _, _, _, sizes, mtimes, modes, actions, digests, _, source_names, _, inodes, ctimes = columns
    wide = 8 * count
    if (
        len(actions) != count
        or len(modes) != 2 * count
        or len(digests) != DIGEST_BYTES * count
        or not len(sizes) == len(mtimes) == len(inodes) == len(ctimes) == wide
    ):
        raise WireError("the columns of a folder record differ in length")
    if source_names and _count(source_names) != count:
        raise WireError("the sources of a folder record do not fit its names")
    if actions.translate(None, _KNOWN_ACTIONS):
        raise WireError("a folder record has actions that are none")


def _has_unsafe_part(joined: bytes) -> bool:
    """Return whether one of the parts, joined by NUL, is not a plain name.

    All are checked together, because a million function calls would take longer than all other work on them.
    """
    enclosed = b"\0%b\0" % joined
    return bool(joined) and any(unsafe in enclosed for unsafe in _UNSAFE_PARTS)


def _check_order(names: Sequence[bytes]) -> None:
    if not all(map(operator.lt, names, names[1:])):
        raise WireError("the names of a folder record are not sorted")


def _names(joined: bytes) -> list[bytes]:
    return joined.split(b"\0") if joined else []


def _packed(typecode: str, values: Sequence[int]) -> bytes:
    column = array(typecode, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _unpacked(typecode: str, packed: bytes) -> Sequence[int]:
    column = array(typecode)
    column.frombytes(packed)
    if sys.byteorder == "big":
        column.byteswap()
    return column
