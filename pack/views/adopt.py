"""View of `pack adopt`: the members that were adopted."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import path_fields
from qa2pack.pack.views.view import View


def adopt_view(members: Sequence[bytes], target: Target) -> View:
    """Return the view of the members that were adopted."""
    return View(
        lines=partial(_lines, members, target),
        fields=lambda: {
            **path_fields("package", target.package.path),
            "adopted": [path_fields("member", member) for member in members],
        },
    )


def _lines(members: Sequence[bytes], target: Target, style: Style) -> Iterator[str]:
    if not members:
        yield "Every member has its manifest already; nothing was changed."
        return
    yield from (f"{style.good('Adopted')}: {member_words(member)}" for member in members)
    yield "Their present content counts as right. To check them at any later time:"
    yield f"  {style.bold(f'pack verify {target.quoted}')}"
