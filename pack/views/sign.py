"""View of `pack sign`, also of what `pack apply --sign` signs: the members, and by which key."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.pack.jobs.signing import SignedMember
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style
from qa2pack.pack.views.json_fields import Fields, path_fields
from qa2pack.pack.views.view import View


def sign_view(members: Sequence[SignedMember], target: Target) -> View:
    """Return the view of the members that are signed."""
    return View(
        lines=partial(_lines, members, target),
        fields=lambda: {**path_fields("package", target.package.path), "signed": signed_fields(members)},
    )


def _lines(members: Sequence[SignedMember], target: Target, style: Style) -> Iterator[str]:
    yield from signed_lines(members, style)
    if not all(signed.is_new for signed in members):
        yield "A signature that fits is left as it is. To sign again, in its place: --replace"
    yield "To see who signed:"
    yield f"  {style.bold(f'pack verify {target.quoted} --quick --allowed-signers FILE')}"


def signed_lines(members: Sequence[SignedMember], style: Style) -> Iterator[str]:
    """Yield a line for each member."""
    for signed in members:
        what = style.good("Signed") if signed.is_new else "Signed before"
        yield f"{what}: {member_words(signed.member)}, by {signed.signature.key}"


def signed_fields(members: Sequence[SignedMember]) -> list[Fields]:
    """Return the members as JSON fields."""
    return [
        {**path_fields("member", signed.member), "key": signed.signature.key, "is_new": signed.is_new}
        for signed in members
    ]
