"""OCFL object: its inventory, and what else stands beside the content of its versions. Pure.

A version has the content that none before it has: what is there with the same SHA-512 is named by the inventory where
it is. Inventories of this program alone are read: each version adds to the one before, so that from the newest all
earlier ones follow, byte for byte.

Source: Oxford Common File Layout 1.1, https://ocfl.io/1.1/spec/. Digests are SHA-512, as it recommends. The
identifier of the object is the name of its folder, which is no URI.
"""

import json
from collections.abc import Iterable, Iterator
from hashlib import sha512
from time import gmtime, strftime
from typing import Any

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.path import check_relative

OBJECT_INVENTORY = b"inventory.json"
_MARK, _INVENTORY_SUM = b"0=ocfl_object_1.1", b"inventory.json.sha512"
_FIELDS = ("id", "type", "digestAlgorithm", "head", "manifest", "versions")


def version_folder(version: int) -> bytes:
    """Return where a version is, relative to the object."""
    return b"v%d" % version


def content_folder(version: int) -> bytes:
    """Return where the content of a version is, relative to the object."""
    return version_folder(version) + b"/content"


def inventory_line(digest: str, path: bytes) -> bytes:
    """Return the line of a file, for `Inventory.next`."""
    return b"%b %b\n" % (digest.encode(), json.dumps(path.decode()).encode())


@dataclass(frozen=True, slots=True)
class Inventory:
    """The inventory of an object.

    Attributes:
        fields: as JSON has them.
    """

    fields: dict[str, Any]

    @classmethod
    def empty(cls, name: bytes) -> "Inventory":
        """Return that of an object of this name without a version, which none has; others follow from it."""
        return cls(
            {
                "id": name.decode(errors="backslashreplace"),
                "type": "https://ocfl.io/1.1/spec/#inventory",
                "digestAlgorithm": "sha512",
                "head": "v0",
                "manifest": {},
                "versions": {},
            }
        )

    @property
    def version(self) -> int:
        """The number of the newest version."""
        return len(self.fields["versions"])

    @property
    def text(self) -> bytes:
        """The file."""
        return json.dumps(self.fields, indent=1).encode() + b"\n"

    @property
    def sha512(self) -> str:
        """The digest of the file, hexadecimal."""
        return sha512(self.text).hexdigest()

    @property
    def contents(self) -> dict[str, list[str]]:
        """The paths in the object of each content, by its digest."""
        found: dict[str, list[str]] = self.fields["manifest"]
        return found

    def state(self) -> dict[bytes, str]:
        """Return the digest of each file of the newest version, by its path in that."""
        state = self.fields["versions"][f"v{self.version}"]["state"]
        return {path.encode(): digest for digest, paths in state.items() for path in paths}

    def at(self, version: int) -> "Inventory":
        """Return what it was when this version was the newest."""
        names = [f"v{number}" for number in range(1, version + 1)]
        folders = {f"{name}/" for name in names}
        kept = {
            digest: [path for path in paths if path[: path.index("/") + 1] in folders]
            for digest, paths in self.contents.items()
        }
        manifest = {digest: paths for digest, paths in kept.items() if paths}
        versions = {name: self.fields["versions"][name] for name in names}
        return Inventory(self.fields | {"head": f"v{version}", "manifest": manifest, "versions": versions})

    def next(self, project: bytes, lines: Iterable[bytes], *, made_seconds: int) -> "Inventory":
        """Return that with one more version.

        Args:
            lines: of all its files, in any order.
            made_seconds: when the version was made, since the epoch.
        """
        state: dict[str, list[str]] = {}
        for line in lines:
            digest, _, path = line.partition(b" ")
            state.setdefault(digest.decode(), []).append(json.loads(path))
        number = self.version + 1
        folder = content_folder(number).decode()
        added = {
            digest: [f"{folder}/{path}" for path in paths]
            for digest, paths in state.items()
            if digest not in self.contents
        }
        made = {
            "created": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(made_seconds)),
            "message": f"delivery of {project.decode(errors='backslashreplace')}",
            "state": state,
            "user": {"name": "qa2pack"},
        }
        return Inventory(
            self.fields
            | {
                "head": f"v{number}",
                "manifest": self.contents | added,
                "versions": self.fields["versions"] | {f"v{number}": made},
            }
        )


def object_names(version: int) -> list[bytes]:
    """Return the paths of the files beside the content of an object with so many versions."""
    folders = [version_folder(number) + b"/" for number in range(1, version + 1)]
    return [_MARK, *(folder + name for folder in (*folders, b"") for name in (OBJECT_INVENTORY, _INVENTORY_SUM))]


def object_files(inventory: Inventory) -> Iterator[tuple[bytes, bytes]]:
    """Yield path and content of the files beside the content, in the order in which they are written."""
    version = inventory.version
    texts = [inventory.at(number).text for number in range(1, version)] + [inventory.text] * 2
    both = ([text, b"%b %b\n" % (sha512(text).hexdigest().encode(), OBJECT_INVENTORY)] for text in texts)
    yield from zip(
        object_names(version), [b"ocfl_object_1.1\n", *(each for pair in both for each in pair)], strict=True
    )


def read_inventory(text: bytes) -> Inventory:
    """Return the inventory of a file that this program wrote.

    Raises:
        ValueError: it has not written it.
    """
    try:
        fields = json.loads(text)
        if tuple(fields) != _FIELDS:
            raise ValueError("other fields")
        inventory = Inventory(fields)
        names = [f"v{number}" for number in range(1, inventory.version + 1)]
        if list(fields["versions"]) != names or fields["head"] != names[-1]:
            raise ValueError("other versions")
        for path in _paths(inventory.contents):
            check_relative(path)
            if path.split(b"/", 2)[:2] not in ([name.encode(), b"content"] for name in names):
                raise ValueError("content that is of no version")
        for name in names:
            all(_paths(fields["versions"][name]["state"]))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"no inventory of this program ({error})") from error
    return inventory


def _paths(by_digest: dict[str, list[str]]) -> Iterator[bytes]:
    for paths in by_digest.values():
        yield from (path.encode() for path in paths)
