"""View of `pack receive`: the members that were added, and those that the package had."""

from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.signature.signature import Standing, Trust
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.jobs.receive import Arrived
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import arrived_in_fields, path_fields, problem_fields
from qa2pack.pack.views.kept import kept_lines
from qa2pack.pack.views.placeholders import packaged_amount
from qa2pack.pack.views.signatures import signature_fields, signature_lines, unsigned_lines
from qa2pack.pack.views.view import View


def receive_view(arrived: Arrived, target: Target, trust: Trust) -> View:
    """Return the view of a delivery that was received.

    Args:
        trust: whose signature was wanted.
    """
    return View(
        lines=partial(_lines, arrived, target, trust),
        fields=lambda: {
            **path_fields("package", target.package.path),
            "received": [path_fields("member", member) for member in arrived.members],
            "partial": [path_fields("member", member) for member in arrived.partial],
            "replaced": [path_fields("member", member) for member in arrived.replaced],
            "same": [path_fields("member", member) for member in arrived.same],
            "is_compared": arrived.is_compared,
            "missing_sets": [
                {**path_fields("member", member), "sets": names} for member, names in _missing_sets(arrived, target)
            ],
            "chunk_count": arrived.chunk_count,
            "resumed_phase": arrived.applied.resumed if arrived.applied else None,
            "unsigned": [
                path_fields("member", member) for member in (arrived.applied.unsigned if arrived.applied else ())
            ],
            "signatures": signature_fields([arrived.signed]),
            "newer": [
                {**path_fields("member", member), **arrived_in_fields(newer)}
                for member, newer in arrived.newer.items()
            ],
            "problems": problem_fields(arrived.problems),
        },
        code=Exit.PROBLEMS if arrived.problems else Exit.DONE,
    )


def _lines(arrived: Arrived, target: Target, trust: Trust, style: Style) -> Iterator[str]:
    tars = counted(arrived.chunk_count, arrived.noun)
    for member in arrived.members:
        manifest = target.opened.manifest(target.package.manifest(member))
        yield f"{style.good(_done(arrived, member))}: {packaged_amount(manifest)}, in"
        yield f"  {shown(target.package.member(member))}"
    for member in arrived.same:
        yield f"Left as it is, because {_why_left(arrived)}: {member_words(member)}"
    for member, newer in arrived.newer.items():
        subject = "It" if member in arrived.same else "What was there before"
        yield from map(style.warning, folded(f"{subject} came in a newer delivery: {newer}", indent=2))
    if arrived.same and arrived.signed.signature.standing is Standing.KNOWN and not arrived.is_compared:
        yield "Its files were not compared with what was signed; with --require-signature they are."
    if not arrived.chunk_count:
        yield "Nothing to do: there is nothing in this delivery."
    elif arrived.members:
        yield f"All is as in the manifest of the delivery, of {tars}."
    elif arrived.is_compared:
        yield f"Nothing to do: the package has all that is delivered, byte for byte as in {tars}."
    else:
        yield f"Nothing to do: the package has all that is delivered. No {arrived.noun} was read."
    if arrived.problems:
        yield f"{style.bad('Not so')}, beside the tars:"
        yield from (f"  {problem_text(problem)}" for problem in arrived.problems)
        yield "Ask whoever made the delivery whether these are the right ones, or the tars and their manifest."
    for member, names in _missing_sets(arrived, target):
        yield f"{style.warning('Not complete')}: {member_words(member)}; sets that are to come: {', '.join(names)}"
    yield from signature_lines([arrived.signed], trust, style)
    if arrived.applied and (arrived.replaced or arrived.partial):
        yield from kept_lines(arrived.applied, target, style)
        yield from unsigned_lines(arrived.applied.unsigned, target, style)
    if arrived.chunk_count:
        yield "To check the package, now or at any later time:"
        yield f"  {style.bold(f'pack verify {target.quoted}')}"


def _missing_sets(arrived: Arrived, target: Target) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield each member of which sets did not come yet, with their names."""
    for member in (*arrived.members, *arrived.same):
        header = target.opened.peek_header(target.package.manifest(member), StreamKind.MANIFEST)
        if header.missing_sets:
            yield member, header.missing_sets


def _done(arrived: Arrived, member: bytes) -> str:
    if member in arrived.partial:
        return "Added; the member has now"
    return "Replaced" if member in arrived.replaced else "Received"


def _why_left(arrived: Arrived) -> str:
    return "its files are those that were signed" if arrived.is_compared else "its manifest has the same content"
