"""Where a transaction stages: one value that goes with every batch."""

import os
from dataclasses import dataclass

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.stage.planned_source import SourceChangedError
from qa2pack.manifest.path import is_within, shown


@dataclass(frozen=True, slots=True)
class StagingContext:
    """Where everything is, for all batches of a transaction.

    Attributes:
        origin: what relative sources start from.
        package: the package as it is, resolved; carried files are there.
        device: the file system of the staged member.
        tree: the staged package.
        member: folder of the staged member.
        partial: folder for unfinished copies of big files, on the same file system.
        readme: text for the WRITE action.
        is_trusting: staged copies with the right size and mtime are right; False after a restart of the system.
    """

    disk: Disk
    origin: bytes
    package: bytes
    device: int
    tree: bytes
    member: bytes
    partial: bytes
    readme: bytes
    is_trusting: bool


def path_in_package(context: StagingContext, link: bytes) -> bytes:
    """Return the path, relative to the package, of the file that a link of the origin leads to since it was moved.

    Raises:
        SourceChangedError: the link leads elsewhere.
    """
    target = os.path.realpath(os.path.join(context.origin, link))
    if not is_within(target, context.package) or target == context.package:
        raise SourceChangedError("a link into the package", f"a link to {shown(target)}")
    return target[len(context.package) + 1 :]
