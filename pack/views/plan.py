"""View of a plan: what will be packaged, replaced, kept and left out, and what to type next.

What matters most is last, where a terminal of 24 lines shows it: totals, the number of warnings, the next command.
At 80 columns. Every path that is left out is listed. Only warnings of one kind are cut at twenty paths, because
receivers may refuse tens of thousands of names for the same reason.
"""

from collections.abc import Callable, Iterator
from functools import partial

from qa2pack.executor.space import free_bytes, needed_bytes
from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append, member_words
from qa2pack.manifest.alma.package import DestinationKind
from qa2pack.manifest.alma.readme import blank_fields
from qa2pack.manifest.casa.column_split import final_name
from qa2pack.manifest.dataclass import dataclass
from qa2pack.manifest.format.files import Described
from qa2pack.manifest.format.header import BundleTask, Header, LeftOut, OpenedBundle, SplitTask
from qa2pack.manifest.format.inside import content_bytes, file_count
from qa2pack.manifest.humanize import counted, human_bytes
from qa2pack.manifest.path import shown
from qa2pack.pack.errors.attempt import Attempt
from qa2pack.pack.errors.problem_view import problem_lines
from qa2pack.pack.settings.option_source import Default
from qa2pack.pack.target import Target
from qa2pack.pack.terminal.style import Style, folded, unbroken
from qa2pack.pack.views.estimate import time_needed
from qa2pack.pack.views.json_fields import path_fields, plan_fields
from qa2pack.pack.views.option_sources import default_fields, default_lines
from qa2pack.pack.views.placeholders import carried
from qa2pack.pack.views.plan_digest import SHOWN_DIGITS
from qa2pack.pack.views.planned_files import named_lines, planned_file_fields
from qa2pack.pack.views.totals import totals_lines
from qa2pack.pack.views.tree import tree_lines
from qa2pack.pack.views.view import View

_MODES = {
    Mode.FAKE: "fake: placeholders (empty files), to look at the tree",
    Mode.COPY: "copy: every file is copied and checked",
    Mode.HARD: "hard: hard links, no second copy of the data",
    Mode.MOVE: "move: files move to the package, symlinks to them stay",
    Mode.TICKET: "ticket: README, qa and script files are real, the rest are placeholders",
}


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """Input of the view.

    Attributes:
        needed_bytes: estimate of the space that the apply needs, with the ticket files.
        free_bytes: free space on the file system of the package; None if it does not report it.
        origin: the origin as typed, quoted for a shell.
        is_applied: the caller applies the plan next.
        defaults: the options that were not typed.
        unused_settings: files called `pack.toml` nearby that do not count.
        shows_all: show every path of a warning.
        elsewhere: options of a plan of another origin that is advised.
    """

    plan: Described
    target: Target
    needed_bytes: int
    free_bytes: int | None
    origin: str = ""
    is_applied: bool = False
    defaults: tuple[Default, ...] = ()
    unused_settings: tuple[bytes, ...] = ()
    shows_all: bool = False
    elsewhere: str = ""

    @property
    def sources(self) -> tuple[Default, ...]:
        """Where each option that was not typed has its value from."""
        recalled = self.plan.notes.recalled
        source = f"the member, as it was made before ({member_words(self.plan.header.member)})"
        others = (each for each in self.defaults if each.option not in recalled)
        return (*(Default(option, source) for option in recalled), *others)


def plan_lines(view: ShownPlan, style: Style) -> Iterator[str]:
    """Yield the lines of the whole view."""
    header, notes = view.plan.header, view.plan.notes
    yield style.bold(f"Plan of {shown(header.project)}, {member_words(header.member)}")
    yield f"  origin   {shown(header.origin)}"
    yield f"  package  {shown(view.target.package.path)}"
    yield f"  mode     {_MODES[header.mode]}"
    yield from _carried_lines(view.plan)
    yield f"  layout   {shown(header.layout)}"
    yield f"  digest   {view.plan.stream.digest.hex()[:SHOWN_DIGITS]}"
    if blanks := blank_fields(header.readme):
        yield from folded(f"still blank: {', '.join(map(shown, blanks))}", indent=2, label="readme   ")
    yield from default_lines(view.sources)
    for path in view.unused_settings:
        yield from folded(f"not used: {unbroken(shown(path))}: only the one beside the origin counts", indent=2)
    yield from named_lines(view.plan, style)
    yield from _split_lines(notes.splits, style)
    yield from _bundle_lines(notes.bundles, style)
    yield from _opened_lines(notes.opened, header.mode, style)
    yield from _left_out_lines(notes.left_out, style)
    yield from _destination_lines(view.plan, style)
    yield from _warning_lines(view, style)
    yield ""
    yield from totals_lines(notes.totals, style, header)
    yield ""
    yield from _closing_lines(view, style)


