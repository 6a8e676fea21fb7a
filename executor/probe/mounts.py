"""Mount points that are in the way of a plan or of a rollback: in what is renamed, replaced or linked.

The system renames no mount point, removes none, and links nothing out of one. A folder with one in it is renamed, but
is then removed with all that is mounted there, which may be anybody's.
"""

from collections.abc import Iterable, Iterator

from qa2pack.executor.transaction.paths import TransactionPaths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.format.header import Header
from qa2pack.manifest.fs.mount import mount_points_in
from qa2pack.manifest.fs.presence import is_folder, real_path
from qa2pack.manifest.path import is_within, join
from qa2pack.manifest.problem import Code, Problem


def mounts_in_the_way(package: Package, header: Header) -> Iterator[Problem]:
    """Yield a problem for each mount point that keeps a plan from being applied."""
    places = [*_own_places(package), *(join(package.parent, file.name) for file in header.beside)]
    if header.append is Append.RENAME:
        old = Package(join(package.parent, header.renamed_from))
        places += (old.path, *_own_places(old))
    elif header.append is Append.NOTHING:
        places.append(package.path)
    else:
        yield from _around(package, package.member(header.member))
    yield from _problems(mount_points_in(places))
    if header.mode is Mode.MOVE and header.append not in (Append.REMOVE, Append.RENAME):
        points = mount_points_in([header.origin])
        yield from _problems(point for point in points if not is_folder(point))  # no link can take its place


def mounts_in_what_goes(paths: TransactionPaths) -> Iterator[Problem]:
    """Yield a problem for each mount point that keeps a rollback from taking back what was published."""
    places = [*_own_places(paths.package), *map(paths.ticket, paths.beside)]
    if not paths.publishing.is_removal:
        places.append(paths.target)
    yield from _problems(mount_points_in(places))


def _own_places(package: Package) -> tuple[bytes, ...]:
    return (package.control, *package.tickets)


def _around(package: Package, member: bytes) -> Iterator[Problem]:
    """Yield a problem for each mount point in the member, and on the way to it from the package; others may stay."""
    place = real_path(member)
    points = mount_points_in([package.path])
    yield from _problems(point for point in points if is_within(point, place) or is_within(place, point))


def _problems(points: Iterable[bytes]) -> Iterator[Problem]:
    return (Problem(Code.MOUNT_POINT, point) for point in points)
