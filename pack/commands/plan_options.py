"""Options of the commands that make a plan: `pack plan` and `pack package` have the same ones.

Both take them as the groups below, so an option that is added here is one of both.
"""

import os
from collections.abc import Container
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.manifest.bundle.gzip_format import USUAL_LEVEL
from qa2pack.pack.commands.base import defaults_of, typed_lists, typed_options, unused_settings_of, words_for_each
from qa2pack.pack.commands.completion import offered_members
from qa2pack.pack.commands.options import RuleOptions, TableOptions

if TYPE_CHECKING:
    from qa2pack.manifest.format.files import Described
    from qa2pack.manifest.plan.request import PlanRequest
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import Target
    from qa2pack.pack.views.view import View

_APPENDS = [Append.GROUP.value, Append.MEMBER.value]


def _append_of(text: str) -> Append:
    """Return the value of --append; an empty one is accepted, but not listed as a choice."""
    if text and text not in _APPENDS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, _APPENDS))}.")
    return Append(text)


Readme = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", envvar="PACK_README", help="Header of the README. [default: a template]", show_default=False
    ),
]
AppendTo = Annotated[
    Append,
    typer.Option(
        metavar="group|member",
        parser=_append_of,
        autocompletion=lambda: _APPENDS,
        help="Add the next group, or the next member to the last group. [default: replace the package]",
        show_default=False,
    ),
]
How = Annotated[
    Mode,
    typer.Option(
        metavar="MODE", envvar="PACK_MODE", help="fake: placeholders; copy; hard: hard links; move; ticket."
    ),
]
ReplaceMember = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        autocompletion=offered_members,
        help="Make this member again in its place; the others stay.",
        show_default=False,
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again", help="Make a member again: give only PACKAGE; the origin and all options are those of last time."
    ),
]
AgainMember = Annotated[
    str,
    typer.Option(
        "--member",
        metavar="NAME",
        autocompletion=offered_members,
        help="With --again: which member.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a destination that this program did not make.")]
NoRecall = Annotated[bool, typer.Option("--no-recall", help="Take no options from the member that is made again.")]
All = Annotated[bool, typer.Option("--all", help="Show every path of a warning or problem; else the first few.")]
Tree = Annotated[bool, typer.Option("--tree", help="Show the tree as it will be, each table on one line.")]
TreeAll = Annotated[bool, typer.Option("--tree-all", help="Show the tree as it will be, with the files of tables.")]
ReadmePreview = Annotated[
    bool, typer.Option("--readme-preview", help="Show README as it will be, also in mode fake.")
]
Strict = Annotated[
    bool, typer.Option("--strict", envvar="PACK_STRICT", help="Refuse where otherwise a warning is given.")
]
Compression = Annotated[
    int,
    typer.Option(
        metavar="LEVEL",
        envvar="PACK_COMPRESSION",
        min=1,
        max=9,
        help="Of tars and files that the layout compresses: 1 is fast, 9 small.",
    ),
]


class PlanOptions(NamedTuple):
    """How the member is made, and which one."""

    readme: Readme = None
    append: AppendTo = Append.NOTHING
    replace_member: ReplaceMember = ""
    mode: How = Mode.FAKE
    compression: Compression = USUAL_LEVEL
    force: Force = False
    strict: Strict = False
    no_recall: NoRecall = False


class AgainOptions(NamedTuple):
    """What `AgainCommand` fills the other options in from."""

    again: Again = False
    member: AgainMember = ""


class PlanViewOptions(NamedTuple):
    """What else of the plan is shown."""

    every: All = False
    tree: Tree = False
    tree_all: TreeAll = False
    readme_preview: ReadmePreview = False


def check_options(options: PlanOptions) -> None:
    """Refuse options that exclude each other.

    Raises:
        typer.BadParameter: with the reason.
    """
    if options.append and options.replace_member:
        raise typer.BadParameter("It is either --append or --replace-member.")


def attempt_of(context: typer.Context, verb: str, target: "Target", origin: str, shown: PlanViewOptions) -> "Attempt":
    """Return the attempt of a command that makes a plan, with what commands that are advised repeat of it."""
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.target import quoted

    return Attempt(
        verb,
        target,
        quoted(os.fsencode(origin)),
        options=_repeated_options(context),
        typed=_all_typed_options(context),
        elsewhere=_options_elsewhere(context),
        defaults=defaults_of(context),
        shows_all=shown.every,
    )


def _repeated_options(context: typer.Context) -> str:
    """Return what a plan that is advised repeats, each with a blank before it: what is replaced, and how.

    --mode is repeated if it was typed; else it is recalled.
    """
    from qa2pack.pack.target import quoted

    replaced = os.fsencode(context.params["replace_member"])
    member = f" --replace-member {quoted(replaced)}" if replaced else ""
    return member + (f" --mode {context.params['mode']}" if "mode" in typed_options(context) else "")


def _all_typed_options(context: typer.Context) -> str:
    """Return all options of the plan that were typed, quoted for a shell, each with a blank before it.

    Among them is the member that `--again` replaces, because an advised command names the origin in its place.
    """
    from qa2pack.pack.target import quoted

    replaced = os.fsencode(context.params["replace_member"])
    again = f" --replace-member {quoted(replaced)}" if context.params["again"] and replaced else ""
    return again + typed_text(context, {*PlanOptions._fields, *RuleOptions._fields, *TableOptions._fields})


def _options_elsewhere(context: typer.Context) -> str:
    """Return the typed options that a plan of another origin takes too, but for --mode; quoted for a shell."""
    return typed_text(context, {"readme", "strict", *RuleOptions._fields, *TableOptions._fields})


def typed_text(context: typer.Context, names: Container[str]) -> str:
    """Return the options of these names that were typed, quoted for a shell, each with a blank before it."""
    return "".join(f" {_quoted_option(word)}" for word in words_for_each(context, names))


def _quoted_option(word: str) -> str:
    from qa2pack.pack.target import quoted

    name, _, value = word.partition("=")
    if not value or value.startswith("-"):  # which `quoted` would take for the beginning of a path
        return f"--{quoted(os.fsencode(word.removeprefix('--')))}"
    return f"{name}={quoted(os.fsencode(value))}"


def request_of(
    context: typer.Context,
    origin: str,
    target: "Target",
    options: PlanOptions,
    rules: RuleOptions,
    tables: TableOptions,
) -> "PlanRequest":
    """Return the request that was typed.

    Raises:
        Refused: an include names no role.
    """
    from qa2pack.pack.commands.selection import selection_of
    from qa2pack.pack.target import origin_of

    typed = None if options.no_recall else typed_options(context)
    selection = selection_of(rules, tables, typed_lists(context), typed)
    return replace(selection, compression=options.compression).request(
        origin_of(origin),
        target.package.path,
        mode=options.mode,
        append=Append.REPLACE if options.replace_member else options.append,
        replaced=os.fsencode(options.replace_member),
        readme=None if options.readme is None else os.path.abspath(os.fsencode(options.readme)),
        force=options.force,
        strict=options.strict,
    )


def view_of(
    context: typer.Context, made: "Described", attempt: "Attempt", shown: PlanViewOptions, *, is_applied: bool = False
) -> "View":
    """Return the view of the plan that was made.

    Args:
        is_applied: the caller applies the plan next.
    """
    from qa2pack.pack.views.plan import plan_view

    return plan_view(
        made,
        attempt,
        has_tree=shown.tree or shown.tree_all,
        is_unfolded=shown.tree_all,
        has_readme=shown.readme_preview,
        is_applied=is_applied,
        defaults=defaults_of(context),
        unused_settings=unused_settings_of(context),
    )
