"""Preflight: checks everything that an apply needs, before anything is written, and reports all problems together.

The only things written here are two empty folders in the control folder, exchanged and removed, to find out whether
the file system has RENAME_EXCHANGE; and, where it counts no free inode, an empty folder that is gone at once.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.io.remove import remove_tree
from qa2pack.executor.probe.mounts import mounts_in_the_way
from qa2pack.executor.space import folder_on_disk, free_bytes, free_inodes, needed_bytes
from qa2pack.executor.tickets.size import TICKET_COUNT
from qa2pack.executor.tickets.unchanged_members import changed_in_tickets
from qa2pack.executor.transaction.paths import probe_paths
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.alma.package import DestinationKind, Package, PackageState, read_state
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Header, Notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import absolute_sources
from qa2pack.manifest.format.stream import StreamError
from qa2pack.manifest.fs.mount import OTHER_MOUNT, mount_of
from qa2pack.manifest.fs.presence import is_folder, is_there, real_path
from qa2pack.manifest.path import UnsafePathError, is_within, join, shown
from qa2pack.manifest.plan.destination import Destination, base_of, nested
from qa2pack.manifest.plan.extra_files import extra_in_package, paths_of
from qa2pack.manifest.plan.obstacles import renamed_by_hand, taken_beside, ticket_obstacles
from qa2pack.manifest.plan.replacement import extra_going, hand_made, not_linked_again
from qa2pack.manifest.problem import Code, Problem, Refused, Remedy
from qa2pack.manifest.quantity import Count, Size, Space


def check_plan(package: Package, plan: Described, opened: OpenedFiles) -> None:
    """Compare the state that the plan relies on with the present state.

    Raises:
        Refused: has all differences.
    """
    problems = list(_problems(package, plan, opened))
    if problems:
        raise Refused(*problems)


def _problems(package: Package, plan: Described, opened: OpenedFiles) -> Iterator[Problem]:
    header = plan.header
    if header.project != package.project and read_state(package).members:
        yield from renamed_by_hand(package, header)
        return
    if header.project != package.project:
        yield Problem(Code.PLAN_STALE, package.plan, os.fsdecode(package.project), os.fsdecode(header.project))
        return
    may_be_address = header.received_from is not None
    if not (may_be_address or os.path.isabs(header.origin)):
        yield Problem(Code.UNSAFE_PATH, header.origin)
    elif _needs_origin(header) and not is_folder(header.origin):
        yield Problem(Code.ORIGIN_MISSING, header.origin)
    if header.renamed_from:
        yield from _renaming_problems(package, plan, opened)
        return
    if _needs_origin(header):
        yield from nested(header.origin, package)
    yield from ticket_obstacles(package)
    state = read_state(package)
    yield from taken_beside(package, state, header.beside, opened)
    yield from mounts_in_the_way(package, header)
    if state.standing is not header.standing:
        extra: list[Problem] = []
        if header.standing is DestinationKind.PACKAGE and state.members:
            extra += _unplanned(package, plan, extra_in_package(package, state))
        yield from extra or (Problem(Code.PLAN_STALE, package.path, header.standing, state.standing),)
    elif base_of(state, opened) != header.base:
        yield Problem(Code.PLAN_STALE, package.path, "the members as they were planned for", "others")
    elif not header.is_rebuilt:  # such a plan was made under this very lock
        yield from _made_since(package, plan, state, opened)
        yield from changed_in_tickets(package, header, opened)
    yield from _outside(package, plan)


def _renaming_problems(package: Package, plan: Described, opened: OpenedFiles) -> Iterator[Problem]:
    """Yield what has changed in the package of the old name, and what has got the new name since."""
    header, old = plan.header, Package(join(package.parent, plan.header.renamed_from))
    yield from mounts_in_the_way(package, header)
    yield from (Problem(Code.NAME_TAKEN, path) for path in (package.path, *package.tickets) if is_there(path))
    if header.origin != old.path:
        yield Problem(Code.PLAN_STALE, package.plan, os.fsdecode(old.path), os.fsdecode(header.origin))
    elif base_of(read_state(old), opened) != header.base:
        yield Problem(Code.PLAN_STALE, old.path, "the members as they were planned for", "others")


def check_going(package: Package, plan: Described, opened: OpenedFiles, *, remedies: tuple[Remedy, ...] = ()) -> None:
    """Look once more, right before the exchange, for what was done to that which is replaced since the plan was made.

    Staging takes hours where it copies, and people go on working in the origin.

    Args:
        remedies: what to do about it, where a new plan cannot be made.

    Raises:
        Refused: something was; it would go, and nobody was asked.
    """
    problems = [
        *mounts_in_the_way(package, plan.header),
        *_made_since(package, plan, read_state(package), opened),
    ]
    if problems:
        raise Refused(*problems, remedies=remedies)


def _made_since(package: Package, plan: Described, state: PackageState, opened: OpenedFiles) -> Iterator[Problem]:
    header, append = plan.header, plan.header.append
    if header.renamed_from:  # all members of the old name go
        package, append = Package(join(package.parent, header.renamed_from)), Append.NOTHING
        state = read_state(package)
    going = Destination(package, state, header.member, header.base, opened, append)
    yield from _came_beside(going)
    # Of what is made again of itself, staging finds each change.
    made = extra_going(going) if header.is_rebuilt else hand_made(going)
    yield from made.unreadable
    yield from _unplanned(package, plan, made.extra)
    for path in paths_of(not_linked_again(made.changed, plan.stream.blobs()), package):
        if path not in plan.notes.changed:
            yield Problem(Code.CHANGED_SINCE_PLAN, join(package.path, path))


def _came_beside(going: Destination) -> Iterator[Problem]:
    """Yield the members that came into the folder that goes: no manifest tells what is in them."""
    known = {member for member, _ in going.base}
    for member in going.state.members if going.going else ():
        path = going.package.member(member)
        if member not in known and is_within(path, going.folder_going):
            yield Problem(Code.EXTRA_SINCE_PLAN, path)


def _unplanned(package: Package, plan: Described, extra: Iterable[Problem]) -> Iterator[Problem]:
    """Yield a problem for each extra file and folder that the plan did not tell of."""
    known = set(plan.notes.extra)
    for path in paths_of(extra, package):
        if path not in known:
            yield Problem(Code.EXTRA_SINCE_PLAN, join(package.path, path))


def _needs_origin(header: Header) -> bool:
    is_of_origin = header.append not in (Append.REMOVE, Append.RENAME) and not header.is_rebuilt
    return is_of_origin and header.received_from is None


def _outside(package: Package, plan: Described) -> Iterator[Problem]:
    """Yield paths that lead out of the member, or out of the origin in a plan that may not."""
    # Into the package links of the origin may always lead: that is where its files are after a move.
    allowed = b"/" if plan.header.may_leave else real_path(package.path)
    splits = plan.notes.splits
    read_whole = (*(task.source for task in splits), *(bundle.source for bundle in plan.notes.opened))
    yield from _outside_of(allowed, (source for source in read_whole if source.startswith(b"/")))
    bundled = (blob for bundle in plan.notes.bundles for blob in bundle.records)
    for blob in chain((task.before for task in splits), bundled, plan.stream.blobs()):
        try:
            sources = absolute_sources(blob)
        except UnsafePathError as error:
            yield Problem(Code.UNSAFE_PATH, error.path)
        except ValueError as error:
            raise StreamError(plan.stream.path, "is damaged: a folder in it does not read as one") from error
        else:
            yield from _outside_of(allowed, sources)


def _outside_of(allowed: bytes, sources: Iterable[bytes]) -> Iterator[Problem]:
    return (Problem(Code.UNSAFE_PATH, path) for path in sources if not is_within(path, allowed))


def can_exchange(package: Package, disk: Disk) -> bool:
    """Try whether the package's file system can exchange two folders in one step (RENAME_EXCHANGE)."""
    probes = probe_paths(package)
    for probe in probes:
        remove_tree(disk, probe)
        disk.mkdir(probe)
    try:
        disk.exchange(*probes)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return False
    else:
        return True
    finally:
        for probe in probes:
            remove_tree(disk, probe)


