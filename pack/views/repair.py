"""View of `pack repair`: where each file was taken from, and what could not be had."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.executor.apply import Applied
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.problem_view import problem_lines, remedies_lines
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.repair import Repaired
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines, left_out_lines
from qa2pack.pack.views.view import View


def repair_view(members: Sequence[Repaired], target: Target) -> View:
    """Return the view of a repair."""
    return View(
        lines=partial(_lines, members, target),
        fields=lambda: {
            **path_fields("package", target.package.path),
            "members": [_member_fields(member) for member in members],
            "kept_bytes": last.kept_bytes if (last := _last(members)) else None,
        },
        code=Exit.PROBLEMS if any(member.lost for member in members) else Exit.DONE,
    )


def _member_fields(member: Repaired) -> Fields:
    return {
        **path_fields("member", member.member),
        "is_changed": member.applied is not None,
        "files": [
            {**path_fields("path", path), **path_fields("source", source)}
            for path, source in sorted(member.sources.items())
        ],
        "problems": problem_fields(member.lost),
    }


def _lines(members: Sequence[Repaired], target: Target, style: Style) -> Iterator[str]:
    for member in members:
        if member.applied is None and not member.lost:
            yield f"{shown(member.member)}: as packaged, nothing to repair"
            continue
        yield style.bold(f"{shown(member.member)}: {counted(len(member.sources), 'file')} repaired")
        for path, source in sorted(member.sources.items()):
            yield f"  {shown(path)}"
            yield f"      from {shown(source)}" if source else "      made again"
        if member.lost:
            yield style.warning("Not to be had, or not known to the manifest:")
            yield from problem_lines(member.lost, target, style, has_remedies=not member.remedies)
            if member.split:
                parts = _parts(len(member.split))
                yield f"{parts} made by a table split, so only other copies of the package have it."
            yield from remedies_lines(member.remedies, target)
    if last := _last(members):
        yield from left_out_lines(last, target, style)
        if not any(member.lost for member in members):  # a rollback compares the package, and would find that
            yield from kept_lines(last, target, style)
        yield "To check the package:"
        yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _parts(count: int) -> str:
    return "One of them was" if count == 1 else f"{count:,} of them were"


def _last(members: Sequence[Repaired]) -> Applied | None:
    """Return the last transaction: only what that one replaced is kept."""
    return next((member.applied for member in reversed(members) if member.applied), None)