def _carried_lines(plan: Described) -> Iterator[str]:
    count, size = carried(plan)
    if count:
        yield f"           {counted(count, 'file')}, {human_bytes(size)}, moved there earlier: kept as they are"


def _split_lines(splits: tuple[SplitTask, ...], style: Style) -> Iterator[str]:
    if not splits:
        return
    saved = sum(task.saved_bytes for task in splits)
    yield ""
    yield style.bold(f"Tables that lose data columns: {len(splits)}, {human_bytes(saved)} less")
    for task in splits:
        name = final_name(task.spec.keep)
        renamed = "" if task.spec.keep == name else f", as {name}"
        yield f"  {shown(task.path)}"
        if task.spec.drop:
            dropped = ", ".join(map(shown, task.spec.drop))
            yield from folded(
                f"keeps {task.spec.keep}{renamed}; drops {dropped}; {human_bytes(task.saved_bytes)} less", indent=6
            )
        else:
            yield f"      keeps {task.spec.keep}{renamed}"


def _bundle_lines(bundles: tuple[BundleTask, ...], style: Style) -> Iterator[str]:
    if not bundles:
        return
    most = sum(task.planned_bytes for task in bundles)
    yield ""
    yield style.bold(f"Bundles: {len(bundles)}, at most {human_bytes(most)} when they are written")
    for task in bundles:
        yield f"  {shown(task.path)}"
        kept = "; unchanged, kept as it is" if task.earlier else ""
        yield f"      {counted(file_count(task), 'file')}, {human_bytes(content_bytes(task))} before{kept}"


def _opened_lines(bundles: tuple[OpenedBundle, ...], mode: Mode, style: Style) -> Iterator[str]:
    if not bundles:
        return
    files = counted(sum(bundle.file_count for bundle in bundles), "file")
    yield ""
    yield style.bold(f"Taken out of bundles of the origin: {files}")
    if mode in (Mode.HARD, Mode.MOVE):
        yield "  They are copied; the bundles stay in the origin."
    for bundle in bundles:
        yield f"  {shown(bundle.source)}"
        yield f"      {counted(bundle.file_count, 'file')}, {human_bytes(bundle.byte_count)}"


def _destination_lines(plan: Described, style: Style) -> Iterator[str]:
    header = plan.header
    yield ""
    match header.standing:
        case DestinationKind.ABSENT | DestinationKind.EMPTY:
            yield style.bold("At the destination: nothing yet, this makes the package")
        case DestinationKind.FOREIGN:
            yield style.warning("At the destination: EVERYTHING there is removed; it is not a package (--force)")
        case DestinationKind.PACKAGE if header.append is Append.NOTHING:
            yield style.warning("At the destination: this package, which is replaced")
            yield from (f"  {member_words(member)}" for member, _ in header.base)
        case DestinationKind.PACKAGE if header.append is Append.REMOVE:
            yield style.warning(
                f"At the destination: this package, of which {member_words(header.member)} is removed"
            )
        case DestinationKind.PACKAGE if header.append is Append.REPLACE:
            member = member_words(header.member)
            yield style.warning(f"At the destination: this package, of which {member} is replaced")
            if header.staying:
                yield "  and these stay:"
            yield from (f"    {member_words(member)}" for member, _ in header.staying)
        case DestinationKind.PACKAGE:
            yield style.bold(f"At the destination: this package; {_added(header)} is added, and these stay:")
            yield from (f"  {member_words(member)}" for member, _ in header.base)
    if header.beside:
        yield f"  and beside it: {', '.join(shown(file.name) for file in header.beside)}"
    difference = plan.notes.difference
    if difference is not None:
        yield f"  compared with the manifest of {member_words(header.member)}:"
        yield (
            f"  {counted(difference.unchanged, 'file')} the same, {difference.changed:,} changed,"
            f" {difference.added:,} added, {difference.removed:,} removed"
        )
        if difference.kept:
            yield f"  {counted(difference.kept, 'file')} of the old package are taken over without a copy"


