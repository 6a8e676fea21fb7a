"""Shelves of a few small packages, and audits of them in this process."""

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qa2pack.manifest.actions import Mode
from qa2pack.pack.audit.make import Audited, AuditOptions, audit
from qa2pack.pack.audit.verify_in_turn import Clock
from qa2pack.pack.jobs.engines import Workers
from support.in_process import Delivery, make_reduction

ONE, TWO, THREE = "a/2011.0.00001.S", "a/2011.0.00002.S", "b/deep/2012.1.00003.S"
NAMES = (ONE, TWO, THREE)
_HOUR_NS = 3600 * 10**9


def make_shelf(folder: Path) -> Path:
    """Make a folder with three packages in it, at different depths."""
    for seed, name in enumerate(NAMES, start=1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Delivery(make_reduction(folder.with_name("origins") / str(seed), seed=seed), folder / name).make(Mode.COPY)
    return folder


def move(source: Path, target: Path) -> None:
    """Move a package with what is beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.parent.glob(f"{source.name}*")):
        shutil.move(path, target.with_name(target.name + path.name.removeprefix(source.name)))


@dataclass
class Steps:
    """A clock that only moves when it is asked: seconds go on by a step each time, days by the hour."""

    step: float = 0
    at: float = 0
    now_ns: int = 1_800_000_000 * 10**9

    def seconds(self) -> float:
        self.at += self.step
        return self.at

    def time_ns(self) -> int:
        self.now_ns += _HOUR_NS
        return self.now_ns

    @property
    def clock(self) -> Clock:
        return Clock(self.seconds, self.time_ns)


@dataclass
class Shelf:
    """A shelf, its catalogue, and the time there."""

    path: Path
    catalogue: Path
    time: Steps = field(default_factory=Steps)

    def audit(self, *roots: Path, **choices: Any) -> Audited:
        """Audit it, or these folders of it."""
        options = AuditOptions(
            tuple(os.fsencode(root) for root in roots or (self.path,)), os.fsencode(self.catalogue)
        )
        return audit(replace(options, **choices), Workers(jobs=1), clock=self.time.clock)

    def script(self, name: str) -> Path:
        """Return a file in a package."""
        return self.path / name / "sg_ouss_id/group_ouss_id/member_ouss_id/script/scriptForImaging.py"

    def relative(self, path: bytes) -> str:
        """Return the path relative to the shelf."""
        return os.path.relpath(os.fsdecode(path), self.path)

    def verified(self, audited: Audited) -> list[str]:
        """Return which packages a run verified, in this order."""
        return [self.relative(path) for path, _ in audited.verified]

    def changes(self, audited: Audited) -> list[tuple[str, str]]:
        """Return what a run noticed."""
        return [(change.kind, self.relative(change.path)) for change in audited.changes]

    def wrong(self, audited: Audited) -> list[tuple[str, str]]:
        """Return what is wrong, with the standing."""
        return [(self.relative(each.package.path), each.package.standing) for each in audited.wrong]
