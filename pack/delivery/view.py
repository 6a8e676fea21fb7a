"""View of a delivery: table of its chunks with notes, as lines and JSON fields."""

from collections.abc import Iterator, Sequence
from functools import partial

from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.humanize import counted, exact_bytes, human_bytes
from qa2pack.manifest.path import shown
from qa2pack.manifest.problem import Problem
from qa2pack.manifest.signature.names import signature_name
from qa2pack.pack.errors.problem_view import problem_text
from qa2pack.pack.exit_codes import Exit
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target, quoted
from qa2pack.pack.terminal.style import Style, folded
from qa2pack.pack.views.json_fields import Fields, path_fields, problem_fields
from qa2pack.pack.views.lost_members import lost_notes
from qa2pack.pack.views.option_sources import default_fields, default_lines
from qa2pack.pack.views.view import View
from qa2pack.tarsplit.cut_set import PlannedChunk
from qa2pack.tarsplit.deliver import Outcome
from qa2pack.tarsplit.plan import Cut
from qa2pack.tarsplit.sidecar import ChunkRow

_MOST_PATHS = 20


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    """Input of the view.

    Attributes:
        outcome: None for a dry run.
        output: the folder of the tars.
        defaults: the options that were not typed.
        lost: of other members, which have a manifest and no folder.
        is_signed: the sidecar is signed, once all chunks are written.
    """

    target: Target
    cut: Cut
    outcome: Outcome | None
    output: bytes
    defaults: tuple[Default, ...] = ()
    lost: tuple[Problem, ...] = ()
    is_signed: bool = False


def delivery_view(shown_delivery: ShownDelivery) -> View:
    """Return the view of a delivery; chunks that could not be written make it one to resume."""
    problems = shown_delivery.outcome.problems if shown_delivery.outcome else ()
    return View(
        lines=partial(delivery_lines, shown_delivery),
        fields=partial(delivery_fields, shown_delivery),
        code=Exit.RESUMABLE if problems else Exit.DONE,
        notes=(
            "The tars with these files were not written; the others are finished and kept.",
            f"Then run the same command. To see all differences: pack verify {shown_delivery.target.quoted}",
        )
        if problems
        else (),
    )


def delivery_lines(view: ShownDelivery, style: Style) -> Iterator[str]:
    """Yield the notes, the table, and what to do next."""
    cut, outcome, output = view.cut, view.outcome, view.output
    yield from default_lines(view.defaults)
    yield from map(style.warning, (*_notes(cut), *lost_notes(view.lost)))
    if outcome is None and any(chunk.made.level for chunk in cut.chunks):
        yield "What is compressed is at most as large as it says here."
    noun = "file" if cut.header.sets else "tar"
    yield style.bold(f"{'entries':>10}  {'bytes':>16}  {noun}")
    rows = _rows(outcome)
    for chunk in cut.chunks:
        yield from map(style.fitted, _chunk_lines(chunk, rows.get(chunk.name), is_dry=outcome is None))
    total = f"{counted(len(cut.chunks), noun)}, {exact_bytes(_byte_count(view))}"
    if outcome is None:
        yield f"{total}; nothing was written (--dry-run)"
    elif not outcome.problems:
        kept = f"; {outcome.kept_count} of them finished earlier" if outcome.kept_count else ""
        yield f"{style.good('Done')}: {total} in {shown(output)}{kept}"
        if view.is_signed:
            yield f"Signed: {shown(signature_name(cut.header.name.manifest))}"
        yield "To check it, here or where it arrives:"
        yield f"  tarsplit --check {quoted(output)}"
    else:
        yield from map(problem_text, outcome.problems)


