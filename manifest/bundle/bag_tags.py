"""Tag files of a BagIt bag: what stands beside its payload. Pure.

Source: RFC 8493. Version 0.97 is declared, because the validator of the Library of Congress reads `%` in names
as that version defines it.
"""

from collections.abc import Mapping
from hashlib import sha256

PAYLOAD = b"data"
_INFO, _BAGIT, _TAG_SUMS = TAGS = (b"bag-info.txt", b"bagit.txt", b"tagmanifest-sha256.txt")
_DECLARATION = b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"


def payload_sums(algorithm: str) -> bytes:
    """Return the name of the file with the sums of the payload."""
    return b"manifest-%b.txt" % algorithm.encode()


def bag_tags(
    project: bytes, *, file_count: int, byte_count: int, payload_sums: Mapping[bytes, str], program: str = ""
) -> dict[bytes, bytes]:
    """Return the small tag files by name, in the order in which they are written.

    Args:
        file_count, byte_count: of the payload.
        payload_sums: SHA-256 of each file with sums of the payload, hexadecimal, by its name.
        program: that made the bag; empty where it is not to be named.
    """
    info = (
        (f"Bag-Software-Agent: {program}\n" if program else "")
        + f"External-Identifier: {project.decode(errors='backslashreplace')}\n"
        + f"Payload-Oxum: {byte_count}.{file_count}\n"
    )
    tags = {_INFO: info.encode(), _BAGIT: _DECLARATION}
    sums = {name: sha256(text).hexdigest() for name, text in tags.items()} | {**payload_sums}
    lines = (b"%b  %b\n" % (digest.encode(), name) for name, digest in sums.items())
    return {**tags, _TAG_SUMS: b"".join(lines)}
