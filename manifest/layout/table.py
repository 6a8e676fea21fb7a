"""One table of a layout file: the values of its keys, of the right type, or a refusal that names table and line.

Nothing is known here of what the keys mean.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Never, TypeVar

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.globs import has_other_braces, has_uid_in_brackets
from qa2pack.manifest.layout.patterns import PatternError, check_can_match, check_spelling
from qa2pack.manifest.layout.toml_lines import key_line, sub_table_line, table_lines
from qa2pack.manifest.problem import Code, Problem, Refused

_Enum = TypeVar("_Enum", bound=StrEnum)
_Result = TypeVar("_Result")


def is_layout_path(name: str) -> bool:
    """Return whether a layout is given by the path of its file."""
    return "/" in name or name.endswith(".toml")


def refuse_layout(name: str, *, expected: str, found: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
    """Refuse a layout, given by its name or path.

    Raises:
        Refused: always.
    """
    path = os.fsencode(os.path.abspath(name) if is_layout_path(name) else name)
    raise Refused(Problem(code, path, expected=expected, found=found))


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the file; the whole file is a table as well.

    Every method that reads a key raises Refused if its value is not as the method says.

    Attributes:
        layout: name or path of the layout.
        values: by key.
        file: the text of the file, for line numbers.
        where: kind and number of the table, for messages; empty for the whole file.
        line: where it begins in the file; 0 if that is not known.
    """

    layout: str
    values: Mapping[str, object]
    file: str
    where: str = ""
    line: int = 0

    def __contains__(self, key: str) -> bool:
        return key in self.values

    @property
    def key_list(self) -> str:
        """Its keys, for messages."""
        return ", ".join(sorted(self.values)) or "nothing"

    def keys_beside(self, known: Iterable[str]) -> str:
        """Return its keys, for messages; after an unknown one the known one that it is much like."""
        keys = (key if key in known else _with_similar(key, known) for key in sorted(self.values))
        return ", ".join(keys) or "nothing"

    def refuse(self, *, expected: str, found: str = "", key: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
        """Refuse the layout because of this table.

        Args:
            key: whose value is wrong; in the whole file it has a line of its own.

        Raises:
            Refused: always.
        """
        line = self.line if self.where else next(iter(key_line(self.file, key)), 0)
        parts = [*[self.where] * bool(self.where), *[f"line {line}"] * bool(line)]
        located = f"{found or 'none'} in {', '.join(parts)}" if parts else found
        refuse_layout(self.layout, expected=expected, found=located, code=code)

    def check_keys(self, known: frozenset[str], kind: str) -> None:
        """Refuse keys that a table of this kind does not have."""
        if unknown := sorted(set(self.values) - known):
            found = ", ".join(_with_similar(key, known) for key in unknown)
            self.refuse(expected=f"{kind} keys {', '.join(sorted(known))}", found=found, key=unknown[0])

    def tables(self, key: str) -> "Iterator[Table]":
        """Yield each of the tables `[[key]]`."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            self.refuse(expected=f"{key}s as [[{key}]] tables", found=self.in_words(key), key=key)
        lines = table_lines(self.file, key, len(value)) or [0] * len(value)
        for number, (part, line) in enumerate(zip(value, lines, strict=True), 1):
            yield Table(self.layout, part, self.file, f"[[{key}]] {number}", line)

    def sub_tables(self, key: str) -> "Iterator[tuple[str, Table]]":
        """Yield name and table of each `[key.NAME]`."""
        value = self.values.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
            self.refuse(expected=f"{key}s as [{key}.NAME] tables", found=self.in_words(key), key=key)
        for name, part in value.items():
            line = next(iter(sub_table_line(self.file, key, name)), 0)
            yield name, Table(self.layout, part, self.file, f"[{key}.{name}]", line)

    def inline_table(self, key: str) -> "Table | None":
        """Return the table that is the value of a key, with the place of this one; None for another value."""
        value = self.values.get(key)
        return Table(self.layout, value, self.file, self.where, self.line) if isinstance(value, dict) else None

    def text(self, key: str, default: str = "") -> str:
        """Return a text, or what it is if it is missing."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self.refuse(expected=f"text for {key}", found=self.in_words(key), key=key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; empty if it is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            self.refuse(expected=f"a list of texts for {key}", found=self.in_words(key))
        return tuple(value)

    def one_or_more(self, key: str) -> tuple[str, ...]:
        """Return a text, or a list of texts."""
        value = self.values.get(key, [])
        return (value,) if isinstance(value, str) else self.texts(key)

    def flag(self, key: str) -> bool:
        """Return true or false; false if it is missing."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            self.refuse(expected=f"true or false for {key}", found=self.in_words(key))
        return value

    def number(self, key: str, *, limit: int) -> int:
        """Return a whole number from 1 to a limit."""
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
            self.refuse(expected=f"a whole number from 1 to {limit} for {key}", found=self.in_words(key))
        return value

    def globs(self, key: str) -> tuple[str, ...]:
        """Return globs, in which `{uid}` may stand."""
        globs = self.texts(key)
        for glob in globs:
            if has_uid_in_brackets(glob):
                self.refuse(expected=f"{{uid}} in {key} outside of brackets", found=glob)
            if has_other_braces(glob):
                self.refuse(expected=f"no braces but those of {{uid}} in {key}", found=glob)
            if "\0" in glob:
                self.refuse(expected=f"globs of names for {key}, which never have NUL in them", found=glob)
            for part in glob.split("/"):
                if part != "**" or part == glob:
                    self.right(key, check_spelling, part)
                self.right(key, check_can_match, part.replace("{uid}", "?"))
        return globs

    def name_globs(self, key: str) -> tuple[str, ...]:
        """Return globs that are matched against names; with a `/` they would match nothing."""
        globs = self.globs(key)
        for glob in globs:
            if not glob or "/" in glob:
                self.refuse(expected=f"{key} of names, without a /", found=glob or "an empty text")
        return globs

    def file_name(self, key: str) -> str:
        """Return the name of a file beside the layout; empty if the text is no name."""
        name = self.text(key)
        return "" if "/" in name or "\0" in name else name

    def one_of(self, value: str, known: Iterable[str]) -> str:
        """Return the value if it is known."""
        names = tuple(known)
        if value not in names:
            self.refuse(expected=f"one of {', '.join(names)}", found=value)
        return value

    def choice(self, kind: type[_Enum], value: str) -> _Enum:
        """Return the value as one of the enumeration."""
        return kind(self.one_of(value, kind))

    def right(self, key: str, read: Callable[..., _Result], *arguments: object) -> _Result:
        """Return what a reader of patterns or templates makes of the value of a key."""
        try:
            return read(*arguments)
        except PatternError as error:
            self.refuse(expected=f"{error.expected} for {key}", found=error.found, key=key)

    def in_words(self, key: str) -> str:
        """Return a value of a wrong type for messages: no number, which may have more digits than Python shows."""
        match self.values.get(key):
            case bool() as value:
                return str(value).lower()
            case int() | float():
                return "a number"
            case str() as value:
                return value
            case list():
                return "a list"
            case dict():
                return "a table"
            case None:
                return "nothing"
            case _:
                return "a date or time"


def has_readme(top: Table) -> bool:
    """Return whether the layout of this file gives each member a README."""
    return top.values.get("readme") is not False


def _with_similar(key: str, known: Iterable[str]) -> str:
    """Return an unknown key, for messages, with the known one that was meant, if one is much like it."""
    from difflib import get_close_matches  # here: a layout that is right needs none of it

    similar = get_close_matches(key, sorted(known), n=1, cutoff=0.7)
    return f"{key} (did you mean {similar[0]}?)" if similar else key
