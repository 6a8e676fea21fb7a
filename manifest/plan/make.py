"""Make a plan from a request: survey, placement, table descriptions, scan, totals and warnings.

Only unnamed temporary data are written here; the plan is a value until it is saved. Problems are collected as long as
the next step can do without the failed parts, and then raised together. File systems, free space and permissions are
checked by `executor.preflight`, not here.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from qa2pack.manifest.actions import Action, Mode
from qa2pack.manifest.alma.member_ids import Append, is_of_cycle0
from qa2pack.manifest.alma.package import MEMBER_FOLDERS, README, Package
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import Difference, Header, LeftOut, Notes
from qa2pack.manifest.format.opened_files import OpenedFiles
from qa2pack.manifest.format.written import WrittenFile
from qa2pack.manifest.fs.mount import OtherMounts, other_mounts
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.deliveries import rows_of_sets
from qa2pack.manifest.layout.given import with_absolute_paths
from qa2pack.manifest.layout.include import check_includes
from qa2pack.manifest.layout.load import load_layout
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.path import is_within, shown
from qa2pack.manifest.plan.bundles import Bundles, scan_bundles, without_insides
from qa2pack.manifest.plan.destination import Destination, choose_destination, destination_warnings, with_member
from qa2pack.manifest.plan.extra_files import paths_of
from qa2pack.manifest.plan.extracted import extracted_files, opened_of
from qa2pack.manifest.plan.last_copies import last_copies, lost_files, remedies_at
from qa2pack.manifest.plan.obstacles import taken_beside
from qa2pack.manifest.plan.place_origin import Placed, place_origin
from qa2pack.manifest.plan.plan import Plan
from qa2pack.manifest.plan.plan_header import make_header, readme_header, readme_warnings
from qa2pack.manifest.plan.remembered_options import recall
from qa2pack.manifest.plan.replacement import HandMade, hand_made, replaced_plan, replacing_warnings
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.reused_copies import compare_with_old
from qa2pack.manifest.plan.table_columns import TableReader
from qa2pack.manifest.plan.table_files import SplitSources, omitted_names, scan_split_sources
from qa2pack.manifest.plan.totals import add_generated, add_late, count_new, sum_totals
from qa2pack.manifest.plan.written import choose_writes, late_sizes
from qa2pack.manifest.problem import Code, Problem, Refused, refuse_any
from qa2pack.manifest.progress import Progress
from qa2pack.manifest.scan.batches import ScanOptions
from qa2pack.manifest.scan.collect import gather
from qa2pack.manifest.scan.earlier_manifests import (
    earlier_descriptions,
    known_in_bundles,
    known_split_sources,
    known_streams,
)
from qa2pack.manifest.scan.gathered import Gathered
from qa2pack.manifest.scan.make_batches import scan_batches
from qa2pack.manifest.scan.table_references import reference_problems


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
    layout = load_layout(request.layout)
    header_text = readme_header(request, layout)
    request = replace(request, values=with_absolute_paths(request.values, layout))
    check_includes(request.include, layout.roles)
    earlier = _earlier(request, destination)
    placed = place_origin(request, layout, earlier, reader=reader, engine=engine)
    destination = with_member(destination, layout.tree, placed.choice, is_compared=request.is_compared)
    items = without_insides(placed.placement.items)
    writes = choose_writes(layout, placed.choice.common_values, items)
    delivery_sets = rows_of_sets(layout.deliveries, placed.choice.common_values)
    refuse_any(_unknown_folders(layout, placed, writes.written, destination.member))
    refuse_any(list(taken_beside(destination.package, destination.state, writes.beside, opened)))
    if not (placed.placement.items or writes.written or layout.has_readme):
        raise Refused(Problem(Code.NOTHING_PACKAGED, request.origin))
    options = _scan_options(request, layout, destination, placed)
    in_tickets = frozenset(role.folder for role in layout.roles if role.in_tickets)
    gathered, splits, bundles = _scan(request, placed, options, in_tickets, earlier, engine=engine, progress=progress)
    lost = tuple(lost_files(destination, request, gathered.spool))
    remedies = () if gathered.problems else remedies_at(request.origin, lost)  # those of all problems are one text
    gathered.problems.extend(moved.problem for moved in lost)
    refuse_any(gathered.problems, remedies=remedies)
    header = make_header(
        request,
        destination,
        header_text,
        items,
        layout=layout,
        writes=writes,
        delivery_sets=delivery_sets,
        now_ns=now_ns,
    )
    add_generated(gathered, header, items, splits, bundles.records(), options.names)
    late = late_sizes(header, header_text, gathered.spool)
    add_late(gathered, header, late)
    late = {**late, **bundles.largest_bytes}
    may_keep = request.mode is Mode.COPY and not request.rehash
    difference = compare_with_old(header, destination, gathered, bundles.tasks, may_keep=may_keep)
    if bundles.tasks and difference and not request.rehash:
        from qa2pack.manifest.plan.kept_bundles import with_earlier

        bundles = replace(bundles, tasks=with_earlier(bundles.tasks, header, destination))
        difference = bundles.counted_in(difference)
    made_by_hand = hand_made(destination)
    sources = (*splits.sources, *bundles.sources)
    warnings = _warnings(request, header, destination, placed, gathered, made_by_hand, sources)
    foreign = _foreign_inside((*gathered.foreign, *bundles.foreign), layout)
    notes = replace(
        _notes(header, placed, gathered, splits, bundles, difference, late),
        left_out=placed.placement.with_inner((*foreign, *writes.left_out)).left_out,
        warnings=warnings,
        recalled=recalled.options,
        extra=paths_of(made_by_hand.extra, destination.package),
        changed=paths_of(made_by_hand.changed, destination.package),
        trees=tuple(item.path for item in items if item.is_tree) if header.checks else (),
    )
    return Plan(header, notes, destination, gathered)


def _unknown_folders(layout: Layout, placed: Placed, written: Iterable[WrittenFile], member: bytes) -> list[Problem]:
    """Return a problem for each first folder of a target by which a member would not be known as one afterwards."""
    if not is_of_cycle0(member):
        return []  # it is known by its manifest
    always = {role.folder for role in layout.roles if role.is_always}
    paths = {item.path for item in placed.placement.items} | ({file.path for file in written} - {README})
    folders = always | {path.partition(b"/")[0] for path in paths}
    expected = f"one of {', '.join(sorted(map(shown, MEMBER_FOLDERS)))} as the first folder of a target"
    return [Problem(Code.UNKNOWN_ROLE, folder, expected) for folder in sorted(folders - MEMBER_FOLDERS)]


def _earlier(request: PlanRequest, destination: Destination) -> tuple[Described, ...]:
    """Return the manifests that may know files and tables of this origin."""
    if request.rehash:
        return ()
    return earlier_descriptions(destination.package, destination.state, request.origin, destination.opened)


def _scan(
    request: PlanRequest,
    placed: Placed,
    options: ScanOptions,
    in_tickets: frozenset[bytes],
    earlier: tuple[Described, ...],
    *,
    engine: Engine,
    progress: Progress,
) -> tuple[Gathered, SplitSources, Bundles]:
    """Scan, and hash, first the sources of table splits and then all else; the first has the problems of all."""
    splits = scan_split_sources(
        placed.notes,
        replace(options, is_hashing=request.mode.has_content),
        request.mode,
        known=known_split_sources(earlier),
        engine=engine,
        progress=progress,
    )
    omit = {path: omitted_names(task.spec) for path, task in splits.tasks.items()}
    items = placed.placement.items
    loose = (item for item in items if not (item.bundle or item.taken_from))
    batches = scan_batches(loose, options, request.mode, in_tickets, omit, looked_into=placed.looked_into)
    phase = "scan and hash" if options.is_hashing else "scan"
    gathered = gather(batches, phase=phase, engine=engine, progress=progress)
    gathered.add(extracted_files(items, placed.bundles, options, request.mode, in_tickets))
    bundles = scan_bundles(
        items,
        options,
        request.mode,
        in_tickets,
        known=known_in_bundles(earlier),
        looked_into=placed.looked_into,
        engine=engine,
        progress=progress,
    )
    gathered.problems.extend((*splits.problems, *bundles.problems))
    gathered.warnings.extend(bundles.warnings)
    if request.mode.has_content:
        needed, split = (*placed.references, *gathered.references, *bundles.references), frozenset(splits.tasks)
        gathered.problems.extend(
            reference_problems(request.origin, needed, items, split=split, exclude=request.exclude)
        )
    return gathered, splits, bundles


def _warnings(
    request: PlanRequest,
    header: Header,
    destination: Destination,
    placed: Placed,
    gathered: Gathered,
    made_by_hand: HandMade,
    sources: Iterable[bytes],
) -> tuple[Problem, ...]:
    """Return all warnings of the plan, each once.

    Args:
        sources: encoded records of the files that tables are split of, and bundles made.

    Raises:
        Refused: there are some, and the plan is strict.
    """
    warnings = tuple(
        dict.fromkeys(
            (
                *replacing_warnings(request, destination, gathered.spool),
                *made_by_hand.warnings(gathered.spool),
                *destination_warnings(request, destination),
                *replaced_plan(request, destination),
                *last_copies(destination, gathered.spool, sources),
                *readme_warnings(header),
                *placed.placement.warnings,
                *gathered.warnings,
            )
        )
    )
    refuse_any(warnings if request.strict else ())
    return warnings


def _notes(
    header: Header,
    placed: Placed,
    gathered: Gathered,
    splits: SplitSources,
    bundles: Bundles,
    difference: Difference | None,
    late: Mapping[bytes, int],
) -> Notes:
    """Return the notes as far as the scan tells them: sums, tables and symlinks of the origin."""
    new_files, new_bytes = count_new(gathered, header, splits, difference, {**late, **bundles.planned_bytes})
    return Notes(
        new_files=new_files + len(bundles.tasks),
        new_bytes=new_bytes,
        difference=difference,
        totals=sum_totals(gathered, header, splits, late),
        splits=tuple(splits.tasks[path] for path in sorted(splits.tasks)),
        tables=tuple(placed.notes[path] for path in sorted(placed.notes)),
        relinks=tuple(sorted(gathered.relinks, key=lambda relink: relink.link)),
        bundles=bundles.tasks,
        opened=opened_of(placed.placement.items, placed.bundles),
    )


def _foreign_inside(foreign: Iterable[tuple[bytes, bool]], layout: Layout) -> Iterator[LeftOut]:
    """Yield the files of other programs that the scan skipped inside trees."""
    for source, is_tree in foreign:
        yield LeftOut(source, layout.why_foreign(source.rpartition(b"/")[2]), is_tree)


def _scan_options(request: PlanRequest, layout: Layout, destination: Destination, placed: Placed) -> ScanOptions:
    package = destination.package
    member = real_path(package.member(destination.member))
    return ScanOptions(
        root=request.origin,
        action=Action.COPY,
        is_hashing=request.mode is not Mode.FAKE,
        exclude=request.exclude,
        foreign=layout.foreign_globs,
        names=layout.name_rules,
        follow_outside=request.follow_outside,
        known=() if request.rehash else known_streams(package, destination.state, request.origin, destination.opened),
        package=real_path(request.package),
        device=os.stat(package.parent).st_dev,
        other_mounts=_mounts_of_sources(request, package),
        may_copy=request.mode is Mode.TICKET,
        replaced=_replaced(destination, member),
        member=member,
        measurement_sets=placed.sets,
    )


def _mounts_of_sources(request: PlanRequest, package: Package) -> OtherMounts:
    """Return the other mounts of the package's file system that sources can be on: mostly none."""
    others = other_mounts(package.parent)
    if request.follow_outside:
        return others
    origin = request.origin
    return replace(others, points=tuple(p for p in others.points if is_within(p, origin) or is_within(origin, p)))


def _replaced(destination: Destination, member: bytes) -> bytes:
    """Return the resolved path of the folder that the new member replaces."""
    match destination.append:
        case Append.NOTHING:
            return real_path(destination.package.path)
        case Append.REPLACE:
            return member
    return b""
