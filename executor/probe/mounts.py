"""Mount points that are in the way of a plan or of a rollback: in what is renamed, replaced or linked.

The system renames no mount point, removes none, and links nothing out of one. A folder with one in it is renamed, but
is then removed with all that is mounted there, which may be anybody's.
"""

import os
from collections.abc import Iterable, Iterator

from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.control_folder import FOLDERS
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.fs.mount import mount_points_in
from qa2pack.manifest.fs.presence import is_folder, real_path
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem


def mounts_in_the_way(package: Package, header: Header) -> Iterator[Problem]:
    """Yield a problem for each mount point, or other file system, that keeps a plan from being applied."""
    places = [*_own_places(package), *(join(package.parent, file.name) for file in header.beside)]
    there, target = package, package.path
    if header.append is Append.RENAME:
        there = Package(join(package.parent, header.renamed_from))
        places += _own_places(there)
        target = there.path
    elif header.append is not Append.NOTHING:
        target = package.member(header.member)
    points = [*mount_points_in(places), *_around(there, target), *_on_other_disks(there, target)]
    if header.mode is Mode.MOVE and header.append not in (Append.REMOVE, Append.RENAME):
        # No link can take the place of such a file.
        points += (point for point in mount_points_in([header.origin]) if not is_folder(point))
    yield from _problems(points)


def mounts_in_what_goes(paths: TransactionPaths) -> Iterator[Problem]:
    """Yield a problem for each mount point, or other file system, that keeps a rollback from taking back."""
    places = [*_own_places(paths.package), *map(paths.ticket, paths.beside)]
    if not paths.publishing.is_removal:
        places.append(paths.target)
    yield from _problems([*mount_points_in(places), *_on_other_disks(paths.package, paths.target)])


def _own_places(package: Package) -> tuple[bytes, ...]:
    return (package.control, *package.tickets)


def _around(package: Package, target: bytes) -> Iterator[bytes]:
    """Yield each mount point in the target, and on the way to it from the package; others may stay."""
    place = real_path(target)
    points = mount_points_in([package.path])
    return (point for point in points if is_within(point, place) or is_within(place, point))


def _on_other_disks(package: Package, target: bytes) -> Iterator[bytes]:
    """Yield each folder between which things are renamed that is on another file system than the one above it.

    Such are subvolumes, which are mounted nowhere.
    """
    way = [package.control, *(join(package.control, name) for name in FOLDERS)]
    while is_within(target, package.path) and target != package.path:
        target = os.path.dirname(target)
        way.append(target)
    for folder in way:
        if is_folder(folder) and os.stat(folder).st_dev != os.stat(os.path.dirname(folder)).st_dev:
            yield folder


def _problems(points: Iterable[bytes]) -> Iterator[Problem]:
    return (Problem(Code.MOUNT_POINT, point) for point in dict.fromkeys(map(real_path, points)))
