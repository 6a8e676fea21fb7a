"""Reading of the checks of a layout: the first key of a `[[check]]` table tells the kinds apart."""

import re

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
from qa2pack.manifest.layout.known_names import Known
from qa2pack.manifest.layout.letters import Letters, merged
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES
from qa2pack.manifest.layout.table import Table
from qa2pack.manifest.path import UnsafePathError, check_relative
from qa2pack.manifest.problem import Code

# The keys of each kind of check; the first one tells the kinds apart.
_KINDS: tuple[tuple[str, ...], ...] = (
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
_KEYS = frozenset().union(*_KINDS, *_MAY_HAVE.values())
# What `in` says for the member itself.
_ITSELF = "."
# Codes of warnings of names that are older than checks.
_CODES_OF_NAMES = (Code.W_NAME, Code.W_README_IN_PATH)
_ELEMENT = re.compile(r"[^\s:/{}<>&\0]+")
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)


def read_check(table: Table, known: Known) -> Check:
    """Return a check."""
    kind = next((keys[0] for keys in _KINDS if _are_keys(keys, table)), "")
    if not kind or not all(value or value is False for value in table.values.values()):
        table.refuse(expected=_keys_of_check(table), found=table.keys_beside(_KEYS))
    what = table.text("what")
    say = table.choice(Say, table.text("say", Say.WARN))
    match kind:
        case "needs":
            return Needs(_folder(table, "needs", known), what)
        case "alike":
            return Alike(_folder(table, "in", known), what, table.name_globs("alike"))
        case "absent":
            return Absent(what, table.globs("absent"))
        case "project":
            return ProjectCode(table.name_globs("project"))
        case "at_most_one":
            return Count(_in(table, known), known.patterns(table, kind), 0, 1, what, say, table.line)
        case "holds":
            return Count(_in(table, known), known.patterns(table, kind), 1, ANY_NUMBER, what, say, table.line)
        case "lacks":
            return Count(b"", known.patterns(table, kind), 0, 0, what, say, table.line)
        case "unlike":
            table.one_of(table.text("unlike"), ("case",))
            return Unlike()
        case "listed_in":
            return _listed(table, what, say, known)
        case _:
            return _names(table, what, say, known)


def _folder(table: Table, key: str, known: Known) -> bytes:
    return known.role(table, table.text(key)).encode()


def _in(table: Table, known: Known) -> bytes:
    """Return the folder that a check is about, one of the layout; empty for the member itself."""
    return b"" if table.values.get("in", _ITSELF) == _ITSELF else _folder(table, "in", known)


def _names(table: Table, what: str, say: Say, known: Known) -> Names:
    is_inside, code = table.flag("inside"), table.text("code")
    if say is Say.REFUSE and (is_inside or code):
        table.refuse(expected="say = warn beside inside and code", found=say)
    without = table.one_or_more("without")
    if wrong := [text for text in without if not text or set("/\0").intersection(text)]:
        table.refuse(expected="texts that no name may have, but some could", found=wrong[0] or "an empty text")
    check = Names(
        letters=_letters(table),
        longest=table.number("longest", limit=NAME_LIMIT_BYTES) if "longest" in table else ANY_NUMBER,
        without=without,
        what=what,
        say=say,
        but=frozenset(_path(table, "but", path) for path in table.one_or_more("but")),
        is_inside=is_inside,
        code=Code(table.one_of(code, _CODES_OF_NAMES)) if code else Code.W_CHECK,
        line=table.line,
    )
    for path in sorted(check.but):
        _check_exception(table, check, path, known)
    return check


def _check_exception(table: Table, check: Names, path: bytes, known: Known) -> None:
    """Refuse a path of `but` that no file has, or one whose name is right without it."""
    folder, slash, _ = path.decode().partition("/")
    if slash and not known.has_free_folders:
        known.role(table, folder)
    if check.is_met_by(path.rpartition(b"/")[2]):
        table.refuse(expected="paths for but whose names are not as the check wants them", found=path.decode())


def _path(table: Table, key: str, text: str) -> bytes:
    path = text.encode()
    try:
        check_relative(path or b"//")
    except UnsafePathError:
        table.refuse(expected=f"paths in the member for {key}", found=text or "an empty text")
    return path


def _letters(table: Table) -> Letters | None:
    """Return the letters of a text as it stands in brackets: `a-z` are all from a to z, `-` itself is last."""
    text = table.text("letters")
    ranges = [(ord(letter), ord(letter)) for letter in _RANGE.sub("", text)]
    for first, last in _RANGE.findall(text):
        if first > last:
            table.refuse(expected="letters in their order, as in a-z", found=f"{first}-{last}")
        ranges.append((ord(first), ord(last)))
    return merged(ranges) if ranges else None


def _listed(table: Table, what: str, say: Say, known: Known) -> Listed:
    first, *parts = table.text("listed_in").split("/")
    if parts and not set("*?[{").intersection(first):
        known.role(table, first)
    elements = frozenset(table.one_or_more("elements"))
    if wrong := [name for name in elements if not _ELEMENT.fullmatch(name)]:
        table.refuse(expected="names of elements, without their namespaces", found=wrong[0] or "an empty text")
    return Listed(
        steps=tuple(known.of_variables(table, (part,), "listed_in") for part in (first, *parts)),
        elements=elements,
        attribute=table.text("attribute"),
        folder=_folder(table, "in", known) if "in" in table else b"",
        what=what,
        say=say,
        line=table.line,
    )


def _are_keys(keys: tuple[str, ...], table: Table) -> bool:
    return set(keys) == set(table.values) - _MAY_HAVE.get(keys[0], frozenset())


def _keys_of_check(table: Table) -> str:
    """Return, for a check that is not understood, which keys it should have, as far as its kind is known."""
    every = dict.fromkeys(keys[0] for keys in _KINDS)
    kinds = [kind for kind in every if kind in table]
    if len(kinds) != 1:
        return f"one of {' and '.join(kinds) or ', '.join(every)}; each is a check of its own"
    (kind,) = kinds
    if (kind,) in _KINDS:
        return f"a value for {kind} and no other key: this kind of check has its own reason"
    needed = ", or ".join(" and ".join(keys) for keys in _KINDS if keys[0] == kind)
    more = ", ".join(sorted(_MAY_HAVE.get(kind, ())))
    return f"the keys {needed}, each with a value" + (f"; it may also have {more}" if more else " and no others")
