"""BagIt bag of hard links to the files of a package: it needs no space for content, which it shares with the package.

Made under a temporary name and renamed when all of it is on disk. The package is only read. But a new link changes
the ctime of a file, so the next plan reads the files again that are hard links to the origin.

A bag that is delivered is written by `tarsplit`. Its writer of trees copies blocks, keeps what an earlier run sent
and sums up as it writes. Here is nothing to copy or to keep, and all workers sum up afterwards, so each of its steps
would need a second form. What a bag has beside its payload comes from the same functions: `bag_tags`, `bag_line`.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from qa2pack.executor.io.disk import CANNOT_LINK, Disk, sync_file_system, sync_folder
from qa2pack.executor.io.output_file import PARTIAL, write_output
from qa2pack.executor.io.remove import remove_tree
from qa2pack.manifest.alma.member_ids import folder_of
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.bundle.bag_tags import PAYLOAD, bag_tags, payload_sums
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.fs.presence import is_there
from qa2pack.manifest.fs.safe_open import opened_beneath
from qa2pack.manifest.path import folders_above, join, path_in


class CannotLinkError(Exception):
    """A file of the package cannot get another hard link.

    Attributes:
        path: the file.
        reason: the message of the system.
    """

    def __init__(self, path: bytes, reason: str) -> None:
        super().__init__(f"{os.fsdecode(path)}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class BagMember:
    """A member that goes into the bag.

    Attributes:
        path: the name of the member.
        blobs: gives the encoded records of its manifest.
    """

    path: bytes
    blobs: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Payload:
    """Count of files and bytes of the payload, without the tag files of the bag."""

    file_count: int
    byte_count: int


def make_bag(
    package: Package,
    members: Sequence[BagMember],
    bag: bytes,
    lines: Callable[[bytes], Iterable[bytes]],
    *,
    payload: Payload,
    program: str,
    disk: Disk,
) -> None:
    """Make the bag at `bag`, which must not exist; all of it is on disk when this returns.

    Args:
        lines: returns the lines of the SHA-256 manifest, given the folder that holds the linked package.

    Raises:
        FileExistsError: the path, or the leftover of a stopped run, exists; nothing was changed.
        CannotLinkError: a file has the maximum number of links, or may not be linked.
        OSError: the disk fails.
    """
    if is_there(bag):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), bag)
    partial = bag + PARTIAL
    disk.mkdir(partial)
    try:
        data = join(partial, PAYLOAD)
        disk.mkdir(data)
        _link_members(package, members, join(data, package.project), disk)
        _write_tags(partial, lines(data), payload, package.project, program, disk)
        sync_file_system(disk, partial)
        disk.rename(partial, bag)
    except BaseException:
        remove_tree(disk, partial)
        raise
    sync_folder(disk, os.path.dirname(bag))


def _link_members(package: Package, members: Sequence[BagMember], root: bytes, disk: Disk) -> None:
    folders = {member: folder_of(member.path) for member in members}
    for above in folders_above(folders.values()):
        disk.mkdir(path_in(root, above))
    for member in members:
        for blob in member.blobs():
            _link_folder(package.member(member.path), path_in(root, folders[member]), blob, disk)


def _link_folder(source: bytes, target: bytes, blob: bytes, disk: Disk) -> None:
    """Make one folder with its links; parent folders must be made before."""
    record = decode_record(blob)
    with opened_beneath(source, record.path) as source_fd:
        disk.mkdir(join(target, record.path).rstrip(b"/"))
        with opened_beneath(target, record.path) as target_fd:
            for name in record.names:
                try:
                    disk.link(name, name, source_fd=source_fd, dir_fd=target_fd)
                except OSError as error:
                    if error.errno in (errno.EXDEV, *CANNOT_LINK):
                        path = join(join(source, record.path), name)
                        raise CannotLinkError(path, error.strerror or "") from error
                    raise


def _write_tags(
    folder: bytes, lines: Iterable[bytes], payload: Payload, project: bytes, program: str, disk: Disk
) -> None:
    """Write the sums of the payload, and the tag files beside them."""
    digest = hashlib.sha256()
    name = payload_sums("sha256")

    def summed() -> Iterator[bytes]:
        for block in lines:
            digest.update(block)
            yield block

    write_output(disk, join(folder, name), summed(), is_replacing=False)
    counts = {"file_count": payload.file_count, "byte_count": payload.byte_count}
    tags = bag_tags(project, **counts, payload_sums={name: digest.hexdigest()}, program=program)
    for name, text in tags.items():
        write_output(disk, join(folder, name), [text], is_replacing=False)
