"""Who gets a delivery, and how tars and sidecars come to be other than they were sent."""

import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record, encode_record
from qa2pack.manifest.format.stream import StreamWriter
from qa2pack.tarsplit.sidecar import Sidecar, header_to_wire, notes_to_wire, open_sidecar
from support.commands import Ran, run_here
from support.deliveries import DAY, PROJECT, cut_up, make_package

Capsys = pytest.CaptureFixture[str]


FILES: dict[str | bytes, bytes] = {
    "script/scriptForImaging.py": b"print()",
    "script/run.sh": b"#!/bin/sh\n",
    "qa/plot.png": b"a plot",
    "calibrated/a.ms/table.dat": b"a table",
    "calibrated/a.ms/table.lock": bytes(300),
    "calibrated/a.ms/ANTENNA/table.dat": b"another",
    "product/image.fits": bytes(20_000),
    "product/empty": b"",
    b"log/\xff\n": b"a name of any bytes",
    "log/" + "long " * 40: b"a long name",
}
LABELLED = f"sg_ouss_id/group_ouss_id/member_ouss_{DAY}_id"


class Receiver:
    """Who gets a delivery."""

    def __init__(self, folder: Path, capsys: Capsys) -> None:
        self.folder = folder
        self.delivery = folder / "delivery"
        self.path = folder / "there" / PROJECT
        self.path.parent.mkdir()
        self._capsys = capsys

    def deliver(self, *members: str, limit: int = 20 << 10, day: str = "", files: Any = None, **choices: Any) -> Path:
        """Make a package on the other side and cut it."""
        sender = self.folder / "sender"
        shutil.rmtree(sender, ignore_errors=True)
        shutil.rmtree(self.delivery, ignore_errors=True)
        package = make_package(sender / PROJECT, FILES if files is None else files, *members)
        self.delivery.mkdir()
        cut_up(package, self.delivery, limit, label_day=day, **choices)
        return sender / PROJECT

    def receive(self, *options: str | Path) -> Ran:
        """Type the command."""
        return run_here(self._capsys, "receive", self.delivery, self.path, "--jobs", "1", "--quiet", *options)

    def received(self, *options: str | Path) -> Ran:
        """Type it, and it works."""
        ran = self.receive(*options)
        assert ran.code == 0, ran.err
        return ran

    def type(self, *words: str | Path) -> Ran:
        """Type another command."""
        return run_here(self._capsys, *words)

    @property
    def sidecar(self) -> Path:
        return next(self.delivery.glob("*.manifest"))

    @property
    def is_untouched(self) -> bool:
        """Tell whether nothing is visible, and no control folder was left."""
        return os.listdir(self.path.parent) == []


def files_of(folder: Path) -> dict[bytes, bytes]:
    """Return the content of every file below the folder."""
    return {
        os.path.relpath(os.fsencode(path), os.fsencode(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def spoil(tar: Path, at: int = -3000) -> None:
    """Change one byte."""
    data = bytearray(tar.read_bytes())
    data[at] ^= 1
    tar.write_bytes(data)


def paths_in(tar: Path) -> list[bytes]:
    """Return the paths of the files in a tar."""
    with tarfile.open(tar) as archive:
        return [os.fsencode(info.name) for info in archive if info.isfile()]


def rewrite(
    receiver: Receiver,
    change: Callable[[FolderRecord], FolderRecord] = lambda record: record,
    *,
    chunks: Callable[[Sidecar], Any] = lambda sidecar: sidecar.chunks,
    **header: Any,
) -> None:
    """Write the sidecar anew, with records, chunks or fields of the header as somebody else would like them."""
    sidecar = open_sidecar(os.fsencode(receiver.sidecar))
    blobs = [encode_record(change(decode_record(blob))) for blob in sidecar.stream.blobs()]
    built = BytesIO()
    writer = StreamWriter(built, header_to_wire(replace(sidecar.header, **header)))
    for blob in blobs:
        writer.folder(unsafe_path(blob), blob)
    writer.close(notes_to_wire(sidecar.fingerprint, chunks(sidecar)))
    receiver.sidecar.write_bytes(built.getvalue())
    for sums in receiver.delivery.glob(f"{receiver.sidecar.name}.*sum"):
        sums.unlink()


def unsafe_path(blob: bytes) -> bytes:
    """Return the path of a record, whatever it is."""
    from qa2pack.manifest.format.record_codec import record_path

    return record_path(blob)
