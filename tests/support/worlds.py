"""A small world for one transaction: an origin, a package beside it, a waiting plan; all of it can be brought back.

A world stands in memory (tmpfs) where it can: there syncing costs nothing, and what it brings is the matter of the
power-loss model. Inodes of files outlive bringing back, because plans know them.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from qa2pack.executor.apply import Applied, ApplyOptions, apply_plan
from qa2pack.executor.errors import CannotUndoError
from qa2pack.executor.io.disk import Disk
from qa2pack.executor.keep_previous import KEEP_LIMIT_BYTES, KeepPrevious
from qa2pack.executor.rollback import RolledBack, roll_back_package
from qa2pack.executor.transaction.journal import read_journal
from qa2pack.executor.transaction.journal_records import Commit, Record
from qa2pack.executor.transaction.paths import journal_path
from qa2pack.executor.transaction.recovery import Phase, phase_of
from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append, member_at
from qa2pack.manifest.alma.package import Package
from qa2pack.manifest.bundle.entry import BundleEntry
from qa2pack.manifest.bundle.form import Form
from qa2pack.manifest.bundle.write import write_bundle
from qa2pack.manifest.engine import Engine, InlineEngine
from qa2pack.manifest.file_state import state_of
from qa2pack.manifest.format.files import open_manifest
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.record import FolderRecord
from qa2pack.manifest.format.record_codec import decode_record
from qa2pack.manifest.layout.load import layout_text
from qa2pack.manifest.plan.make import make_plan
from qa2pack.manifest.plan.plan import Plan, save_plan
from qa2pack.manifest.plan.rebuild import NewReadme, Repair, Source, plan_rebuild
from qa2pack.manifest.plan.removal import make_removal
from qa2pack.manifest.plan.renaming import plan_rename
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.progress import Silent
from qa2pack.manifest.signature.names import signed_names
from qa2pack.manifest.verify.package import verify_package
from qa2pack.pack.jobs.delivery_source import SidecarSource, open_source
from qa2pack.pack.jobs.find_delivery import find_sidecar
from qa2pack.pack.jobs.plan_delivery import plan_delivery
from qa2pack.tarsplit.sidecar import open_sidecar
from support.deliveries import SETS, write_delivery, write_set
from support.faulty_disk import SplitMemory, WatchedDisk
from support.reductions import write_reduction
from support.remembered_tables import RememberingReader

Tree = dict[bytes, tuple[object, ...]]
Batch = TypeVar("Batch")
Result = TypeVar("Result")

PROJECT = "2011.0.00229.S"
RENAMED = "2012.1.00001.S"


class Change(StrEnum):
    """What the waiting plan does to the package."""

    NEW = "new"
    REPLACE = "replace"
    MEMBER = "member"
    GROUP = "group"
    REPLACE_MEMBER = "replace-member"
    REMOVE_MEMBER = "remove-member"
    REMOVE_GROUP = "remove-group"
    BRANCH = "branch"  # values name a member that no folder above is of, as are those of the two below
    REMOVE_BRANCH = "remove-branch"
    LISTED = "listed"  # as REPLACE, of a package that is its only member and has a list of its files beside it
    BUNDLES = "bundles"  # as REPLACE, of packages with a tar of two trees, a compressed file and files out of a tar
    NEW_BUNDLES = "new-bundles"  # as NEW, of such a package
    REBUILD = "rebuild"  # a file is repaired, and README changed
    RENAME = "rename"  # another project code
    RECEIVED = "received"  # two members of a delivery, in a group of their own
    NEW_RECEIVED = "new-received"  # as NEW, of such a delivery
    RECEIVED_SET = "received-set"  # a member of one delivery set gets the files of another

    @property
    def is_replacing(self) -> bool:
        """Tell whether one tree gives way to another, which takes one exchange or two renames."""
        in_place = (Change.REPLACE_MEMBER, Change.REBUILD, Change.RECEIVED_SET)
        return self in (Change.REPLACE, Change.LISTED, Change.BUNDLES, *in_place)

    @property
    def is_removing(self) -> bool:
        """Tell whether nothing new comes."""
        return self in (Change.REMOVE_MEMBER, Change.REMOVE_GROUP, Change.REMOVE_BRANCH)

    @property
    def is_by_values(self) -> bool:
        """Tell whether values tell the members of the package apart."""
        return self in (Change.BRANCH, Change.REMOVE_BRANCH)

    @property
    def has_bundles(self) -> bool:
        """Tell whether some files of the origin are written into bundles, and some are taken out of one."""
        return self in (Change.BUNDLES, Change.NEW_BUNDLES)

    @property
    def is_new(self) -> bool:
        """Tell whether there is no package before."""
        return self in (Change.NEW, Change.NEW_BUNDLES, Change.NEW_RECEIVED)

    @property
    def is_received(self) -> bool:
        """Tell whether what comes is in tars."""
        return self in (Change.RECEIVED, Change.NEW_RECEIVED, Change.RECEIVED_SET)

    @property
    def is_of_moved(self) -> bool:
        """Tell whether the package that changes was made by a move in a scenario of that mode."""
        return self in (Change.REBUILD, Change.RENAME)

    @property
    def can_keep(self) -> bool:
        """Tell whether something gives way that may be kept."""
        return self.is_replacing or self.is_removing or self is Change.RENAME


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is planned, and how it is applied.

    Attributes:
        may_exchange: False takes the way of two renames.
        is_alike: both packages have the same names, sizes and README, as two from one folder that was worked on.
        is_auto: whether the old package is kept is decided by the space that it takes.
    """

    change: Change
    mode: Mode
    may_exchange: bool = True
    keeps_previous: bool = False
    is_alike: bool = False
    is_auto: bool = False

    def __str__(self) -> str:
        ways = [] if self.may_exchange else ["two-renames"]
        ways += ["kept"] if self.keeps_previous else []
        ways += ["alike"] if self.is_alike else []
        ways += ["auto"] if self.is_auto else []
        return "-".join([self.change, self.mode, *ways])

    @property
    def is_away_for_a_moment(self) -> bool:
        """Tell whether there is a moment without a package: the price of a file system that cannot exchange."""
        return self.change.is_replacing and not self.may_exchange

    def away(self, package: Tree) -> Tree:
        """Return what is seen of the package in that moment."""
        if self.change in (Change.REPLACE, Change.LISTED, Change.BUNDLES):
            return {}
        gone = b"sg_ouss_id/group_ouss_id/" + _GIVING_WAY[self.change][0]
        return {path: value for path, value in package.items() if path != gone and not path.startswith(gone + b"/")}

    @property
    def options(self) -> ApplyOptions:
        """How it is applied."""
        if self.is_auto:
            # Below nothing: files of a saved world have other links there, and take no space.
            limit_bytes = KEEP_LIMIT_BYTES if self.keeps_previous else -1
            return ApplyOptions(keep_limit_bytes=limit_bytes, may_exchange=self.may_exchange)
        keep_previous = KeepPrevious.YES if self.keeps_previous else KeepPrevious.NO
        return ApplyOptions(keep_previous=keep_previous, may_exchange=self.may_exchange)


