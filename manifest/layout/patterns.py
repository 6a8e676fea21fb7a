"""Patterns of names: shell wildcards, and pieces in braces, `{uid}` or `{stem}`, whose text is read from the name.

Matching is case-sensitive and on whole names. Names are decoded as UTF-8 with surrogate escapes whatever the
locale, so that `?` is one letter and every Linux name can be matched.
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
_ANYTHING = ".+"
_PIECE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_BRACKETS = re.compile(r"\[!?\]?[^\]]*\]")
# Those that fnmatch finds: a ] that is the first letter does not close them.
_CLOSED = re.compile(r"\[!?+\]?+[^\]]*+\]")
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
    _each: tuple[re.Pattern[str], ...] = field(repr=False)

    def fits(self, name: bytes) -> bool:
        """Return whether one of the patterns matches the whole name."""
        return self._any(_text(name)) is not None

    def values(self, name: bytes) -> Mapping[str, bytes] | None:
        """Return the pieces of a name as values of variables, None if it does not fit.

        Nor does it where a piece is empty, `.` or `..`: values are parts of paths.
        """
        if not self.fits(name):
            return None
        pieces = self.read(name)
        return None if {b"", b".", b".."}.intersection(pieces.values()) else pieces

    def read(self, name: bytes) -> Mapping[str, bytes]:
        """Return the pieces of a name, by the first pattern that matches; empty if none does."""
        for each in self._each:
            if match := each.fullmatch(_text(name)):
                return {piece: _bytes(text) for piece, text in match.groupdict().items()}
        return {}


def parse_patterns(texts: Sequence[str], variables: Variables) -> Patterns:
    """Return the patterns of a layout; raises as `compile_patterns` and `check_spelling`."""
    for text in texts:
        check_spelling(text)
        parts = [part for part in _as_globs(text, variables) if part]
        if "{" in text and any(one.endswith("*") and other.startswith("*") for one, other in pairwise(parts)):
            raise PatternError(_UNCLEAR_ENDS, text)
    return compile_patterns(texts, variables)


def without_brackets(text: str) -> str:
    """Return a pattern of the same length, with a `?` for each letter of what stands in brackets."""
    return _CLOSED.sub(lambda found: "?" * len(found[0]), text)


def check_spelling(glob: str) -> None:
    """Check that a glob of names has nothing in it that is valid, and means something else than it seems to.

    Patterns that manifests have recorded are not checked so: they are read as they are.

    Raises:
        PatternError: brackets are not closed or not opened, so they are letters; or `**` stands in a name.
    """
    bare = _CLOSED.sub("?", glob)
    if set("[]").intersection(bare):
        raise PatternError("closed brackets, as [ab] (the letters themselves are [[] and []])", glob)
    if "**" in bare:
        raise PatternError("one * in a name (** stands for folders, alone between the / of a path)", glob)


def compile_patterns(texts: Sequence[str], variables: Variables) -> Patterns:
    """Return the patterns; a piece that is no variable stands for any text.

    Raises:
        PatternError: a pattern is empty, has a `/`, or a piece in brackets, where it would mean its letters.
    """
    for text in texts:
        if not text:
            raise PatternError("names", "an empty text")
        if "/" in text or "\0" in text:
            raise PatternError("names, without a / or NUL", text)
        if any(_PIECE.search(brackets) for brackets in _BRACKETS.findall(text)):
            raise PatternError("names with braces outside of brackets", text)
        if re.search(r"[{}]", _PIECE.sub("", _BRACKETS.sub("", text))):
            raise PatternError("names with variables in braces, as {uid}", text)
        check_can_match(_PIECE.sub("?", text))
        if _has_unclear_ends(text, variables):
            raise PatternError(_UNCLEAR_ENDS, text)
    pieces = [frozenset(_PIECE.findall(text)) for text in texts]
    together = "|".join(_expression(text, variables, is_read=False) for text in texts)
    return Patterns(
        texts=tuple(texts),
        pieces=frozenset.intersection(*pieces) if pieces else frozenset(),
        _any=re.compile(together).fullmatch if texts else lambda _: None,
        _each=tuple(re.compile(_expression(text, variables, is_read=True)) for text in texts) if any(pieces) else (),
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


def _expression(text: str, variables: Variables, *, is_read: bool) -> str:
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


def _of_glob(glob: str) -> str:
    match = _WHOLE.fullmatch(fnmatch.translate(glob))
    assert match, "fnmatch writes another form of regular expressions"
    return match[1]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
