"""Planning, applying and verifying in this process, as the commands do it, and small reductions to do it with."""

import os
import random
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qa2pack.executor.apply import Applied, ApplyOptions, apply_plan
from qa2pack.executor.casa.table_reader import TableReader as CasaReader
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KeepPrevious
from qa2pack.executor.preflight import check_space
from qa2pack.executor.probe.package_disk import check_disk, has_holes, make_control
from qa2pack.executor.tickets.check import check_tickets
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.engine import Engine, InlineEngine
from qa2pack.manifest.format.files import Described, open_plan
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.plan.make import make_plan
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.table_columns import TableReader
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Progress, Silent
from qa2pack.manifest.signature.signature import NOBODY, Trust, Verifier, signature_problems
from qa2pack.manifest.verify.package import verify_package
from qa2pack.manifest.verify.signatures import signatures_of
from qa2pack.pack.jobs.delivery_source import open_source
from support.measurement_sets import Recipe, write_measurement_set

UID = "uid___A002_X3c9295_X8c"
OF_THE_REDUCTION_NS = 1_338_552_000 * 10**9  # long before any scan, as files of a reduction are


@dataclass(frozen=True, slots=True)
class Delivery:
    """An origin and the package that is to be made of it."""

    origin: Path
    path: Path
    engine: Engine = field(default_factory=InlineEngine)
    reader: TableReader = field(default_factory=CasaReader)

    @property
    def package(self) -> Package:
        return Package(os.fsencode(self.path))

    @property
    def member(self) -> Path:
        return self.path / "sg_ouss_id/group_ouss_id/member_ouss_id"

    def made(
        self, mode: Mode = Mode.HARD, *, now_ns: int | None = None, progress: Progress | None = None, **choices: Any
    ) -> Plan:
        request = PlanRequest(os.fsencode(self.origin), os.fsencode(self.path), mode=mode, **choices)
        return make_plan(
            request,
            opened=OpenedFiles(),
            reader=self.reader,
            engine=self.engine,
            progress=progress or Silent(),
            now_ns=now_ns or time.time_ns(),
        )

    def plan(self, mode: Mode = Mode.HARD, **choices: Any) -> Described:
        made = self.made(mode, **choices)
        check_space(self.package, made.header, made.notes, made.devices, OpenedFiles())
        make_control(self.package, Disk())
        check_disk(self.package, made.header, made.gathered.spool.sorted_blobs(), Disk())
        if made.gathered.holes and not has_holes(self.package, Disk()):
            notes = replace(made.notes, new_bytes=made.notes.new_bytes + sum(made.gathered.holes.values()))
            check_space(self.package, made.header, notes, made.devices, OpenedFiles())
        save_plan(made)
        made.gathered.spool.close()
        return open_plan(self.package.plan)

    def apply(self, disk: Disk | None = None, **options: Any) -> Applied:
        return apply_plan(
            self.package,
            ApplyOptions(**{"keep_previous": KeepPrevious.NO, **options}),
            engine=self.engine,
            disk=disk or Disk(),
            progress=Silent(),
            opened=OpenedFiles(),
            open_delivery=open_source,
        )

    def make(self, mode: Mode = Mode.HARD, **choices: Any) -> None:
        self.plan(mode, **choices)
        self.apply()

    def problems(self, *, is_quick: bool = False, signers: Path | None = None) -> list[Problem]:
        trust = Trust(os.fsencode(signers), is_required=True) if signers else NOBODY
        with closing(Verifier(trust)) as verifier:
            members = signatures_of(self.package, OpenedFiles(), verifier)
        found = [problem for member in members for problem in signature_problems(member.signed, trust)]
        found += verify_package(self.package, OpenedFiles(), is_quick=is_quick, engine=self.engine, progress=Silent())
        return [*found, *check_tickets(self.package, OpenedFiles(), is_quick=is_quick)]

    def found(self, *, is_quick: bool = False) -> list[tuple[str, bytes]]:
        """Return code and path of what verify finds, the path relative to the member where it is in it."""
        prefix = b"sg_ouss_id/group_ouss_id/member_ouss_id/"
        return [(p.code, p.path.removeprefix(prefix)) for p in self.problems(is_quick=is_quick)]


def make_reduction(origin: Path, *, uid: str = UID, block: str = "X8c", seed: int = 1) -> Path:
    """Make a small reduction without measurement sets, which are slow to make, and return it."""
    words = random.Random(seed)
    for name in (
        "scriptForImaging.py",
        "casapy-2012-05-03T115433.log",
        "calibrated_all.clean.fits",
        "notes of the reducer",
        f"{block}/checklist.txt",
        f"{block}/qa2/qa2_part1.png",
        f"{block}/qa2/textfile.txt",
        f"{block}/ipython.log",
        f"{block}/{uid}.ms.scriptForCalibration.py",
        f"{block}/{uid}.ms.listobs",
        f"{block}/{uid}.ms.tsys/table.dat",
        f"{block}/{uid}.ms.tsys/table.f0",
        f"{block}/{uid}.ms.tsys/SPECTRAL_WINDOW/table.dat",
        f"{block}/{uid}.ms.tsys.plots/tsys.antenna1.png",
        f"{block}/{uid}.ms.tsys.plots/tsys.antenna2.png",
    ):
        write(origin / name, words.randbytes(words.randrange(1, 5000)))
    return origin


def add_measurement_sets(origin: Path, *, uid: str = UID, block: str = "X8c", recipe: Recipe | None = None) -> None:
    """Add the two measurement sets of the block, each with three data columns."""
    for name in (f"{uid}.ms.split", f"{uid}.ms.split.cal"):
        write_measurement_set(origin / block / name, recipe)
    age(origin)


def write(path: Path, data: bytes) -> Path:
    """Write a file as old as the reduction."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(OF_THE_REDUCTION_NS, OF_THE_REDUCTION_NS))
    return path


def age(root: Path) -> None:
    """Make every file as old as the reduction: digests of files that were just written are not trusted."""
    for folder, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(folder, name), ns=(OF_THE_REDUCTION_NS, OF_THE_REDUCTION_NS))