_OF_ALL_MODES = (Change.NEW, Change.REPLACE, Change.MEMBER, Change.GROUP)
# Every way to change a package: each change in each mode, with two renames, and with the old package kept.
SCENARIOS = (
    *(
        Scenario(change, mode)
        for change in (Change.NEW, Change.REPLACE, Change.MEMBER, Change.GROUP)
        for mode in Mode
    ),
    *(Scenario(Change.REPLACE, mode, may_exchange=False) for mode in Mode),
    *(Scenario(Change.REPLACE_MEMBER, mode) for mode in (Mode.HARD, Mode.MOVE)),
    Scenario(Change.REPLACE_MEMBER, Mode.COPY, keeps_previous=True),
    Scenario(Change.REPLACE_MEMBER, Mode.MOVE, may_exchange=False, keeps_previous=True),
    Scenario(Change.REPLACE_MEMBER, Mode.COPY, may_exchange=False),
    Scenario(Change.REMOVE_MEMBER, Mode.HARD),
    Scenario(Change.REMOVE_GROUP, Mode.COPY, keeps_previous=True),
    Scenario(Change.BRANCH, Mode.COPY),
    Scenario(Change.BRANCH, Mode.MOVE),
    Scenario(Change.REMOVE_BRANCH, Mode.HARD, keeps_previous=True),
    Scenario(Change.LISTED, Mode.COPY, keeps_previous=True),
    Scenario(Change.LISTED, Mode.HARD, may_exchange=False),
    Scenario(Change.NEW_BUNDLES, Mode.COPY),
    Scenario(Change.NEW_BUNDLES, Mode.MOVE),
    Scenario(Change.BUNDLES, Mode.HARD, keeps_previous=True),
    Scenario(Change.RECEIVED, Mode.COPY),
    Scenario(Change.NEW_RECEIVED, Mode.COPY),
    Scenario(Change.RECEIVED_SET, Mode.COPY, keeps_previous=True),
    Scenario(Change.REBUILD, Mode.HARD, keeps_previous=True, is_auto=True),
    Scenario(Change.REBUILD, Mode.COPY, may_exchange=False, is_auto=True),
    Scenario(Change.REBUILD, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RENAME, Mode.HARD, keeps_previous=True, is_auto=True),
    Scenario(Change.RENAME, Mode.COPY),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
    *(Scenario(Change.REPLACE, mode, keeps_previous=True) for mode in (Mode.HARD, Mode.MOVE)),
    *(Scenario(Change.REPLACE, mode, may_exchange=False, keeps_previous=True) for mode in (Mode.COPY, Mode.MOVE)),
)
# Not in the short version: a renaming makes most calls of all, and moved files need every step of it; ticket files
# are placeholders and links, and two renames are the same steps in each mode.
_LONG = (
    *(Scenario(change, Mode.TICKET) for change in (Change.REPLACE, Change.MEMBER, Change.GROUP)),
    *(Scenario(Change.REPLACE, mode, may_exchange=False) for mode in (Mode.FAKE, Mode.HARD, Mode.TICKET)),
    Scenario(Change.RENAME, Mode.HARD, keeps_previous=True, is_auto=True),
    Scenario(Change.RENAME, Mode.COPY),
    Scenario(Change.BRANCH, Mode.COPY),
)
SHORT = tuple(one for one in SCENARIOS if one not in _LONG)


