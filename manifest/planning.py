"""From a request to a plan: survey, place, look into tables, scan, and put together what would be done.

Nothing is written here but unnamed temporary data; the plan is a value until `save_plan`. Problems are gathered as far
as the next step makes sense without what they spoil, and then raised together. Which file systems, how much space
and which permissions the apply will find is preflight's matter, not the plan's.
"""

import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from manifest.batches import folder_records, scan_batches
from manifest.destination import Destination, choose_destination, known_streams
from manifest.diff import Kind, diff_folder, paired_folders
from manifest.digest import digest_of_bytes
from manifest.engine import Engine
from manifest.gather import Gathered, gather
from manifest.header import Difference, Header, Notes, StreamKind, TableNote, Total
from manifest.ids import Append
from manifest.item import Item, Placement
from manifest.keep import with_kept
from manifest.layout import load_layout
from manifest.moved import lost_files
from manifest.package import README
from manifest.path import join
from manifest.placing import measurement_sets, place
from manifest.planfile import Described, open_manifest, open_plan, save_durably
from manifest.problem import Code, PlanRefused, Problem
from manifest.progress import Progress
from manifest.readme import header_template, readme_text
from manifest.receivers import name_warnings
from manifest.record import NO_DIGEST, Action, FolderRecord, decode_record, encode_record
from manifest.request import Mode, PlanRequest
from manifest.scan import ScanOptions
from manifest.splitting import SplitSources, omitted_names, scan_split_sources
from manifest.spool import RecordSpool
from manifest.stream import StreamError, open_stream
from manifest.survey import survey
from manifest.tableplan import TableReader, describe_tables, plan_splits, without_column


@dataclass(slots=True)
class Plan:
    """A plan before it is a file.

    Attributes:
        devices: the file systems of the sources, each with one path of the member from it.
    """

    header: Header
    notes: Notes
    destination: Destination
    gathered: Gathered

    @property
    def devices(self) -> Mapping[int, bytes]:
        """The file systems that sources lie on, each with one path of the member."""
        return self.gathered.devices


def make_plan(request: PlanRequest, *, reader: TableReader, engine: Engine, progress: Progress, now_ns: int) -> Plan:
    """Find out all that packaging the origin would do.

    Args:
        now_ns: the time of the scan, ns since the epoch.

    Raises:
        PlanRefused: it cannot be done; all problems found are in it.
    """
    destination = choose_destination(request)
    header_text = _readme_header(request)
    earlier = () if request.is_rehashing else _earlier(destination, request.origin)
    placement, tables = _place(request, earlier, reader=reader, engine=engine)
    options = ScanOptions(
        root=request.origin,
        action=Action.COPY,
        is_hashing=request.mode is not Mode.FAKE,
        exclude=request.exclude,
        may_leave=request.may_leave,
        known=() if request.is_rehashing else known_streams(destination.package, destination.state, request.origin),
        package=os.path.realpath(request.package),
        link_device=os.stat(destination.package.parent).st_dev if request.mode is Mode.TICKET else None,
        carried=Action.CARRY if request.append is Append.NOTHING else None,
        member=os.path.realpath(destination.package.member(join(destination.group, destination.member))),
    )
    splits = scan_split_sources(
        tables,
        replace(options, is_hashing=request.mode not in (Mode.FAKE, Mode.TICKET)),
        request.mode,
        known=_known_split_sources(earlier),
        engine=engine,
        progress=progress,
    )
    omit = {path: omitted_names(task.spec) for path, task in splits.tasks.items()}
    progress.phase("scan and hash" if options.is_hashing else "scan")
    gathered = gather(scan_batches(placement.items, options, request.mode, omit), engine=engine, progress=progress)
    gathered.problems.extend(splits.problems)
    gathered.problems.extend(lost_files(destination, request, gathered.carried))
    if gathered.problems:
        raise PlanRefused(*gathered.problems)
    header = _header(request, destination, header_text, placement.items, now_ns=now_ns)
    _add_generated(gathered, header, placement.items, splits)
    notes = Notes(
        totals=_totals(gathered, header, splits),
        left_out=placement.left_out,
        warnings=tuple(dict.fromkeys((*placement.warnings, *gathered.warnings))),
        splits=tuple(splits.tasks[path] for path in sorted(splits.tasks)),
        tables=tuple(tables[path] for path in sorted(tables)),
        relinks=tuple(sorted(gathered.relinks, key=lambda relink: relink.link)),
    )
    if request.is_strict and notes.warnings:
        raise PlanRefused(*notes.warnings)
    return Plan(header, replace(notes, difference=_compare(header, destination, gathered)), destination, gathered)


