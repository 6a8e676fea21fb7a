"""Manifest files with their signatures: a signature goes where its manifest goes, and is never beside another one."""

import os

from qa2pack.executor.io.disk import Disk, link_into
from qa2pack.manifest.alma.package import manifests_in, member_of_manifest
from qa2pack.manifest.fs.presence import is_folder, is_plain_file, is_there
from qa2pack.manifest.path import join
from qa2pack.manifest.signature.names import signed_names


def link_manifest(disk: Disk, folder: bytes, path: bytes) -> None:
    """Hard-link a manifest into an open folder of manifests, with its signature and list of sums if it has them."""
    for each in (path, *signed_names(path)):
        if each == path or is_plain_file(each):
            link_into(disk, folder, each, os.path.basename(each))


def replace_manifest(disk: Disk, new: bytes, path: bytes) -> None:
    """Rename a new manifest over another one, whose signature goes first."""
    for beside in filter(is_there, signed_names(path)):
        disk.unlink(beside)
    disk.replace(new, path)


def unsigned_members(old: bytes, new: bytes) -> tuple[bytes, ...]:
    """Return the members whose manifest in the folder `old` has a signature, and in the folder `new` has none.

    Members without a manifest in `new` are left out; so are all if there is no such folder.
    """
    if not (is_folder(old) and is_folder(new)):
        return ()
    there = set(os.listdir(new))
    stayed = ((name, signed_names(name)[0]) for name in manifests_in(old) if name in there)
    gone = (name for name, signature in stayed if signature not in there and is_plain_file(join(old, signature)))
    return tuple(map(member_of_manifest, gone))