def sharing(scenario: Scenario) -> tuple[Scenario, ...]:
    """Return the scenarios that share the calls from the sync on between them in the short version.

    They make the same ones: how a package got its files matters only until then, unless they were moved.
    """
    if scenario.mode is Mode.MOVE:
        return (scenario,)
    return tuple(one for one in SHORT if one.mode is not Mode.MOVE and replace(one, mode=scenario.mode) == scenario)


# A layout by values also writes files: one that is in the plan, and one when all others are staged.
_WRITES = """
[[write]]
to = "script/empty.py"
text = ""
[[write]]
to = "log/sums.md5"
template = "sums.jinja"
"""
_BESIDE = """
[[write]]
to = "../list.ticket.md5"
template = "sums.jinja"
"""
_SUMS = "{% for each in files %}{{ each.md5 }}  {{ each.path }}\n{% endfor %}"
_BUNDLES = """
[[rule]]
kind = "tree"
match = ["plots", "qa2"]
to = "qa/plots.tgz!{name}"
[[rule]]
kind = "file"
match = "*.fits"
to = "product/{name}.gz!"
[[rule]]
match = "weblog.tgz!{rest}"
to = "qa/{rest}"
"""
# What can be rolled back when it has ended.
WITH_ROLLBACK = tuple(
    dict.fromkeys(
        (
            *(replace(one, keeps_previous=True) if one.change.can_keep else one for one in SCENARIOS),
            *(
                Scenario(Change.REPLACE, mode, may_exchange=may_exchange, keeps_previous=True, is_alike=True)
                for mode in (Mode.COPY, Mode.MOVE)
                for may_exchange in (True, False)
            ),
        )
    )
)
CHOSEN_WITH_ROLLBACK = (
    Scenario(Change.NEW, Mode.COPY),
    Scenario(Change.MEMBER, Mode.TICKET),
    Scenario(Change.GROUP, Mode.MOVE),
    Scenario(Change.REPLACE, Mode.HARD, keeps_previous=True),
    Scenario(Change.REPLACE, Mode.COPY, keeps_previous=True, is_alike=True),
    Scenario(Change.REPLACE, Mode.MOVE, may_exchange=False, keeps_previous=True, is_alike=True),
    Scenario(Change.REPLACE_MEMBER, Mode.MOVE, keeps_previous=True),
    Scenario(Change.REMOVE_MEMBER, Mode.HARD, keeps_previous=True),
    Scenario(Change.REBUILD, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RENAME, Mode.MOVE, keeps_previous=True),
    Scenario(Change.RECEIVED, Mode.COPY),
)
STRIDE = 12  # of calls that do as their neighbours do, in the short version
SEED = int(
    os.environ.get("QA2PACK_TORTURE_SEED", "0")
)  # another one tries other calls, and other states of power cuts
REMOVING = ("unlink", "rmdir")
_APPENDS = {
    Change.MEMBER: Append.MEMBER,
    Change.GROUP: Append.GROUP,
    Change.REPLACE_MEMBER: Append.REPLACE,
    Change.REMOVE_MEMBER: Append.REMOVE,
    Change.REMOVE_GROUP: Append.REMOVE,
    Change.REMOVE_BRANCH: Append.REMOVE,
}
# The member that gives way, and how the one beside it was added.
_GIVING_WAY = {
    Change.REPLACE_MEMBER: (b"member_ouss_id2", Change.MEMBER),
    Change.REMOVE_MEMBER: (b"member_ouss_id", Change.MEMBER),
    Change.REMOVE_GROUP: (b"group_ouss_id2/member_ouss_id", Change.GROUP),
    Change.REMOVE_BRANCH: (b"goal.beside/group.1/member.beside", Change.BRANCH),
    Change.REBUILD: (b"member_ouss_id", Change.MEMBER),
    Change.RENAME: (b"", Change.MEMBER),  # none of the two does, alone
}