def delivery_fields(view: ShownDelivery) -> Fields:
    """Return the content of the lines as fields."""
    cut, outcome = view.cut, view.outcome
    rows = _rows(outcome)
    return {
        **path_fields("package", view.target.package.path),
        **path_fields("output", view.output),
        "defaults": default_fields(view.defaults),
        "date": cut.header.day,
        "limit_bytes": cut.header.limit_bytes,
        "fill": cut.header.fill,
        "is_dry_run": outcome is None,
        "byte_count": _byte_count(view),
        "is_signed": view.is_signed and outcome is not None and not outcome.problems,
        "kept_count": outcome.kept_count if outcome else 0,
        "chunks": [_chunk_fields(chunk, rows.get(chunk.name)) for chunk in cut.chunks],
        "cut_tables": [path_fields("path", table) for table in cut.cut_tables],
        "sets": sorted({each.row.name for each in cut.header.sets}),
        "empty_sets": list(cut.empty_sets),
        "left_out_count": cut.left_out.count,
        "left_out": [path_fields("path", path) for path in cut.left_out.first],
        "problems": problem_fields(outcome.problems if outcome else ()),
        "lost_problems": problem_fields(view.lost),
    }


def _byte_count(view: ShownDelivery) -> int:
    """Return the size of all chunks; of one that is compressed and not written, the most that it can have."""
    rows = _rows(view.outcome)
    return sum(rows[each.name].byte_count if each.name in rows else each.byte_count for each in view.cut.chunks)


def _rows(outcome: Outcome | None) -> dict[bytes, ChunkRow]:
    return {row.name: row for row in outcome.chunks} if outcome else {}


def _notes(cut: Cut) -> Iterator[str]:
    if cut.header.sets:
        yield from _notes_of_sets(cut)
        return
    limit = human_bytes(cut.header.limit_bytes)
    if len(cut.members) > 1:
        yield from folded(
            f"Note: the delivery holds {len(cut.members)} members; receivers want exactly one (--member picks)."
        )
    large = sum(chunk.is_oversized for chunk in cut.chunks)
    if large:
        yield from folded(f"Note: {counted(large, 'file')} above the limit of {limit}; each has a tar of its own.")
    if cut.cut_tables:
        yield from folded(f"Note: too large for one tar of {limit}, so their files are in several:")
        yield from _some(cut.cut_tables, len(cut.cut_tables), "table")


def _notes_of_sets(cut: Cut) -> Iterator[str]:
    if cut.empty_sets:
        yield from folded(f"Note: nothing is in the delivery set {', '.join(cut.empty_sets)}, so it has no file.")
    large = [shown(chunk.name) for chunk in cut.chunks if chunk.is_oversized]
    if large:
        yield from folded(f"Note: above the limit of their set, because of one large file each: {', '.join(large)}")
    if cut.cut_tables:
        yield from folded("Note: too large for one tar, so their files are in several:")
        yield from _some(cut.cut_tables, len(cut.cut_tables), "table")
    if cut.left_out.count:
        yield from folded(f"Note: {counted(cut.left_out.count, 'file')} of the package in no set of this delivery:")
        yield from _some(cut.left_out.first, cut.left_out.count, "file")


def _some(paths: Sequence[bytes], count: int, noun: str) -> Iterator[str]:
    """Yield a line for each of the first paths, and one for how many there are besides."""
    yield from (f"  {shown(path)}" for path in paths[:_MOST_PATHS])
    if count > _MOST_PATHS:
        yield f"  and {counted(count - _MOST_PATHS, f'more {noun}')}"


def _chunk_lines(chunk: PlannedChunk, row: ChunkRow | None, *, is_dry: bool) -> Iterator[str]:
    """Yield the tar and its notes, each on a line of its own, because names take half of 80 columns."""
    yield f"{chunk.entry_count:>10,}  {row.byte_count if row else chunk.byte_count:>16,}  {shown(chunk.name)}"
    if chunk.is_oversized:
        yield f"{'above the limit':>28}"
    if row is None and not is_dry:
        yield f"{'NOT MADE':>28}"
    yield from (f"{name:>13} {digest}" for name, digest in (row.checksums if row else ()))


def _chunk_fields(chunk: PlannedChunk, row: ChunkRow | None) -> Fields:
    return {
        **path_fields("name", chunk.name),
        "entry_count": chunk.entry_count,
        "byte_count": row.byte_count if row else chunk.byte_count,
        "form": str(chunk.made.form),
        "set": chunk.set,
        "is_oversized": chunk.is_oversized,
        "is_finished": row is not None,
        "xxh128": row.xxh128 if row else None,
        "checksums": dict(row.checksums) if row else {},
    }