def save_plan(plan: Plan) -> bytes:
    """Write the plan into the control folder, which must exist, durably; return its digest."""
    return save_durably(plan.destination.package.plan, plan.header, plan.notes, plan.gathered.spool.sorted_blobs())


def _place(
    request: PlanRequest, earlier: tuple[Described, ...], *, reader: TableReader, engine: Engine
) -> tuple[Placement, Mapping[bytes, TableNote]]:
    """Apply the rules; the notes say of each destination that is a measurement set how it is split."""
    layout = load_layout(request.layout)
    origin = survey(
        request.origin,
        opaque=layout.is_opaque,
        follow_outside=request.may_leave,
        package=os.path.realpath(request.package),
    )
    known = tuple(note for described in earlier for note in described.notes.tables)
    sources = (
        measurement_sets(origin, layout, include=request.include, exclude=request.exclude)
        if request.is_splitting
        else ()
    )
    tables = describe_tables(request.origin, sources, known=known, reader=reader, engine=engine)
    placement = place(
        origin,
        layout,
        origin_name=os.path.basename(request.origin),
        columns=tables.columns,
        include=request.include,
        exclude=request.exclude,
    )
    broken = [
        Problem(Code.TABLE_BROKEN, os.path.join(request.origin, source), found=reason)
        for source, reason in sorted(tables.broken.items())
    ]
    is_lenient = request.is_as_is or request.mode in (Mode.FAKE, Mode.TICKET)
    problems = [_located(request.origin, problem) for problem in placement.problems]
    problems += [] if is_lenient else broken
    if problems:
        raise PlanRefused(*problems)
    items = placement.items if request.is_splitting else tuple(replace(item, column=None) for item in placement.items)
    items = tuple(without_column(items, tables.broken))
    notes, unmeasured = plan_splits(request.origin, items, tables, known=known, reader=reader, engine=engine)
    if unmeasured and not is_lenient:
        raise PlanRefused(*unmeasured)
    warnings = (*placement.warnings, *(replace(p, code=Code.W_TABLE_UNREADABLE) for p in (*broken, *unmeasured)))
    estimated = (
        Problem(Code.W_SIZE_ESTIMATED, path) for path, note in notes.items() if note.spec and note.spec.estimated
    )
    return replace(placement, items=items, warnings=(*warnings, *estimated)), notes


def _located(origin: bytes, problem: Problem) -> Problem:
    """Return the problem with its path as a user can go to it; destinations stay relative to the member."""
    if problem.code in (Code.COLLISION, Code.NAME_TOO_LONG):
        return problem
    return replace(problem, path=os.path.join(origin, problem.path))


def _readme_header(request: PlanRequest) -> bytes:
    if request.readme is None:
        return header_template()
    try:
        with open(request.readme, "rb") as file:
            return file.read()
    except OSError as error:
        raise PlanRefused(Problem(Code.README_MISSING, request.readme, found=error.strerror or "")) from error