@dataclass(frozen=True, slots=True)
class State:
    """All that is in a world, as values to be compared.

    Attributes:
        tickets: the ticket files beside the package.
        control: the control folder without lock, journals, plans and what was replaced.
        kept_count: how many files and folders are kept of what was replaced.
    """

    package: Tree
    tickets: Tree
    origins: Tree
    control: Tree
    kept_count: int
    has_plan: bool


class World:
    """Origin, package and control folder below one root."""

    def __init__(self, root: Path, scenario: Scenario, *, knows_inodes: bool = True) -> None:
        """Make no more than the value.

        Args:
            knows_inodes: a hard link is distinguished from a copy of the same file.
        """
        self.root = root
        self.scenario = scenario
        self.package = Package(os.fsencode(root / PROJECT))
        self.old_package: Package | None = None  # while the package is renamed: that of the old name
        self.sources: dict[int, str] = {}
        self._knows_inodes = knows_inodes
        self.saved = root / "saved"

    @property
    def origins(self) -> Path:
        """The folder of the reductions."""
        return self.root / "origins"

    @property
    def records(self) -> tuple[Record, ...]:
        """What the journal says."""
        return read_journal(journal_path(self.package))

    @property
    def phase(self) -> Phase:
        """How far the transaction came."""
        return phase_of(self.records)

    @property
    def is_committed(self) -> bool:
        """Tell whether the moment of commit is over; an ended transaction has no journal any more."""
        return not self.has_begun or any(isinstance(record, Commit) for record in self.records)

    @property
    def has_begun(self) -> bool:
        """Tell whether there is an unfinished transaction."""
        return os.path.lexists(journal_path(self.package))

    def plan_rebuild(self, damaged: bytes) -> None:
        """Damage a file of the first member, and let a plan wait that repairs it from `now` and changes README."""
        manifest = open_manifest(self.package.manifest(_REBUILT))
        path = os.path.join(self.package.member(_REBUILT), damaged)
        good = self.origins / "now" / "good"
        shutil.copy2(os.fsdecode(path), good)
        os.unlink(path)
        Path(os.fsdecode(path)).write_bytes(b"damaged")
        source = Source(os.fsencode(good), Action.COPY, state_of(good.stat()))
        plan = plan_rebuild(
            self.package,
            manifest,
            OpenedFiles(),
            program="",
            now_ns=time.time_ns(),
            repair=Repair({damaged: source}),
            readme=NewReadme(b"another header\n"),
        )
        self._save(plan)

    def plan_rename(self) -> None:
        """Let a plan wait under the other name, which is that of the package from now on."""
        name = RENAMED if self.package.project == os.fsencode(PROJECT) else PROJECT
        old, self.package = self.package, Package(os.fsencode(self.root / name))
        self.old_package = old
        os.makedirs(self.package.control, exist_ok=True)
        Path(os.fsdecode(self.package.control), "lock").touch()
        self._save(plan_rename(old, self.package, OpenedFiles(), program="", now_ns=time.time_ns()))

    def plan_received(self, origin: str) -> None:
        """Let a plan wait that receives all members of a delivery."""
        os.makedirs(self.package.control, exist_ok=True)
        Path(os.fsdecode(self.package.control), "lock").touch()
        sidecar = open_sidecar(find_sidecar(os.fsencode(self.origins / origin)))
        members = tuple(member_at(path) for path, _ in sidecar.header.members)
        self._save(plan_delivery(SidecarSource(sidecar, members), self.package, OpenedFiles()))

    def plan(
        self,
        origin: str,
        change: Change,
        *,
        mode: Mode | None = None,
        engine: Engine | None = None,
        replaced: bytes = b"",
    ) -> None:
        """Let a plan wait, in the mode of the scenario if no other is given.

        Args:
            replaced: the member that gives way; by default that of the scenario.
        """
        os.makedirs(self.package.control, exist_ok=True)
        Path(os.fsdecode(self.package.control), "lock").touch()
        request = PlanRequest(
            origin=os.fsencode(self.origins / origin),
            package=self.package.path,
            append=_APPENDS.get(change, Append.NOTHING),
            mode=mode or self.scenario.mode,
            replaced=replaced or (_GIVING_WAY[change][0] if change in _GIVING_WAY else b""),
            **self._of_layout(origin),
        )
        if change.is_removing:
            self._save(make_removal(request, opened=OpenedFiles(), now_ns=time.time_ns()))
            return
        plan = make_plan(
            request,
            opened=OpenedFiles(),
            reader=RememberingReader(),
            engine=engine or InlineEngine(),
            progress=Silent(),
            now_ns=time.time_ns(),
        )
        self._save(plan)

    def _of_layout(self, origin: str) -> dict[str, Any]:
        """Return the choices of a plan for a layout of its own, by which a member may be called after the origin."""
        if self.scenario.change is Change.LISTED:
            layout = self.root / "listed.toml"
            text = layout_text("cycle0").replace("\ntree =", "\n# tree =")
            layout.write_text(f"{text}{_WRITES}\n{_BESIDE}")
            (self.root / "sums.jinja").write_text(_SUMS)
            return {"layout": str(layout)}
        if self.scenario.change.has_bundles:
            return {"layout": str(write_layout_with_bundles(self.root))}
        if not self.scenario.change.is_by_values:
            return {}
        layout = self.root / "by_values.toml"
        text = layout_text("cycle0").replace("\ntree =", '\ntree = "goal.{run}/group.1/member.{run}" #')
        layout.write_text(f"{text}[variable.run]\n{_WRITES}")
        (self.root / "sums.jinja").write_text(_SUMS)
        return {"layout": str(layout), "values": (("run", origin),)}

    def _save(self, plan: Plan) -> None:
        save_plan(plan)
        plan.gathered.spool.close()

    def apply(self, disk: Disk | None = None, *, boot: str | None = None, engine: Engine | None = None) -> Applied:
        """Apply the waiting plan or go on with what was begun."""
        options = self.scenario.options if boot is None else replace(self.scenario.options, boot=boot)
        return apply_plan(
            self.package,
            options,
            engine=engine or InlineEngine(),
            disk=disk or Disk(),
            progress=Silent(),
            opened=OpenedFiles(),
            open_delivery=open_source,
        )

    def roll_back(self, disk: Disk | None = None) -> RolledBack:
        """Roll back what was begun, or what ended last."""
        return roll_back_package(
            self.package, engine=InlineEngine(), disk=disk or Disk(), progress=Silent(), opened=OpenedFiles()
        )

    def can_roll_back(self) -> bool:
        """Roll back; False if that is refused, and then nothing was changed but what was left to be ended."""
        before = self.state()
        try:
            self.roll_back()
        except CannotUndoError:
            after = self.state()
            if self.old_package and not os.path.lexists(
                self.old_package.control
            ):  # that it goes was left to be ended
                control = {path: value for path, value in before.control.items() if not path.startswith(b"old/")}
                before = replace(before, control=control, kept_count=after.kept_count)
            assert after == replace(before, kept_count=min(before.kept_count, after.kept_count))
            return False
        return True

    def problems(self) -> list[Problem]:
        """Verify the package."""
        return list(
            verify_package(self.package, OpenedFiles(), is_quick=False, engine=InlineEngine(), progress=Silent())
        )

    def visible(self) -> Tree:
        """Return what a user sees at the path of the package; of one that is renamed, under both names."""
        if self.old_package is None:
            return tree_at(Path(os.fsdecode(self.package.path)), self.sources)
        return {
            package.project + b"/" + path: value
            for package in (self.old_package, self.package)
            for path, value in tree_at(Path(os.fsdecode(package.path)), self.sources).items()
        }

    def state(self) -> State:
        """Return all that can be compared."""
        return State(
            package=self.visible(),
            tickets=self.tickets(),
            origins=self.origin_files(),
            control=self._control(),
            kept_count=sum(len(folders) + len(files) for _, folders, files in os.walk(self._previous)),
            has_plan=os.path.exists(self.package.plan),
        )

    def wrong_signatures(self) -> list[str]:
        """Return the names of the lists and signatures that are of another manifest than the one beside them."""
        packages = (self.package, *((self.old_package,) if self.old_package else ()))
        manifests = [path for package in packages for path in _manifests(package)]
        signatures = [(path, signature) for path in manifests for signature in _signed(path)]
        return [
            signature.name
            for path, signature in signatures
            if signature.exists() and signature.read_text() != _signature_of(path)
        ]

    def tickets(self) -> Tree:
        """Return the ticket files."""
        return {os.fsencode(path.name): (path.read_bytes(),) for path in self.root.glob("*.ticket.*")}

    def origin_files(self) -> Tree:
        """Return the origins with all that a transaction must not change.

        A move takes files out of folders, and so changes the times of folders for good.
        """
        has_folder_times = self.scenario.mode is not Mode.MOVE
        return origin_tree(self.origins, has_folder_times=has_folder_times, has_inodes=self._knows_inodes)

    def origin_contents(self) -> dict[bytes, bytes]:
        """Return what is read where the origins' files are, or were."""
        found = {}
        for path, full, _ in _walk(os.fsencode(self.origins)):
            if not os.path.isdir(full):
                with open(full, "rb", buffering=0) as file:
                    found[path] = file.read()
        return found

    def _control(self) -> Tree:
        """Return the control folder: manifests by what they say, and anything that should not be left there."""
        if self.old_package is None:
            return _control_of(self.package)
        old = _control_of(self.old_package)
        if not self.has_begun:  # it counts only with the journal, and a rollback that was stopped last leaves it
            old.pop(b"renaming", None)
        return {b"old/" + path: value for path, value in old.items()} | _control_of(self.package)

    @property
    def _previous(self) -> bytes:
        return os.path.join(self.package.control, b"previous")

    def save(self) -> None:
        """Remember the world as it is now."""
        self.sources = _source_names(self.origins) if self._knows_inodes else {}
        self.saved.mkdir()
        for path in self._paths():
            _copy(path, self.saved / path.name)

    def bring_back(self) -> None:
        """Make the world what it was when it was saved."""
        self.clear()
        for path in self.saved.iterdir():
            if not (self.root / path.name).exists():
                _copy(path, self.root / path.name)

    def clear(self) -> None:
        """Remove everything but what no transaction may change."""
        for path in self._paths():
            if path != self.origins or self.scenario.mode is Mode.MOVE:
                _remove(path)

    def _paths(self) -> list[Path]:
        return [path for path in self.root.iterdir() if path not in (self.saved, self.root / "pool")]


