"""Packages below a folder, found by their control folders; no file is read."""

import os
from collections.abc import Iterator

from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.fs.presence import is_plain_folder
from qa2pack.manifest.path import join

DEPTH = 3  # levels of folders that are searched; reductions below may be large
_ENDING = b".pack"
_SIGNS = (b"manifests", b"plan", b"journal", b"finished")


def packages_below(folder: bytes) -> list[bytes]:
    """Return the packages below the folder, relative to it and sorted; neither symlinks nor packages are entered.

    Folders that may not be read are passed over. A package that was only planned, or whose apply was
    stopped, counts as well.
    """
    return sorted(_below(folder, b"", DEPTH))


def _below(folder: bytes, prefix: bytes, depth: int) -> Iterator[bytes]:
    try:
        names = os.listdir(join(folder, prefix) if prefix else folder)
    except PermissionError:  # a folder of somebody else
        return
    folders = {path for name in names if is_plain_folder(join(folder, path := join(prefix, name)))}
    packages = {path.removesuffix(_ENDING) for path in folders if is_control(join(folder, path))}
    yield from packages
    if depth > 1:
        for path in folders - packages - {package + _ENDING for package in packages}:
            yield from _below(folder, path, depth - 1)


def is_control(path: bytes) -> bool:
    """Return whether the path is the control folder of a package."""
    if not path.endswith(_ENDING):
        return False
    package = Package(path.removesuffix(_ENDING))
    try:
        return any(sign in _SIGNS for sign in os.listdir(package.control))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        return True  # reported when it is opened