def _header(
    request: PlanRequest, destination: Destination, header_text: bytes, items: tuple[Item, ...], *, now_ns: int
) -> Header:
    project = destination.package.project
    readme = readme_text(
        header_text,
        member=(project, destination.group, destination.member),
        sb_name=os.path.basename(request.origin),
        paths=(item.path + b"/" if item.is_tree else item.path for item in items),
    )
    return Header(
        kind=StreamKind.PLAN,
        project=project,
        group=destination.group,
        member=destination.member,
        mode=request.mode,
        append=request.append,
        origin=request.origin,
        scanned_ns=now_ns,
        layout=request.layout,
        may_leave=request.may_leave,
        standing=destination.state.standing,
        base=destination.base,
        readme=readme,
        host=socket.gethostname(),
        user=_user(),
        program=_program(),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a container may run under a number that has no name


def _program() -> str:
    try:
        return f"qa2pack {version('qa2pack')}"
    except PackageNotFoundError:
        return "qa2pack"


def _add_generated(gathered: Gathered, header: Header, items: tuple[Item, ...], splits: SplitSources) -> None:
    """Add what no scan finds: the folders above the items, README, and what the splits leave."""
    for record in folder_records(items):
        gathered.spool.add(record.path, encode_record(record))
        gathered.warnings.extend(name_warnings(record.path, record.folders))
    gathered.spool.add(b"", encode_record(_readme_record(header)))
    for path, blob in splits.results.items():
        gathered.spool.add(path, blob)


def _readme_record(header: Header) -> FolderRecord:
    is_dummy = header.mode is Mode.FAKE
    return FolderRecord(
        path=b"",
        names=[README],
        sizes=[len(header.readme)],
        mtimes=[header.scanned_ns],
        modes=[0o644],
        actions=bytes([Action.DUMMY if is_dummy else Action.WRITE]),
        digests=NO_DIGEST if is_dummy else digest_of_bytes(header.readme),
        inodes=[0],
        ctimes=[0],
    )


def _totals(gathered: Gathered, header: Header, splits: SplitSources) -> tuple[Total, ...]:
    counts = dict(gathered.counts)
    for path, task in splits.tasks.items():
        role = path.split(b"/", 1)[0]
        files, size = counts.get(role, (0, 0))
        counts[role] = (files + len(task.spec.sizes), size + sum(size for _, size in task.spec.sizes))
    counts[b""] = (1, len(header.readme))
    return tuple(Total(os.fsdecode(role), files, size) for role, (files, size) in sorted(counts.items()))


def _earlier(destination: Destination, origin: bytes) -> tuple[Described, ...]:
    """Return the earlier plans and manifests of the same origin that are undamaged."""
    manifests = frozenset(destination.state.manifests.values())
    found = []
    for known in known_streams(destination.package, destination.state, origin):
        with suppress(StreamError, FileNotFoundError):
            found.append(open_manifest(known.path) if known.path in manifests else open_plan(known.path))
    return tuple(found)


def _known_split_sources(earlier: Iterable[Described]) -> Mapping[bytes, tuple[tuple[bytes, int], ...]]:
    known: dict[bytes, tuple[tuple[bytes, int], ...]] = {}
    for described in earlier:
        for task in described.notes.splits:
            known[task.path] = (*known.get(task.path, ()), (task.before, described.header.scanned_ns))
    return known


def _compare(header: Header, destination: Destination, gathered: Gathered) -> Difference | None:
    """Compare with the member that is replaced, and mark the copies that it already has."""
    path = destination.state.manifests.get(header.member_path)
    if header.append is not Append.NOTHING or path is None:
        return None
    try:
        old = open_stream(path)
    except StreamError as error:
        raise PlanRefused(Problem(Code.MANIFEST_DAMAGED, path, found=error.reason)) from error
    counts = dict.fromkeys(Kind, 0)
    kept = 0
    spool = RecordSpool()
    new_records = (decode_record(blob) for _, blob in gathered.spool.sorted_blobs())
    for before, after in paired_folders(map(decode_record, old.blobs()), new_records):
        for change in diff_folder(before, after):
            counts[change.kind] += 1
        if after is not None:
            marked = with_kept(before, after)
            kept += marked.actions.count(Action.KEEP)
            spool.add(marked.path, encode_record(marked))
    gathered.spool.close()
    gathered.spool = spool
    return Difference(counts[Kind.ADDED], counts[Kind.REMOVED], counts[Kind.CHANGED], counts[Kind.UNCHANGED], kept)
