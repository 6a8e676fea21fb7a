"""Layout rules as data: which names go to which role, and under which name; loaded from TOML.

A layout is a TOML file, one per style of delivery; `layouts/cycle0.toml` explains each key. The rules are ordered,
and the first that matches wins. Everything is validated on loading: an unknown key, role or kind is refused with the
list of known ones, so a misspelt rule cannot silently match nothing, and no rule places a file outside its role. The
refusal names the table and its line. Only loading reads a file.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources
from typing import Never, TypeVar

from qa2pack.manifest.alma.role import ROLES, Role
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.layout.check import Absent, Alike, Check, Needs, ProjectCode
from qa2pack.manifest.layout.globs import has_uid_in_brackets, matches
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES, Prefixing
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.layout.toml_lines import table_lines
from qa2pack.manifest.path import UnsafePathError, check_name, check_relative
from qa2pack.manifest.problem import Code, Problem, Refused


class Level(StrEnum):
    """Level of the origin at which a rule applies."""

    SB = "sb"
    EB = "eb"
    QA2 = "qa2"
    SIBLING = "sibling"


class Shape(StrEnum):
    """Kinds of entries to which a rule applies; a tree is a folder or a table."""

    ANY = "any"
    FILE = "file"
    TREE = "tree"
    TABLE = "table"


_SHAPES = {
    Kind.FILE: {Shape.ANY, Shape.FILE},
    Kind.FOLDER: {Shape.ANY, Shape.TREE},
    Kind.TABLE: {Shape.ANY, Shape.TREE, Shape.TABLE},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: an entry of this level, shape and name goes to a role, or is never packaged.

    Attributes:
        role: destination; None if it is never packaged.
        folder: inside the role; `{uid}` is filled in.
        prefix: when the name of its execution block or folder is put before its own name.
        rename: new name; `{folder}` is the name of the execution block's folder.
        column: for measurement sets, the data column to keep; empty for anything else.
        never: the reason why it is not packaged.
        warn: warn that it looks like something that should be packaged.
    """

    levels: frozenset[Level]
    shape: Shape
    globs: tuple[str, ...]
    role: Role | None = None
    folder: str = ""
    prefix: Prefixing = Prefixing.NEVER
    rename: str = ""
    column: str = ""
    never: str = ""
    warn: bool = False

    def fits(self, node: Node, level: Level) -> bool:
        """Return whether the rule matches this node at this level.

        A dangling symlink has no shape: it is matched by its name alone.
        """
        shape_fits = self.shape in _SHAPES.get(node.kind, {self.shape})
        return shape_fits and level in self.levels and matches(node.name, self.globs)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Names of files that other programs make for themselves, which are not part of a reduction."""

    globs: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The rules of one style of delivery.

    Attributes:
        block_marks: globs; a folder with one such name in it is an execution block.
        qa_folders: names of the folders in an execution block that are looked through as well.
        calibrated_from_raw: column that becomes the calibrated data of a block that has none; may be empty.
        foreign: files of other programs, left out everywhere, also inside tables.
        checks: what a complete reduction has.
    """

    name: str
    rules: tuple[Rule, ...]
    block_marks: tuple[str, ...]
    qa_folders: tuple[str, ...]
    calibrated_from_raw: str
    foreign: tuple[Foreign, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def foreign_globs(self) -> tuple[str, ...]:
        """The globs of all files of other programs in one tuple, because every name is matched against them."""
        return tuple(glob for foreign in self.foreign for glob in foreign.globs)

    def why_foreign(self, name: bytes) -> str:
        """Return why a file of this name is left out as one of another program; empty if it is not."""
        return next((foreign.reason for foreign in self.foreign if matches(name, foreign.globs)), "")

    def rule_for(self, node: Node, level: Level) -> Rule | None:
        """Return the first rule that matches."""
        return next((rule for rule in self.rules if rule.fits(node, level)), None)

    def is_opaque(self, name: bytes) -> bool:
        """Return whether folders of this name are packaged or left out as a whole, so that they are not entered."""
        is_whole = any(rule.shape is Shape.TREE and matches(name, rule.globs) for rule in self.rules)
        return is_whole or bool(self.why_foreign(name))


def known_layouts() -> tuple[str, ...]:
    """Return the names of the layouts that come with the program."""
    folder = resources.files("qa2pack.manifest") / "layouts"
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))