def _added(header: Header) -> str:
    return "a group" if header.append is Append.GROUP else "a member"


def _left_out_lines(left_out: tuple[LeftOut, ...], style: Style) -> Iterator[str]:
    if not left_out:
        return
    yield ""
    yield style.bold(f"Left out: {len(left_out):,}")
    reasons: dict[str, list[LeftOut]] = {}
    for left in left_out:
        reasons.setdefault(left.reason, []).append(left)
    for reason, group in reasons.items():
        yield from folded(shown(reason), indent=2)
        yield from (f"      {shown(left.path)}{'/' if left.is_tree else ''}" for left in group)


def _warning_lines(view: ShownPlan, style: Style) -> Iterator[str]:
    warnings = view.plan.notes.warnings
    if warnings:
        yield ""
        yield style.warning(f"Warnings: {len(warnings):,}")
        yield from problem_lines(
            warnings,
            view.target,
            style,
            verb="plan",
            origin=view.origin,
            options=f" --mode {view.plan.header.mode}",
            elsewhere=view.elsewhere,
            shows_all=view.shows_all,
        )


def _closing_lines(view: ShownPlan, style: Style) -> Iterator[str]:
    notes = view.plan.notes
    if notes.warnings:
        yield style.warning(f"Warnings: {len(notes.warnings):,}, listed above")
    free = "the disk does not tell what is" if view.free_bytes is None else human_bytes(view.free_bytes)
    yield f"Space needed: about {human_bytes(view.needed_bytes)}; {free} free"
    yield f"Time needed: {time_needed(new_bytes=notes.new_bytes, file_count=notes.file_count)}"
    if view.is_applied:
        yield "This is done now."
        return
    yield "Nothing has been changed yet. To do it:"
    yield f"  {style.bold(f'pack apply {view.target.quoted}')}"


def plan_view(
    plan: Described,
    attempt: Attempt,
    *,
    has_tree: bool = False,
    is_unfolded: bool = False,
    has_readme: bool = False,
    is_applied: bool = False,
    defaults: tuple[Default, ...] = (),
    unused_settings: tuple[bytes, ...] = (),
) -> View:
    """Return the view of a plan.

    Args:
        has_tree: also the tree, each table on one line; in the fields all files.
        is_unfolded: the files of tables are in the tree, too.
        has_readme: also the text of README as it will be.
        is_applied: the caller applies the plan next.
        defaults: the options that were not typed.
        unused_settings: files called `pack.toml` nearby that do not count.
    """
    package = attempt.target.package
    needed, free = needed_bytes(package, plan.header, plan.notes, attempt.target.opened), free_bytes(package)
    shown_plan = ShownPlan(
        plan,
        attempt.target,
        needed,
        free,
        attempt.origin,
        is_applied,
        defaults,
        unused_settings,
        attempt.shows_all,
        attempt.elsewhere,
    )
    tree = partial(tree_lines, plan, is_unfolded=is_unfolded) if has_tree else None
    return View(
        lines=partial(_all_lines, shown_plan, tree=tree, has_readme=has_readme),
        fields=lambda: {
            **plan_fields(plan, attempt.target, needed_bytes=needed, free_bytes=free),
            "defaults": default_fields(shown_plan.sources),
            "unused_settings": [path_fields("path", path) for path in unused_settings],
            **({"files": list(planned_file_fields(plan))} if has_tree else {}),
            **({"readme": plan.header.readme.decode(errors="backslashreplace")} if has_readme else {}),
        },
    )


def _all_lines(
    view: ShownPlan, style: Style, *, tree: Callable[[], Iterator[str]] | None, has_readme: bool
) -> Iterator[str]:
    if tree:
        yield from map(style.fitted, tree())
        yield ""
    if has_readme:
        yield style.bold("README as it will be:")
        yield from map(shown, view.plan.header.readme.splitlines())
        yield ""
    yield from plan_lines(view, style)
