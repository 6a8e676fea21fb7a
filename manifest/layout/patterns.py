"""Patterns of names: shell wildcards, and pieces in braces, `{uid}` or `{stem}`, whose text is read from the name.

Matching is case-sensitive and on whole names. Names are decoded as UTF-8 with surrogate escapes whatever the
locale, so that `?` is one letter and every Linux name can be matched.

A pattern of somebody else takes no longer than its length times that of the name. A search that comes back to what it
has chosen, which is fastest, is left for patterns with few choices. Else what stands between two wildcards is looked
for once, where it is first; pieces are read from the end of the name, where the first place gives the first word as
much as can be, then the second, and so on, as such a search does.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.names import NAME_LIMIT_BYTES
from qa2pack.manifest.path import UnsafePathError, check_name

# What `like = "uid"` means: `uid___A002_X3c9295_X8c`. The observatory writes `uid://A002/X3c9295/X8c`; on disk each
# `:` and `/` is an underscore.
UID = r"uid___A[0-9]+_X[0-9A-Fa-f]+_X[0-9A-Fa-f]+(?![0-9A-Za-z])"
# The same in a name that is read from its end.
_UID_FROM_END = r"(?<![0-9A-Za-z])[0-9A-Fa-f]+X_[0-9A-Fa-f]+X_[0-9]+A___diu"
_ANYTHING = ".+"
_PIECE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_BRACKETS = re.compile(r"\[!?\]?[^\]]*\]")
# Those that fnmatch finds: a ] that is the first letter does not close them.
_CLOSED = re.compile(r"\[!?+\]?+[^\]]*+\]")
# Brackets, or one letter; a [ that is not closed is a letter.
_TOKEN = re.compile(rf"{_CLOSED.pattern}|.", re.DOTALL)
# Neither stands in a pattern, so in a glob they can be a uid, and where a piece begins or ends.
_UID_MARK, _EDGE = "\0", "/"
_PATTERN_LIMIT = 1000
# Parts of any length in a pattern that is searched: each one more takes up to 255 times as long.
_CHOICES_LIMIT = 2
# What fnmatch makes of brackets in which there is no letter, as of `[z-a]`.
_NOTHING = "(?!)"
# What fnmatch puts around the expression, so that it is one for a whole name.
_WHOLE = re.compile(r"\(\?s:(.*)\)\\[Zz]", re.DOTALL)
_UNCLEAR_ENDS = "text between words that stand for any text, and between these and *"


class PatternError(ValueError):
    """A pattern or template that does not mean what it seems to: what would be right, and what it is."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True)
class Variable:
    """A named piece of names and paths.

    Attributes:
        like: a glob, or `uid`, that every value matches.
        default: the value where nothing gives one; empty for none.
        is_path: its values are paths of files elsewhere, which are no part of any path in the member.
        only: the one value that patterns match, where it is given; empty for any.
    """

    name: str
    like: str = "*"
    default: str = ""
    is_path: bool = False
    only: bytes = b""

    @property
    def expression(self) -> str:
        """The regular expression of its values; names may have newlines in them."""
        if self.only:
            return re.escape(_text(self.only))
        return UID if self.like == "uid" else f"(?s:{_of_glob(self.like)})"

    def at_start(self, name: bytes) -> bytes | None:
        """Return the value with which a name begins, or None."""
        match = re.compile(self.expression).match(_text(name))
        return _bytes(match[0]) if match else None

    def is_like(self, value: bytes) -> bool:
        """Return whether it may have this value: a name, because values are parts of paths."""
        if self.is_path:
            return b"\0" not in value and re.compile(self.expression).fullmatch(_text(value)) is not None
        try:
            check_name(value)
        except UnsafePathError:
            return False
        return re.compile(self.expression).fullmatch(_text(value)) is not None


Variables = Mapping[str, Variable]


@dataclass(frozen=True, slots=True)
class Patterns:
    """Some patterns of names; a name that one of them matches fits.

    Attributes:
        pieces: the pieces that every one of the patterns reads from a name.
        _each: to read pieces; none where no pattern has any, because each takes time to compile.
    """

    texts: tuple[str, ...]
    pieces: frozenset[str]
    _any: Callable[[str], object] = field(repr=False)
    _each: "tuple[_Searched | _FromEnd, ...]" = field(repr=False)

    def fits(self, name: bytes) -> bool:
        """Return whether one of the patterns matches the whole name."""
        return self._any(_text(name)) is not None

    def values(self, name: bytes) -> Mapping[str, bytes] | None:
        """Return the pieces of a name as values of variables, None if it does not fit.

        Nor does it where a piece is empty, `.` or `..`: values are parts of paths.
        """
        text = _text(name)
        if self._any(text) is None:
            return None
        pieces = self._read(text)
        return None if {b"", b".", b".."}.intersection(pieces.values()) else pieces

    def read(self, name: bytes) -> Mapping[str, bytes]:
        """Return the pieces of a name, by the first pattern that matches; empty if none does."""
        return self._read(_text(name))

    def _read(self, text: str) -> Mapping[str, bytes]:
        for each in self._each:
            if (pieces := each.read(text)) is not None:
                return {piece: _bytes(value) for piece, value in pieces.items()}
        return {}


