"""Signatures of the members of a package: they are checked, and then the bytes that were checked are read."""

from qa2pack.manifest.alma.member_ids import PACKAGE_ITSELF, folder_of
from qa2pack.manifest.alma.package import Package, manifest_names, member_of_manifest
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.header import Header, StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.signature.names import sums_name
from qa2pack.manifest.signature.signature import Signature, Signed, Standing, Verifier
from qa2pack.manifest.verify.sum_list import SumList, sum_of_file


@dataclass(frozen=True, slots=True)
class SignedMember:
    """The signature of a member.

    Attributes:
        signed: by the folder of the member.
        sums: what was signed; None where no signature fits.
    """

    member: bytes
    signed: Signed
    sums: SumList | None = None


def signatures_of(package: Package, opened: OpenedFiles, verifier: Verifier) -> list[SignedMember]:
    """Return the signature of each member that has a manifest, in the order of their names; raises as the next."""
    return [signature_of(package, member_of_manifest(name), opened, verifier) for name in manifest_names(package)]


def signature_of(package: Package, member: bytes, opened: OpenedFiles, verifier: Verifier) -> SignedMember:
    """Return the signature of a member that has a manifest.

    Args:
        opened: reads a copy of the manifest if its signature fits, from then on, as long as the verifier is open.

    Raises:
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
        OSError: the manifest cannot be read.
    """
    path = package.manifest(member)
    folder = folder_of(member) or PACKAGE_ITSELF
    signature, copy = verifier.look_at(sums_name(path))
    if not signature.key:
        return SignedMember(member, Signed(folder, signature))
    sums = SumList(copy, package, member)
    try:
        header = _signed_header(path, sums, opened, verifier)
    except ValueError as error:
        wrong = Signature(Standing.WRONG, key=signature.key, reason=str(error))
        return SignedMember(member, Signed(folder, wrong))
    return SignedMember(member, Signed(folder, signature, utc_time(header.scanned_ns)), sums)


def _signed_header(path: bytes, sums: SumList, opened: OpenedFiles, verifier: Verifier) -> Header:
    """Return the header of the manifest that was signed, of which a copy is read from now on.

    Raises:
        ValueError: the manifest is another one, or none, or the list is of another package or member.
    """
    signed = sums.manifest_sum()
    copy = verifier.copy_of(path)
    if sum_of_file(copy) != signed:
        raise ValueError("the manifest was changed after it was signed")
    opened.read_instead(path, copy)
    try:
        return opened.peek_header(path, StreamKind.MANIFEST)
    except StreamError as error:
        raise ValueError("what was signed is no manifest") from error
