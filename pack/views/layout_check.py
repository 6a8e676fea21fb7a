"""View of `pack layout --check`: a layout in short, and what its rules take of an origin."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import assert_never

from qa2pack.manifest.dataclass import asdict
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.humanize import human_bytes
from qa2pack.manifest.layout.check import Count, Listed, Names, PathCheck, Say
from qa2pack.manifest.layout.find_places import Place
from qa2pack.manifest.layout.member_checks import Found
from qa2pack.manifest.layout.patterns import Variable
from qa2pack.manifest.layout.rules import Layout, Rule
from qa2pack.manifest.layout.usage import Taken, Usage
from qa2pack.manifest.path import shown
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.errors.problem_view import MOST_PATHS, problem_lines
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.layout import Checked
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.view import View

_DEFAULT = os.fsencode(PlanRequest(b"", b"").layout)
_NOT_MET = {Say.WARN: "warns", Say.REFUSE: "refuses"}
_ROW = "  {:>5} {:>7} {:>6} {:>10}  {}"


def check_view(checked: Checked, target: Target, *, origin: str, shows_all: bool) -> View:
    """Return the view of a layout, and of what it makes of an origin.

    Args:
        target: what remedies call the package.
        origin: as it was typed, quoted for a shell; empty if there is none.
        shows_all: show every name; else the first few.
    """
    return View(
        lines=partial(_lines, checked, target, origin, shows_all),
        fields=partial(_fields, checked),
        code=Exit.PROBLEMS if checked.is_refused else Exit.DONE,
    )


def _lines(checked: Checked, target: Target, origin: str, shows_all: bool, style: Style) -> Iterator[str]:
    yield from _layout_lines(checked, style)
    usage = checked.usage
    if usage is None:
        return
    yield ""
    yield style.bold(f"Origin {shown(checked.origin)}")
    yield from _place_lines(checked.layout, usage, shows_all)
    rows = [*zip(checked.layout.rules, usage.taken, strict=True)]
    yield ""
    yield style.bold(_ROW.format("line", "files", "trees", "size", "rule"))
    yield from (_row(rule, taken) for rule, taken in rows if taken)
    yield from _foreign_lines(usage.foreign)
    yield from _heading("Rules that take nothing", idle := [rule for rule, taken in rows if not taken], style)
    yield from _first([f"  {_number(rule):>5}  {_rule_text(rule)}" for rule in idle], shows_all)
    yield from _heading("No rule takes", usage.untaken, style)
    yield from _first([f"  {_left_text(left)}" for left in usage.untaken], shows_all)
    yield from _check_lines(checked.found, style, shows_all)
    for title, problems in (("Warnings", usage.warnings), ("A plan would be refused", usage.problems)):
        if problems:
            yield from _heading(title, problems, style)
            yield from problem_lines(
                problems, target, style, verb="layout", origin=origin, options=_options(checked), shows_all=shows_all
            )


def _options(checked: Checked) -> str:
    """Return the options of a plan that is advised, each with a blank before it."""
    return " --mode MODE" + ("" if checked.given == _DEFAULT else f" --layout {quoted(checked.given)}")


def _layout_lines(checked: Checked, style: Style) -> Iterator[str]:
    layout = checked.layout
    yield style.bold(f"Layout {shown(checked.given)}")
    included = f", and {len(layout.included):,} for --include" if layout.included else ""
    for label, text in (
        ("title", shown(layout.title)),
        ("tree", shown(layout.tree.text) or "the package itself"),
        ("variables", ", ".join(layout.variables)),
        ("places", ", ".join(map(_place_text, layout.places))),
        ("folders", ", ".join(role.name for role in layout.roles)),
        ("rules", f"{len(layout.rules):,}{included}"),
        ("checks", f"{len(layout.checks):,}"),
        *((("writes", ", ".join(shown(write.path) for write in layout.writes)),) if layout.writes else ()),
    ):
        yield from folded(text or "none", label=f"  {label:<11}")


def _place_text(place: Place) -> str:
    words = [f"in {place.inside}"] * bool(place.inside) + ["needed"] * place.is_needed
    return f"{place.name} ({', '.join(words)})" if words else place.name


def _check_lines(found: Sequence[Found], style: Style, shows_all: bool) -> Iterator[str]:
    """Yield each check of the member, and below it what it finds in what would be packaged."""
    if not found:
        return
    yield from _heading("Checks of the member", found, style)
    for each in found:
        state = _NOT_MET[each.check.say] if each.problems else "met"
        label = f"  {each.check.line or '?':>5}  {state:<9}"
        yield from folded(f"{_check_text(each.check)}: {shown(_why(each.check))}", label=label)
        yield from _first([f"                  {_problem_text(problem)}" for problem in each.problems], shows_all)


def _check_text(check: PathCheck) -> str:
    match check:
        case Count(folder, names, least, most):
            number = "at least one" if least else "at most one" if most else "none"
            return shown(f"{number} of {', '.join(names.texts)} in {shown(folder) or 'the member'}")
        case Names():
            return "names"
        case Listed(steps):
            return shown(f"what is listed in {'/'.join(text for step in steps for text in step.texts)}")
        case never:
            assert_never(never)


def _why(check: PathCheck) -> str:
    """Return the reason of a check: its own, or that of the problem by which it warns."""
    return check.what or (WORDS[check.code].what if isinstance(check, Names) else "")


def _problem_text(problem: Problem) -> str:
    """Return what a check finds; the reason stands above it."""
    return f"{shown(problem.path)}{f': found {found}' if (found := problem.details[1]) else ''}"


def _check_fields(found: Found) -> Fields:
    return {
        "line": found.check.line or None,
        "what": _why(found.check),
        "say": found.check.say,
        "problems": problem_fields(found.problems),
    }


def _place_lines(layout: Layout, usage: Usage, shows_all: bool) -> Iterator[str]:
    for place in layout.places:
        found = _folders_of(place, usage)
        names = [shown(path) or "." for path in found[: None if shows_all else MOST_PATHS]]
        more = f" and {len(found) - len(names):,} more (--all)" if len(found) > len(names) else ""
        yield from folded(f"{', '.join(names) or 'none'}{more}", label=f"  {place.name:<11}")


def _folders_of(place: Place, usage: Usage) -> list[bytes]:
    return sorted(path for path, folder in usage.places.folders.items() if folder.place is place)


def _row(rule: Rule, taken: Taken) -> str:
    return _ROW.format(_number(rule), *_counts(taken), _rule_text(rule))


def _counts(taken: Taken) -> tuple[str, str, str]:
    size = human_bytes(taken.byte_count) if taken.file_count else ""  # that of a tree is not known
    return f"{taken.file_count:,}", f"{taken.tree_count:,}", size


def _foreign_lines(foreign: Taken) -> Iterator[str]:
    if foreign:
        yield _ROW.format("", *_counts(foreign), "files of other programs, left out")


def _number(rule: Rule) -> str:
    return str(rule.line or "?")


def _rule_text(rule: Rule) -> str:
    """Return a rule on one line: its first pattern, and where that goes."""
    first, *others = rule.texts
    more = f" and {len(others)} more" if others else ""
    return shown(f"{first}{more} -> {rule.to.text if rule.to else f'left out: {rule.never}'}")


def _left_text(left: LeftOut) -> str:
    why = f"  ({shown(left.reason)})" if left.reason else ""
    return f"{shown(left.path)}{'/' * left.is_tree}{why}"


def _heading(title: str, found: Sequence[object], style: Style) -> Iterator[str]:
    yield ""
    yield style.bold(f"{title}: {len(found):,}")


def _first(lines: Sequence[str], shows_all: bool) -> Iterator[str]:
    yield from lines if shows_all else lines[:MOST_PATHS]
    if not shows_all and len(lines) > MOST_PATHS:
        yield f"  and {len(lines) - MOST_PATHS:,} more (--all shows them)"


def _fields(checked: Checked) -> Fields:
    layout, usage = checked.layout, checked.usage
    fields: dict[str, object] = {
        **path_fields("given", checked.given),
        "layout": shown(layout.name),
        "title": shown(layout.title),
        "tree": shown(layout.tree.text),
        "variables": [_variable_fields(variable) for variable in layout.variables.values()],
        "folders": [role.name for role in layout.roles],
        "places": [_place_fields(place, usage) for place in layout.places],
        "rules": _rule_fields(layout, usage),
        "check_count": len(layout.checks),
        "writes": [shown(write.to.text) for write in layout.writes],
    }
    if usage is None:
        return fields
    return fields | {
        **path_fields("origin", checked.origin),
        "foreign": asdict(usage.foreign),
        "untaken": [
            {**path_fields("path", left.path), "reason": left.reason, "is_folder": left.is_tree}
            for left in usage.untaken
        ],
        "warnings": problem_fields(usage.warnings),
        "problems": problem_fields(usage.problems),
        "checks": [_check_fields(each) for each in checked.found],
    }


def _variable_fields(variable: Variable) -> Fields:
    return {
        "name": variable.name,
        "like": variable.like,
        "default": variable.default,
        "is_path": variable.is_path,
    }


def _place_fields(place: Place, usage: Usage | None) -> Fields:
    fields = {"name": place.name, "path": place.path, "inside": place.inside, "what": place.what}
    found = {"found": [path_fields("path", path) for path in _folders_of(place, usage)]} if usage else {}
    return {**fields, "is_needed": place.is_needed, **found}


def _rule_fields(layout: Layout, usage: Usage | None) -> list[Fields]:
    taken: Iterable[Taken | None] = usage.taken if usage else (None for _ in layout.rules)
    pairs = [*zip(layout.rules, taken, strict=True), *((rule, None) for rule in layout.included)]
    return [
        {
            "line": rule.line or None,
            "match": list(rule.texts),
            "to": rule.to.text if rule.to else None,
            "never": rule.never,
            "included": rule.included,
            **(asdict(each) if each is not None else {}),
        }
        for rule, each in pairs
    ]
