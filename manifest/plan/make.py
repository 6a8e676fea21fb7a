"""Make a plan from a request: survey, placement, table descriptions, scan, totals and warnings.

Only unnamed temporary data are written here; the plan is a value until `save_plan`. Problems are collected as long as
the next step can do without the failed parts, and then raised together. File systems, free space and permissions are
checked by `executor.preflight`, not here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described, save_durably
from qa2pack.manifest.format.header import Header, LeftOut, Notes, TableNote
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.place import measurement_sets, place
from qa2pack.manifest.layout.rules import Layout, load_layout
from qa2pack.manifest.layout.survey import survey
from qa2pack.manifest.layout.unmatched_globs import unmatched_globs
from qa2pack.manifest.path import join
from qa2pack.manifest.plan.destination import Destination, choose_destination, destination_warnings
from qa2pack.manifest.plan.last_copies import last_copies, lost_files
from qa2pack.manifest.plan.origin_checks import OTHER_KINDS, with_checks
from qa2pack.manifest.plan.plan_header import make_header, readme_header
from qa2pack.manifest.plan.recall import recall
from qa2pack.manifest.plan.replacement import replaced_plan, replacing_warnings
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.reuse import compare_with_old
from qa2pack.manifest.plan.table_columns import (
    TableReader,
    Tables,
    dangling_links,
    describe_tables,
    plan_splits,
    without_column,
)
from qa2pack.manifest.plan.table_files import omitted_names, scan_split_sources
from qa2pack.manifest.plan.totals import add_generated, count_new, sum_totals
from qa2pack.manifest.problem import Code, Problem, Refused
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import ScanOptions
from qa2pack.manifest.scan.collect import Gathered, gather
from qa2pack.manifest.scan.earlier_manifests import earlier_descriptions, known_split_sources, known_streams
from qa2pack.manifest.scan.make_batches import scan_batches
from qa2pack.manifest.scan.table_references import Reference, reference_problems

# The warning that replaces a refusal where the table is packaged whole instead; default: unreadable.
_LENIENT = {Code.TABLE_LOSSY: Code.W_TABLE_WHOLE}


@dataclass(slots=True)
class Plan:
    """A plan before it is written.

    Attributes:
        devices: device numbers of the sources, each with one path in the member.
    """

    header: Header
    notes: Notes
    destination: Destination
    gathered: Gathered

    @property
    def devices(self) -> Mapping[int, bytes]:
        """The device numbers of the sources, each with one path in the member."""
        return self.gathered.devices


def make_plan(
    request: PlanRequest,
    *,
    opened: OpenedFiles,
    reader: TableReader,
    engine: Engine,
    progress: Progress,
    now_ns: int,
) -> Plan:
    """Plan what packaging the origin would do.

    Args:
        opened: the plans and manifests of the package that are open already.
        now_ns: the time of the scan, ns since the epoch.

    Raises:
        Refused: it cannot be done; has all problems found.
    """
    destination = choose_destination(request, opened)
    recalled = recall(request, destination)
    request = recalled.request
    header_text = readme_header(request)
    earlier = (
        () if request.rehash else earlier_descriptions(destination.package, destination.state, request.origin, opened)
    )
    layout = load_layout(request.layout)
    placed = _place(request, layout, earlier, reader=reader, engine=engine)
    placement, tables = placed.placement, placed.notes
    options = _scan_options(request, layout, destination)
    splits = scan_split_sources(
        tables,
        replace(options, is_hashing=request.mode not in (Mode.FAKE, Mode.TICKET)),
        request.mode,
        known=known_split_sources(earlier),
        engine=engine,
        progress=progress,
    )
    omit = {path: omitted_names(task.spec) for path, task in splits.tasks.items()}
    batches = scan_batches(placement.items, options, request.mode, omit, looked_into=placed.looked_into)
    phase = "scan and hash" if options.is_hashing else "scan"
    gathered = gather(batches, phase=phase, engine=engine, progress=progress)
    gathered.problems.extend(splits.problems)
    if _needs_all(request):
        needed, split = (*placed.references, *gathered.references), frozenset(splits.tasks)
        gathered.problems.extend(
            reference_problems(request.origin, needed, placement.items, split=split, exclude=request.exclude)
        )
    gathered.problems.extend(lost_files(destination, request, gathered.spool))
    _refuse(gathered.problems)
    header = make_header(request, destination, header_text, placement.items, now_ns=now_ns)
    add_generated(gathered, header, placement.items, splits)
    difference = compare_with_old(
        header, destination, gathered, may_keep=request.mode is Mode.COPY and not request.rehash
    )
    new_files, new_bytes = count_new(gathered, header, splits, difference)
    warnings = (
        *replacing_warnings(request, destination, gathered.spool),
        *destination_warnings(request, destination),
        *replaced_plan(request, destination),
        *last_copies(destination, request, gathered.spool),
        *placement.warnings,
        *gathered.warnings,
    )
    if request.strict and warnings:
        raise Refused(*dict.fromkeys(warnings))
    notes = Notes(
        new_files=new_files,
        new_bytes=new_bytes,
        difference=difference,
        totals=sum_totals(gathered, header, splits),
        left_out=placement.with_inner(_foreign_inside(gathered, layout)).left_out,
        warnings=tuple(dict.fromkeys(warnings)),
        splits=tuple(splits.tasks[path] for path in sorted(splits.tasks)),
        tables=tuple(tables[path] for path in sorted(tables)),
        recalled=recalled.options,
        relinks=tuple(sorted(gathered.relinks, key=lambda relink: relink.link)),
    )
    return Plan(header, notes, destination, gathered)


def _foreign_inside(gathered: Gathered, layout: Layout) -> Iterator[LeftOut]:
    """Yield the files of other programs that the scan skipped inside trees."""
    for source, is_tree in gathered.foreign:
        yield LeftOut(source, layout.why_foreign(source.rpartition(b"/")[2]), is_tree)


def _scan_options(request: PlanRequest, layout: Layout, destination: Destination) -> ScanOptions:
    package = destination.package
    member = real_path(package.member(join(destination.group, destination.member)))
    return ScanOptions(
        root=request.origin,
        action=Action.COPY,
        is_hashing=request.mode is not Mode.FAKE,
        exclude=request.exclude,
        foreign=layout.foreign_globs,
        follow_outside=request.follow_outside,
        known=() if request.rehash else known_streams(package, destination.state, request.origin, destination.opened),
        package=real_path(request.package),
        device=os.stat(package.parent).st_dev,
        may_copy=request.mode is Mode.TICKET,
        replaced=_replaced(request, member),
        member=member,
    )


def _replaced(request: PlanRequest, member: bytes) -> bytes:
    """Return the resolved path of the folder that the new member replaces."""
    match request.append:
        case Append.NOTHING:
            return real_path(request.package)
        case Append.REPLACE:
            return member
    return b""


def save_plan(plan: Plan) -> bytes:
    """Write the plan into the control folder, which must exist, durably; return its digest."""
    return save_durably(plan.destination.package.plan, plan.header, plan.notes, plan.gathered.spool.sorted_blobs())


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where everything goes, and what is known of the tables then.

    Attributes:
        notes: of each destination that is a measurement set how it is split.
        references: what the tables need that were read for it.
        looked_into: the sources of those.
    """

    placement: Placement
    notes: Mapping[bytes, TableNote]
    references: tuple[Reference, ...]
    looked_into: frozenset[bytes]


