"""Inner patterns: which files of which bundles of the origin a rule takes, `*.weblog.tgz!**/{page}.html`.

Pure. Before the `!` stands a pattern of the name of a bundle. Behind it stands a path in the bundle: a pattern of a
name for each part; `**`, at most once, for any number of folders, or at the end for all below; and at the end a word
in braces that is no variable, for the rest of the path, one name or more.
"""

from collections.abc import Iterable, Mapping, Sequence

from qa2pack.manifest.bundle.form import SUFFIXES, Form, form_of
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.patterns import (
    PatternError,
    Patterns,
    Variables,
    parse_patterns,
    pieces_of,
    without_brackets,
)
from qa2pack.manifest.layout.template import BUNDLE_MARK

_ANY_DEPTH = "**"


@dataclass(frozen=True, slots=True)
class InnerPattern:
    """A pattern of files in bundles.

    Attributes:
        bundle: of the name of the bundle.
        form: that the bundle must have.
        first, last: patterns of the first names of the path, and of the last ones.
        has_between: any number of names may stand between them; at least one where `last` is empty.
        rest: the word whose value they are; empty for none.
    """

    text: str
    bundle: Patterns
    form: Form
    first: tuple[Patterns, ...] = ()
    last: tuple[Patterns, ...] = ()
    has_between: bool = False
    rest: str = ""

    @property
    def pieces(self) -> frozenset[str]:
        """The pieces that it reads."""
        rest = {self.rest} if self.rest else set()
        return self.bundle.pieces.union(rest, *(step.pieces for step in (*self.first, *self.last)))

    def is_for(self, bundle: bytes) -> bool:
        """Return whether it may take a file out of a bundle of this name."""
        return form_of(bundle) is self.form and self.bundle.fits(bundle)

    def read(self, bundle: bytes, path: bytes) -> Mapping[str, bytes] | None:
        """Return the pieces of a file; None if it does not fit.

        Args:
            bundle: name of the bundle.
            path: of the file in it; of a `.gz` it does not matter.
        """
        if not self.is_for(bundle):
            return None
        if self.form is Form.GZ:
            return self.bundle.values(bundle)
        names = path.split(b"/")
        start, end = len(self.first), len(names) - len(self.last)
        if not self._has_room(end - start):
            return None
        steps = zip((*self.first, *self.last), (*names[:start], *names[end:]), strict=True)
        rest = {self.rest: b"/".join(names[start:end])} if self.rest else {}
        return _joined(((self.bundle, bundle), *steps), rest)

    def _has_room(self, count: int) -> bool:
        """Return whether so many names may stand between the first and the last ones."""
        if not self.has_between:
            return count == 0
        return count >= (0 if self.last else 1)


def _joined(steps: Iterable[tuple[Patterns, bytes]], pieces: Mapping[str, bytes]) -> Mapping[str, bytes] | None:
    """Return the pieces of all names; None where a name does not fit, or a piece would have two values."""
    found = dict(pieces)
    for pattern, name in steps:
        values = pattern.values(name)
        if values is None or any(found.get(piece, value) != value for piece, value in values.items()):
            return None
        found |= values
    return found


def pieces_read(match: Patterns, inside: Sequence[InnerPattern]) -> frozenset[str]:
    """Return the pieces that each pattern of a rule reads: of those of files in bundles, if it has such."""
    return frozenset.intersection(*(each.pieces for each in inside)) if inside else match.pieces


def parse_inner(texts: Sequence[str], variables: Variables) -> tuple[InnerPattern, ...]:
    """Return the inner patterns of a rule; none if its patterns are of names in folders.

    Raises:
        PatternError: a pattern means nothing, or only some of them are of files in bundles.
    """
    marked = [text for text in texts if BUNDLE_MARK in without_brackets(text)]
    if marked and len(marked) < len(texts):
        raise PatternError(f"a {BUNDLE_MARK} in all patterns of a rule, or in none", marked[0])
    return tuple(_inner_pattern(text, variables) for text in marked)


def _inner_pattern(text: str, variables: Variables) -> InnerPattern:
    bare = without_brackets(text)
    at = bare.index(BUNDLE_MARK)
    before, inside = text[:at], text[at + 1 :]
    form = form_of(bare[:at].rpartition("}")[2].encode())
    if form is None or BUNDLE_MARK in bare[at + 1 :]:
        raise PatternError(f"a name that ends in {', '.join(SUFFIXES)} before one {BUNDLE_MARK}", text)
    bundle = parse_patterns((before,), variables)
    if (form is Form.GZ) is bool(inside):
        expected = "nothing" if form is Form.GZ else "a path in the bundle"
        raise PatternError(f"{expected} behind {BUNDLE_MARK}", text)
    if form is Form.GZ:
        return InnerPattern(text, bundle, form)
    steps = inside.split("/")
    rest = _rest_word(steps[-1], variables)
    if steps.count(_ANY_DEPTH) + bool(rest) > 1:
        raise PatternError(f"at most one {_ANY_DEPTH}, and none before a word for the rest of the path", text)
    at = len(steps) - 1 if rest else steps.index(_ANY_DEPTH) if _ANY_DEPTH in steps else len(steps)
    first, last = (
        tuple(parse_patterns((step,), variables) for step in some) for some in (steps[:at], steps[at + 1 :])
    )
    return InnerPattern(text, bundle, form, first, last, at < len(steps), rest)


def _rest_word(step: str, variables: Variables) -> str:
    """Return the word in braces that is the whole of the last step, and no variable; empty if it is none."""
    words = pieces_of(step)
    is_alone = len(words) == 1 and step == f"{{{words[0]}}}" and words[0] not in variables
    return words[0] if is_alone else ""
