"""Damage of a package as lines: what differs, many of one cause as a group, and what to do for each member."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from qa2pack.manifest.alma.member_ids import folder_of, member_at, member_words
from qa2pack.manifest.alma.package import PUT_BACK
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import is_within, join, shown
from qa2pack.manifest.plan.extra_files import outside_remedies
from qa2pack.manifest.problem import EXTRAS, Code, Problem, Remedy
from qa2pack.manifest.verify.remedies import (
    DAMAGE,
    DamagedMember,
    member_remedies,
    packaged_entries,
    source_of,
)
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.errors.problem_view import MOST_PATHS, problem_text, remedies_lines
from qa2pack.pack.jobs.members import Member
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import folded

_MOST_FAULTS = 3  # of one ticket file
_OF_MANIFEST = frozenset((Code.MANIFEST_DAMAGED,))
_WRITTEN_AGAIN = frozenset((Code.TICKET_DAMAGED, Code.W_TICKET_MISSING))


@dataclass(frozen=True, slots=True)
class Damage:
    """The problems of a package.

    Attributes:
        problems: their paths relative to the package.
        members: all members of the package.
    """

    problems: Sequence[Problem]
    target: Target
    members: Sequence[Member]

    def lines(self, *, shows_all: bool, rest: str = "--all or --json lists them") -> Iterator[str]:
        """Yield a line for each problem, those of one code and cause together; without `shows_all` the first few.

        Args:
            rest: what lists the others.
        """
        groups: dict[tuple[Code, str], list[Problem]] = {}
        for problem in self.problems if shows_all else _one_per_ticket_file(self.problems):
            # Where many files have one cause it is what was found, in words; sizes and digests differ.
            cause = problem.found if isinstance(problem.found, str) else ""
            groups.setdefault((problem.code, cause), []).append(problem)
        for (code, cause), group in groups.items():
            listed = group if shows_all else group[:MOST_PATHS]
            sources = self._sources(listed)
            yield from (problem_text(problem) + sources.get(problem.path, "") for problem in listed)
            if len(group) > len(listed):
                words = f"{code}: found {shown(cause)}" if cause else str(code)
                yield f"and {len(group) - len(listed):,} more {words} ({rest})"

    def remedies(self) -> Iterator[str]:
        """Yield what each code means and what to do; of damaged files once for each member."""
        damaged = self._damaged_members()
        handled = {problem for member in damaged for problem in self._within(member)}
        gone = {problem for problem in self.problems if problem.code in (Code.MISSING, Code.WRONG_TYPE)} - handled
        outside = {problem for problem in self.problems if problem.code in EXTRAS} - handled
        yield from self.remedies_of(problem for problem in self.problems if problem not in handled | gone | outside)
        for code in dict.fromkeys(problem.code for problem in self.problems if problem in gone):
            yield from folded(WORDS[code].what, indent=2, label=f"{code}: ")
        if gone:
            yield from remedies_lines((PUT_BACK,), self.target)
        for code in dict.fromkeys(problem.code for problem in self.problems if problem in handled):
            yield from folded(WORDS[code].what, indent=2, label=f"{code}: ")
            if code in EXTRAS:
                yield from remedies_lines(WORDS[code].remedies[:1], self.target)
        yield from self._remedies_outside(problem for problem in self.problems if problem in outside)
        for member in damaged:
            if len(self.members) > 1:
                yield f"  in {member_words(member.manifest.header.member)}:"
            yield from remedies_lines(member_remedies(member), self.target)

    def _remedies_outside(self, extras: Iterable[Problem]) -> Iterator[str]:
        """Yield what to do about files of others that are in no member with a manifest."""
        located = [replace(problem, path=join(self.target.typed, problem.path)) for problem in extras]
        for code in dict.fromkeys(problem.code for problem in located):
            yield from folded(WORDS[code].what, indent=2, label=f"{code}: ")
        yield from remedies_lines(outside_remedies(located, self.target.package, self.target.opened), self.target)

    def remedies_of(self, problems: Iterable[Problem]) -> Iterator[str]:
        """Yield, for each code among the problems, what it is and what to do."""
        groups: dict[Code, list[Problem]] = {}
        for problem in problems:
            groups.setdefault(problem.code, []).append(problem)
        for code, found in groups.items():
            yield from folded(WORDS[code].what, indent=2, label=f"{code}: ")
            remedies = WORDS[code].remedies
            if code in _WRITTEN_AGAIN:
                remedies = tuple(map(self._of_a_member, remedies))
            yield from remedies_lines(
                remedies, self.target, paths=self._manifests(found) if code in _OF_MANIFEST else ()
            )

    def _manifests(self, problems: Sequence[Problem]) -> list[bytes]:
        """Return the manifests of the members that the problems are about."""
        members = dict.fromkeys(member_at(problem.path) for problem in problems)
        return [self.target.package.manifest(member) for member in islice(members, MOST_PATHS)]

    def _of_a_member(self, remedy: Remedy) -> Remedy:
        """Return the remedy with its commands for a member that this program made: any one of them will do."""
        made = [each for each in self.members if each.manifest and not each.manifest.header.is_adopted]
        if len(self.members) == 1 or not made or made[0].manifest is None:
            return remedy
        option = DamagedMember(made[0].manifest, b"", (), is_only=False).option
        return replace(
            remedy, commands=tuple(each.replace("PACKAGE", f"PACKAGE{option}") for each in remedy.commands)
        )

    def _damaged_members(self) -> list[DamagedMember]:
        found = []
        for member in self.members:
            inside = folder_of(member.path)
            problems = [
                replace(problem, path=problem.path.removeprefix(inside).removeprefix(b"/"))
                for problem in self.problems
                if problem.code in DAMAGE | EXTRAS and (not inside or is_within(problem.path, inside))
            ]
            if problems and member.manifest:
                root = self.target.package.member(member.path)
                found.append(DamagedMember(member.manifest, root, problems, is_only=len(self.members) == 1))
        return found

    def _within(self, member: DamagedMember) -> Iterator[Problem]:
        inside = folder_of(member.manifest.header.member)
        return (replace(problem, path=join(inside, problem.path)) for problem in member.problems)

    def _sources(self, problems: Sequence[Problem]) -> dict[bytes, str]:
        """Return, by path of a problem, words for the file of the origin that it came from."""
        found: dict[bytes, str] = {}
        for member in self.members:
            inside = join(folder_of(member.path), b"")
            paths = [p.path[len(inside) :] for p in problems if p.code in DAMAGE and p.path.startswith(inside)]
            for path, entry in packaged_entries(member.manifest, paths).items() if member.manifest else ():
                if source := source_of(member.manifest, entry) if member.manifest else None:
                    found[inside + path] = f"; from {shown(source)}"
        return found


def _one_per_ticket_file(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield the problems, of each ticket file one with its first few faults, where the first of them stands."""
    faults: dict[bytes, list[str]] = {}
    others = []
    for problem in problems:
        if problem.code is Code.TICKET_DAMAGED:
            if problem.path not in faults:
                others.append(problem)
            faults.setdefault(problem.path, []).append(str(problem.found))
        else:
            others.append(problem)
    for problem in others:
        if problem.code is Code.TICKET_DAMAGED:
            yield replace(problem, found=_fault_text(faults[problem.path]))
        else:
            yield problem


def _fault_text(faults: Sequence[str]) -> str:
    more = len(faults) - _MOST_FAULTS
    return "; ".join(faults[:_MOST_FAULTS]) + (f"; and {more:,} more" if more > 0 else "")