def _control_of(package: Package) -> Tree:
    kept: Tree = {}
    for path, value in tree_at(Path(os.fsdecode(package.control)), {}).items():
        if path.startswith(b"manifests/") and path.endswith(b".manifest"):
            kept[path] = _manifest_value(os.path.join(package.control, path))
        elif path not in _COMING_AND_GOING and not path.startswith((b"finished/", b"previous/")):
            kept[path] = value
    return kept


_REBUILT = b"group_ouss_id/member_ouss_id"
_CONTROL = (f"{PROJECT}.pack", f"{RENAMED}.pack")
_COMING_AND_GOING = frozenset({b"lock", b"plan", b"plan.applied", b"journal", b"finished", b"previous"})


def make_world(
    root: Path,
    scenario: Scenario,
    *,
    knows_inodes: bool = True,
    big_bytes: int = 0,
    splits: SplitMemory | None = None,
    is_signed: bool = False,
) -> World:
    """Make a world in which the scenario's plan waits.

    Args:
        big_bytes: size of one more file.
        is_signed: a file lies beside each manifest, where its signature would; `pack verify` would call it wrong.
        splits: in place of casacore, for the packages that are there before.
    """
    world = World(root, scenario, knows_inodes=knows_inodes)
    before, now = ("before/run", "now/run") if scenario.is_alike else ("before", "now")
    if scenario.change is Change.RECEIVED_SET:
        write_set(world.origins / before, PROJECT, SETS[0])
        write_set(world.origins / now, PROJECT, SETS[1])
        world.plan_received(before)
        world.apply(WatchedDisk(splits))
        world.plan_received(now)
        world.save()
        return world
    write_reduction(world.origins / before, text="before")
    if scenario.change.is_received:
        write_delivery(world.origins / now, PROJECT)
    else:
        write_reduction(world.origins / now, text="latest" if scenario.is_alike else "the new one")
    if scenario.change.has_bundles:
        for origin in {before, now} if not scenario.change.is_new else {now}:
            write_weblog(world.origins / origin / "weblog.tgz", text=origin)
    if big_bytes:
        (world.origins / now / "big.fits").write_bytes(os.urandom(big_bytes))
    if not scenario.change.is_new:
        # Replacing a package that holds moved files is refused: it is their only home.
        is_moved = scenario.mode is Mode.MOVE and not scenario.change.is_of_moved
        world.plan(before, Change.NEW, mode=Mode.HARD if is_moved else None)
        world.apply(WatchedDisk(splits))
    if scenario.change in _GIVING_WAY:
        write_reduction(world.origins / "beside", text="beside it")
        world.plan("beside", _GIVING_WAY[scenario.change][1], mode=Mode.HARD if scenario.mode is Mode.MOVE else None)
        world.apply(WatchedDisk(splits))
    _let_wait(world, scenario.change, now)
    if is_signed:
        _sign(world.old_package or world.package)
    world.save()
    return world


