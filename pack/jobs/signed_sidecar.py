"""Signature of a delivery: that of its sidecar is checked, and then the bytes that were checked are read."""

import os

from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.humanize import utc_time
from qa2pack.manifest.signature.names import signature_name
from qa2pack.manifest.signature.signature import Signature, Signed, Standing, Verifier
from qa2pack.pack.jobs.delivery_source import fetched_sidecar
from qa2pack.tarsplit.naming import STRONG_CHECKSUMS
from qa2pack.tarsplit.sidecar import Sidecar, open_sidecar


def open_signed_sidecar(path: bytes, verifier: Verifier, *, is_cluster: bool) -> tuple[Sidecar, Signed]:
    """Open a sidecar as it was when its signature was checked; it can be read until the verifier is closed.

    Args:
        path: of the file, or its address in a store.
        is_cluster: workers of a cluster read the sidecar, so there is no copy for them.

    Raises:
        KeygenMissingError: there is no ssh-keygen, and known signers are wanted.
        FileNotFoundError, StreamError: as `open_sidecar`.
    """
    signature, read_from = look_at_sidecar(fetched_sidecar(path), verifier, is_cluster=is_cluster)
    sidecar = open_sidecar(path, read_from=read_from)
    return sidecar, signed_sidecar(sidecar, signature)


def look_at_sidecar(path: bytes, verifier: Verifier, *, is_cluster: bool) -> tuple[Signature, bytes]:
    """Return the signature of a sidecar, and the path to read it from; raises as `Verifier.look_at`."""
    if is_cluster and is_there(signature_name(path)):  # its workers cannot read a copy on this machine
        return Signature(Standing.NOT_CHECKED, reason="workers of a cluster read the sidecar"), path
    return verifier.look_at(path)


def signed_sidecar(sidecar: Sidecar, signature: Signature) -> Signed:
    """Return the signature of a sidecar with what the sidecar says of its time, if that is covered."""
    name = os.path.basename(sidecar.path)
    if not signature.key:
        return Signed(name, signature)
    is_weak = any(STRONG_CHECKSUMS.isdisjoint(dict(row.checksums)) for row in sidecar.chunks)
    return Signed(
        name,
        signature,
        sidecar.header.day,
        is_weak=is_weak,
        signed_at=utc_time(sidecar.signed_ns) if sidecar.signed_ns else "",
        packaged_at=utc_time(sidecar.header.folder_mtime * 10**9),
    )
