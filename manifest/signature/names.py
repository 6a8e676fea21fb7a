"""Names of signatures, and of the lists of sums that are signed: all commands pass by them, few check one."""


def signature_name(name: bytes) -> bytes:
    """Return the name or path of the signature of a file."""
    return name + b".sig"


def sums_name(manifest: bytes) -> bytes:
    """Return the name or path of the list of sha256 sums of a member, which is what is signed of it."""
    return manifest + b".sha256"


def signed_names(manifest: bytes) -> tuple[bytes, bytes]:
    """Return the names or paths of the signature of a member and of its list of sums, in the order in which they go.

    Beside a manifest there is never the signature of another one; a list without a signature counts for nothing.
    """
    return signature_name(sums_name(manifest)), sums_name(manifest)
