"""OCFL object: what stands beside the content of its only version. Pure.

Source: Oxford Common File Layout 1.1, https://ocfl.io/1.1/spec/. Digests are SHA-512, as it recommends. The
identifier of the object is the name of its folder, which is no URI.
"""

import json
from collections.abc import Iterable
from hashlib import sha512
from time import gmtime, strftime

_VERSION = "v1"
OBJECT_CONTENT = b"v1/content"
OBJECT_INVENTORY = b"inventory.json"
_MARK, _INVENTORY_SUM = b"0=ocfl_object_1.1", b"inventory.json.sha512"
OBJECT_NAMES = (_MARK, b"v1/" + OBJECT_INVENTORY, b"v1/" + _INVENTORY_SUM, OBJECT_INVENTORY, _INVENTORY_SUM)


def inventory_line(digest: str, path: bytes) -> bytes:
    """Return the line of a file, for `object_files`."""
    return b"%b %b\n" % (digest.encode(), json.dumps(path.decode()).encode())


def object_files(name: bytes, project: bytes, lines: Iterable[bytes], *, made_seconds: int) -> dict[bytes, bytes]:
    """Return the files beside the content, by path, in the order in which they are written.

    Args:
        name: of the object.
        lines: of all files, in any order.
        made_seconds: when the version was made, since the epoch.
    """
    state: dict[str, list[str]] = {}
    for line in lines:
        digest, _, path = line.partition(b" ")
        state.setdefault(digest.decode(), []).append(json.loads(path))
    content = OBJECT_CONTENT.decode()
    inventory = {
        "id": name.decode(errors="backslashreplace"),
        "type": "https://ocfl.io/1.1/spec/#inventory",
        "digestAlgorithm": "sha512",
        "head": _VERSION,
        "manifest": {digest: [f"{content}/{path}" for path in paths] for digest, paths in state.items()},
        "versions": {
            _VERSION: {
                "created": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(made_seconds)),
                "message": f"delivery of {project.decode(errors='backslashreplace')}",
                "state": state,
                "user": {"name": "qa2pack"},
            }
        },
    }
    text = json.dumps(inventory, indent=1).encode() + b"\n"
    both = text, b"%b %b\n" % (sha512(text).hexdigest().encode(), OBJECT_INVENTORY)
    return dict(zip(OBJECT_NAMES, (b"ocfl_object_1.1\n", *both, *both), strict=True))
