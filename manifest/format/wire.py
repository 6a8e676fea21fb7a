"""Wire format validation: bounded msgpack decoding, and values of exactly the type of each dataclass field.

A checksum proves that a file was not changed, not that this program wrote it. So every header, note, chunk, record
and journal record is decoded here. Anything that does not match its fields raises `WireError`, which the caller
reports as damage of the file. Without that check it would fail later, far from the damaged file.

Columns of millions of files are not checked value by value: `manifest.format.record_codec` checks each as a whole.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgpack

from qa2pack.manifest.dataclass import dataclass

_MOST = (1 << 64) - 1  # the limit of msgpack; inode numbers reach it
_EARLIEST_NS = -(1 << 63)
_FEWEST_ITEMS = 1024
_ITEM_BYTES = 4  # a value takes more than that on the wire; its pointer in memory takes twice as much
_CONTAINER_BYTES = 8  # a list or map of this format takes more than that; an empty one takes 1, and 64 in memory
T = TypeVar("T")
_Reader = Callable[[Any], Any]


class WireError(ValueError):
    """Bytes that are not valid in the wire format."""


@dataclass(frozen=True, slots=True)
class _From:
    """The minimum of a number; the maximum is the same for all."""

    least: int


# A time may be before 1970; all other numbers are counts and not negative.
Moment = Annotated[int, _From(_EARLIEST_NS)]


def unpack(payload: bytes) -> Any:
    """Decode msgpack bytes without using more memory than their length justifies.

    Otherwise a few bytes could announce a list of a billion items, and each byte could be an empty map. msgpack
    itself limits how deep lists are nested.

    Raises:
        WireError: they are not msgpack, or hold types that the wire format does not have.
    """
    items = max(_FEWEST_ITEMS, len(payload) // _ITEM_BYTES)
    counted = _counted(max(_FEWEST_ITEMS, len(payload) // _CONTAINER_BYTES))
    return _unpacked(
        payload, max_array_len=items, max_map_len=items, max_ext_len=0, list_hook=counted, object_hook=counted
    )


def _counted(most: int) -> Callable[[Any], Any]:
    """Return a function that gives back what it is called with, and raises WireError when it is called too often."""
    calls = iter(range(most))

    def pass_on(value: Any) -> Any:
        if next(calls, None) is None:
            raise WireError("more lists and maps than so many bytes hold")
        return value

    return pass_on


def unpack_columns(blob: bytes, count: int) -> list[Any]:
    """Decode exactly `count` columns, each bytes or a number; any other type is refused at its first byte.

    Raises:
        WireError: a column has another type, or there is another number of columns.
    """
    columns = _unpacked(blob, max_array_len=count, max_map_len=0, max_str_len=0, max_ext_len=0)
    if not isinstance(columns, list) or len(columns) != count:
        raise WireError("other columns than there should be")
    return columns


def _unpacked(payload: bytes, **limits: Any) -> Any:
    try:
        return msgpack.unpackb(payload, **limits)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise WireError(f"no msgpack of this form ({error})") from error


def unpack_map(payload: bytes) -> dict[str, object]:
    """Decode msgpack bytes to a map with string keys; raises as `unpack`, also if they hold anything else."""
    wire = unpack(payload)
    if not isinstance(wire, dict) or not all(isinstance(name, str) for name in wire):
        raise WireError("no map of names")
    return wire


def read_value(kind: type[T], wire: object) -> T:
    """Convert a decoded wire value to a dataclass, enumeration or plain type.

    A map must hold every field that has no default, and no unknown field; lists become tuples.

    Raises:
        WireError: a value has the wrong type, a number is out of range, or a field is missing or unknown.
        ValueError: the dataclass itself refuses its values.
    """
    return cast("T", _reader(cast("Any", kind))(wire))


@cache
def _reader(kind: Any) -> _Reader:
    """Return the function that converts a wire value to the type; built once per type."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _number(args[1].least)
    if origin is tuple and args[-1] is ...:
        return _list(_reader(args[0]))
    if origin is tuple:
        return _row(tuple(map(_reader, args)))
    if origin in (UnionType, Union):
        if str in args and NoneType not in args:
            return _plain(str)  # text, or a value that is never written to disk
        (inner,) = (arg for arg in args if arg is not NoneType)
        return _optional(_reader(inner))
    if is_dataclass(kind):
        return _fields(cast("type[Any]", kind))
    if issubclass(kind, Enum):
        return _choice(kind)
    return _number(0) if kind is int else _plain(kind)


def _plain(kind: type[object]) -> _Reader:
    def read(wire: object) -> object:
        if type(wire) is not kind:
            raise WireError(f"{type(wire).__name__} where there should be {kind.__name__}")
        return wire

    return read


def _number(least: int) -> _Reader:
    def read(wire: object) -> object:
        if type(wire) is not int or not least <= wire <= _MOST:
            raise WireError("a number that is none, or out of range")
        return wire

    return read


def _choice(kind: type[Enum]) -> _Reader:
    def read(wire: object) -> object:
        if type(wire) is not str:
            raise WireError(f"{type(wire).__name__} where there should be a word")
        return kind(wire)

    return read


def _optional(inner: _Reader) -> _Reader:
    return lambda wire: None if wire is None else inner(wire)


def _list(inner: _Reader) -> _Reader:
    def read(wire: object) -> object:
        if type(wire) is not list:
            raise WireError(f"{type(wire).__name__} where there should be a list")
        return tuple(map(inner, wire))

    return read


def _row(inner: tuple[_Reader, ...]) -> _Reader:
    def read(wire: object) -> object:
        if type(wire) is not list or len(wire) != len(inner):
            raise WireError(f"no list of {len(inner)} values")
        return tuple(reader(value) for reader, value in zip(inner, wire, strict=True))

    return read


def _fields(kind: type[Any]) -> _Reader:
    hints = get_type_hints(kind, include_extras=True)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}

    def read(wire: object) -> object:
        if type(wire) is not dict or not needed <= wire.keys() <= readers.keys():
            raise WireError(f"no values of a {kind.__name__}")
        return kind(**{name: readers[name](value) for name, value in wire.items()})

    return read
