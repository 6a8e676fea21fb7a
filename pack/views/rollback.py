"""View of `pack rollback`: what was rolled back."""

from collections.abc import Iterator, Sequence

from qa2pack.executor.rollback import RolledBack
from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.alma.package import read_state
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields, problem_fields
from qa2pack.pack.views.view import View


def rollback_view(result: RolledBack, target: Target) -> View:
    """Return the view of a rollback."""

    def lines(style: Style) -> Iterator[str]:
        yield from _lines(result, target, style)
        yield from given_up_lines(result.given_up)
        yield from _damage_lines(result, target, style)

    return View(
        lines=lines,
        fields=lambda: {
            **path_fields("package", target.package.path),
            **path_fields("member", result.member),
            "was_finished": result.was_finished,
            **path_fields("renamed_from", result.renamed_from),
            "is_gone": result.is_gone,
            "is_restored": result.is_restored,
            "has_copies": result.has_copies,
            "problems": problem_fields((*result.given_up, *result.problems)),
        },
        code=Exit.PROBLEMS if result.given_up or result.problems else Exit.DONE,
    )


def _lines(result: RolledBack, target: Target, style: Style) -> Iterator[str]:
    if not result.member:
        yield "There is nothing to roll back: no apply is on record. Nothing was changed."
        return
    if result.renamed_from:
        yield f"{style.good('Rolled back')}: the package has its name again"
        yield f"  {shown(result.package_of(target.package).path)}"
        return
    done, to_do = ("removed", "remove") if result.is_removal else ("made", "make")
    what = (
        f"the last apply, which {done}"
        if result.was_finished
        else f"the apply that was stopped, which was to {to_do}"
    )
    yield f"{style.good('Rolled back')}: {what} {_members(result)}"
    package = shown(target.package.path)
    if result.is_gone:
        is_free = not is_there(target.package.path)
        what = "is gone again" if is_free else "is not of that apply, and stays as it is"
        origin = "" if result.has_copies or result.given_up or result.received else " The origin is as it was."
        yield f"  {package} {what}: there was no package before.{origin}"
        yield from _copies_lines(result)
        return
    yield f"  {package} is as it was before."
    if not result.is_of_package and set(read_state(target.package).members) - {result.member}:
        yield "  Only this member was rolled back; the others stay as they are."
    yield from _copies_lines(result)


def given_up_lines(given_up: Sequence[Problem]) -> Iterator[str]:
    """Yield the moved files that did not come back, and why; nothing if there are none."""
    if given_up:
        yield "Given up, because neither the package nor the origin had them any more:"
        yield from (f"  {problem_text(problem)}" for problem in given_up)


def _copies_lines(result: RolledBack) -> Iterator[str]:
    if result.has_copies:
        yield "Files of the origin are copies now, as those that come back from another disk. Their content, names,"
        yield "permissions and times are as they were; owner, group, set-id bits, extended attributes and hard links"
        yield "may not be."


def _members(result: RolledBack) -> str:
    return counted(len(result.received), "member") if len(result.received) > 1 else member_words(result.member)


def _damage_lines(result: RolledBack, target: Target, style: Style) -> Iterator[str]:
    package = result.package_of(target.package)
    there = Target(package, package.path if result.renamed_from else target.typed)  # its manifests are others now
    is_package = bool(read_state(package).members)  # else a folder that --force had replaced
    if result.is_restored and is_package and not result.problems:
        yield "Compared: names, sizes and times. To compare all content, too:"
        yield f"  {style.bold(f'pack verify {there.quoted}')}"
    if not result.problems:
        return
    from qa2pack.pack.jobs.members import members_of  # slow to import, and rarely needed
    from qa2pack.pack.views.damage import Damage

    damage = Damage(result.problems, there, members_of(read_state(package), there.opened))
    yield from damage.lines(shows_all=False, rest="pack verify lists them")
    yield from damage.remedies()
