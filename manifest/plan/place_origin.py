"""Placement of an origin: the place of each file by the rules of the layout, and how each table is split."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.engine import Engine
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import TableNote
from qa2pack.manifest.fs.presence import real_path
from qa2pack.manifest.layout.decide import Choice
from qa2pack.manifest.layout.given import given_values
from qa2pack.manifest.layout.include import included_folder
from qa2pack.manifest.layout.item import Placement
from qa2pack.manifest.layout.place import choose, measurement_sets, opened_bundles, place
from qa2pack.manifest.layout.remedies import PLAN_ONE
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.several_values import in_one_package, several_values
from qa2pack.manifest.layout.survey import Node, survey
from qa2pack.manifest.layout.unmatched_globs import unmatched_globs
from qa2pack.manifest.layout.usage import located
from qa2pack.manifest.plan.extracted import insides_of
from qa2pack.manifest.plan.origin_checks import OTHER_KINDS, with_checks
from qa2pack.manifest.plan.request import PlanRequest
from qa2pack.manifest.plan.table_columns import (
    TableReader,
    Tables,
    dangling_links,
    describe_tables,
    plan_splits,
    without_column,
)
from qa2pack.manifest.problem import Code, Problem, Refused, refuse_any
from qa2pack.manifest.scan.table_references import Reference, reference_problems

if TYPE_CHECKING:
    from qa2pack.manifest.scan.origin_bundle import OriginBundle

# The warning that replaces a refusal where the table is packaged whole instead; default: unreadable.
_LENIENT = dict.fromkeys((Code.TABLE_LOSSY, Code.TABLE_NOT_REWRITTEN), Code.W_TABLE_WHOLE)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything goes, and what is known of the tables then.

    Attributes:
        choice: what decided, with the places that were found.
        notes: of each destination that is a measurement set how it is split.
        references: what the measurement sets need.
        looked_into: the sources of those that were read for it.
        sets: the destinations of all that go where measurement sets belong; None where the layout has no such place.
        bundles: those of the origin that were looked into, by source.
    """

    placement: Placement
    choice: Choice
    notes: Mapping[bytes, TableNote]
    references: tuple[Reference, ...]
    looked_into: frozenset[bytes]
    sets: frozenset[bytes] | None
    bundles: "Mapping[bytes, OriginBundle]"


def place_origin(
    request: PlanRequest, layout: Layout, earlier: tuple[Described, ...], *, reader: TableReader, engine: Engine
) -> Placed:
    """Apply the rules; tables that cannot be packaged are refused before anything is hashed.

    Args:
        earlier: manifests that know tables of this origin.

    Raises:
        Refused: no package can be made of what is there; has all problems found.
    """
    known = tuple(note for described in earlier for note in described.notes.tables)
    project = os.path.basename(request.package)
    given = given_values(request.values, layout, given_as=request.layout, project=project)
    layout = layout.with_given(given)
    tree = survey(
        request.origin,
        opaque=layout.is_opaque,
        follow_outside=request.follow_outside,
        package=real_path(request.package),
    )
    choice = choose(
        tree,
        layout,
        origin_path=request.origin,
        include=request.include,
        exclude=request.exclude,
        given=given,
    )
    _refuse_several(request, choice, tree)
    bundles = _read_bundles(request, opened_bundles(tree, choice), engine)
    refuse_any([bundle.problem for bundle in bundles.values() if bundle.problem])
    choice = replace(choice, insides=insides_of(bundles.values()))
    tables = _described(request, choice, tree, known, reader=reader, engine=engine)
    placement = with_checks(place(tree, choice, tables.columns), request, tree, choice, tables.columns)
    broken = _refuse_unplaceable(request, layout, placement, tables)
    items = tables.kept(without_column(placement.items) if request.no_split else placement.items)
    needed = tables.references(items, request.exclude) if request.mode.has_content else ()
    refuse_any(reference_problems(request.origin, needed, items, split=frozenset(), exclude=request.exclude))
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
    refuse_any(_refused(request, unmeasured))
    inside = [node.source for nodes in choice.insides.values() for node in nodes]
    warnings = (*_warnings(request, placement, inside, tables, (*broken, *unmeasured)), *_estimates(notes))
    placement = replace(placement, items=items, warnings=warnings)
    sets = _measurement_sets(placement, choice)
    return Placed(placement, choice, notes, needed, frozenset(tables.looks), sets, bundles)


