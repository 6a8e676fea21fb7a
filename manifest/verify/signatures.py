"""Signatures of the manifests of a package: they are checked, and then the bytes that were checked are read."""

from qa2pack.manifest.alma.member_ids import PACKAGE_ITSELF, folder_of
from qa2pack.manifest.alma.package import Package, manifest_names, member_of_manifest
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.path import join, shown
from qa2pack.manifest.signature.signature import Signature, Signed, Standing, Verifier


def signatures_of(package: Package, opened: OpenedFiles, verifier: Verifier) -> list[Signed]:
    """Return the signature of each manifest, by the folder of its member, in the order of their names.

    Args:
        opened: reads a copy of each manifest whose signature fits, from then on, as long as the verifier is open.
    """
    return [_signed(package, name, opened, verifier) for name in manifest_names(package)]


def _signed(package: Package, name: bytes, opened: OpenedFiles, verifier: Verifier) -> Signed:
    path = join(package.manifests, name)
    folder = folder_of(member_of_manifest(name)) or PACKAGE_ITSELF
    signature, copy = verifier.look_at(path)
    if not signature.key:
        return Signed(folder, signature)
    opened.read_instead(path, copy)
    try:
        header = opened.peek_header(path, StreamKind.MANIFEST)
    except StreamError:  # signed, and yet no manifest: verifying it tells that
        return Signed(folder, signature)
    if header.project != package.project:  # else the package of one project could be given out for another
        reason = f"it is of the package {shown(header.project)}"
        return Signed(folder, Signature(Standing.WRONG, key=signature.key, reason=reason))
    return Signed(folder, signature, utc_time(header.scanned_ns))