@dataclass(frozen=True, slots=True)
class _Searched:
    """Reads the pieces of a pattern with few choices.

    Attributes:
        expression: has a group of the name of each piece.
    """

    expression: re.Pattern[str]

    def read(self, text: str) -> Mapping[str, str] | None:
        match = self.expression.fullmatch(text)
        return match.groupdict() if match else None


@dataclass(frozen=True, slots=True)
class _FromEnd:
    """Reads the pieces of a pattern with any number of choices; none of the pieces stands in it twice.

    Attributes:
        pieces: from the end.
        expression: of a name from its end; it has an empty group where each piece ends, and one where it begins.
    """

    pieces: tuple[str, ...]
    expression: re.Pattern[str]

    def read(self, text: str) -> Mapping[str, str] | None:
        match = self.expression.fullmatch(text[::-1])
        if not match:
            return None
        at = [len(text) - distance for distance, _ in match.regs[1:]]
        return {piece: text[at[2 * i + 1] : at[2 * i]] for i, piece in enumerate(self.pieces)}


def parse_patterns(texts: Sequence[str], variables: Variables) -> Patterns:
    """Return the patterns of a layout; raises as `compile_patterns` and `check_spelling`."""
    for text in texts:
        check_spelling(text)
        parts = [part for part in _as_globs(text, variables) if part]
        if "{" in text and any(one.endswith("*") and other.startswith("*") for one, other in pairwise(parts)):
            raise PatternError(_UNCLEAR_ENDS, text)
        _check_choices(text, variables)
    return compile_patterns(texts, variables)


def _check_choices(text: str, variables: Variables) -> None:
    """Refuse a word that stands twice beside many choices: only a search can read it."""
    if _has_word_twice(text) and _choices(text, variables) > _CHOICES_LIMIT:
        expected = f"at most {_CHOICES_LIMIT} words and * of any length where a word stands twice"
        raise PatternError(expected, text)


def _has_word_twice(text: str) -> bool:
    pieces = _PIECE.findall(text)
    return len(set(pieces)) < len(pieces)


def _choices(text: str, variables: Variables) -> int:
    """Return of how many parts of a pattern a search has to choose the length; a word twice is one."""
    words = {piece: _tokens_of(piece, variables) for piece in _PIECE.findall(text)}
    return sum("*" in tokens for tokens in (*map(_tokens_of_glob, _PIECE.split(text)[::2]), *words.values()))


def without_brackets(text: str) -> str:
    """Return a pattern of the same length, with a `?` for each letter of what stands in brackets."""
    return _CLOSED.sub(lambda found: "?" * len(found[0]), text)


def check_spelling(glob: str) -> None:
    """Check that a glob of names has nothing in it that is valid, and means something else than it seems to.

    Patterns that manifests have recorded are not checked so: they are read as they are.

    Raises:
        PatternError: brackets are not closed or not opened, so they are letters; or `**` stands in a name.
    """
    _check_length(glob)
    bare = _CLOSED.sub("?", glob)
    if set("[]").intersection(bare):
        raise PatternError("closed brackets, as [ab] (the letters themselves are [[] and []])", glob)
    if "**" in bare:
        raise PatternError("one * in a name (** stands for folders, alone between the / of a path)", glob)


def _check_length(text: str) -> None:
    """Refuse a pattern in which brackets that are not closed would be looked for without an end."""
    if len(text) > _PATTERN_LIMIT:
        raise PatternError(f"patterns of at most {_PATTERN_LIMIT:,} letters", f"{text[:20]}...")


def compile_patterns(texts: Sequence[str], variables: Variables) -> Patterns:
    """Return the patterns; a piece that is no variable stands for any text.

    Raises:
        PatternError: a pattern is empty, has a `/`, or a piece in brackets, where it would mean its letters.
    """
    for text in texts:
        if not text:
            raise PatternError("names", "an empty text")
        for each in (text, *(variable.like for variable in variables.values())):
            _check_length(each)
        if "/" in text or "\0" in text:
            raise PatternError("names, without a / or NUL", text)
        if any(_PIECE.search(brackets) for brackets in _BRACKETS.findall(text)):
            raise PatternError("names with braces outside of brackets", text)
        if re.search(r"[{}]", _PIECE.sub("", _BRACKETS.sub("", text))):
            raise PatternError("names with variables in braces, as {uid}", text)
        if set(_UID_MARK + _EDGE).intersection("".join(_as_globs(text, variables))):
            raise PatternError("names, without a / or NUL", text)
        check_can_match(_PIECE.sub("?", text))
        if _has_unclear_ends(text, variables):
            raise PatternError(_UNCLEAR_ENDS, text)
    pieces = [frozenset(_PIECE.findall(text)) for text in texts]
    together = "|".join(_expression(text, variables) for text in texts)
    return Patterns(
        texts=tuple(texts),
        pieces=frozenset.intersection(*pieces) if pieces else frozenset(),
        _any=re.compile(together).fullmatch if texts else lambda _: None,
        _each=tuple(_reader(text, variables) for text in texts) if any(pieces) else (),
    )


