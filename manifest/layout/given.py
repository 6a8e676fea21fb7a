"""Given values: what --set says of the variables of a layout, and which variables have no value at all."""

import os
from collections.abc import Iterable, Iterator, Mapping

from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.template import PROJECT
from qa2pack.manifest.problem import Code, Problem, Refused


def parse_value(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`.

    Raises:
        Refused: name or value is missing.
    """
    name, _, value = text.partition("=")
    if not name or not value:
        raise Refused(Problem(Code.UNKNOWN_VARIABLE, _bytes(text), expected="NAME=VALUE"))
    return name, value


def with_absolute_paths(values: Iterable[tuple[str, str]], layout: Layout) -> tuple[tuple[str, str], ...]:
    """Return the values, in which paths of files are absolute: the plan remembers them for other folders."""
    variables = layout.variables
    return tuple(
        (name, os.path.abspath(value) if name in variables and variables[name].is_path else value)
        for name, value in values
    )


def given_values(values: Iterable[tuple[str, str]], layout: Layout, *, project: bytes) -> Mapping[str, bytes]:
    """Return the values of the variables that are given, by --set or as the project code.

    Raises:
        Refused: the layout has no such variable, or it may not have this value; or a variable that a rule needs has
            no value, and none of the layout's places fixes it.
    """
    pairs = tuple(values)
    given = {PROJECT: project, **{name: _bytes(value) for name, value in pairs}}
    problems = [*_wrong(pairs, layout), *_missing(layout, given)]
    if problems:
        raise Refused(*problems)
    return given


def _wrong(values: Iterable[tuple[str, str]], layout: Layout) -> Iterator[Problem]:
    for name, value in values:
        text = _bytes(f"{name}={value}")
        if name not in layout.variables:
            known = ", ".join(sorted(layout.variables)) or "none: the layout has no variables"
            yield Problem(Code.UNKNOWN_VARIABLE, text, expected=f"one of {known}")
        elif not layout.variables[name].is_like(_bytes(value)):
            yield Problem(Code.UNKNOWN_VARIABLE, text, expected=f"a value like {layout.variables[name].like}")


def _missing(layout: Layout, given: Mapping[str, bytes]) -> Iterator[Problem]:
    fixed = frozenset().union(*(place.fixes for place in layout.places))
    needs = (*(rule.needs for rule in layout.rules), *(write.needs for write in layout.writes))
    needed = dict.fromkeys(name for names in needs for name in names)
    for name in needed:
        variable = layout.variables.get(name)
        if variable and not variable.default and name not in {*fixed, *given}:
            yield Problem(Code.VARIABLE_MISSING, _bytes(name), expected=f"a value like {variable.like}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
