"""Mounts: kind, source and options of the file system that a path is on, and where others are mounted. Read-only.

A mount point can be neither renamed nor replaced, and no hard link leads from one mount to another, be they of one
file system with one device number (bind mounts, as containers have them). Only the list of the kernel shows those.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import is_within

OTHER_MOUNT = -1  # in place of the device number of what is on another mount of the same file system
_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        number: of the mount; device: `major:minor`, of the file system.
        root: the folder of the file system that is mounted, `/` unless it is a bind mount, or a subvolume.
        point: the path that it is mounted at.
        kind: as `ext4` or `nfs4`.
        source: the device, or the export of a server.
        options: of this mount, then those of the file system.
    """

    number: bytes
    device: bytes
    root: bytes
    point: bytes
    kind: str
    source: str
    options: str


@dataclass(frozen=True, slots=True)
class OtherMounts:
    """The other mounts of the file system that a folder is on: no hard links lead from there to the folder.

    Attributes:
        own: mount point of the folder's own mount.
        points: those of the others.
    """

    own: bytes = b"/"
    points: tuple[bytes, ...] = ()

    def have(self, path: bytes) -> bool:
        """Return whether a resolved path is on one of these mounts; the innermost counts."""
        around = [point for point in (self.own, *self.points) if is_within(path, point)]
        return bool(around) and max(around, key=len) != self.own


def mount_of(path: bytes) -> Mount | None:
    """Return the mount of a path, or of the nearest folder above it that exists; None where the kernel shows none."""
    with suppress(OSError):
        number = _number_of(path)
        return next((mount for mount in _mounts() if mount.number == number), None)
    return None


def mount_points_in(paths: Iterable[bytes]) -> list[bytes]:
    """Return the mount points that are one of the paths, or below one; none where the kernel shows none."""
    places = [real_path(path) for path in paths]
    with suppress(OSError):
        inside = (mount for mount in _mounts() if any(is_within(mount.point, place) for place in places))
        return sorted({mount.point for mount in inside if _is_visible(mount)})
    return []


def other_mounts(folder: bytes) -> OtherMounts:
    """Return the other mounts of the folder's file system."""
    own = mount_of(folder)
    if own is None:
        return OtherMounts()
    with suppress(OSError):
        others = (mount for mount in _mounts() if mount.device == own.device and mount.number != own.number)
        return OtherMounts(own.point, tuple(mount.point for mount in others if _is_visible(mount)))
    return OtherMounts(own.point)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path is.

    Attributes:
        path: without links.
        on_disk: the device and the path there, as one; `path` where no mount is shown.
    """

    path: bytes
    on_disk: bytes

    def leads_into(self, folder: "Place") -> bool:
        """Return whether it is that folder or in it, by its name, through links, or by another mount of it."""
        return is_within(self.path, folder.path) or is_within(self.on_disk, folder.on_disk)


def places_of(*paths: bytes) -> tuple[Place, ...]:
    """Return where these paths are; the list of mounts is read once."""
    mounts: dict[bytes, Mount] = {}
    with suppress(OSError):
        mounts.update((mount.number, mount) for mount in _mounts())
    return tuple(Place(path, _on_disk(path, mounts)) for path in map(real_path, paths))


def _on_disk(path: bytes, mounts: Mapping[bytes, Mount]) -> bytes:
    mount = None
    with suppress(OSError):
        mount = mounts.get(_number_of(path))
    if mount is None or not is_within(path, mount.point):
        return path
    inside = path.removeprefix(mount.point.rstrip(b"/"))
    # Of a server's export the kernel names the folder in the source alone, and several may have one device number.
    is_export = mount.kind.startswith("nfs")
    root = os.fsencode("/" + mount.source.partition(":/")[2]) if is_export else mount.root
    return mount.device + root.rstrip(b"/") + inside


def _is_visible(mount: Mount) -> bool:
    """Return whether a path leads to the mount: another one may be mounted over it, or over a folder above it."""
    with suppress(OSError):
        return _number_of(mount.point) == mount.number
    return False


def _number_of(path: bytes) -> bytes:
    fd = _opened(path)
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            return next((line.split()[1] for line in file if line.startswith(b"mnt_id:")), b"")
    finally:
        os.close(fd)


def _opened(path: bytes) -> int:
    while True:
        try:
            return os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            if path == os.path.dirname(path):
                raise
            path = os.path.dirname(path)


def _mounts() -> Iterator[Mount]:
    """Yield all mounts: see proc_pid_mountinfo(5). Blanks in the fields of a line are octal escapes."""
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            own, _, rest = line.partition(b" - ")
            number, _, device, *paths, options = own.split(b" ")[:6]
            root, point = map(_unescaped, paths)
            kind, source, more, *_ = (*rest.decode(errors="backslashreplace").rstrip("\n").split(" "), "", "")
            yield Mount(number, device, root, point, kind, source, f"{options.decode('ascii')},{more}")


def _unescaped(field: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), field)
