"""Loading of a layout: from a TOML file to rules, places and checks, or a refusal that names table and line.

Everything is validated here: an unknown key, place or variable is refused with the list of known ones, so a misspelt
rule cannot silently match nothing, and no rule places a file outside of the member. Only loading reads a file.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Never, TypeVar

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.alma.split_spec import DATA_COLUMNS
from qa2pack.manifest.format.written import NEWLINES
from qa2pack.manifest.fs.control_file import SMALL_BYTES, read_control
from qa2pack.manifest.fs.toml_text import parse_toml
from qa2pack.manifest.layout.check import (
    ANY_NUMBER,
    Absent,
    Alike,
    Check,
    Count,
    Listed,
    Names,
    Needs,
    ProjectCode,
    Say,
    Unlike,
)
from qa2pack.manifest.layout.find_places import ANY_DEPTH, Place
from qa2pack.manifest.layout.globs import has_other_braces, has_uid_in_brackets
from qa2pack.manifest.layout.patterns import PatternError, Patterns, Variable, compile_patterns, pieces_of
from qa2pack.manifest.layout.rules import Again, Foreign, Layout, Rule, Shape
from qa2pack.manifest.layout.template import PREFIX, PROJECT, Template, parse_template
from qa2pack.manifest.layout.text_template import (
    FACTS,
    TextTemplate,
    TextTemplateError,
    parse_text_template,
)
from qa2pack.manifest.layout.toml_lines import sub_table_line, table_lines
from qa2pack.manifest.layout.tree import COUNTERS, ITSELF, Tree
from qa2pack.manifest.layout.write import Write
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.role import Role, Shown, names_of


def known_layouts() -> tuple[str, ...]:
    """Return the names of the layouts that come with the program."""
    return tuple(sorted(file.name[:-5] for file in layouts_folder().iterdir() if file.name.endswith(".toml")))


def layouts_folder() -> Traversable:
    """Return the folder of the layouts that come with the program."""
    return resources.files("qa2pack.manifest") / "layouts"


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
    return (layouts_folder() / f"{name}.toml").read_text(encoding="utf-8")


def _refuse(name: str, *, expected: str, found: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
    path = os.fsencode(os.path.abspath(name) if is_layout_path(name) else name)
    raise Refused(Problem(code, path, expected=expected, found=found))


_Enum = TypeVar("_Enum", bound=StrEnum)
_Result = TypeVar("_Result")
_LAYOUT_KEYS = frozenset(
    {"name", "title", "tree", "variable", "place", "folder", "foreign", "rule", "write", "check", "readme"}
)
_VARIABLE_KEYS = frozenset({"like", "default"})
_PLACE_KEYS = frozenset({"name", "path", "inside", "named", "marked_by", "prefix", "no_prefix", "needed", "what"})
_FOLDER_KEYS = frozenset({"name", "text", "always", "tickets", "listed", "report"})
_FOREIGN_KEYS = frozenset({"globs", "reason"})
_RULE_KEYS = frozenset(
    {
        "places",
        "kind",
        "match",
        "to",
        "if_taken",
        "included",
        "column",
        "doubtful_column",
        "again",
        "empty",
        "never",
        "warn",
    }
)
_WRITE_KEYS = frozenset({"to", "text", "template", "from", "needed", "newline", "if_missing"})
_WITH_IN_WRITE = {"needed": "from", "newline": "template"}
# Keys of a rule that do nothing beside another one, and those that do nothing without another one.
_WITHOUT = {"never": frozenset({"if_taken", "included", "column", "doubtful_column", "again"})}
_WITH = {"warn": "never", "doubtful_column": "column", "again": "column"}
_AGAIN_KEYS = frozenset({"to", "column"})
# The keys of each kind of check; the first one tells the kinds apart.
_CHECK_KINDS: tuple[tuple[str, ...], ...] = (
    ("needs", "what"),
    ("alike", "in", "what"),
    ("absent", "what"),
    ("project",),
    ("at_most_one", "what"),
    ("holds", "what"),
    ("lacks", "what"),
    ("letters", "what"),
    ("letters", "code"),
    ("longest", "what"),
    ("longest", "code"),
    ("without", "what"),
    ("without", "code"),
    ("unlike",),
    ("listed_in", "elements", "what"),
)
# What each kind of check may have as well. Those about the member may refuse.
_OF_NAMES = ("letters", "longest", "without")
_MAY_HAVE = {
    **dict.fromkeys(("at_most_one", "holds"), frozenset({"say", "in"})),
    "lacks": frozenset({"say"}),
    **dict.fromkeys(_OF_NAMES, frozenset({"say", "inside", "but"})),
    "listed_in": frozenset({"say", "attribute", "in"}),
}
# What `in` says for the member itself.
_ITSELF = "."
# Codes of warnings of names that are older than checks.
_CODES_OF_NAMES = (Code.W_NAME, Code.W_README_IN_PATH)
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)
# Variables that every file has.
_OF_A_FILE = frozenset({"name", "path", PREFIX, PROJECT})


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts the TOML tables of one named layout to rules, or refuses them.

    Attributes:
        text: the text of the file.
        where: the table that is converted, for messages; empty outside tables.
        line: where it begins in the file; 0 if that is not known.
        variables, places, roles: those that are read already.
        paths: the variables whose values are paths of files elsewhere.
    """

    name: str
    text: str
    where: str = ""
    line: int = 0
    variables: Mapping[str, Variable] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    roles: tuple[Role, ...] = ()
    paths: frozenset[str] = frozenset()

    def layout(self, table: Mapping[str, object]) -> Layout:
        self._check_keys(table, _LAYOUT_KEYS, "layout")
        texts = (each._text(write, "from") for each, write in self._tables(table, "write"))
        with_paths = replace(self, paths=frozenset(piece for text in texts for piece in pieces_of(text)))
        with_variables = replace(with_paths, variables=with_paths._variables(table))
        roles = tuple(each._folder(folder) for each, folder in self._tables(table, "folder"))
        if table.get("readme") is not False and README.decode() in names_of(roles):
            self._refuse(
                expected="readme = false at the top, because each member has a README", found="folder README"
            )
        reader = replace(with_variables, places=with_variables._places(table), roles=roles)
        rules = tuple(each._rule(rule) for each, rule in reader._tables(table, "rule"))
        return Layout(
            name=self._text(table, "name") or self.name,
            title=self._text(table, "title"),
            tree=reader._tree(table),
            variables=reader.variables,
            places=reader.places,
            roles=roles,
            rules=tuple(rule for rule in rules if not rule.included),
            included=tuple(rule for rule in rules if rule.included),
            foreign=tuple(each._foreign(foreign) for each, foreign in reader._tables(table, "foreign")),
            checks=tuple(each._check(check) for each, check in reader._tables(table, "check")),
            writes=reader._writes(table),
            has_readme=table.get("readme") is not False,
            readme_header=self._readme_header(table),
        )

    def _refuse(self, *, expected: str, found: str = "", code: Code = Code.UNKNOWN_LAYOUT) -> Never:
        place = f" in {self.where}" if self.where else ""
        _refuse(self.name, expected=expected, found=f"{found or 'none'}{place}" if place else found, code=code)

    def _variables(self, table: Mapping[str, object]) -> Mapping[str, Variable]:
        values = table.get("variable", {})
        if not isinstance(values, dict) or not all(isinstance(value, dict) for value in values.values()):
            self._refuse(expected="variables as [variable.NAME] tables")
        return {
            name: self._at(f"[variable.{name}]", *sub_table_line(self.text, "variable", name))._variable(name, value)
            for name, value in values.items()
        }

    def _variable(self, name: str, table: Mapping[str, object]) -> Variable:
        self._check_keys(table, _VARIABLE_KEYS, "variable")
        if pieces_of(f"{{{name}}}") != (name,) or name in _OF_A_FILE:
            self._refuse(expected="a name of lower case letters, digits and _ that no other variable has", found=name)
        is_path = name in self.paths
        variable = Variable(name, self._text(table, "like") or "*", self._text(table, "default"), is_path)
        if is_path and variable.default:
            self._refuse(expected="no default for a variable of from", found=variable.default)
        if set("/{}").intersection(variable.like):
            self._refuse(expected="a glob of names for like, without / and braces", found=variable.like)
        if variable.default and not variable.is_like(variable.default.encode()):
            self._refuse(expected=f"a name like {variable.like} for default", found=variable.default)
        return variable

    def _places(self, table: Mapping[str, object]) -> tuple[Place, ...]:
        places: tuple[Place, ...] = ()
        for each, value in self._tables(table, "place"):
            places = (*places, replace(each, places=places)._place(value))
        if not places:
            self._refuse(expected="places, [[place]], in which rules look")
        return places

    def _place(self, table: Mapping[str, object]) -> Place:
        self._check_keys(table, _PLACE_KEYS, "place")
        name = self._text(table, "name")
        others = frozenset(place.name for place in self.places)
        if pieces_of(f"{{{name}}}") != (name,) or name in others | _OF_A_FILE | self.variables.keys():
            self._refuse(expected="a name of lower case letters, digits and _ that nothing else has", found=name)
        inside = self._text(table, "inside")
        if inside and inside not in others:
            self._refuse(expected="an earlier place for inside", found=inside)
        place = Place(
            name=name,
            steps=self._steps(self._text(table, "path")),
            inside=inside,
            named=self._patterns(table, "named") if "named" in table else None,
            marked_by=self._patterns(table, "marked_by") if "marked_by" in table else None,
            is_needed=self._flag(table, "needed"),
            what=self._text(table, "what") or name,
        )
        around = next((other for other in self.places if other.name == inside), None)
        own_prefix = self._template(table, "prefix", place.fixes | (around.fixes if around else frozenset()))
        return replace(
            place,
            prefix=own_prefix or (around.prefix if around else None),
            no_prefix=self._patterns(table, "no_prefix") if own_prefix else around.no_prefix if around else None,
        )

    def _steps(self, path: str) -> tuple[Patterns | None, ...]:
        return tuple(
            ANY_DEPTH if step == "**" else self._of_variables((step,), "path")
            for step in (path.split("/") if path else ())
        )

    def _tree(self, table: Mapping[str, object]) -> Tree:
        text = self._text(table, "tree")
        if not text:
            return ITSELF
        fixed = frozenset().union(*(place.fixes for place in self.places)) - {place.name for place in self.places}
        counters = tuple(name for name in COUNTERS if name not in self.variables)
        known = fixed | {*counters, PROJECT}
        parts = []
        for part in text.split("/"):
            template = self._template({"tree": part}, "tree", known)
            if template is None or len(template.variables.intersection(counters)) > 1:
                self._refuse(expected="folders with one counter at most, group or member, for tree", found=text)
            parts.append(template)
        used = [name for part in parts for name in counters if name in part.variables]
        if used != [name for name in counters if name in used] or used == ["group"]:
            self._refuse(expected="member, or group and below it member, as counters of tree", found=text)
        return Tree(tuple(parts), tuple(used))

    def _folder(self, table: Mapping[str, object]) -> Role:
        self._check_keys(table, _FOLDER_KEYS, "folder")
        name = self._text(table, "name")
        template = self._template(table, "name", frozenset())
        if template is None or "/" in name:
            self._refuse(expected="the name of a folder of the member", found=name)
        return Role(
            name=name,
            text=self._text(table, "text"),
            is_always=self._flag(table, "always"),
            in_tickets=self._flag(table, "tickets"),
            is_listed=self._flag(table, "listed"),
            shown=tuple(self._choice(Shown, shown) for shown in self._texts(table, "report")),
        )

    def _foreign(self, table: Mapping[str, object]) -> Foreign:
        self._check_keys(table, _FOREIGN_KEYS, "foreign")
        foreign = Foreign(self._name_globs(table, "globs"), self._text(table, "reason"))
        if not foreign.globs or not foreign.reason:
            self._refuse(expected="globs and a reason", found=_key_list(table))
        return foreign

    def _rule(self, table: Mapping[str, object]) -> Rule:
        self._check_keys(table, _RULE_KEYS, "rule")
        included = self._role(self._text(table, "included")) if "included" in table else ""
        match = self._match(table) if "match" in table or not included else self._any_name()
        never = self._text(table, "never")
        if not match.texts or bool(self._text(table, "to")) == bool(never):
            self._refuse(expected="match, and either to or never", found=_key_list(table))
        places = self._texts(table, "places") or tuple(place.name for place in self.places)
        rule = Rule(
            places=frozenset(self._one_of(place, (known.name for known in self.places)) for place in places),
            shape=self._choice(Shape, self._text(table, "kind") or Shape.ANY),
            match=match,
            to=self._target(table, "to", match.pieces),
            if_taken=self._target(table, "if_taken", match.pieces),
            included=included,
            column=self._column(table, "column"),
            doubtful_column=self._column(table, "doubtful_column"),
            again=self._again(table, match.pieces),
            is_empty=self._flag(table, "empty"),
            never=never,
            warn=self._flag(table, "warn"),
            line=self.line,
        )
        for piece in {piece for text in match.texts for piece in pieces_of(text)} - rule.target_variables:
            self._check_variable(piece, frozenset(), "match")
        self._check_together(table)
        return rule

    def _any_name(self) -> Patterns:
        return compile_patterns(("*",), self.variables)

    def _again(self, table: Mapping[str, object], pieces: frozenset[str]) -> Again | None:
        if "again" not in table:
            return None
        value = table["again"]
        if not isinstance(value, dict) or not value.get("to") or not value.get("column"):
            self._refuse(expected="to and column for again", found=_in_words(value))
        self._check_keys(value, _AGAIN_KEYS, "again")
        to = self._target(value, "to", pieces)
        assert to is not None  # its text is not empty
        return Again(to, self._column(value, "column"))

    def _column(self, table: Mapping[str, object], key: str) -> str:
        name = self._text(table, key)
        return self._one_of(name, DATA_COLUMNS) if name else ""

    def _check_together(self, table: Mapping[str, object]) -> None:
        """Refuse keys of a rule that do nothing beside its other keys."""
        for key, others in _WITHOUT.items():
            if table.get(key) and (idle := others & table.keys()):
                self._refuse(
                    expected=f"none of {', '.join(sorted(others))} beside {key}", found=", ".join(sorted(idle))
                )
        for key, needed in _WITH.items():
            if table.get(key) and not table.get(needed):
                self._refuse(expected=f"{needed} beside {key}", found=_key_list(table))

    def _target(self, table: Mapping[str, object], key: str, pieces: frozenset[str]) -> Template | None:
        """Return the template of a path in the member, the first folder of which is one that the layout declares."""
        fixed = frozenset().union(*(place.fixes for place in self.places))
        return self._member_path(table, key, fixed | pieces | _OF_A_FILE)

    def _member_path(self, table: Mapping[str, object], key: str, known: frozenset[str]) -> Template | None:
        template = self._template(table, key, known)
        if template and template.folder and "{" not in template.folder:
            self._role(template.folder)
        return template

    def _template(self, table: Mapping[str, object], key: str, known: frozenset[str]) -> Template | None:
        text = self._text(table, key)
        if not text:
            return None
        template = self._right(key, parse_template, text)
        for variable in template.variables:
            self._check_variable(variable, known, key)
        return template

    def _check_variable(self, variable: str, known: frozenset[str], key: str) -> None:
        names = sorted((known | self.variables.keys()) - self.paths)
        if variable not in names:
            self._refuse(
                expected=f"one of the variables {', '.join(names) or '(there are none)'} in {key}", found=variable
            )

    def _patterns(self, table: Mapping[str, object], key: str) -> Patterns:
        """Return the patterns of a key; braces in them hold variables only."""
        return self._of_variables(self._one_or_more(table, key), key)

    def _of_variables(self, texts: tuple[str, ...], key: str) -> Patterns:
        for text in texts:
            for piece in pieces_of(text):
                self._check_variable(piece, frozenset(), key)
        return self._right(key, compile_patterns, texts, self.variables)

    def _match(self, table: Mapping[str, object]) -> Patterns:
        """Return the patterns of a rule; a word that means something else in targets is no piece of a name."""
        texts = self._one_or_more(table, "match")
        others = {*_OF_A_FILE, *(place.name for place in self.places), *self.paths}
        for piece in (piece for text in texts for piece in pieces_of(text)):
            if piece in others:
                self._refuse(expected="variables, or words with no other meaning in to, in match", found=piece)
        return self._right("match", compile_patterns, texts, self.variables)

    def _one_or_more(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        return (value,) if isinstance(value, str) else self._texts(table, key)

    def _right(self, key: str, read: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            return read(*arguments)
        except PatternError as error:
            self._refuse(expected=f"{error.expected} for {key}", found=error.found)

    def _one_of(self, value: str, known: Iterable[str]) -> str:
        names = tuple(known)
        if value not in names:
            self._refuse(expected=f"one of {', '.join(names)}", found=value)
        return value

    def _writes(self, table: Mapping[str, object]) -> tuple[Write, ...]:
        writes: list[Write] = []
        for each, value in self._tables(table, "write"):
            write = each._write(value)
            if write.is_beside and table.get("tree"):
                each._refuse(expected="no tree, because of several members each would write it", found=write.to.text)
            if (write.to.text, write.is_beside) in [(other.to.text, other.is_beside) for other in writes]:
                each._refuse(expected="a to that no other [[write]] has", found=write.to.text)
            if write.to.text == README.decode() and table.get("readme") is not False:
                each._refuse(expected="readme = false at the top, because there is a README already", found="README")
            writes.append(write)
        return tuple(writes)

    def _write(self, table: Mapping[str, object]) -> Write:
        self._check_keys(table, _WRITE_KEYS, "write")
        given = [key for key in ("text", "template", "from") if key in table]
        if not self._text(table, "to") or len(given) != 1:
            self._refuse(expected="to, and one of text, template and from", found=_key_list(table))
        for key, needed in _WITH_IN_WRITE.items():
            if key in table and needed not in table:
                self._refuse(expected=f"{needed} beside {key}", found=_key_list(table))
        path = self._text(table, "to")
        is_beside = path.startswith("../")
        to = self._member_path({"to": path.removeprefix("../")}, "to", frozenset({PROJECT}))
        if to is None or (is_beside and "/" in to.text):
            self._refuse(expected="a path in the member, or ../NAME beside the package, for to", found=path)
        return Write(
            to=to,
            is_beside=is_beside,
            text=self._text(table, "text").encode() if "text" in table else None,
            template=self._text_template(table) if "template" in table else None,
            source=self._source(table) if "from" in table else "",
            is_needed=self._flag(table, "needed"),
            if_missing=self._flag(table, "if_missing"),
            newline=self._one_of(self._text(table, "newline") or NEWLINES[0], NEWLINES),
            line=self.line,
        )

    def _readme_header(self, table: Mapping[str, object]) -> bytes | None:
        """Return the header of README that a file beside the layout has; None if no file is named."""
        value = table.get("readme", True)
        if isinstance(value, bool):
            return None
        name = self._text(table, "readme")
        if not name or "/" in name or "\0" in name:
            self._refuse(expected="true, false, or the name of a file beside the layout for readme", found=name)
        try:
            text = self._file_beside(name)
            text.decode()
        except OSError as error:
            self._refuse(
                expected="a file beside the layout that can be read for readme", found=f"{name}: {error.strerror}"
            )
        except ValueError:
            self._refuse(expected="text in UTF-8 in the file for readme", found=name)
        return text

    def _source(self, table: Mapping[str, object]) -> str:
        """Return the variable whose value is the path of a file elsewhere."""
        text = self._text(table, "from")
        if pieces_of(text) != (text[1:-1],) or text[1:-1] not in self.variables:
            names = ", ".join(f"{{{name}}}" for name in self.variables) or "(there are none)"
            self._refuse(expected=f"one of the variables {names} for from", found=text)
        return text[1:-1]

    def _text_template(self, table: Mapping[str, object]) -> TextTemplate:
        """Return the template of a file beside the layout, checked."""
        name = self._text(table, "template")
        if not name or "/" in name or "\0" in name:
            self._refuse(expected="the name of a file beside the layout for template", found=name)
        if hidden := FACTS & self.variables.keys():
            self._refuse(expected=f"no variable of the name {', '.join(sorted(hidden))} beside template", found=name)
        try:
            return parse_text_template(self._file_beside(name).decode(), self.variables.keys() - self.paths)
        except OSError as error:
            self._refuse(expected=f"a file {name} beside the layout", found=(error.strerror or str(error)).lower())
        except UnicodeDecodeError:
            self._refuse(expected=f"text in UTF-8 in {name}", found="other bytes")
        except TextTemplateError as error:
            self._refuse(expected="a Jinja template for template", found=f"{name}: {error}")

    def _file_beside(self, name: str) -> bytes:
        """Return a file of the folder that holds the layout."""
        if is_layout_path(self.name):
            path = os.path.join(os.path.dirname(self.name), name)
            return read_control(os.fsencode(path), limit_bytes=SMALL_BYTES)
        return (layouts_folder() / name).read_bytes()

    def _check(self, table: Mapping[str, object]) -> Check:
        keys = next((keys for keys in _CHECK_KINDS if _are_keys(keys, table) and _has_values(table)), ("",))
        what = self._text(table, "what")
        say = self._choice(Say, self._text(table, "say") or Say.WARN)
        match keys[0]:
            case "needs":
                return Needs(self._role(self._text(table, "needs")).encode(), what)
            case "alike":
                return Alike(self._role(self._text(table, "in")).encode(), what, self._globs(table, "alike"))
            case "absent":
                return Absent(what, self._globs(table, "absent"))
            case "project":
                return ProjectCode(self._globs(table, "project"))
            case "at_most_one" | "holds" as kind:
                least, most = (0, 1) if kind == "at_most_one" else (1, ANY_NUMBER)
                return Count(self._in(table), self._patterns(table, kind), least, most, what, say, self.line)
            case "lacks":
                return Count(b"", self._patterns(table, "lacks"), 0, 0, what, say, self.line)
            case "letters" | "longest" | "without":
                return self._names(table, what, say)
            case "unlike":
                self._one_of(self._text(table, "unlike"), ("case",))
                return Unlike()
            case "listed_in":
                return self._listed(table, what, say)
        self._refuse(expected=_keys_of_check(table), found=_key_list(table))

    def _in(self, table: Mapping[str, object]) -> bytes:
        """Return the folder that a check is about, one of the layout; empty for the member itself."""
        return b"" if table.get("in", _ITSELF) == _ITSELF else self._role(self._text(table, "in")).encode()

    def _names(self, table: Mapping[str, object], what: str, say: Say) -> Names:
        is_inside, code = self._flag(table, "inside"), self._text(table, "code")
        if say is Say.REFUSE and (is_inside or code):
            self._refuse(expected="say = warn beside inside and code", found=say)
        without = self._one_or_more(table, "without")
        if "" in without:
            self._refuse(expected="texts that no name may have", found="an empty text")
        return Names(
            letters=self._letters(self._text(table, "letters")),
            longest=self._number(table, "longest") if "longest" in table else ANY_NUMBER,
            without=without,
            what=what,
            say=say,
            but=frozenset(path.encode() for path in self._one_or_more(table, "but")),
            is_inside=is_inside,
            code=Code(self._one_of(code, _CODES_OF_NAMES)) if code else Code.W_CHECK,
            line=self.line,
        )

    def _listed(self, table: Mapping[str, object], what: str, say: Say) -> Listed:
        first, *parts = self._text(table, "listed_in").split("/")
        if parts and not set("*?[{").intersection(first):
            self._role(first)
        elements = frozenset(self._one_or_more(table, "elements"))
        if "" in elements:
            self._refuse(expected="names of elements", found="an empty text")
        return Listed(
            steps=tuple(self._of_variables((part,), "listed_in") for part in (first, *parts)),
            elements=elements,
            attribute=self._text(table, "attribute"),
            folder=self._role(self._text(table, "in")).encode() if "in" in table else b"",
            what=what,
            say=say,
            line=self.line,
        )

    def _letters(self, text: str) -> frozenset[str]:
        """Return the letters of a text as it stands in brackets: `a-z` are all from a to z, `-` itself is last."""
        letters = set(_RANGE.sub("", text))
        for first, last in _RANGE.findall(text):
            if first > last:
                self._refuse(expected="letters in their order, as in a-z", found=f"{first}-{last}")
            letters |= {chr(code) for code in range(ord(first), ord(last) + 1)}
        return frozenset(letters)

    def _number(self, table: Mapping[str, object], key: str) -> int:
        value = table.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._refuse(expected=f"a whole number above 0 for {key}", found=_in_words(value))
        return value

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
            yield self._at(f"[[{key}]] {number}", *lines[number - 1 : number]), part

    def _at(self, table: str, *lines: int) -> "_Reader":
        """Return the reader of one table; its line may not be known."""
        where = ", ".join((table, *(f"line {line}" for line in lines)))
        return replace(self, where=where, line=next(iter(lines), 0))

    def _text(self, table: Mapping[str, object], key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._refuse(expected=f"text for {key}", found=_in_words(value))
        return value

    def _texts(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            self._refuse(expected=f"a list of texts for {key}", found=_in_words(value))
        return tuple(value)

    def _globs(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        globs = self._texts(table, key)
        for glob in globs:
            if has_uid_in_brackets(glob):
                self._refuse(expected=f"{{uid}} in {key} outside of brackets", found=glob)
            if has_other_braces(glob):
                self._refuse(expected=f"no braces but those of {{uid}} in {key}", found=glob)
            if "\0" in glob:
                self._refuse(expected=f"globs of names for {key}, which never have NUL in them", found=glob)
        return globs

    def _name_globs(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        """Return globs that are matched against names; with a `/` they would match nothing."""
        globs = self._globs(table, key)
        for glob in globs:
            if not glob or "/" in glob:
                self._refuse(expected=f"{key} of names, without a /", found=glob or "an empty text")
        return globs

    def _flag(self, table: Mapping[str, object], key: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self._refuse(expected=f"true or false for {key}", found=_in_words(value))
        return value

    def _choice(self, kind: type[_Enum], value: str) -> _Enum:
        try:
            return kind(value)
        except ValueError:
            self._refuse(expected=f"one of {', '.join(kind)}", found=value)

    def _role(self, value: str) -> str:
        if value not in [role.name for role in self.roles]:
            expected = f"one of the folders {names_of(self.roles) or '- (there is no [[folder]])'}"
            self._refuse(expected=expected, found=value, code=Code.UNKNOWN_ROLE)
        return value


def _are_keys(keys: tuple[str, ...], table: Mapping[str, object]) -> bool:
    return set(keys) == set(table) - _MAY_HAVE.get(keys[0], frozenset())


def _has_values(table: Mapping[str, object]) -> bool:
    return all(value or value is False for value in table.values())


def _keys_of_check(table: Mapping[str, object]) -> str:
    """Return, for a check that is not understood, which keys it should have, as far as its kind is known."""
    every = dict.fromkeys(keys[0] for keys in _CHECK_KINDS)
    kinds = [kind for kind in every if kind in table]
    if len(kinds) != 1:
        return f"one of {' and '.join(kinds) or ', '.join(every)}; each is a check of its own"
    (kind,) = kinds
    needed = " or ".join(" and ".join(keys) for keys in _CHECK_KINDS if keys[0] == kind)
    more = sorted(_MAY_HAVE.get(kind, ()))
    also = f", and nothing else but {' and '.join(more)}" if more else ", and nothing else"
    return f"{needed}, none of them empty{also}"


def _key_list(table: Mapping[str, object]) -> str:
    return ", ".join(sorted(table)) or "nothing"


def _in_words(value: object) -> str:
    """Return a value of a wrong type for messages: no number, which may have more digits than Python shows."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return value
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
