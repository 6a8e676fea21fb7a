"""View of `pack receive`: the members that were added, and those that the package had."""

from collections.abc import Iterator
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.path import shown
from qa2pack.manifest.signature.signature import Trust
from qa2pack.pack.jobs.receive import Arrived
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import arrived_in_fields, path_fields
from qa2pack.pack.views.placeholders import packaged_amount
from qa2pack.pack.views.signatures import signature_fields, signature_lines
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
            "same": [path_fields("member", member) for member in arrived.same],
            "chunk_count": arrived.chunk_count,
            "resumed_phase": arrived.applied.resumed if arrived.applied else None,
            "signatures": signature_fields([arrived.signed]),
            "newer": [
                {**path_fields("member", member), **arrived_in_fields(newer)}
                for member, newer in arrived.newer.items()
            ],
        },
    )


def _lines(arrived: Arrived, target: Target, trust: Trust, style: Style) -> Iterator[str]:
    tars = counted(arrived.chunk_count, arrived.noun)
    for member in arrived.members:
        manifest = target.opened.manifest(target.package.manifest(member))
        yield f"{style.good('Received')}: {packaged_amount(manifest)}, in"
        yield f"  {shown(target.package.member(member))}"
    for member in arrived.same:
        yield f"Left as it is, because its manifest has the same content: {member_words(member)}"
        if member in arrived.newer:
            yield from map(style.warning, folded(f"It came in a newer delivery: {arrived.newer[member]}", indent=2))
    if not arrived.members:
        yield f"Nothing to do: the package has all that is delivered. No {arrived.noun} was read."
    else:
        yield f"All is as in the manifest of the delivery, of {tars}."
    yield from signature_lines([arrived.signed], trust, style)
    yield "To check the package, now or at any later time:"
    yield f"  {style.bold(f'pack verify {target.quoted}')}"
