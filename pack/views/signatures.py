"""View of signatures: who signed what, or that nobody did."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from qa2pack.manifest.alma.member_ids import member_words
from qa2pack.manifest.path import shown
from qa2pack.manifest.signature.signature import Signature, Signed, Standing, Trust
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields


def signature_lines(signatures: Sequence[Signed], trust: Trust, style: Style, *, of: str = "") -> Iterator[str]:
    """Yield a line for each signature that is not wrong; that there is none is shown where signers are wanted.

    Args:
        of: words before each path.
    """
    for signed in signatures:
        standing = signed.signature.standing
        if standing is Standing.WRONG or not (words := signature_words(signed, trust)):
            continue
        text = f"{of}{shown(signed.path)}: {words}"
        yield text if standing is Standing.KNOWN else style.warning(text)
        if signed.is_weak:
            yield from folded("Of the tars it knows md5 or xxh128 alone, which do not exclude a forgery.", indent=2)


def signature_words(signed: Signed, trust: Trust) -> str:
    """Return who signed, and the time that is covered; empty where there is no signature and no signer is wanted."""
    if signed.signature.standing is Standing.MISSING and not trust.signers:
        return ""
    times = {"": signed.dated, "signed ": signed.signed_at, "packaged ": signed.packaged_at}
    said = ", ".join(f"{word}{time}" for word, time in times.items() if time)
    return _words(signed.signature) + (f"; it says of itself: {said}" if said else "")


def _words(signature: Signature) -> str:
    match signature.standing:
        case Standing.KNOWN:
            return f"signed by {shown(signature.principal)}, {signature.key}"
        case Standing.UNKNOWN:
            return f"signed by {signature.key}, not a known signer: {shown(signature.reason)}"
        case Standing.NOT_COMPARED:
            return f"signed by {signature.key}, not compared with known signers"
        case Standing.NOT_CHECKED:
            return f"has a signature, which was not checked: {signature.reason}"
        case Standing.WRONG:
            return f"the signature is wrong: {shown(signature.reason)}"
        case Standing.MISSING:
            return "not signed"
        case _:
            assert_never(signature.standing)


def unsigned_lines(members: Sequence[bytes], target: Target, style: Style) -> Iterator[str]:
    """Yield which members have no signature any more, because their manifest is another one now."""
    if members:
        names = ", ".join(map(member_words, members))
        yield from folded(f"Not signed any more, because the manifest is another one: {names}. To sign:")
        yield f"  {style.bold(f'pack sign {target.quoted} --key KEY')}"


def signature_fields(signatures: Sequence[Signed]) -> list[Fields]:
    """Return the signatures as JSON fields."""
    return [
        {
            **path_fields("path", signed.path),
            "standing": signed.signature.standing,
            "principal": signed.signature.principal,
            "key": signed.signature.key,
            "reason": signed.signature.reason,
            "dated": signed.dated,
            "signed_at": signed.signed_at,
            "packaged_at": signed.packaged_at,
            "is_weak": signed.is_weak,
        }
        for signed in signatures
    ]
