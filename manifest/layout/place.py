"""Placement: applies the layout rules to a survey of the origin.

Pure: the origin is given as a survey, the columns of measurement sets as a mapping. Every entry of the survey is in
the result once, as an item, as left out with a reason, or as a problem; nothing is dropped silently.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from qa2pack.manifest.alma.receiver_limits import case_warnings, name_warnings
from qa2pack.manifest.alma.role import Role
from qa2pack.manifest.alma.split_spec import SINGLE_DISH_COLUMNS
from qa2pack.manifest.format.header import LeftOut
from qa2pack.manifest.humanize import counted
from qa2pack.manifest.layout.decide import Choice, Draft, OriginEntry, Outcome
from qa2pack.manifest.layout.execution_blocks import Block, deeper_scheduling_blocks, find_blocks, nested_blocks
from qa2pack.manifest.layout.globs import first_match
from qa2pack.manifest.layout.include import Include
from qa2pack.manifest.layout.item import Item, Placement
from qa2pack.manifest.layout.names import settle_names
from qa2pack.manifest.layout.rules import Layout, Level
from qa2pack.manifest.layout.survey import Kind, Node
from qa2pack.manifest.path import join, shown, sort_key
from qa2pack.manifest.problem import Code, Problem

# The columns that can be the one column of a packaged measurement set: observed data come first.
_CALIBRATED = "CORRECTED_DATA"
_KEEPABLE = ("DATA", "FLOAT_DATA", "LAG_DATA", _CALIBRATED)


def measurement_sets(
    origin: Node, layout: Layout, *, include: Sequence[Include] = (), exclude: Sequence[str] = ()
) -> tuple[bytes, ...]:
    """Return the sources of the tables whose columns `place` needs, sorted."""
    choice = choose(origin, layout, include=include, exclude=exclude, origin_name=b"")
    drafts = (outcome for outcome in _outcomes(origin, choice) if isinstance(outcome, Draft))
    return tuple(sorted({draft.entry.node.source for draft in drafts if draft.column}))


def drafts_of(origin: Node, choice: Choice, columns: Mapping[bytes, Sequence[str]]) -> list[Draft]:
    """Return what of the origin is packaged, in no order; the names are not settled yet."""
    return _with_calibrated(_outcomes(origin, choice), choice, columns)


def place(
    origin: Node,
    layout: Layout,
    *,
    origin_name: bytes,
    columns: Mapping[bytes, Sequence[str]],
    include: Sequence[Include] = (),
    exclude: Sequence[str] = (),
) -> Placement:
    """Decide for every entry of the origin whether and where it is packaged.

    Args:
        origin_name: name of the origin's folder, used where the origin itself is an execution block.
        columns: maps each source of `measurement_sets` to its column names; a missing one is assumed to have the
            column that the layout keeps.
        include: globs with a role; they override all rules.
        exclude: globs of what is not packaged; they override the includes.

    Returns:
        The placement. It does not depend on the order of the survey and of the mapping.
    """
    choice = choose(origin, layout, include=include, exclude=exclude, origin_name=origin_name)
    outcomes = tuple(_outcomes(origin, choice))
    drafts = _with_calibrated(outcomes, choice, columns)
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
        problems=_sorted([*faults, *meetings, *_block_problems(choice)]),
        warnings=_sorted(
            [*doubts, *_block_warnings(origin, choice), *_column_warnings(drafts, columns), *_path_warnings(items)]
        ),
        drafts=tuple(drafts),
    )


def choose(
    origin: Node,
    layout: Layout,
    *,
    include: Sequence[Include],
    exclude: Sequence[str],
    origin_name: bytes,
) -> Choice:
    """Return layout, includes and excludes with the execution blocks of the origin, which are searched here."""
    blocks = find_blocks(
        origin, layout, origin_name=origin_name, is_wanted=lambda path: first_match(path, exclude) is None
    )
    return Choice(layout, include, exclude, {block.path: block for block in blocks})


def _outcomes(origin: Node, choice: Choice) -> Iterator[Outcome]:
    """Yield the outcome of every entry of the origin."""
    itself = choice.blocks.get(b"")
    level = Level.EB if itself else Level.SB
    for child in origin.children:
        yield from _visit(OriginEntry(child.name, child, level, itself), choice)


def _visit(entry: OriginEntry, choice: Choice) -> Iterator[Outcome]:
    """Yield the outcome of an entry, or of the entries in it."""
    decided = choice.decide(entry)
    if decided:
        yield from decided
        return
    inside = _inside(entry, choice)
    if inside is None:
        yield LeftOut(entry.path, f"no rule of layout {choice.layout.name} takes it", entry.node.is_tree)
        return
    outcomes = [outcome for child in inside for outcome in _visit(child, choice)]
    yield from outcomes if entry.path in choice.blocks else _folded(entry, outcomes)


def _inside(entry: OriginEntry, choice: Choice) -> Iterable[OriginEntry] | None:
    """Return the entries of a folder that is looked through; None for anything else."""
    block = choice.blocks.get(entry.path, entry.block)
    if entry.node.kind is not Kind.FOLDER or entry.node.opaque:
        return None
    if entry.path in choice.blocks:
        level = Level.EB
    elif entry.level in {Level.SB, Level.SIBLING}:
        level = Level.SIBLING
    elif entry.level is Level.EB and entry.node.name in map(str.encode, choice.layout.qa_folders):
        level = Level.QA2
    else:
        return None
    return (OriginEntry(join(entry.path, child.name), child, level, block) for child in entry.node.children)


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


def _with_calibrated(
    outcomes: Iterable[Outcome], choice: Choice, columns: Mapping[bytes, Sequence[str]]
) -> list[Draft]:
    drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
    return [*drafts, *_calibrated_from_raw(drafts, choice, columns)]


def _calibrated_from_raw(
    drafts: Sequence[Draft], choice: Choice, columns: Mapping[bytes, Sequence[str]]
) -> Iterator[Draft]:
    """Yield the raw measurement set a second time, as calibrated data, for blocks that have none."""
    wanted = choice.layout.calibrated_from_raw
    provided = {draft.entry.block for draft in drafts if draft.role is Role.CALIBRATED}
    for draft in drafts:
        is_missing = draft.role is Role.RAW and draft.entry.block not in provided
        if is_missing and wanted in columns.get(draft.entry.node.source, ()):
            claim = replace(draft.claim, folder=Role.CALIBRATED.folder, name=draft.claim.name + b".cal")
            yield Draft(draft.entry, Role.CALIBRATED, claim, wanted)


def _item(draft: Draft, path: bytes, columns: Mapping[bytes, Sequence[str]]) -> Item:
    node = draft.entry.node
    column = _kept_column(draft.column, columns.get(node.source)) if draft.column else None
    return Item(node.source, path, node.is_tree, draft.role, column)


def _kept_column(wanted: str, columns: Sequence[str] | None) -> str | None:
    """Return the column to keep: the wanted one, else another data column, else None for all."""
    if columns is None or wanted in columns:
        return wanted
    if SINGLE_DISH_COLUMNS.issuperset(columns):
        return None
    return next((column for column in _KEEPABLE if column in columns), None)


def _block_problems(choice: Choice) -> Iterator[Problem]:
    if not choice.blocks:
        expected = "a folder that holds " + " or ".join(choice.layout.block_marks)
        yield Problem(Code.NO_EXECUTION_BLOCK, b"", expected=expected)


def _block_warnings(origin: Node, choice: Choice) -> Iterator[Problem]:
    for block in choice.blocks.values():
        if len(block.uids) > 1:
            yield _several_uids(block)
    blocks = tuple(choice.blocks.values())
    deeper = deeper_scheduling_blocks(origin, choice.layout, blocks)
    for folder, inner in deeper.items():
        names = [shown(block.folder) for block in inner if not _is_excluded(block.path, choice)]
        if names:
            found = f"{counted(len(names), 'execution block')}: {', '.join(names)}"
            yield Problem(Code.W_DEEPER_SB, folder, found=found)
    for path in nested_blocks(origin, choice.layout, blocks):
        if path.rpartition(b"/")[0] not in deeper and not _is_excluded(path, choice):
            expected = "execution blocks directly in the folder of the scheduling block"
            yield Problem(Code.W_NESTED_EB, path, expected=expected)


def _several_uids(block: Block) -> Problem:
    found = ", ".join(map(shown, block.uids))
    return Problem(Code.W_SEVERAL_UIDS, block.path, expected="one uid in a folder", found=found)


def _is_excluded(path: bytes, choice: Choice) -> bool:
    parts = path.split(b"/")
    folders = (b"/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return any(first_match(folder, choice.exclude) is not None for folder in folders)


def _column_warnings(drafts: Iterable[Draft], columns: Mapping[bytes, Sequence[str]]) -> Iterator[Problem]:
    """Warn where calibrated data would be packaged as raw data, because there are no other data."""
    for draft in drafts:
        held = columns.get(draft.entry.node.source)
        is_other_wanted = draft.column not in {"", _CALIBRATED}
        if held and draft.role is Role.RAW and is_other_wanted and _kept_column(draft.column, held) == _CALIBRATED:
            yield Problem(Code.W_RAW_IS_CALIBRATED, draft.entry.node.source, draft.column, ", ".join(held))


def _path_warnings(items: Sequence[Item]) -> Iterator[Problem]:
    for item in items:
        if item.is_tree:  # the scan checks the names of files, and of everything in a tree
            folder, _, name = item.path.rpartition(b"/")
            yield from name_warnings(folder, [name])
    yield from case_warnings(item.path for item in items)


def _sorted(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (sort_key(problem.path), problem.code)))