def check_can_match(glob: str) -> None:
    """Check that a glob, in which variables are one letter each, matches some name.

    Raises:
        PatternError: it matches none.
    """
    if glob in ("", ".", ".."):
        raise PatternError("names, of which none is empty, . or ..", glob or "an empty text")
    if _NOTHING in map(_of_glob, _BRACKETS.findall(glob)):
        raise PatternError("letters in their order, as in [a-z]", glob)
    least = len(_BRACKETS.sub("?", glob).replace("*", "").encode())
    if least > NAME_LIMIT_BYTES:
        raise PatternError(f"names of at most {NAME_LIMIT_BYTES} bytes", glob)


def _has_unclear_ends(text: str, variables: Variables) -> bool:
    """Return whether two things that stand for any text touch.

    What each of them is would be arbitrary then, and a long name that does not fit would be compared for hours.
    """
    parts = _PIECE.split(text)
    for at in range(1, len(parts), 2):
        before, after, following = parts[at - 1], parts[at + 1], parts[at + 2 : at + 3]
        if not _is_any(parts[at], variables):
            continue
        touches_next = not after and any(_is_any(piece, variables) for piece in following)
        if before.endswith("*") or after.startswith("*") or touches_next:
            return True
    return False


def _is_any(piece: str, variables: Variables) -> bool:
    return piece not in variables or variables[piece].like == "*"


def _as_globs(text: str, variables: Variables) -> list[str]:
    """Return the parts of a pattern, in which words and variables are what they are like."""
    likes = {name: variable.like for name, variable in variables.items()}
    return [likes.get(part, "*") if at % 2 else part for at, part in enumerate(_PIECE.split(text))]


def pieces_of(text: str) -> tuple[str, ...]:
    """Return the names of all pieces in a pattern, in their order."""
    return tuple(_PIECE.findall(text))


def _expression(text: str, variables: Variables) -> str:
    """Return the regular expression of the names that a pattern matches."""
    if not _has_word_twice(text) and _choices(text, variables) <= _CHOICES_LIMIT:
        return _searched(text, variables, is_read=False)
    tokens = _tokens(text, variables)
    return f"(?s:{_of_glob(''.join(token for token in tokens if token != _EDGE))})".replace(_UID_MARK, UID)


def _reader(text: str, variables: Variables) -> _Searched | _FromEnd:
    """Return what reads the pieces of a name."""
    if _has_word_twice(text) or _choices(text, variables) <= _CHOICES_LIMIT:
        return _Searched(re.compile(_searched(text, variables, is_read=True)))
    backwards = _of_glob("".join(reversed(_tokens(text, variables))))
    expression = backwards.replace(_UID_MARK, _UID_FROM_END).replace(_EDGE, "()")
    return _FromEnd(pieces_of(text)[::-1], re.compile(f"(?s:{expression})"))


def _searched(text: str, variables: Variables, *, is_read: bool) -> str:
    """Return the regular expression of a pattern; one that is read has a group of its name for each piece."""
    done: set[str] = set()
    parts = []
    for number, part in enumerate(_PIECE.split(text)):
        if number % 2 == 0:
            parts.append(_of_glob(part) if part else "")
            continue
        likely = variables[part].expression if part in variables else _ANYTHING
        if part in done and is_read:
            parts.append(f"(?P={part})")
        else:
            parts.append(f"(?P<{part}>{likely})" if is_read else f"(?:{likely})")
        done.add(part)
    return f"(?s:{''.join(parts)})"


def _tokens(text: str, variables: Variables) -> list[str]:
    """Return a pattern as parts of a glob: letters, wildcards, brackets, and an edge on both sides of each piece."""
    tokens = list[str]()
    for number, part in enumerate(_PIECE.split(text)):
        tokens += [_EDGE, *_tokens_of(part, variables), _EDGE] if number % 2 else _tokens_of_glob(part)
    return tokens


def _tokens_of(piece: str, variables: Variables) -> list[str]:
    if piece not in variables:
        return ["?", "*"]
    variable = variables[piece]
    if variable.only:
        return [f"[{letter}]" if letter in "*?[" else letter for letter in _text(variable.only)]
    return [_UID_MARK] if variable.like == "uid" else _tokens_of_glob(variable.like)


def _tokens_of_glob(text: str) -> list[str]:
    return ["[[]" if token == "[" else token for token in _TOKEN.findall(text)]


def _of_glob(text: str) -> str:
    match = _WHOLE.fullmatch(fnmatch.translate(text))
    assert match, "fnmatch writes another form of regular expressions"
    return match[1]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