def check_space(
    package: Package, header: Header, notes: Notes, devices: Mapping[int, bytes], opened: OpenedFiles
) -> None:
    """Compare free space, inodes and device numbers that a plan needs with those of the destination.

    Args:
        devices: device numbers of the sources, each with the path of one of them.

    Raises:
        Refused: has all problems.
    """
    problems = [
        *_device_problems(package, header, devices),
        *_space_problems(package, header, notes, opened),
        *_origin_problems(header),
    ]
    if problems:
        raise Refused(*problems)


def _device_problems(package: Package, header: Header, devices: Mapping[int, bytes]) -> Iterator[Problem]:
    yield from mounts_in_the_way(package, header)
    if header.mode is not Mode.HARD:
        return
    own = os.stat(package.parent).st_dev
    for device, path in devices.items():
        if device != own:
            which = "mount" if device == OTHER_MOUNT else "file system"
            yield Problem(Code.CROSS_DEVICE, path, f"the {which} of the package", _other_mount(path))


def _other_mount(path: bytes) -> str:
    mount = mount_of(path)
    return f"another one, at {shown(mount.point)}" if mount else "another one"


def _origin_problems(header: Header) -> Iterator[Problem]:
    """Yield a problem if a move could not write into the origin, which it does at the end."""
    if (
        header.mode is Mode.MOVE
        and header.append not in (Append.REMOVE, Append.RENAME)
        and not os.access(header.origin, os.W_OK | os.X_OK)
    ):
        yield Problem(Code.ORIGIN_NOT_WRITABLE, header.origin)


def _space_problems(package: Package, header: Header, notes: Notes, opened: OpenedFiles) -> Iterator[Problem]:
    needed, free = needed_bytes(package, header, notes, opened), free_bytes(package)
    if free is not None and needed > free:
        yield Problem(Code.NO_SPACE, package.parent, Size(needed, is_rounded=True), Space(free, needed))
    new_files, inodes = notes.new_files + TICKET_COUNT, free_inodes(folder_on_disk(package))
    if inodes is not None and new_files > inodes:
        found = f"{inodes:,} inodes; {new_files - inodes:,} are missing"
        yield Problem(Code.NO_INODES, package.parent, Count(new_files, "inode"), found)
