"""View of a check of a delivery, or of a tree unpacked from one: the problems."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import EXTRAS, OF_SIGNATURES, Code
from qa2pack.manifest.signature.signature import Trust
from qa2pack.pack.delivery.check import Checked
from qa2pack.pack.errors.problem_texts import WORDS
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.signatures import signature_fields, signature_lines
from qa2pack.pack.views.view import View
from qa2pack.tarsplit.naming import is_unfinished

_MOST_MEMBERS = 5


def check_view(checked: Checked, trust: Trust) -> View:
    """Return the view of a check."""
    return View(
        lines=partial(_lines, checked, trust),
        fields=lambda: {
            "command": checked.command,  # `pack verify --chunks` is this check, too
            **path_fields("path", checked.path),
            "problem_count": len(checked.problems),
            "problems": problem_fields(checked.problems),
            "signatures": signature_fields(checked.signatures),
            "not_delivered": [path_fields("member", member) for member in checked.not_delivered],
        },
        code=Exit.PROBLEMS if checked.problems else Exit.DONE,
    )


def _lines(checked: Checked, trust: Trust, style: Style) -> Iterator[str]:
    yield from map(problem_text, checked.problems)
    if checked.problems:
        count = counted(len(checked.problems), "problem")
        yield f"{style.bad(count)} in {shown(checked.path)}: {checked.scope}"
        codes = {problem.code for problem in checked.problems}
        extras = [problem for problem in checked.problems if problem.code in EXTRAS]
        unfinished = [problem for problem in extras if problem.found and is_unfinished(problem.path)]
        if unfinished:
            yield "Unfinished: to go on with the delivery, give the command that makes it again."
        if len(unfinished) < len(extras):
            yield "Extra: it is not of this delivery. If it does not belong there, move it away; else do nothing."
        if Code.UNREADABLE in codes:
            yield f"Unreadable: {WORDS[Code.UNREADABLE].remedy} Then give the same command again."
        if Code.STORE_FAILED in codes:
            yield "Store failed: give the same command again."
        for code in sorted(codes & OF_SIGNATURES):
            yield from folded(f"{WORDS[code].what} {WORDS[code].remedy}")
        if codes - EXTRAS - OF_SIGNATURES - {Code.UNREADABLE, Code.STORE_FAILED}:
            yield "Do: have the listed tars or files delivered or unpacked again."
    else:
        yield f"{style.good('All as delivered')}: {checked.scope}"
    yield from _not_delivered_lines(checked.not_delivered)
    yield from signature_lines(checked.signatures, trust, style)


def _not_delivered_lines(members: Sequence[bytes]) -> Iterator[str]:
    """Yield the members of the package that were not looked for: no problem, a delivery may be of some."""
    if members:
        names = [*map(shown, members[:_MOST_MEMBERS])]
        if more := len(members) - len(names):
            names.append(f"{more} more")
        yield f"Not in the delivery, {counted(len(members), 'member')} of the package: {', '.join(names)}"
