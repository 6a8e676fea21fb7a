"""View of `pack repair`: where each file was taken from, and what could not be had."""

from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.signature.signature import Trust
from qa2pack.pack.errors.problem_view import problem_lines, remedies_lines
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.repair import Repaired, Repairs
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines, left_out_lines
from qa2pack.pack.views.signatures import signature_fields, signature_lines, unsigned_lines
from qa2pack.pack.views.view import View

_OTHERWISE = "the same files in other bytes, by another encoder; its digest in the manifest is a new one"


def repair_view(repairs: Repairs, target: Target, trust: Trust) -> View:
    """Return the view of a repair.

    Args:
        trust: whose signature of the deliveries was wanted.
    """
    return View(
        lines=partial(_lines, repairs, target, trust),
        fields=lambda: {
            **path_fields("package", target.package.path),
            **path_fields("finished", repairs.finished.member if repairs.finished else b""),
            "members": [_member_fields(member) for member in repairs.members],
            "kept_bytes": repairs.applied[-1].kept_bytes if repairs.applied else None,
            "unsigned": [path_fields("member", member) for member in _unsigned(repairs)],
            "rollback_problems": problem_fields(repairs.rollback_problems),
            "signatures": signature_fields(repairs.signatures),
        },
        code=Exit.PROBLEMS if any(member.lost for member in repairs.members) else Exit.DONE,
    )


def _unsigned(repairs: Repairs) -> list[bytes]:
    return [member for applied in repairs.applied for member in applied.unsigned]


def _member_fields(member: Repaired) -> Fields:
    return {
        **path_fields("member", member.member),
        "is_changed": member.applied is not None,
        "files": [
            {
                **path_fields("path", path),
                **path_fields("source", source),
                "is_made_otherwise": path in member.made_otherwise,
            }
            for path, source in sorted(member.sources.items())
        ],
        "problems": problem_fields(member.lost),
        "unread": problem_fields(member.unread),
    }


def _lines(repairs: Repairs, target: Target, trust: Trust, style: Style) -> Iterator[str]:
    if repairs.finished:
        yield f"Finished first: the change of {member_words(repairs.finished.member)} that was stopped"
    for member in repairs.members:
        if member.applied is None and not member.lost:
            yield f"{member_words(member.member)}: as packaged, nothing to repair"
            continue
        yield style.bold(f"{member_words(member.member)}: {counted(len(member.sources), 'file')} repaired")
        for path, source in sorted(member.sources.items()):
            yield f"  {shown(path)}"
            yield f"      from {shown(source)}" if source else "      made again"
            if path in member.made_otherwise:
                yield from folded(_OTHERWISE, indent=6)
        if member.lost:
            yield style.warning("Not to be had, or not known to the manifest:")
            yield from problem_lines(member.lost, target, style, has_remedies=not member.remedies)
            if member.split:
                parts = _parts(len(member.split))
                yield f"{parts} made by a table split, so only other copies of the package have it."
            yield from remedies_lines(member.remedies, target)
        if member.unread:
            yield style.warning("Not to be read, of what was searched:")
            yield from problem_lines(member.unread, target, style, has_remedies=False)
    yield from signature_lines(repairs.signatures, trust, style)
    if repairs.applied:
        *earlier, last = repairs.applied
        yield from left_out_lines(last, target, style)
        if earlier:
            words = "Each member was repaired by itself; only the last repair can be rolled back"
            yield f"{words}: {member_words(last.member)}"
        yield from unsigned_lines(_unsigned(repairs), target, style)
        yield from kept_lines(last, target, style, repairs.rollback_problems)
        yield "To check the package:"
        yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _parts(count: int) -> str:
    return "One of them was" if count == 1 else f"{count:,} of them were"
