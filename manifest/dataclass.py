"""`dataclass` as the standard library's, for classes with slots, defined in a fifth of the time.

A command defines some 150 classes before it begins. The standard library writes and compiles up to eight methods for
each, which took half of the time to start. Here `__init__` alone is compiled, for the first object; the other methods
are functions of the tuple of values. What a class does is the same, and type checkers see the original: `fields`,
`replace` and `asdict` of `dataclasses` take it, and it can be matched and pickled. Of fields it knows defaults, and
init, repr, compare and hash.
"""

import dataclasses
from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

__all__ = ["asdict", "dataclass"]

Class = TypeVar("Class", bound=type[Any])

_Fields = tuple["dataclasses.Field[Any]", ...]
_Values = Callable[[Any], Any]
_NEW: Any = object()


def _with_slots(*, slots: bool, frozen: bool = False) -> Callable[[Class], Class]:
    """Return the decorator of a class that has slots."""

    def define(plain: Class) -> Class:
        # For one without a docstring its signature would be parsed; for a frozen one two methods would be compiled.
        plain.__doc__ = plain.__doc__ or plain.__name__
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(plain)
        for name, method in _methods(made, frozen).items():
            if name not in vars(plain):
                setattr(made, name, method)
        return cast("Class", made)

    return define


def asdict(value: object) -> dict[str, Any]:
    """Return the fields of a dataclass by name, those of dataclasses in it as well; no other value is copied.

    That of the standard library copies each number and text deeply, which takes most of the time to write a header.
    """
    kind: Any = type(value)
    return {name: _plain(getattr(value, name)) for name in _names(kind)}


def _plain(value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)(map(_plain, value))
    return asdict(value) if hasattr(type(value), "__dataclass_fields__") else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _methods(made: type[Any], frozen: bool) -> dict[str, Any]:
    fields = dataclasses.fields(made)
    equal = {
        "__init__": _LateInit(made, fields),
        "__repr__": _repr,
        "__eq__": _eq(_compared(fields)),
        "__hash__": None,
    }
    if not frozen:
        return equal
    hashed = _values(field.name for field in fields if (field.compare if field.hash is None else field.hash))
    return equal | {
        "__hash__": lambda self: hash(hashed(self)),
        "__setattr__": _refuse_to_assign,
        "__delattr__": _refuse_to_delete,
        "__getstate__": _state,
        "__setstate__": _set_state,
    }


class _LateInit:
    """`__init__` of a class, compiled when it is first asked for: a command makes objects of few of its classes."""

    def __init__(self, made: type[Any], fields: _Fields) -> None:
        self._made = made
        self._fields = fields

    def __get__(self, value: object, kind: type[Any]) -> Any:
        init = _init(self._made, self._fields)
        self._made.__init__ = init  # in place of this
        return init if value is None else init.__get__(value, kind)


def _init(made: type[Any], fields: _Fields) -> Any:
    """Return `__init__`, which sets slots directly: `setattr` is refused, and slower."""
    names: dict[str, Any] = {"_NEW": _NEW}
    parameters, lines = ["self"], []
    for field in fields:
        if not field.init:
            continue
        name = value = field.name
        names[f"_set_{name}"] = getattr(made, name).__set__
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            default, value = _NEW, f"_make_{name}() if {name} is _NEW else {name}"
        if default is not dataclasses.MISSING:
            names[f"_default_{name}"] = default
        parameters.append(name if default is dataclasses.MISSING else f"{name}=_default_{name}")
        lines.append(f"_set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), names)
    init = names["__init__"]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


def _eq(values: _Values) -> Callable[[Any, object], Any]:
    def is_equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return is_equal


def _compared(fields: _Fields) -> _Values:
    return _values(field.name for field in fields if field.compare)


def _values(names: Iterable[str]) -> _Values:
    """Return a function from an object to the values of these fields."""
    named = tuple(names)
    return attrgetter(*named) if named else lambda _: ()


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_assign(_self: Any, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: Iterable[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _with_slots
