"""Signatures: the work of finding out who signed a package; no file of the package is compared."""

from collections.abc import Sequence
from contextlib import closing

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.signature.signature import Trust, Verifier
from qa2pack.manifest.verify.signatures import SignedMember, signatures_of


def signatures(package: Package, trust: Trust) -> Sequence[SignedMember]:
    """Return the signature of each member that has a manifest; raises as `manifest.verify.signatures.signatures_of`.

    A package without signatures costs the look for a file for each member.
    """
    with closing(Verifier(trust)) as verifier:
        return signatures_of(package, OpenedFiles(), verifier)
