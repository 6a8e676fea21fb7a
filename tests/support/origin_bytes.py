"""Where the bytes of an origin are: by its own names, or in the package. What moving must never change."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa2pack.executor.io.disk import Disk
from qa2pack.executor.rollback import RolledBack, roll_back_package
from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.progress import Silent
from support.faulty_disk import Fault, FaultyDisk, Stopped
from support.in_process import Delivery


def roll_back(delivery: Delivery, disk: Disk | None = None) -> RolledBack:
    """Roll back what is unfinished, or what ended last."""
    return roll_back_package(
        delivery.package, engine=delivery.engine, disk=disk or Disk(), progress=Silent(), opened=OpenedFiles()
    )


def read_files(root: Path) -> dict[str, bytes]:
    """Return what is read at each name below root that is no folder; links are followed, dangling ones left out.

    What a stopped move prepared and did not put in place yet is not reported.
    """
    found = {os.fspath(path.relative_to(root)): path.read_bytes() for path in _readable(root)}
    return {name: data for name, data in found.items() if ".qa2pack." not in name}


def lost_names(before: dict[str, bytes], delivery: Delivery) -> list[str]:
    """Return the names of the origin whose content of `before` is in no file of origin or package any more."""
    homes = {path.read_bytes() for root in (delivery.origin, delivery.path) for path in _readable(root)}
    return [name for name, data in before.items() if data not in homes]


def links_below(root: Path) -> dict[str, Path]:
    """Return the links below root with what they name."""
    found = (Path(folder) / name for folder, folders, files in os.walk(root) for name in (*folders, *files))
    return {os.fspath(path.relative_to(root)): path.readlink() for path in found if path.is_symlink()}


def moved_sources(delivery: Delivery) -> set[str]:
    """Return the names of the origin that the manifest says were moved."""
    (path,) = Path(os.fsdecode(delivery.package.manifests)).iterdir()
    records = map(decode_record, open_manifest(os.fsencode(path)).stream.blobs())
    return {os.fsdecode(e.source) for record in records for e in record.entries() if e.action is Action.MOVE}


def stop_after_links(delivery: Delivery, count: int) -> None:
    """Apply until so many links stand in the origin, and stop there."""

    class StoppingDisk(FaultyDisk):
        def symlink(self, target: bytes, name: bytes, *, dir_fd: int) -> None:
            if sum(call == "symlink" for call in self.calls) == count:
                raise Stopped
            super().symlink(target, name, dir_fd=dir_fd)

    with pytest.raises(Stopped):
        delivery.apply(StoppingDisk(Fault.STOP_BEFORE, 10**9))


def _readable(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (path for name in names if (path := Path(folder) / name).is_file())
