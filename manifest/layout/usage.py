"""Usage of a layout: which rule takes how much of an origin, what no rule takes, and what a plan would refuse.

Pure. Nothing is hashed and no table is opened, so a table counts as one tree, and what goes into the package a second
time because of its columns is not known.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.layout.decide import Choice, Draft, OriginEntry, Outcome
from qa2pack.manifest.layout.find_places import PlacesFound
from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.place import entries_in, place
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.path import sort_key
from qa2pack.manifest.problem import Code, Problem


@dataclass(frozen=True, slots=True)
class Taken:
    """What one rule takes, or what is left out for one reason.

    Attributes:
        byte_count: of the files; the size of a tree is not known.
    """

    file_count: int = 0
    tree_count: int = 0
    byte_count: int = 0

    def __bool__(self) -> bool:
        return bool(self.file_count or self.tree_count)

    def with_entry(self, entry: OriginEntry) -> "Taken":
        """Return it with one more file or tree."""
        if entry.node.is_tree:
            return Taken(self.file_count, self.tree_count + 1, self.byte_count)
        return Taken(self.file_count + 1, self.tree_count, self.byte_count + entry.node.size)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the rules of a layout make of an origin.

    Attributes:
        taken: for each rule of the layout that is not for includes, in order.
        foreign: files and folders of other programs.
        untaken: what no rule takes (without a reason), or for which a variable of the target has no value; by path.
        problems: what a plan would refuse; paths as in a refused plan.
        warnings: what a plan would warn of, without the checks of the layout; paths as in a plan.
        placement: what would be packaged.
    """

    places: PlacesFound
    taken: tuple[Taken, ...]
    foreign: Taken
    untaken: tuple[LeftOut, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    placement: Placement


def usage_of(tree: Node, choice: Choice, origin: bytes) -> Usage:
    """Return what the layout of a choice makes of an origin.

    Args:
        tree: the survey of the origin.
        origin: its absolute path, for problems.
    """
    placement = place(tree, choice, {})
    layout = choice.layout
    taken = {id(rule): Taken() for rule in layout.rules}
    foreign, untaken = Taken(), []
    for entry, outcomes in _decided(entries_in(b"", tree, choice), choice):
        rule = choice.rule_for(entry)
        inside = list(choice.inside_of(entry)) if choice.insides else []
        for inner, inner_rule, outcome in inside:
            if isinstance(outcome, LeftOut):
                untaken.append(outcome)
            else:
                taken[id(inner_rule)] = taken[id(inner_rule)].with_entry(inner)
        left_out = next((outcome for outcome in outcomes if isinstance(outcome, LeftOut)), None)
        if layout.why_foreign(entry.node.name):
            foreign = foreign.with_entry(entry)
        elif not outcomes and not inside:
            untaken.append(LeftOut(entry.path, "", entry.node.is_tree))
        elif rule is not None and (rule.never or any(isinstance(outcome, Draft) for outcome in outcomes)):
            taken[id(rule)] = taken[id(rule)].with_entry(entry)
        elif left_out is not None:
            untaken.append(left_out)
    return Usage(
        places=choice.places,
        taken=tuple(taken.values()),
        foreign=foreign,
        untaken=tuple(sorted(untaken, key=lambda left: sort_key(left.path))),
        problems=tuple(located(origin, problem) for problem in _first_refused(placement.problems)),
        warnings=tuple(_as_in_plan(origin, warning) for warning in placement.warnings),
        placement=placement,
    )


def _first_refused(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Return what a plan would refuse first: files of several units meet only because no unit was named."""
    return [problem for problem in problems if problem.code is Code.SEVERAL_VALUES] or problems


def _decided(entries: Iterable[OriginEntry], choice: Choice) -> Iterator[tuple[OriginEntry, tuple[Outcome, ...]]]:
    """Yield every entry that is not searched further, with what is decided about it."""
    for entry in entries:
        outcomes = choice.decide(entry)
        if outcomes or not choice.places.is_entered(entry.path):
            yield entry, outcomes
        else:
            yield from _decided(entries_in(entry.path, entry.node, choice), choice)


def located(origin: bytes, problem: Problem) -> Problem:
    """Return the problem with an absolute path; destinations stay relative to the member, values as they are."""
    is_of_origin = problem.code not in (Code.COLLISION, Code.NAME_TOO_LONG, Code.CHECK_FAILED, Code.SEVERAL_VALUES)
    return problem if not is_of_origin else replace(problem, path=os.path.join(origin, problem.path))


def _as_in_plan(origin: bytes, warning: Problem) -> Problem:
    """Return the warning with the path of the origin to plan, where one is advised; other paths stay relative."""
    return located(origin, warning) if warning.code is Code.W_DEEPER_SB else warning
