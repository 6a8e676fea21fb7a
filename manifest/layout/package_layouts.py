"""Layouts of a package: whose trees its members have, also those without a manifest.

What manifests and the last plan remember comes first. Where none of them can be read, the layouts that come with the
program are compared with the folders: for advice only, because several of them have one tree.
"""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from qa2pack.manifest.alma.member_ids import folder_of, member_at
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, manifest_names, read_state
from qa2pack.manifest.format.header import StreamKind
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.presence import is_plain_folder
from qa2pack.manifest.layout.load import known_layouts, load_layout
from qa2pack.manifest.layout.tree import Tree
from qa2pack.manifest.path import join, path_in
from qa2pack.manifest.problem import Refused

if TYPE_CHECKING:
    from qa2pack.manifest.layout.rules import Layout

_ADOPT = "pack adopt PACKAGE"
_DEFAULT = "cycle0"


def state_by_tree(package: Package, tree: Tree) -> PackageState:
    """Return the state of a package whose members are known by the tree of their layout, with or without a manifest.

    Raises: as `read_state`.
    """
    state = read_state(package)
    if state.standing in (DestinationKind.ABSENT, DestinationKind.EMPTY) or not is_plain_folder(package.path):
        return state
    folders, unexpected = [b""], []
    for _ in tree.parts:
        entries = [
            join(folder, name) for folder in folders for name in sorted(os.listdir(path_in(package.path, folder)))
        ]
        folders = [path for path in entries if tree.leads_to(path) and is_plain_folder(join(package.path, path))]
        unexpected += sorted(set(entries) - set(folders))
    members = tuple(sorted(map(member_at, folders)))
    standing = DestinationKind.PACKAGE if members and not unexpected else DestinationKind.FOREIGN
    recorded = {join(package.manifests, name) for name in manifest_names(package)}
    manifests = {member: package.manifest(member) for member in members if package.manifest(member) in recorded}
    return PackageState(standing, members, manifests, tuple(unexpected))


def members_by_layout(package: Package, opened: OpenedFiles) -> Mapping[str, Sequence[bytes]]:
    """Return, by name or path of each layout that the package may have, the folders that are members by its tree.

    The paths are absolute. Layouts without a member are left out.
    """
    layouts = _remembered(package, opened) or _shipped(package)
    found = {name: _folders(package, layout) for name, layout in sorted(layouts.items())}
    return {name: folders for name, folders in found.items() if folders}


def adopting(layouts: Iterable[str]) -> tuple[str, ...]:
    """Return the command that adopts the members, for each of these layouts."""
    return tuple(_ADOPT if name == _DEFAULT else f"{_ADOPT} --layout {shlex.quote(name)}" for name in layouts)


def _remembered(package: Package, opened: OpenedFiles) -> dict[str, "Layout"]:
    """Return the layouts that manifests and the last plan remember, as far as these and the layouts can be read."""
    manifests = [(join(package.manifests, name), StreamKind.MANIFEST) for name in manifest_names(package)]
    found = {}
    for path, kind in (*manifests, (package.last_plan, StreamKind.PLAN)):
        with suppress(StreamError, OSError, Refused):
            layout = opened.peek_header(path, kind).layout
            if layout and layout not in found:
                found[layout] = load_layout(layout)
    return found


def _shipped(package: Package) -> dict[str, "Layout"]:
    """Return the layouts of the program that have every folder of the members.

    One without a tree is not among them: any folder is its member.
    """
    layouts = {name: load_layout(name) for name in known_layouts()}
    return {name: layout for name, layout in layouts.items() if layout.tree.parts and _has_all(package, layout)}


def _has_all(package: Package, layout: "Layout") -> bool:
    roles = {role.folder for role in layout.roles}
    return all(_subfolders(member) <= roles for member in _folders(package, layout))


def _folders(package: Package, layout: "Layout") -> list[bytes]:
    return [path_in(package.path, folder_of(member)) for member in state_by_tree(package, layout.tree).members]


def _subfolders(folder: bytes) -> set[bytes]:
    return {name for name in os.listdir(folder) if is_plain_folder(join(folder, name))}
