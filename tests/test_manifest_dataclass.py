"""Our `dataclass` beside that of the standard library: the same class comes out."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any

import pytest

from qa2pack.manifest import dataclass as ours
from support.counted_calls import counted_calls

Decorator = Callable[..., Any]
_BOTH = pytest.mark.parametrize("dataclass", [ours.dataclass, dataclasses.dataclass])


def _many(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Many:
        """With every form of field."""

        name: str
        size: int = 3
        found: list[int] = field(default_factory=list, compare=False)
        line: int = field(default=0, compare=False, repr=False)
        values: dict[str, int] = field(default_factory=dict, hash=False)
        double: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.size)

    return Many


def _none(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Nothing:
        """Without fields."""

    return Nothing


def _one(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class One:
        # Without a docstring, too.
        value: object

    return One


def _open(dataclass: Decorator) -> Any:
    @dataclass(slots=True)
    class Open:
        """Not frozen, and with a method of its own in place of one that would be made."""

        value: int
        more: int = 1

        def __repr__(self) -> str:
            return f"<{self.value}>"

    return Open


_CASES = [
    (_none, ()),
    (_one, (1,)),
    (_one, ("x",)),
    (_many, ("a",)),
    (_many, ("a", 4)),
    (_many, ("a", 3, [1], 7, {"b": 2})),
    (_many, ("b",)),
    (_open, (1,)),
    (_open, (1, 2)),
]


def _outcome(ask: Callable[[], object]) -> object:
    try:
        return ask()
    except (AttributeError, TypeError, FrozenInstanceError) as error:
        return type(error), str(error)


def _questions(kind: Any, values: tuple[object, ...]) -> list[object]:
    """Return what two equal values of the class answer to everything that is asked of them."""
    one, other = kind(*values), kind(*values)
    names = [each.name for each in fields(kind)]
    return [
        repr(one),
        one == other,
        one == values,
        asdict(one),
        kind.__match_args__,
        kind.__slots__,
        [*inspect.signature(kind).parameters],
        asdict(copy.deepcopy(one)),
        _outcome(lambda: hash(one) == hash(other)),
        _outcome(lambda: vars(one)),
        _outcome(lambda: kind(*values, *range(9))),
        _outcome(lambda: kind(nothing=1)),
        *(_outcome(lambda name=name: setattr(one, name, 9)) for name in names),  # type: ignore[misc]
        *(_outcome(lambda name=name: delattr(one, name)) for name in names),  # type: ignore[misc]
    ]


@pytest.mark.parametrize(("make", "values"), _CASES)
def test_class_is_that_of_the_standard_library(make: Callable[[Decorator], Any], values: tuple[object, ...]) -> None:
    assert _questions(make(ours.dataclass), values) == _questions(make(dataclasses.dataclass), values)


@_BOTH
def test_fields_that_are_not_compared_do_not_count(dataclass: Decorator) -> None:
    kind = _many(dataclass)
    assert kind("a", 3, [1], 7) == kind("a", 3, [2], 8)
    assert hash(kind("a", 3, [1], 7, {"b": 1})) == hash(kind("a", 3, [2], 8, {"c": 2}))
    assert kind("a", values={"b": 1}) != kind("a", values={"b": 2})
    assert kind("a") != kind("b")


@_BOTH
def test_each_value_has_lists_of_its_own(dataclass: Decorator) -> None:
    kind = _many(dataclass)
    assert kind("a").found is not kind("a").found


@_BOTH
def test_replace_computes_what_is_not_given(dataclass: Decorator) -> None:
    changed = replace(_many(dataclass)("a"), size=5)
    assert (changed.name, changed.size, changed.double) == ("a", 5, 10)


@_BOTH
def test_classes_are_told_apart(dataclass: Decorator) -> None:
    one, other = _one(dataclass), _open(dataclass)
    assert one(1) != other(1)
    match one(1):
        case other(_):
            found = None
        case one(value):
            found = value
    assert found == 1


@_BOTH
def test_fields_of_all_levels_are_returned_by_name(dataclass: Decorator) -> None:
    one, many = _one(dataclass), _many(dataclass)
    value = one((many("a", 2, [1]), [one(b"x"), None], {"b": 1}))
    assert ours.asdict(value) == asdict(value)
    assert ours.asdict(value)["value"][1] == [{"value": b"x"}, None]


@ours.dataclass(frozen=True, slots=True)
class Sent:
    """Goes to another process."""

    path: bytes
    count: int = 0


def test_frozen_value_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Sent(b"x", 2))) == Sent(b"x", 2)
    assert copy.copy(Sent(b"x", 2)) == Sent(b"x", 2)


@_BOTH
def test_subclass_makes_the_first_object_of_its_class(dataclass: Decorator) -> None:
    class Sub(_many(dataclass)):  # type: ignore[misc]
        pass

    assert (Sub("a").name, Sub("b", 4).double) == ("a", 8)


def test_init_is_compiled_when_the_first_object_is_made_and_once() -> None:
    kind = _many(ours.dataclass)
    with counted_calls() as calls:
        before = calls["exec"]
        kind("a")
        first = calls["exec"]
        kind("b")
    assert (before, first, calls["exec"]) == (0, 1, 1)


def test_signature_of_a_class_of_which_there_is_no_object_is_that_of_its_fields() -> None:
    assert list(inspect.signature(_many(ours.dataclass)).parameters) == ["name", "size", "found", "line", "values"]
