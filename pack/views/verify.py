"""View of `pack verify`: problems and warnings."""

from collections.abc import Callable, Iterator, Sequence

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import PackageState
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.problem import Code, Problem
from qa2pack.manifest.signature.signature import NOBODY, Trust
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.members import Member, members_of
from qa2pack.pack.jobs.verify import Verified
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.damage import Damage
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.signatures import signature_fields, signature_lines
from qa2pack.pack.views.view import View


def verify_view(
    found: Verified,
    target: Target,
    state: PackageState,
    *,
    is_quick: bool,
    shows_all: bool = False,
    trust: Trust = NOBODY,
    close: Callable[[], None] = lambda: None,
) -> View:
    """Return the view of problems and warnings; warnings alone leave the exit code 0.

    Args:
        shows_all: show every problem, also where many have one cause.
        trust: whose signatures were wanted.
        close: is called when all is printed.
    """
    problems = [each for each in found.problems if not each.code.is_warning]
    warnings = [each for each in found.problems if each.code.is_warning]

    def lines(style: Style) -> Iterator[str]:
        damage = Damage(problems, target, members_of(state, target.opened))
        yield from damage.lines(shows_all=shows_all)
        yield from _lines(problems, damage, style, is_quick=is_quick)
        yield from map(problem_text, warnings)
        yield from damage.remedies_of(warnings)
        yield from signature_lines(found.signatures, trust, style, of="Member ")
        if is_quick and any(each.signature.key for each in found.signatures):
            yield from folded("The sums that were signed were not compared: --quick reads no file.")

    return View(
        lines=lines,
        fields=lambda: {
            **path_fields("package", target.package.path),
            "is_quick": is_quick,
            "problem_count": len(problems),
            "problems": problem_fields(problems),
            "warnings": problem_fields(warnings),
            "signatures": signature_fields(found.signatures),
        },
        code=Exit.PROBLEMS if problems else Exit.DONE,
        close=close,
        summary=_summary(problems, warnings),
    )


def _summary(problems: Sequence[Problem], warnings: Sequence[Problem]) -> str:
    warned = f", {counted(len(warnings), 'warning')}" if warnings else ""
    return (counted(len(problems), "problem") if problems else "all as packaged") + warned


def _compared(members: Sequence[Member]) -> str:
    """Return as text what was compared; some members may hold placeholders."""
    if not any(member.notes for member in members):
        return "nothing"
    modes = {member.header.mode for member in members if member.header and not member.header.is_adopted}
    if all(mode.has_content for mode in modes):
        return "all content"
    if modes == {Mode.FAKE}:
        return "the files are placeholders (mode fake), so only names, types and sizes"
    return "all content but that of placeholders (mode fake or ticket)"


def _lines(problems: Sequence[Problem], damage: Damage, style: Style, *, is_quick: bool) -> Iterator[str]:
    notes = [member.notes for member in damage.members if member.notes]
    files, size = sum(note.file_count for note in notes), sum(note.byte_count for note in notes)
    scope = f"{counted(len(notes), 'member')}, {counted(files, 'file')}, {human_bytes(size)}"
    how = "names, types and sizes" if is_quick and notes else _compared(damage.members)
    if not is_quick and any(problem.code is Code.UNREADABLE for problem in problems):
        how = "what could be read"
    if problems:
        count = counted(len(problems), "problem")
        yield from _headed(count, style.bad(count), f" in {scope}; {how} compared")
        yield from damage.remedies()
    else:
        yield from _headed("All as packaged", style.good("All as packaged"), f": {scope}; {how} compared")


def _headed(head: str, marked: str, rest: str) -> Iterator[str]:
    """Yield a folded sentence whose first words are coloured; folding must not count the colour codes."""
    first, *others = folded(head + rest)
    yield marked + first[len(head) :]
    yield from others
