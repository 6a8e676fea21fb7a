"""Packages to be cut, made from listings, and the cutting of them in this process."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from qa2pack.executor.engine.local import PoolEngine
from qa2pack.manifest.adopt import adopt_members
from qa2pack.manifest.alma.package import Package, read_state
from qa2pack.manifest.engine import Engine, InlineEngine
from qa2pack.manifest.format.delivery_row import DeliveryRow
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.tarsplit.check import check_delivery
from qa2pack.tarsplit.contents import choose_members
from qa2pack.tarsplit.deliver import Destination, Outcome, deliver
from qa2pack.tarsplit.naming import DeliveryName
from qa2pack.tarsplit.place.folder import Folder
from qa2pack.tarsplit.plan import Cut, CutRequest, plan_cut
from qa2pack.tarsplit.sidecar import open_sidecar
from support.cycle0 import ROLES

SILENT = Silent()
PROJECT = "2011.01234.S"
DAY = "2012-06-20"
MEMBER = "sg_ouss_id/group_ouss_id/member_ouss_id"
OLD_NS = 1_338_552_000 * 10**9 + 123_456_789


def make_package(path: Path, files: Mapping[str | bytes, bytes], *members: str) -> Package:
    """Make a package whose members, `group/member`, hold these files, with manifests; README where none is given."""
    for member in members or ("group_ouss_id/member_ouss_id",):
        folder = path / "sg_ouss_id" / member
        for role in ROLES:
            (folder / role.name).mkdir(parents=True)
        name = member.rpartition("/")[2]
        readme = f"Project code: {path.name}\n|-- {path.name}/\n|   |   |   |-- {name}/\n|   |   |   |   |-- README\n"
        for relative, data in {b"README": readme.encode(), **{_bytes(name): d for name, d in files.items()}}.items():
            _write(os.path.join(os.fsencode(folder), relative), data)
    return adopt(path)


def adopt(path: Path) -> Package:
    """Write manifests for the members as they are on disk."""
    package = Package(os.fsencode(path))
    os.makedirs(package.manifests, exist_ok=True)
    list(
        adopt_members(package, read_state(package), engine=InlineEngine(), progress=Silent(), now_ns=OLD_NS + 10**15)
    )
    return package


def plan(
    package: Package,
    limit: int = 10 << 20,
    *,
    label_day: str = "",
    wanted: bytes = b"",
    progress: Progress = SILENT,
    **choices: Any,
) -> Cut:
    """Plan how the package is cut."""
    members = choose_members(package, read_state(package), OpenedFiles(), wanted=wanted, label_day=label_day)
    name = DeliveryName(package.project, DAY)
    return plan_cut(CutRequest(name, limit, **choices), members, progress)


def cut_up(
    package: Package,
    output: Path,
    limit: int = 10 << 20,
    *,
    jobs: int = 0,
    is_replacing: bool = False,
    **choices: Any,
) -> Outcome:
    """Cut the package into chunks in the output folder; jobs of 0 do it in this process."""
    destination = Destination(package.path, Folder(os.fsencode(output)), is_replacing)
    cut = plan(package, limit, **choices)
    if not jobs:
        return deliver(cut, destination, engine=InlineEngine(), progress=Silent())
    with PoolEngine(jobs) as engine:
        return deliver(cut, destination, engine=engine, progress=Silent())


_DELIVERED: dict[str | bytes, bytes] = {
    "script/scriptForImaging.py": b"print()",
    "qa/plot.png": b"a plot",
    "calibrated/a.ms/table.dat": b"a table",
    "calibrated/a.ms/table.lock": bytes(300),
    "product/image.fits": bytes(20_000),
}
SETS = (
    DeliveryRow("first", b"first.tar", ("calibrated/**", "README")),
    DeliveryRow("second", b"second_{part}_of_{parts}.tar", ("**",), limit_bytes=20 << 10),
)


def write_delivery(folder: Path, project: str) -> None:
    """Write a delivery of two members, in a group of their own, in several tars."""
    with tempfile.TemporaryDirectory() as sender:
        members = (f"group_ouss_id2/member_ouss_id{n}" for n in ("", 2))
        package = make_package(Path(sender) / project, _DELIVERED, *members)
        folder.mkdir(parents=True)
        cut_up(package, folder, 40 << 10)


def write_set(folder: Path, project: str, row: DeliveryRow) -> None:
    """Write a delivery of one of `SETS` of a member."""
    with tempfile.TemporaryDirectory() as sender:
        package = make_package(Path(sender) / project, _DELIVERED)
        (member,) = choose_members(package, read_state(package), OpenedFiles())
        name = DeliveryName(package.project, DAY, row.name.encode(), (row.file,))
        cut = plan_cut(CutRequest(name), [replace(member, rows=(row,), among=SETS)], SILENT)
        folder.mkdir(parents=True)
        deliver(cut, Destination(package.path, Folder(os.fsencode(folder))), engine=InlineEngine(), progress=SILENT)


def check(output: Path, engine: Engine | None = None) -> list[Problem]:
    """Check the delivery in the folder by its sidecar."""
    sidecar = open_sidecar(os.fsencode(output / f"{PROJECT}_{DAY}.manifest"))
    return list(
        check_delivery(sidecar, Folder(os.fsencode(output)), engine=engine or InlineEngine(), progress=Silent())
    )


def tars(output: Path) -> list[Path]:
    """Return the chunks in order."""
    return sorted(output.glob("*.tar"))


def extract(output: Path, folder: Path, tool: str = "tar") -> str:
    """Extract all chunks into the folder, the last first, and return what the tool said."""
    folder.mkdir()
    said = ""
    for tar in reversed(tars(output)):
        done = subprocess.run([tool, "-xf", tar], cwd=folder, capture_output=True, check=True)
        said += (done.stdout + done.stderr).decode()
    return said


def _write(path: bytes, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, ns=(OLD_NS, OLD_NS))


def _bytes(name: str | bytes) -> bytes:
    return os.fsencode(name)