def _place(
    request: PlanRequest, layout: Layout, earlier: tuple[Described, ...], *, reader: TableReader, engine: Engine
) -> _Placed:
    """Apply the rules; tables that cannot be packaged are refused before anything is hashed."""
    origin = survey(
        request.origin,
        opaque=layout.is_opaque,
        follow_outside=request.follow_outside,
        package=real_path(request.package),
    )
    known = tuple(note for described in earlier for note in described.notes.tables)
    sources = (
        () if request.no_split else measurement_sets(origin, layout, include=request.include, exclude=request.exclude)
    )
    tables = describe_tables(request.origin, sources, known=known, reader=reader, engine=engine)
    name = os.path.basename(request.origin)
    placement = place(
        origin, layout, origin_name=name, columns=tables.columns, include=request.include, exclude=request.exclude
    )
    placement = with_checks(placement, request, origin, layout, tables.columns)
    broken = _refuse_unplaceable(request, layout, placement, tables)
    items = tables.kept(without_column(placement.items) if request.no_split else placement.items)
    needed = tables.references(items, request.exclude) if _needs_all(request) else ()
    _refuse(reference_problems(request.origin, needed, items, split=frozenset(), exclude=request.exclude))
    notes, unmeasured = plan_splits(
        request.origin,
        items,
        tables,
        known=known,
        reader=reader,
        engine=engine,
        foreign=layout.foreign_globs,
        weights=request.weights,
    )
    _refuse([] if _is_lenient(request) else unmeasured)
    warnings = (
        *placement.warnings,
        *unmatched_globs(request.origin, request.typed_globs, placement),
        *tables.whole_warnings(request.origin),
        *(replace(p, code=_LENIENT.get(p.code, Code.W_TABLE_UNREADABLE)) for p in (*broken, *unmeasured)),
        *(Problem(Code.W_SIZE_ESTIMATED, path) for path, note in notes.items() if note.spec and note.spec.estimated),
    )
    return _Placed(replace(placement, items=items, warnings=warnings), notes, needed, frozenset(tables.names))


def _refuse_unplaceable(request: PlanRequest, layout: Layout, placement: Placement, tables: Tables) -> list[Problem]:
    """Refuse what no package can be made of; return the tables that casacore cannot open and that go as they are."""
    broken, dangling = _broken_tables(request.origin, tables.broken, layout.foreign_globs)
    problems = [*(_located(request.origin, problem) for problem in placement.problems), *dangling]
    if any(problem.code is Code.NO_EXECUTION_BLOCK for problem in problems):
        problems += [warning for warning in placement.warnings if warning.code in OTHER_KINDS]
    _refuse(problems if _is_lenient(request) else [*problems, *broken])
    return broken


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(*problems)


def _is_lenient(request: PlanRequest) -> bool:
    """Tell whether tables may be packaged that casacore cannot open."""
    return request.as_is or not _needs_all(request)


def _broken_tables(
    origin: bytes, problems: Mapping[bytes, Problem], foreign: tuple[str, ...]
) -> tuple[list[Problem], list[Problem]]:
    """Return the broken tables, and the dangling symlinks where these are why a table cannot be opened."""
    broken, dangling = [], []
    for source, problem in sorted(problems.items()):
        links = list(dangling_links(os.path.join(origin, source), foreign))
        dangling += links
        broken += [] if links else [problem]
    return broken, dangling


def _needs_all(request: PlanRequest) -> bool:
    """Return whether tables of the package must be usable; placeholders are not."""
    return request.mode not in (Mode.FAKE, Mode.TICKET)


def _located(origin: bytes, problem: Problem) -> Problem:
    """Return the problem with an absolute path; destinations stay relative to the member."""
    if problem.code in (Code.COLLISION, Code.NAME_TOO_LONG):
        return problem
    return replace(problem, path=os.path.join(origin, problem.path))