def _measurement_sets(placement: Placement, choice: Choice) -> frozenset[bytes] | None:
    """Return what goes where measurement sets belong by the rules, or where somebody said that it does."""
    if not choice.layout.has_measurement_sets:
        return None
    sources = {
        draft.entry.node.source
        for draft in placement.drafts
        if draft.column or included_folder(draft.entry.path, choice.include)
    }
    return frozenset(item.path for item in placement.items if item.source in sources)


def _read_bundles(request: PlanRequest, sources: Sequence[bytes], engine: Engine) -> "Mapping[bytes, OriginBundle]":
    """Read what is in these bundles of the origin; nearly no origin has one, so what reads them is not imported."""
    if not sources:
        return {}
    from qa2pack.manifest.scan.origin_bundle import read_origin_bundles

    return read_origin_bundles(request.origin, sources, engine, package=real_path(request.package))


def _refuse_several(request: PlanRequest, choice: Choice, tree: Node) -> None:
    """Refuse an origin of more than one unit before its tables are looked at."""
    if several := several_values(choice.layout, choice.places):
        from qa2pack.manifest.layout.units import planned_together

        together = planned_together(several, choice, tree, origin_path=request.origin, append=request.append)
        raise Refused(*several.problems, remedies=(PLAN_ONE, *together, *in_one_package(several, choice.layout)))


def _described(
    request: PlanRequest,
    choice: Choice,
    tree: Node,
    known: tuple[TableNote, ...],
    *,
    reader: TableReader,
    engine: Engine,
) -> Tables:
    """Describe the measurement sets of the origin, none where they stay as they are."""
    sources = () if request.no_split else measurement_sets(tree, choice)
    return describe_tables(request.origin, sources, known=known, reader=reader, engine=engine)


def _warnings(
    request: PlanRequest,
    placement: Placement,
    inside: Collection[bytes],
    tables: Tables,
    unreadable: Iterable[Problem],
) -> Iterator[Problem]:
    """Yield the warnings of placing.

    Args:
        inside: paths of the files in bundles of the origin.
        unreadable: problems of tables that are packaged all the same.
    """
    yield from placement.warnings
    yield from unmatched_globs(request.origin, request.typed_globs, placement, inside)
    yield from tables.whole_warnings(request.origin)
    yield from tables.other_warnings(request.origin)
    yield from tables.incomplete_warnings()
    for problem in unreadable:
        yield replace(problem, code=_LENIENT.get(problem.code, Code.W_TABLE_UNREADABLE))


def _estimates(notes: Mapping[bytes, TableNote]) -> Iterator[Problem]:
    for path, note in notes.items():
        if note.spec and note.spec.estimated:
            yield Problem(Code.W_SIZE_ESTIMATED, path)


def _refuse_unplaceable(request: PlanRequest, layout: Layout, placement: Placement, tables: Tables) -> list[Problem]:
    """Refuse what no package can be made of; return the tables that casacore cannot open and that go as they are."""
    broken, dangling = _broken_tables(request.origin, tables.broken, layout.foreign_globs)
    problems = [*(located(request.origin, problem) for problem in placement.problems), *dangling]
    if any(problem.code is Code.NO_PLACE for problem in problems):
        from qa2pack.manifest.layout.fitting import fitting_layouts

        problems += [warning for warning in placement.warnings if warning.code in OTHER_KINDS]
        problems += fitting_layouts(request.origin, besides=request.layout, follow_outside=request.follow_outside)
    refuse_any([*problems, *_refused(request, broken)])
    return broken


def _refused(request: PlanRequest, tables: Iterable[Problem]) -> list[Problem]:
    """Return the tables that cannot be packaged; as they are go those that casacore cannot open, if asked for.

    Of one that cannot be read nobody knows what it is.
    """
    if not request.mode.has_content:
        return []
    return [problem for problem in tables if not request.as_is or problem.code is Code.UNREADABLE]


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
