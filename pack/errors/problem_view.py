"""View of problems: grouped by code, each code explained once, with its remedies.

A command is alone on its line, so that it can be copied.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style, folded, unbroken

MOST_PATHS = 20
_VERBS_WITH_ALL = frozenset(("plan", "package", "layout"))
_OPTION = re.compile(r"--[a-z-]+ [A-Za-z.=]*\w")
_MODE = " --mode MODE"  # in a command it stands for all options of the plan
_PLACE = re.compile(rf"{_MODE}\b|\b(?:PACKAGE|ORIGIN|PATH)\b")


def problem_lines(  # noqa: PLR0913 - what is filled into the commands, and how much is shown
    problems: Iterable[Problem],
    target: Target,
    style: Style,
    *,
    verb: str = "",
    origin: str = "",
    options: str | None = None,
    elsewhere: str = "",
    has_remedies: bool = True,
    shows_all: bool = False,
) -> Iterator[str]:
    """Yield, for each code, what it is, the paths, and what to do.

    Args:
        verb: the running command; without it, remedies of single commands are not shown.
        origin: the origin as typed; without it, commands say ORIGIN.
        options: of a plan of that origin, with a blank before each; None if not known, so commands say --mode MODE.
        elsewhere: further options of a plan of another origin that is advised.
        has_remedies: show the remedy of each code; False if the caller shows one for all of them.
        shows_all: show every path; else the first few of each code.
    """
    groups: dict[Code, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.code, []).append(problem)
    for code, group in groups.items():
        row = WORDS[code]
        yield from _headed(code, row.what, style)
        listed = group if shows_all else group[:MOST_PATHS]
        for problem in listed:
            yield from style.sentence(_one(problem), indent=6)
        if len(group) > len(listed):
            how = "--all or --json lists them" if verb in _VERBS_WITH_ALL else "--json lists all"
            yield style.dim(f"      and {len(group) - len(listed):,} more ({how})")
        if has_remedies:
            paths = [problem.path for problem in group[:MOST_PATHS]]
            each = options if options is None or code is not Code.W_DEEPER_SB else options + elsewhere
            yield from remedies_lines(row.remedies, target, verb=verb, origin=origin, options=each, paths=paths)


def problem_text(problem: Problem) -> str:
    """Return a problem on one line: code, path, what was expected and found."""
    return f"{problem.code} {shown(problem.path)}{_details(problem)}"


def remedies_lines(
    remedies: Iterable[Remedy],
    target: Target,
    *,
    verb: str = "",
    origin: str = "",
    options: str | None = None,
    indent: int = 4,
    paths: Sequence[bytes] = (),
) -> Iterator[str]:
    """Yield what to do: the sentences, folded, and below each its commands, each alone on a line.

    Args:
        paths: of the problems; commands with `PATH` are given for each of them, if the remedy has no path.
    """
    useful = (remedy for remedy in remedies if not remedy.verbs or verb in remedy.verbs)
    for number, remedy in enumerate(useful):
        values = _values(remedy, target, origin)
        sentence = _OPTION.sub(lambda match: unbroken(match[0]), remedy.text)
        sentence = _filled(sentence, {name: unbroken(value) for name, value in values.items()})
        yield from folded(sentence, indent=indent, label="    " if number else "do: ")
        for command in commands_of(remedy, target, origin=origin, options=options, paths=paths):
            yield " " * (indent + 4) + command


def commands_of(
    remedy: Remedy, target: Target, *, origin: str = "", options: str | None = None, paths: Sequence[bytes] = ()
) -> list[str]:
    """Return the commands of a remedy as they are typed.

    Args:
        paths: of the problems; commands with `PATH` are given for each of them, if the remedy has no path.
    """
    values = _values(remedy, target, origin)
    typed = [each for command in remedy.commands for each in _with_layouts(command, target)]
    if options is not None:
        values[_MODE] = options
    is_for_each = not remedy.path and any("PATH" in command for command in remedy.commands)
    each_values = [{**values, "PATH": quoted(path)} for path in paths] if is_for_each else [values]
    return [_filled(command, each) for each in each_values for command in typed]


def _with_layouts(command: str, target: Target) -> tuple[str, ...]:
    """Return the command; the one that adopts members for each layout that the package may have, if one is known."""
    if command != "pack adopt PACKAGE":
        return (command,)
    # It loads layouts, and few messages need them.
    from qa2pack.manifest.layout.package_layouts import adopting, members_by_layout

    with suppress(Refused, OSError):
        return adopting(members_by_layout(target.package, target.opened)) or (command,)
    return (command,)


def _headed(code: Code, what: str, style: Style) -> Iterator[str]:
    mark = style.warning if code.name.startswith("W_") else style.bad
    for number, line in enumerate(folded(what, indent=2, label=f"{code}: ")):
        yield line.replace(f"{code}:", mark(f"{code}:"), 1) if number == 0 else line


def _one(problem: Problem) -> str:
    return unbroken(shown(problem.path)) + _details(problem)


def _details(problem: Problem) -> str:
    details = [
        f"{word} {shown(text)}" for word, text in zip(("expected", "found"), problem.details, strict=True) if text
    ]
    return ": " + ", ".join(details) if details else ""


def _values(remedy: Remedy, target: Target, origin: str) -> dict[str, str]:
    """Return what the placeholders stand for; one that is not known stays as it is."""
    return {
        "PACKAGE": target.quoted,
        "ORIGIN": origin or "ORIGIN",
        "PATH": quoted(remedy.path) if remedy.path else "PATH",
    }


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the placeholders filled in at once: a path may hold the name of another one."""
    return _PLACE.sub(lambda match: values.get(match[0], match[0]), text)
