"""Placement: applies the layout rules to a survey of the origin.

Pure: the origin is given as a survey, the columns of measurement sets as a mapping. Every entry of the survey is in
the result once, as an item, as left out with a reason, or as a problem; nothing is dropped silently.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from qa2pack.manifest.alma.package import README
from qa2pack.manifest.casa.column_split import SINGLE_DISH_COLUMNS
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.decide import Choice, Draft, OriginEntry, Outcome
from qa2pack.manifest.layout.find_places import PlaceFolder, deeper_origins, find_places, nested_places
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.layout.item import Item, Placement
from qa2pack.manifest.layout.name_rules import NameRules
from qa2pack.manifest.layout.names import settle_names
from qa2pack.manifest.layout.rules import Layout
from qa2pack.manifest.layout.several_values import several_values
from qa2pack.manifest.layout.survey import Node
from qa2pack.manifest.path import join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem

# Why a bundle of the origin is left out of which files are packaged.
_OPENED = "files are taken out of it"
# The columns that can be the one column of a packaged measurement set: observed data come first.
_KEEPABLE = ("DATA", "FLOAT_DATA", "LAG_DATA", "CORRECTED_DATA")


def measurement_sets(origin: Node, choice: Choice) -> tuple[bytes, ...]:
    """Return the sources of the tables whose columns `place` needs, sorted."""
    drafts = (outcome for outcome in _outcomes(origin, choice) if isinstance(outcome, Draft))
    return tuple(sorted({draft.entry.node.source for draft in drafts if draft.column}))


def drafts_of(origin: Node, choice: Choice, columns: Mapping[bytes, Sequence[str]]) -> list[Draft]:
    """Return what of the origin is packaged, in no order; the names are not settled yet."""
    return _with_again(_outcomes(origin, choice), columns)


def place(origin: Node, choice: Choice, columns: Mapping[bytes, Sequence[str]]) -> Placement:
    """Decide for every entry of the origin whether and where it is packaged.

    Args:
        columns: maps each source of `measurement_sets` to its column names; a missing one is assumed to have the
            column that the layout keeps.

    Returns:
        The placement. It does not depend on the order of the survey and of the mapping.
    """
    outcomes = tuple(_outcomes(origin, choice))
    drafts = _with_again(outcomes, columns)
    paths, meetings = settle_names([draft.claim for draft in drafts])
    items = [_item(draft, path, columns) for draft, path in zip(drafts, paths, strict=True)]
    items.sort(key=lambda item: sort_key(item.path))
    left_out = (outcome for outcome in outcomes if isinstance(outcome, LeftOut))
    found = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    doubts = [problem for problem in found if problem.code is Code.W_LOOKS_LIKE_MS]
    faults = [problem for problem in found if problem.code is not Code.W_LOOKS_LIKE_MS]
    return Placement(
        items=tuple(items),
        left_out=tuple(sorted(left_out, key=lambda left: sort_key(left.path))),
        problems=_sorted([*faults, *meetings, *_in_place_of_readme(choice.layout, items), *_place_problems(choice)]),
        warnings=_sorted(
            [
                *doubts,
                *_place_warnings(origin, choice),
                *_column_warnings(drafts, columns),
                *_path_warnings(items, choice.layout.name_rules),
            ]
        ),
        drafts=tuple(drafts),
    )


def choose(
    origin: Node,
    layout: Layout,
    *,
    origin_path: bytes,
    include: Sequence[Include] = (),
    exclude: Sequence[str] = (),
    given: Mapping[str, bytes] | None = None,
) -> Choice:
    """Return what decides about the entries of an origin; its places are searched here.

    Args:
        origin_path: absolute path of the origin, whose names may be steps of the paths of places.
        include: globs with a role; they override all rules.
        exclude: globs of what is not packaged; they override the includes.
        given: values of variables.
    """
    places = find_places(
        origin,
        layout.places,
        origin_path=origin_path,
        is_wanted=lambda path: first_match(path, exclude) is None,
        given=given,
    )
    return Choice(layout, include, exclude, places, given or {})


def _outcomes(origin: Node, choice: Choice) -> Iterator[Outcome]:
    """Yield the outcome of every entry of the origin."""
    for entry in entries_in(b"", origin, choice):
        yield from _visit(entry, choice)


def _visit(entry: OriginEntry, choice: Choice) -> Iterator[Outcome]:
    """Yield the outcome of an entry, or of the entries in it."""
    inside = [outcome for _, _, outcome in choice.inside_of(entry) if outcome] if choice.insides else []
    yield from inside
    decided = choice.decide(entry)
    if decided:
        yield from decided
        return
    place = choice.places.folders.get(entry.path)
    if not choice.places.is_entered(entry.path):
        is_opened = any(isinstance(outcome, Draft) for outcome in inside)
        why = _OPENED if is_opened else f"no rule of layout {choice.layout.name} takes it"
        yield LeftOut(entry.path, why, entry.node.is_tree)
        return
    outcomes = [outcome for child in entries_in(entry.path, entry.node, choice) for outcome in _visit(child, choice)]
    yield from outcomes if place and place.place.marked_by else _folded(entry, outcomes)


def opened_bundles(origin: Node, choice: Choice) -> tuple[bytes, ...]:
    """Return the sources of the bundles of the origin that rules may take files out of, sorted."""
    if not any(rule.inside for rule in choice.layout.rules):  # nearly all layouts
        return ()
    entries = (inner for entry in entries_in(b"", origin, choice) for inner in _searched(entry, choice))
    return tuple(sorted({entry.node.source for entry in entries if choice.is_looked_into(entry)}))


def _searched(entry: OriginEntry, choice: Choice) -> Iterator[OriginEntry]:
    """Yield an entry, and those in it if it is searched."""
    yield entry
    if choice.places.is_entered(entry.path) and not choice.decide(entry):
        for child in entries_in(entry.path, entry.node, choice):
            yield from _searched(child, choice)


def entries_in(path: bytes, folder: Node, choice: Choice) -> Iterator[OriginEntry]:
    """Yield the entries of a folder."""
    place = choice.places.folders.get(path)
    return (OriginEntry(join(path, child.name), child, place) for child in folder.children)


def _folded(entry: OriginEntry, outcomes: list[Outcome]) -> Iterator[Outcome]:
    """Merge a folder of which nothing is packaged into one left-out entry; problems and warnings stay."""
    others = [outcome for outcome in outcomes if not isinstance(outcome, LeftOut)]
    if any(isinstance(outcome, Draft) for outcome in others):
        yield from outcomes
        return
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, LeftOut)}
    reason = reasons.pop() if len(reasons) == 1 else "nothing in it is packaged" if reasons else "empty"
    yield LeftOut(entry.path, reason, is_tree=True)
    yield from others


def _with_again(outcomes: Iterable[Outcome], columns: Mapping[bytes, Sequence[str]]) -> list[Draft]:
    drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
    return [*drafts, *_again(drafts, columns)]


def _again(drafts: Sequence[Draft], columns: Mapping[bytes, Sequence[str]]) -> Iterator[Draft]:
    """Yield the tables that are packaged a second time: nothing else of their place goes to the same folder."""
    provided = {(_outermost(draft.entry), draft.folder) for draft in drafts}
    for draft in drafts:
        if draft.again is None:
            continue
        claim, column = draft.again
        again = Draft(draft.entry, claim, column)
        is_missing = (_outermost(draft.entry), again.folder) not in provided
        if is_missing and column in columns.get(draft.entry.node.source, ()):
            yield again


def _outermost(entry: OriginEntry) -> bytes | None:
    place = entry.place.around or entry.place if entry.place else None
    return place.path if place else None


def _in_place_of_readme(layout: Layout, items: Iterable[Item]) -> Iterator[Problem]:
    """Yield a problem for each item where the README of the member will be."""
    for item in items if layout.has_readme else ():
        if item.path.partition(b"/")[0] == README:
            yield Problem(Code.COLLISION, README, expected="the README with the header", found=shown(item.source))


def _item(draft: Draft, path: bytes, columns: Mapping[bytes, Sequence[str]]) -> Item:
    node = draft.entry.node
    column = _kept_column(draft.column, columns.get(node.source)) if draft.column else None
    bundle = draft.entry.bundle
    taken_from = bundle.node.source if bundle else b""
    return Item(node.source, path, node.is_tree, column, draft.claim.bundle_of(path), taken_from)


def _kept_column(wanted: str, columns: Sequence[str] | None) -> str | None:
    """Return the column to keep: the wanted one, else another data column, else None for all."""
    if columns is None or wanted in columns:
        return wanted
    if SINGLE_DISH_COLUMNS.issuperset(columns):
        return None
    return next((column for column in _KEEPABLE if column in columns), None)


def _place_problems(choice: Choice) -> Iterator[Problem]:
    for place in choice.layout.places:
        if place.is_needed and not choice.places.has(place):
            given = [f"{name}={shown(choice.given[name])}" for name in sorted(place.fixes & choice.given.keys())]
            found = f"none with {', '.join(given)}" if given else ""
            yield Problem(Code.NO_PLACE, b"", expected=f"{place.what}: {place.where}", found=found)
    if several := several_values(choice.layout, choice.places):
        yield from several.problems


def _place_warnings(origin: Node, choice: Choice) -> Iterator[Problem]:
    marked = choice.layout.marked_place
    if marked is None or marked.marked_by is None:
        return
    for folder in choice.places.marked:
        if len(folder.marks) > 1:
            yield _several_uids(folder)
    deeper = deeper_origins(origin, marked.marked_by, choice.places)
    for path, inner in deeper.items():
        names = [shown(name) for within, name in inner.items() if not _is_excluded(within, choice)]
        if names:
            found = f"{counted(len(names), marked.what)}: {', '.join(names)}"
            yield Problem(Code.W_DEEPER_SB, path, found=found)
    for path in nested_places(origin, marked.marked_by, choice.places):
        if path.rpartition(b"/")[0] not in deeper and not _is_excluded(path, choice):
            expected = "execution blocks directly in the folder of the scheduling block"
            yield Problem(Code.W_NESTED_EB, path, expected=expected)


def _several_uids(folder: PlaceFolder) -> Problem:
    found = ", ".join(map(shown, folder.marks))
    return Problem(Code.W_SEVERAL_UIDS, folder.path, expected="one uid in a folder", found=found)


def _is_excluded(path: bytes, choice: Choice) -> bool:
    parts = path.split(b"/")
    folders = (b"/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(first_match(folder, choice.exclude) is not None for folder in folders)


def _column_warnings(drafts: Iterable[Draft], columns: Mapping[bytes, Sequence[str]]) -> Iterator[Problem]:
    """Warn where a column would be packaged that is not what its rule is for, because there is no other."""
    for draft in drafts:
        held = columns.get(draft.entry.node.source)
        if not draft.column or not held:
            continue
        kept = _kept_column(draft.column, held)
        if kept is None and not SINGLE_DISH_COLUMNS.issuperset(held):
            yield Problem(Code.W_MODEL_ALONE, draft.entry.node.source, draft.column, ", ".join(held))
        elif kept and kept == draft.doubtful_column:
            yield Problem(Code.W_RAW_IS_CALIBRATED, draft.entry.node.source, draft.column, ", ".join(held))


def _path_warnings(items: Sequence[Item], rules: NameRules) -> Iterator[Problem]:
    for item in items:
        if item.is_tree:  # the scan checks the names of files, and of everything in a tree
            folder, _, name = item.path.rpartition(b"/")
            yield from rules.warnings(folder, [name])
    yield from rules.case_warnings(item.path for item in items)


def _sorted(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (sort_key(problem.path), problem.code)))
