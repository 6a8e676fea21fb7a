"""Templates of paths: text with variables in braces, `qa/{prefix}{name}`, that are filled for each file.

Pure. A template is checked when its layout is loaded, so that filling can only fail for want of a value.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from qa2pack.manifest.bundle.form import SUFFIXES, Form, form_of
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES
from qa2pack.manifest.layout.patterns import PatternError
from qa2pack.manifest.path import UnsafePathError, check_relative

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# What stands for a variable while the rest of a template is checked: only a prefix may be empty.
_SOME = "x"
PREFIX = "prefix"
# Between the path of a bundle and one in it.
BUNDLE_MARK = "!"
# The project code, which is the name of the package.
PROJECT = "project"


class NoValueError(Exception):
    """A variable has no value here."""

    def __init__(self, variable: str) -> None:
        super().__init__(variable)
        self.variable = variable


class NoPathError(Exception):
    """With the values that it has here a template is no path in the member, such as `qa/..`."""

    def __init__(self, path: bytes) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Template:
    """A path with variables.

    Attributes:
        parts: text and names of variables in turn; the first is text.
        bundle: the path of the bundle in which this is a path; None for a file or folder by itself.
    """

    text: str
    parts: tuple[str, ...]
    bundle: "Template | None" = None

    @property
    def variables(self) -> frozenset[str]:
        """The names of its variables."""
        return frozenset(self.parts[1::2])

    @property
    def folder(self) -> str:
        """Its first folder as it is written; empty for a path without one."""
        text = self.bundle.text if self.bundle else self.text
        return text.partition("/")[0] if "/" in text else ""

    @property
    def is_in_any_folder(self) -> bool:
        """Whether values decide which first folder it is in."""
        return "{" in self.folder or self.text.startswith("{path}")

    def fill(self, value_of: Callable[[str], bytes | None]) -> bytes:
        """Return the path with the values of its variables.

        Raises:
            NoValueError: a variable has none.
            NoPathError: a value makes it a path that leads out of the member, or that has an empty part.
        """
        filled = [self.parts[0].encode()]
        for variable, text in zip(self.parts[1::2], self.parts[2::2], strict=True):
            value = value_of(variable)
            if value is None:
                raise NoValueError(variable)
            filled += [value, text.encode()]
        path = b"".join(filled)
        try:
            check_relative(path or b"//")  # empty where the origin has no name, as / has none
        except UnsafePathError:
            raise NoPathError(path) from None
        return path


def parse_template(text: str) -> Template:
    """Return the template of a path.

    Raises:
        PatternError: it is no path below the package, or has a brace that belongs to no variable.
    """
    parts = tuple(_VARIABLE.split(text))
    if any(brace in part for part in parts[::2] for brace in "{}"):
        raise PatternError("text with variables in braces, as {name}", text)
    stand_ins = ("" if variable == PREFIX else _SOME for variable in parts[1::2])
    path = "".join((parts[0], *(a + b for a, b in zip(stand_ins, parts[2::2], strict=True)))).encode()
    try:
        check_relative(path or b"//")
    except UnsafePathError:
        raise PatternError("a path below the member, without empty parts, . and ..", text) from None
    if max(map(len, path.split(b"/"))) > NAME_LIMIT_BYTES:
        raise PatternError(f"names of at most {NAME_LIMIT_BYTES} bytes", text)
    return Template(text, parts)


def parse_target(text: str) -> Template:
    """Return the template of a path in the package or in a bundle, whose path stands before a `!`.

    Behind that stands the path in the bundle; of a compressed file, which has one file in it, nothing.

    Raises:
        PatternError: as `parse_template`; or what stands before a `!` has no name of a bundle.
    """
    before, mark, inside = text.partition(BUNDLE_MARK)
    if mark:
        through = parse_template(_path_through(before, inside, text))
        return replace(through, text=text, bundle=parse_template(before))
    return parse_template(text)


def _path_through(bundle: str, inside: str, text: str) -> str:
    """Return the path that a file in a bundle has, as if the bundle were a folder."""
    form = form_of(bundle.rpartition("}")[2].encode())
    if form is None or BUNDLE_MARK in inside:
        raise PatternError(f"a path that ends in {', '.join(SUFFIXES)} before one {BUNDLE_MARK}", text)
    if form is Form.GZ and not inside:
        return f"{bundle}/{bundle.rpartition('/')[2].removesuffix('.gz')}"
    if form is Form.GZ or not inside:
        expected = "nothing" if form is Form.GZ else "a path in the bundle"
        raise PatternError(f"{expected} behind {BUNDLE_MARK}", text)
    return f"{bundle}/{inside}"
