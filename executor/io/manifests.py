"""Manifest files with their signatures: a signature goes where its manifest goes, and is never beside another one."""

import os

from qa2pack.executor.io.disk import Disk, link_into
from qa2pack.manifest.fs.presence import is_plain_file, is_there
from qa2pack.manifest.signature.signature import signature_name


def link_manifest(disk: Disk, folder: bytes, path: bytes) -> None:
    """Hard-link a manifest into an open folder of manifests, with its signature if it has one."""
    for each in (path, signature_name(path)):
        if each == path or is_plain_file(each):
            link_into(disk, folder, each, os.path.basename(each))


def replace_manifest(disk: Disk, new: bytes, path: bytes) -> None:
    """Rename a new manifest over another one, whose signature goes first."""
    if is_there(signature_name(path)):
        disk.unlink(signature_name(path))
    disk.replace(new, path)
