"""Packages whose manifest says that they hold millions of files, most of which do not exist."""

import os
from pathlib import Path

from qa2pack.manifest.actions import Action
from qa2pack.manifest.format.files import open_manifest, save_durably
from qa2pack.manifest.format.header import Notes
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import encode_record
from support.deliveries import PROJECT, make_package

FILES_PER_FOLDER = 100


def write_large_manifest(home: Path, folder_count: int) -> None:
    """Let the package's manifest say that it holds so many folders of a hundred plots of 5000 bytes each."""
    package = make_package(home / PROJECT, {})
    (path,) = Path(os.fsdecode(package.manifests)).iterdir()
    described = open_manifest(os.fsencode(path))
    first = list(described.stream.blobs())
    count = FILES_PER_FOLDER
    names = [b"plot%03d.png" % number for number in range(count)]

    def blobs() -> "list[tuple[bytes, bytes]]":
        folders = [b"d%06d" % number for number in range(folder_count)]
        plots = [b"calibration", *(b"calibration/" + folder for folder in folders)]
        return [
            (b"", first[0]),
            (plots[0], encode_record(FolderRecord(path=plots[0], folders=folders))),
            *((path, encode_record(_record(path, names))) for path in plots[1:]),
        ]

    save_durably(os.fsencode(path), described.header, Notes(), blobs())


def _record(path: bytes, names: list[bytes]) -> FolderRecord:
    count = len(names)
    return FolderRecord(
        path=path,
        names=names,
        sizes=[5000] * count,
        mtimes=[0] * count,
        modes=[0o644] * count,
        actions=bytes([Action.LINK]) * count,
        digests=bytes(16) * count,
        inodes=[1] * count,
        ctimes=[0] * count,
    )