def _let_wait(world: World, change: Change, now: str) -> None:
    """Let the plan of a change wait."""
    if change is Change.REBUILD:
        world.plan_rebuild(b"product/image.fits")
    elif change is Change.RENAME:
        world.plan_rename()
    elif change.is_received:
        world.plan_received(now)
    else:
        world.plan(now, change)


def write_layout_with_bundles(folder: Path) -> Path:
    """Write the layout of Cycle 0, but with a tar of two trees, a compressed file and files out of a tar."""
    layout = folder / "bundles.toml"
    layout.write_text(layout_text("cycle0").replace("\n[[rule]]", f"{_BUNDLES}\n[[rule]]", 1))
    return layout


def write_weblog(path: Path, *, text: str) -> None:
    """Write a tar of two files and a folder, always the same bytes."""
    files = {b"index.html": text.encode(), b"plots/page.html": text.encode() * 2}
    folder = BundleEntry(b"plots", 0, 0, 0o755, is_folder=True)
    entries = [(BundleEntry(name, len(data), 10**18, 0o644), [data]) for name, data in files.items()]
    with open(path, "wb") as file:
        write_bundle(file.write, Form.TGZ, [entries[0], (folder, []), entries[1]])


def _sign(package: Package) -> None:
    """Lay a list and a signature beside each manifest, by no key: they only tell of which manifest they are."""
    for path in _manifests(package):
        for each in _signed(path):
            each.write_text(_signature_of(path))


