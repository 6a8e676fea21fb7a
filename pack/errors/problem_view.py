"""Problems as people read them: grouped by code, each kind explained once, with what to do."""

import re
from collections.abc import Iterable, Iterator

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded, unbroken

_MOST_PATHS = 20
_COMMAND = re.compile(r"pack [a-z]+(?: (?:PACKAGE|ORIGIN|FILE|MODE|--[a-z-]+))*|--[a-z-]+ [A-Za-z.=]*\w")


def problem_lines(
    problems: Iterable[Problem], target: Target, style: Style, *, origin: str = "", has_remedies: bool = True
) -> Iterator[str]:
    """Yield, for each code, what it is, the paths, and what to do.

    Args:
        origin: how the user calls the origin; without it, commands say ORIGIN.
        has_remedies: say what to do; not where something else is to be done about all of them together.
    """
    groups: dict[Code, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.code, []).append(problem)
    for code, group in groups.items():
        row = WORDS[code]
        yield from _headed(code, row.what, style)
        for problem in group[:_MOST_PATHS]:
            yield from style.sentence(_one(problem), indent=6)
        if len(group) > _MOST_PATHS:
            yield style.dim(f"      and {len(group) - _MOST_PATHS:,} more (--json lists all)")
        if has_remedies:
            yield from folded(filled(row.remedy, target, origin), indent=4, label="do: ")


def problem_text(problem: Problem) -> str:
    """Return a problem on one line: code, path, what was expected and found."""
    return f"{problem.code} {shown(problem.path)}{_details(problem)}"


def remedy_lines(problems: Iterable[Problem], target: Target, *, origin: str = "", mode: str = "") -> Iterator[str]:
    """Yield, for each code among the problems, what it is and what to do.

    Args:
        origin, mode: what the package was made from, quoted for a shell, and how; without them, commands say ORIGIN
            and MODE.
    """
    for code in dict.fromkeys(problem.code for problem in problems):
        yield from folded(WORDS[code].what, indent=2, label=f"{code}: ")
        yield from folded(filled(WORDS[code].remedy, target, origin, mode), indent=4, label="do: ")


def _headed(code: Code, what: str, style: Style) -> Iterator[str]:
    mark = style.warning if code.name.startswith("W_") else style.bad
    for number, line in enumerate(folded(what, indent=2, label=f"{code}: ")):
        yield line.replace(f"{code}:", mark(f"{code}:"), 1) if number == 0 else line


def _one(problem: Problem) -> str:
    return unbroken(shown(problem.path)) + _details(problem)


def _details(problem: Problem) -> str:
    details = [
        f"{word} {shown(text)}" for word, text in (("expected", problem.expected), ("found", problem.found)) if text
    ]
    return ": " + ", ".join(details) if details else ""


def filled(remedy: str, target: Target, origin: str, mode: str = "") -> str:
    """Return a remedy with the user's paths and mode, and with its commands kept on one line each."""
    remedy = _COMMAND.sub(lambda match: unbroken(match[0]), remedy)
    remedy = remedy.replace("MODE", mode) if mode else remedy
    remedy = remedy.replace("PACKAGE", unbroken(target.quoted))
    return remedy.replace("ORIGIN", unbroken(origin)) if origin else remedy
