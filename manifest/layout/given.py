"""Given values: what --set says of the variables of a layout, and which variables have no value at all."""

import os
from collections.abc import Iterable, Iterator, Mapping

from qa2pack.manifest.layout.patterns import Variable
from qa2pack.manifest.layout.remedies import SET_ONE
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.template import PROJECT
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy


def parse_value(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`.

    Raises:
        Refused: name or value is missing, or it is not UTF-8, in which plans keep it.
    """
    name, _, value = text.partition("=")
    if not name or not value or not _is_utf8(text):
        raise Refused(Problem(Code.UNKNOWN_VARIABLE, _bytes(text), expected="NAME=VALUE in UTF-8"))
    return name, value


def two_values(texts: Iterable[str]) -> tuple[str, str] | None:
    """Return two of the texts `NAME=VALUE` that give one variable different values; None if there are none."""
    first: dict[str, str] = {}
    for text in texts:
        before = first.setdefault(text.partition("=")[0], text)
        if before != text:
            return before, text
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def with_absolute_paths(values: Iterable[tuple[str, str]], layout: Layout) -> tuple[tuple[str, str], ...]:
    """Return the values, in which paths of files are absolute: the plan remembers them for other folders."""
    variables = layout.variables
    return tuple(
        (name, os.path.abspath(value) if name in variables and variables[name].is_path else value)
        for name, value in values
    )


def given_values(
    values: Iterable[tuple[str, str]], layout: Layout, *, given_as: str, project: bytes
) -> Mapping[str, bytes]:
    """Return the values of the variables that are given, by --set or as the project code.

    Args:
        given_as: name or path of the layout, for advice.

    Raises:
        Refused: the layout has no such variable, or it may not have this value; or a variable that a rule needs has
            no value, and none of the layout's places fixes it.
    """
    pairs = tuple(values)
    given = {PROJECT: project, **{name: _bytes(value) for name, value in pairs}}
    wrong, missing = tuple(_wrong(pairs, layout)), tuple(_missing(layout, given))
    if wrong or missing:
        look = Remedy(SET_ONE.text, ("pack layout --check PATH",), os.fsencode(given_as))
        raise Refused(*wrong, *missing, remedies=(look,) if wrong else ())
    return given


def _wrong(values: Iterable[tuple[str, str]], layout: Layout) -> Iterator[Problem]:
    for name, value in values:
        text = _bytes(f"{name}={value}")
        if name not in layout.variables:
            known = ", ".join(sorted(layout.variables)) or "none: the layout has no variables"
            yield Problem(Code.UNKNOWN_VARIABLE, text, expected=f"one of {known}")
        elif not layout.variables[name].is_like(_bytes(value)):
            yield Problem(Code.UNKNOWN_VARIABLE, text, expected=_likely(layout.variables[name]))


def _missing(layout: Layout, given: Mapping[str, bytes]) -> Iterator[Problem]:
    fixed = frozenset().union(*(place.fixes for place in layout.places))
    needs = (
        *(rule.needs for rule in layout.rules),
        *(write.needs for write in layout.writes),
        *(delivery.file.variables for delivery in layout.deliveries),
    )
    needed = dict.fromkeys((*sorted(layout.tree.variables), *(name for names in needs for name in names)))
    for name in needed:
        variable = layout.variables.get(name)
        if variable and not variable.default and name not in {*fixed, *given}:
            yield Problem(Code.VARIABLE_MISSING, _bytes(name), expected=_likely(variable))


def _likely(variable: Variable) -> str:
    """Return what values look like, in words."""
    if variable.is_path:
        return "the path of a file"
    match variable.like:
        case "uid":
            return "a value like uid___A002_X3c9295_X8c"
        case "*":
            return "a value that is a name: without a /, and not . or .."
        case like:
            return f"a value like {like}, without a /"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
