"""Adopt members: write manifests for members that another program made, or that lost their control folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import SCIENCE_GOAL, Append
from qa2pack.manifest.alma.package import README, DestinationKind, Package, PackageState
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import save_durably
from qa2pack.manifest.format.header import Header, Notes, StreamKind, Total
from qa2pack.manifest.fs.control_file import LARGE_BYTES, read_control
from qa2pack.manifest.layout.roles import adopted_names
from qa2pack.manifest.path import join
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import ScanOptions, Subtree, SubtreeBatch
from qa2pack.manifest.scan.collect import Gathered, gather


def adopt_members(
    package: Package,
    state: PackageState,
    *,
    engine: Engine,
    progress: Progress,
    now_ns: int,
    make_folder: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """Scan every member without a manifest and write one; yield each member when its manifest is written.

    Nothing is written before all are scanned. From then on, the content that is on disk now counts as correct.

    Args:
        make_folder: makes the folder of the manifests, before the first is written; without it there must be one.

    Raises:
        Refused: the destination is not a package, or a member holds something that a package may not hold.
    """
    if state.standing is not DestinationKind.PACKAGE:
        raise Refused(Problem(Code.NOT_A_PACKAGE, package.path))
    with ExitStack() as stack:
        scanned: dict[bytes, Gathered] = {}
        for member in state.without_manifest:
            scanned[member] = _scan(package, member, engine=engine, progress=progress)
            stack.callback(scanned[member].spool.close)
        if problems := [problem for gathered in scanned.values() for problem in gathered.problems]:
            raise Refused(*problems)
        make_folder()
        for member, gathered in scanned.items():
            totals = tuple(Total(role.decode(), *count) for role, count in sorted(gathered.counts.items()))
            notes = Notes(totals=totals, warnings=tuple(gathered.warnings))
            header = _header(package, member, now_ns)
            save_durably(package.manifest(member), header, notes, gathered.spool.sorted_blobs())
            yield member


def _scan(package: Package, member: bytes, *, engine: Engine, progress: Progress) -> Gathered:
    options = ScanOptions(root=package.path, action=Action.CARRY, follows_links=False, names=adopted_names())
    batch = SubtreeBatch(options, (Subtree(join(SCIENCE_GOAL, member), b""),))
    return gather([batch], phase=f"adopt {member.decode()}", engine=engine, progress=progress)


def _header(package: Package, member: bytes, now_ns: int) -> Header:
    group, _, name = member.partition(b"/")
    return Header(
        kind=StreamKind.MANIFEST,
        project=package.project,
        group=group,
        member=name,
        mode=Mode.COPY,
        append=Append.NOTHING,
        origin=package.path,
        scanned_ns=now_ns,
        layout="",
        may_leave=False,
        standing=DestinationKind.PACKAGE,
        base=(),
        readme=_readme(package, member),
        host="",
        user="",
        program="",
        is_adopted=True,
    )


def _readme(package: Package, member: bytes) -> bytes:
    try:
        return read_control(join(package.member(member), README), limit_bytes=LARGE_BYTES)
    except FileNotFoundError:
        return b""