def _signed(manifest: Path) -> tuple[Path, ...]:
    return tuple(Path(os.fsdecode(name)) for name in signed_names(os.fsencode(manifest)))


def _signature_of(manifest: Path) -> str:
    return hashlib.sha256(manifest.read_bytes()).hexdigest()


def _manifests(package: Package) -> list[Path]:
    return sorted(Path(os.fsdecode(package.manifests)).glob("*.manifest"))


@contextmanager
def scratch_root() -> Iterator[Path]:
    """Yield an empty folder, in memory where there is such a place."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="qa2pack-test-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def tree_at(root: Path, sources: dict[int, str], *, left_out: Collection[bytes] = ()) -> Tree:
    """Return every path below root with its kind, mode, mtime and content; empty if there is nothing.

    Args:
        sources: names of inodes; a file that is one of them is named so.
        left_out: paths that are passed over, and what is below them.
    """
    walk = _walk(os.fsencode(root), left_out=left_out)
    return {path: _described(full, status, sources) for path, full, status in walk}


def origin_tree(root: Path, *, has_folder_times: bool = True, has_inodes: bool = True) -> Tree:
    """Return every path with all that a transaction must not change: also the inodes of files, and times."""
    found: Tree = {}
    for path, full, status in _walk(os.fsencode(root)):
        kept: tuple[object, ...] = ()
        if stat.S_ISDIR(status.st_mode):
            kept = (status.st_mtime_ns,) if has_folder_times else ()
        elif stat.S_ISREG(status.st_mode):
            kept = (status.st_ino if has_inodes else 0, status.st_mtime_ns)
        found[path] = (kept, _described(full, status, {}))
    return found


def _walk(
    root: bytes, prefix: bytes = b"", *, left_out: Collection[bytes] = ()
) -> Iterator[tuple[bytes, bytes, os.stat_result]]:
    """Yield path below root, whole path and status of everything, or nothing if root is not there."""
    try:
        with os.scandir(root + b"/" + prefix) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        path = prefix + entry.name
        if path in left_out:
            continue
        yield path, entry.path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path + b"/", left_out=left_out)


def _described(path: bytes, status: os.stat_result, sources: dict[int, str]) -> tuple[object, ...]:
    if stat.S_ISLNK(status.st_mode):
        return ("link", os.readlink(path))
    if stat.S_ISDIR(status.st_mode):
        return ("folder", oct(status.st_mode))
    with open(path, "rb", buffering=0) as file:
        data = file.read()
    mtime_ns = status.st_mtime_ns if data else 0  # a placeholder has no time that matters
    return ("file", oct(status.st_mode), mtime_ns, data, sources.get(status.st_ino, ""))


def _source_names(origins: Path) -> dict[int, str]:
    """Return a name for the inode of every file, so that a hard link is distinguished from a copy."""
    return {path.lstat().st_ino: str(path.relative_to(origins)) for path in origins.rglob("*")}


def _manifest_value(path: bytes) -> tuple[Any, ...]:
    """Return what a manifest says, without the ctimes of sources, which every link to them changes."""
    with open(path, "rb") as file:
        return _decoded_manifest(path, file.read())


@lru_cache(maxsize=64)
def _decoded_manifest(path: bytes, content: bytes) -> tuple[Any, ...]:
    """Return the value of a manifest with this content; most are looked at several times."""
    manifest = open_manifest(path)
    splits = [(replace(task, before=b""), _timeless(task.before)) for task in manifest.notes.splits]
    records = [_timeless(blob) for blob in manifest.stream.blobs()]
    return (manifest.header, replace(manifest.notes, splits=()), splits, records)


def _timeless(blob: bytes) -> FolderRecord:
    return replace(decode_record(blob), ctimes=())


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder; files in it keep their inodes, unless it is a control folder: those are rewritten."""
    if source.is_dir():
        _copy_folder(os.fsencode(source), os.fsencode(target), links=source.name not in _CONTROL)
    else:
        shutil.copy2(source, target)


