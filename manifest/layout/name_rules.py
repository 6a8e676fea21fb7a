"""Name rules: the checks of a layout about the names of all files and folders, also of those inside packaged trees.

Pure, and sent to the workers that scan trees: most folders are passed with one search in all their names together.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.layout.check import ANY_NUMBER, Names
from qa2pack.manifest.layout.letters import Letters, common, merged, others
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.problem import Code, Problem


@dataclass(frozen=True, slots=True)
class NameRules:
    """Some checks of names.

    Attributes:
        checks: each is a warning.
        is_case_told: paths that are the same where case is ignored are warned of.
    """

    checks: tuple[Names, ...] = ()
    is_case_told: bool = False
    _letter: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _texts: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _longest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        texts = {text for check in self.checks for text in check.without}
        letter = _wrong_letter([check.letters for check in self.checks if check.letters], texts)
        object.__setattr__(self, "_letter", letter)
        object.__setattr__(self, "_texts", tuple(sorted(text.encode() for text in texts if len(text) > 1)))
        object.__setattr__(self, "_longest", min((check.longest for check in self.checks), default=ANY_NUMBER))

    def warnings(self, folder: bytes, names: Sequence[bytes]) -> list[Problem]:
        """Return a warning of each code and reason for each name of the folder that is not as it should be."""
        if not self.checks or not self._may_be_wrong(names):
            return []
        found = (
            Problem(check.code, path, check.what, check.found_in(name) if check.what else "")
            for name, path in ((name, join(folder, name)) for name in names if self._may_be_wrong((name,)))
            for check in self.checks
            if not check.is_met_by(name) and path not in check.but
        )
        return list(dict.fromkeys(found))

    def case_warnings(self, paths: Iterable[bytes]) -> Iterator[Problem]:
        """Yield a warning of each path that a case-insensitive file system would merge with an earlier one."""
        if not self.is_case_told:
            return
        seen: dict[str, bytes] = {}
        for path in paths:
            text = path.decode("utf-8", "surrogateescape")
            other = seen.setdefault(unicodedata.normalize("NFC", text).casefold(), path)
            if other != path:
                yield Problem(Code.W_CASE, path, expected="a difference other than case", found=shown(other))

    def case_warnings_in(self, folder: bytes, names: Sequence[bytes]) -> Iterator[Problem]:
        """Yield those of the names of one folder."""
        joined = b"\0".join(names)
        if self.is_case_told and (not joined.isascii() or len(set(joined.lower().split(b"\0"))) < len(names)):
            yield from self.case_warnings(join(folder, name) for name in names)

    def _may_be_wrong(self, names: Sequence[bytes]) -> bool:
        """Return whether a name may be wrong: one search for a whole folder instead of some for each name."""
        joined = b"\0".join(names)
        for text in self._texts:  # a generator would take longer than the search in a folder of few names
            if text in joined:
                return True
        if self._letter and self._letter.search(joined.decode("utf-8", "surrogateescape")):
            return True
        return self._longest < ANY_NUMBER and max(map(len, names), default=0) > self._longest


def _wrong_letter(letters: Sequence[Letters], texts: Iterable[str]) -> re.Pattern[str] | None:
    """Return the pattern of any letter that some name may not have; None if there is none."""
    single = {text for text in texts if len(text) == 1}
    if not letters:
        return re.compile(f"[{_escaped(single)}]") if single else None
    right = common([*letters, others(merged((ord(letter), ord(letter)) for letter in single))])
    ranges = (f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in right.ranges)
    return re.compile(rf"[^\0{''.join(ranges)}]")


def _escaped(letters: Iterable[str]) -> str:
    return "".join(map(re.escape, sorted(letters)))
