"""Globs over file names: shell wildcards plus `{uid}`, which matches the uid of any execution block.

Matching is case-sensitive and on whole names. Names are decoded as UTF-8 with surrogate escapes whatever the
locale, so that `?` is one letter and every Linux name can be matched.
"""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Sequence

from qa2pack.manifest.layout.patterns import UID

_HEAD = re.compile(r"[^*?\[{]*")
_TAIL = re.compile(r"[^*?\]}]*\Z")
_NEVER = r"(?!)"

# No file name holds NUL, so it can replace `{uid}` while the rest is translated.
_MARK = "\0"
_BRACKETS_OR_UID = re.compile(r"\[!?\]?[^\]]*\]|\{uid\}")


def has_uid_in_brackets(glob: str) -> bool:
    """Return whether `{uid}` is in brackets, where it means its letters."""
    return any("{uid}" in each and each != "{uid}" for each in _BRACKETS_OR_UID.findall(glob))


def has_other_braces(glob: str) -> bool:
    """Return whether braces outside of brackets are not those of `{uid}`, where they would mean themselves."""
    return any(brace in _BRACKETS_OR_UID.sub("", glob) for brace in "{}")


def _marked(match: re.Match[str]) -> str:
    # The pattern of a uid inside brackets would be no valid one.
    return _MARK if match[0] == "{uid}" else match[0]


@functools.lru_cache(maxsize=1024)
def _compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    translated = (fnmatch.translate(_BRACKETS_OR_UID.sub(_marked, glob)) for glob in globs)
    return re.compile("|".join(translated).replace(_MARK, UID))


def matcher(globs: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Return the function that tells whether any of the globs matches a whole name, for many names."""
    if not globs:
        return lambda _: False
    match = _compiled(globs).match
    return lambda name: match(name.decode("utf-8", "surrogateescape")) is not None


def matching(names: Sequence[bytes], globs: tuple[str, ...]) -> set[bytes]:
    """Return those of the file names that any of the globs matches as a whole."""
    if not globs:
        return set()
    joined = b"\0".join(names).decode("utf-8", "surrogateescape")  # one call for all names
    if not _has_ends(globs)(f"\0{joined}\0"):
        return set()
    match = _compiled(globs).match
    texts = joined.split("\0")  # of no names one empty text
    return {name for name, text in zip(names, texts, strict=False) if match(text)}


def _any_of(texts: set[str]) -> str:
    return "|".join(map(re.escape, sorted(texts))) or _NEVER


@functools.lru_cache(maxsize=64)
def _has_ends(globs: tuple[str, ...]) -> Callable[[str], object]:
    """Return what tells whether any of some names, joined by NUL and between two, may match one of the globs.

    It looks at the letters before the first wildcard, or else at those behind the last. In most folders there is no
    such name, and a search in all of them finds that out in less than half of the time that they take one by one.
    """
    heads, tails = set[str](), set[str]()
    for glob in globs:
        head, tail = _HEAD.findall(glob)[0], _TAIL.findall(glob)[0]
        if head:
            heads.add(f"{head}\0" if head == glob else head)
        elif tail:
            tails.add(tail)
        else:
            return lambda _: True
    first = {head for head in heads if not any(head.startswith(other) for other in heads - {head})}
    has_start = re.compile(f"\0(?:{_any_of(first)})").search
    has_end = re.compile(f"(?:{_any_of(tails)})\0").search
    return lambda names: has_start(names) or has_end(names)


def matches(name: bytes, globs: tuple[str, ...]) -> bool:
    """Return whether any of the globs matches the whole name."""
    return matcher(globs)(name)


def first_match(path: bytes, globs: Iterable[str]) -> str | None:
    """Return the first glob of the command line that matches a path.

    A glob with a `/` is matched against the whole path relative to the origin (`*` also matches `/`), one without
    against the last part of it, at any depth. A trailing `/`, which shells add to folder names, is ignored, and so is
    a doubled one; `./` at the beginning stands for the origin.
    """
    name = path.rpartition(b"/")[2]
    for glob in globs:
        bare, is_of_path = _tidied(glob)
        if matches(path if is_of_path else name, (bare,)):
            return glob
    return None


@functools.lru_cache
def _tidied(glob: str) -> tuple[str, bool]:
    """Return the glob as paths are written, and whether it is of whole paths."""
    bare = "/".join(part for number, part in enumerate(glob.split("/")) if part or not number)
    is_of_path = "/" in bare
    while bare.startswith("./"):
        bare = bare[2:]
    return bare, is_of_path