def _copy_folder(source: bytes, target: bytes, *, links: bool) -> None:
    """Do as `shutil.copytree`, in half the time."""
    os.mkdir(target)
    with os.scandir(source) as listing:
        for entry in listing:
            to = os.path.join(target, entry.name)
            if entry.is_dir(follow_symlinks=False):
                _copy_folder(entry.path, to, links=links)
            elif entry.is_symlink():
                os.symlink(os.readlink(entry.path), to)
            elif links:
                os.link(entry.path, to)
            else:
                shutil.copy2(entry.path, to)
    shutil.copystat(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def some_calls(calls: Sequence[str]) -> list[int]:
    """Return the calls at which faults are tried in the short version: of those amid others alike, some."""
    return [at for at in range(len(calls)) if at % STRIDE == 0 or not _is_amid_alike(calls, at)]


def _is_amid_alike(calls: Sequence[str], at: int) -> bool:
    """Tell whether the calls around it do the same for other files: remove them, or exchange three at a time."""
    is_removing = all(name in REMOVING for name in calls[max(at - 1, 0) : at + 2])
    is_third = 3 <= at < len(calls) - 3 and calls[at - 3] == calls[at] == calls[at + 3]
    return is_removing or (is_third and "exchange" in calls[at - 1 : at + 2])
