"""View of `pack verify`: problems and warnings."""

from collections.abc import Iterator, Sequence

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL
from qa2pack.manifest.alma.package import PackageState
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem
from qa2pack.pack.errors.problem_view import problem_text, remedy_lines
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.members import Member, members_of
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.view import View


def verify_view(found: Sequence[Problem], target: Target, state: PackageState, *, is_quick: bool) -> View:
    """Return the view of problems and warnings; warnings alone leave the exit code 0."""
    problems = [each for each in found if not each.code.is_warning]
    warnings = [each for each in found if each.code.is_warning]

    def lines(style: Style) -> Iterator[str]:
        yield from _lines(problems, target, state, style, is_quick=is_quick)
        yield from map(problem_text, warnings)
        yield from remedy_lines(warnings, target)

    return View(
        lines=lines,
        fields=lambda: {
            **path_fields("package", target.package.path),
            "is_quick": is_quick,
            "problem_count": len(problems),
            "problems": problem_fields(problems),
            "warnings": problem_fields(warnings),
        },
        code=Exit.PROBLEMS if problems else Exit.DONE,
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


def _lines(
    problems: Sequence[Problem], target: Target, state: PackageState, style: Style, *, is_quick: bool
) -> Iterator[str]:
    yield from map(problem_text, problems)
    members = members_of(state, target.opened)
    notes = [member.notes for member in members if member.notes]
    files, size = sum(note.file_count for note in notes), sum(note.byte_count for note in notes)
    scope = f"{counted(len(notes), 'member')}, {counted(files, 'file')}, {human_bytes(size)}"
    how = "names, types and sizes" if is_quick and notes else _compared(members)
    if not is_quick and any(problem.code is Code.UNREADABLE for problem in problems):
        how = "what could be read"
    if problems:
        count = counted(len(problems), "problem")
        yield from _headed(count, style.bad(count), f" in {scope}; {how} compared")
        origin, mode = _made_from(problems, members)
        yield from remedy_lines(problems, target, origin=origin, mode=mode)
    else:
        yield from _headed("All as packaged", style.good("All as packaged"), f": {scope}; {how} compared")


def _made_from(problems: Sequence[Problem], members: Sequence[Member]) -> tuple[str, str]:
    """Return origin (quoted for a shell) and mode if all problems are of one member; otherwise empty texts."""
    touched = [
        member.header
        for member in members
        if any(is_within(problem.path, join(SCIENCE_GOAL, member.path)) for problem in problems)
    ]
    match touched:
        case [Header(is_adopted=False) as header]:
            return quoted(header.origin), header.mode
        case _:
            return "", ""


def _headed(head: str, marked: str, rest: str) -> Iterator[str]:
    """Yield a folded sentence whose first words are coloured; folding must not count the colour codes."""
    first, *others = folded(head + rest)
    yield marked + first[len(head) :]
    yield from others