def is_layout_path(name: str) -> bool:
    """Return whether a layout is given by the path of its file."""
    return "/" in name or name.endswith(".toml")


def load_layout(name: str) -> Layout:
    """Load a layout by its name, or from a TOML file by its path (it holds a `/` or ends in `.toml`).

    Raises:
        Refused: there is no such layout, or it is not valid.
    """
    is_path = is_layout_path(name)
    if not is_path and name not in known_layouts():
        _refuse(name, expected=f"one of {', '.join(known_layouts())}, or the path of a .toml file")
    try:
        data = read_control(os.fsencode(name), limit_bytes=SMALL_BYTES) if is_path else layout_text(name).encode()
        table = parse_toml(data)
    except OSError as error:
        _refuse(name, expected="a file that can be read", found=(error.strerror or str(error)).lower())
    except ValueError as error:
        _refuse(name, expected="TOML", found=str(error))
    return _Reader(name, data.decode()).layout(table)


def layout_text(name: str) -> str:
    """Return the file of a layout that comes with the program, by its name."""
    return (resources.files("qa2pack.manifest") / "layouts" / f"{name}.toml").read_text()


def _refuse(name: str, *, expected: str, found: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
    path = os.fsencode(os.path.abspath(name) if is_layout_path(name) else name)
    raise Refused(Problem(code, path, expected=expected, found=found))


_Enum = TypeVar("_Enum", bound=StrEnum)
_LAYOUT_KEYS = frozenset({"name", "block_marks", "qa_folders", "calibrated_from_raw", "foreign", "rule", "check"})
_FOREIGN_KEYS = frozenset({"globs", "reason"})
_RULE_KEYS = frozenset({"levels", "kind", "globs", "role", "folder", "prefix", "rename", "column", "never", "warn"})
# The keys of each kind of check; the first one tells the kinds apart.
_CHECK_KINDS = (("needs", "what"), ("alike", "in", "what"), ("absent", "what"), ("project",))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts the TOML tables of one named layout to rules, or refuses them.

    Attributes:
        text: the text of the file.
        where: the table that is converted, for messages; empty outside tables.
    """

    name: str
    text: str
    where: str = ""

    def layout(self, table: Mapping[str, object]) -> Layout:
        self._check_keys(table, _LAYOUT_KEYS, "layout")
        if not self._texts(table, "block_marks"):
            self._refuse(expected="block_marks, by which execution blocks are known")
        return Layout(
            name=self._text(table, "name") or self.name,
            rules=tuple(reader._rule(rule) for reader, rule in self._tables(table, "rule")),
            block_marks=self._name_globs(table, "block_marks"),
            qa_folders=self._texts(table, "qa_folders"),
            calibrated_from_raw=self._text(table, "calibrated_from_raw"),
            foreign=tuple(reader._foreign(foreign) for reader, foreign in self._tables(table, "foreign")),
            checks=tuple(reader._check(check) for reader, check in self._tables(table, "check")),
        )

    def _refuse(self, *, expected: str, found: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
        place = f" in {self.where}" if self.where else ""
        _refuse(self.name, expected=expected, found=f"{found or 'none'}{place}" if place else found, code=code)

    def _foreign(self, table: Mapping[str, object]) -> Foreign:
        self._check_keys(table, _FOREIGN_KEYS, "foreign")
        foreign = Foreign(self._name_globs(table, "globs"), self._text(table, "reason"))
        if not foreign.globs or not foreign.reason:
            self._refuse(expected="globs and a reason", found=_key_list(table))
        return foreign

    def _rule(self, table: Mapping[str, object]) -> Rule:
        self._check_keys(table, _RULE_KEYS, "rule")
        globs = self._name_globs(table, "globs")
        if not globs or bool(self._text(table, "role")) == bool(self._text(table, "never")):
            self._refuse(expected="globs, and either role or never", found=_key_list(table))
        levels = self._texts(table, "levels") or tuple(Level)
        return Rule(
            levels=frozenset(self._choice(Level, level) for level in levels),
            shape=self._choice(Shape, self._text(table, "kind") or Shape.ANY),
            globs=globs,
            role=self._role(self._text(table, "role")) if "role" in table else None,
            folder=self._folder(table),
            prefix=self._choice(Prefixing, self._text(table, "prefix") or Prefixing.NEVER),
            rename=self._new_name(table),
            column=self._text(table, "column"),
            never=self._text(table, "never"),
            warn=self._flag(table, "warn"),
        )

    def _check(self, table: Mapping[str, object]) -> Check:
        keys = next((keys for keys in _CHECK_KINDS if set(keys) == set(table) and all(table.values())), ("",))
        what = self._text(table, "what")
        match keys[0]:
            case "needs":
                return Needs(self._role(self._text(table, "needs")), what)
            case "alike":
                return Alike(self._role(self._text(table, "in")), what, self._globs(table, "alike"))
            case "absent":
                return Absent(what, self._globs(table, "absent"))
            case "project":
                return ProjectCode(self._globs(table, "project"))
        kinds = " or ".join(" and ".join(keys) for keys in _CHECK_KINDS)
        self._refuse(expected=kinds, found=_key_list(table))

    def _check_keys(self, table: Mapping[str, object], known: frozenset[str], where: str) -> None:
        unknown = sorted(set(table) - known)
        if unknown:
            self._refuse(expected=f"{where} keys {', '.join(sorted(known))}", found=", ".join(unknown))

    def _tables(self, table: Mapping[str, object], key: str) -> "Iterator[tuple[_Reader, dict[str, object]]]":
        """Yield each table of the key with its reader, which names it in messages."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            self._refuse(expected=f"{key}s as [[{key}]] tables")
        lines = table_lines(self.text, key, len(value))
        for number, part in enumerate(value, 1):
            line = f", line {lines[number - 1]}" if lines else ""
            yield replace(self, where=f"[[{key}]] {number}{line}"), part

    def _text(self, table: Mapping[str, object], key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._refuse(expected=f"text for {key}", found=repr(value))
        return value

    def _texts(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            self._refuse(expected=f"a list of texts for {key}", found=repr(value))
        return tuple(value)

    def _globs(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        globs = self._texts(table, key)
        for glob in globs:
            if has_uid_in_brackets(glob):
                self._refuse(expected=f"{{uid}} in {key} outside of brackets", found=glob)
        return globs

    def _name_globs(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        """Return globs that are matched against names; with a `/` they would match nothing."""
        globs = self._globs(table, key)
        for glob in globs:
            if not glob or "/" in glob:
                self._refuse(expected=f"{key} of names, without a /", found=glob or "an empty text")
        return globs

    def _folder(self, table: Mapping[str, object]) -> str:
        folder = self._text(table, "folder")
        try:
            check_relative(folder.encode())
        except UnsafePathError:
            self._refuse(expected="a folder below that of the role, without . and ..", found=folder)
        self._check_length(table, "folder")
        return folder

    def _new_name(self, table: Mapping[str, object]) -> str:
        name = self._text(table, "rename")
        try:
            check_name(name.encode() or b"unchanged")
        except UnsafePathError:
            self._refuse(expected="a file name for rename, without a /", found=name)
        self._check_length(table, "rename")
        return name

    def _check_length(self, table: Mapping[str, object], key: str) -> None:
        value = self._text(table, key)
        if max(map(len, value.encode().split(b"/"))) > NAME_LIMIT_BYTES:
            self._refuse(expected=f"names of at most {NAME_LIMIT_BYTES} bytes for {key}", found=value)

    def _flag(self, table: Mapping[str, object], key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self._refuse(expected=f"true or false for {key}", found=repr(value))
        return value

    def _choice(self, kind: type[_Enum], value: str) -> _Enum:
        try:
            return kind(value)
        except ValueError:
            self._refuse(expected=f"one of {', '.join(kind)}", found=value)

    def _role(self, value: str) -> Role:
        if value not in ROLES:
            self._refuse(expected=f"one of {', '.join(ROLES)}", found=value, code=Code.UNKNOWN_ROLE)
        return Role(value)


def _key_list(table: Mapping[str, object]) -> str:
    return ", ".join(sorted(table)) or "nothing"
