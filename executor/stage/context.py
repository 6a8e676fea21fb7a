"""Staging context: paths and options of a transaction's staging, sent with every batch."""

import os
from collections.abc import Mapping

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.planned_source import SourceChangedError
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.path import is_within, shown


@dataclass(frozen=True, slots=True)
class StagingContext:
    """Paths and options of all batches of a transaction.

    Attributes:
        origin: folder to which relative sources belong.
        package: resolved path of the present package, which holds the carried files.
        device: device number of the staged member.
        tree: the staged package.
        member: folder of the staged member.
        partial: folder for unfinished copies of big files, on the same file system.
        texts: for the WRITE action, by path in the member; of files that are written last, nothing yet.
        is_trusting: staged copies with the planned size and mtime count as correct; False after a restart of the
            system.
    """

    disk: Disk
    origin: bytes
    package: bytes
    device: int
    tree: bytes
    member: bytes
    partial: bytes
    texts: Mapping[bytes, bytes]
    is_trusting: bool

    @property
    def folder(self) -> bytes:
        """The path of the member in the package; empty where the package is its only member."""
        return self.member[len(self.tree) + 1 :]


def path_in_package(context: StagingContext, link: bytes) -> bytes:
    """Return the path, relative to the package, of a moved file to which a symlink of the origin leads.

    Raises:
        SourceChangedError: the symlink leads elsewhere.
    """
    target = real_path(os.path.join(context.origin, link))
    if not is_within(target, context.package) or target == context.package:
        raise SourceChangedError("a link into the package", f"a link to {shown(target)}")
    return target[len(context.package) + 1 :]
