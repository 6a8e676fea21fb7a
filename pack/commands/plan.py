"""`pack plan`: make the plan of a package and show it."""

import os
from typing import Annotated

import typer

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.commands.again import AgainCommand
from qa2pack.pack.commands.base import defaults_of, typed_lists, typed_options, unused_settings_of
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    OriginArgument,
    PackageArgument,
    RuleOptions,
    TableOptions,
    TrustOptions,
    WaitOption,
)

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
        help="Make this member anew in its place; the others stay.",
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
    str, typer.Option("--member", metavar="NAME", help="With --again: which member.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Replace a destination that this program did not make.")]
NoRecall = Annotated[bool, typer.Option("--no-recall", help="Take no options from the member that is made again.")]
Tree = Annotated[bool, typer.Option("--tree", help="Show the whole tree as it will be.")]
ReadmePreview = Annotated[
    bool, typer.Option("--readme-preview", help="Show README as it will be, also in mode fake.")
]
Strict = Annotated[
    bool, typer.Option("--strict", envvar="PACK_STRICT", help="Refuse where otherwise a warning is given.")
]


command_class = AgainCommand


def plan(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    readme: Readme = None,
    append: AppendTo = Append.NOTHING,
    replace_member: ReplaceMember = "",
    again: Again = False,
    member: AgainMember = "",
    mode: How = Mode.FAKE,
    rules: RuleOptions,
    force: Force = False,
    strict: Strict = False,
    no_recall: NoRecall = False,
    tables: TableOptions,
    tree: Tree = False,
    readme_preview: ReadmePreview = False,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Plan how ORIGIN is packaged as PACKAGE, and show the plan.

    Nothing is changed: the plan is kept beside the package and waits for `pack apply`.

    Example: pack plan IRC10216_setup3_b6 2011.0.00229.S --mode hard --readme README.header.txt
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.commands.selection import selection_of
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import plan as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.target import origin_of, quoted, target_of
    from qa2pack.pack.views.plan import plan_view
    from qa2pack.pack.views.view import View

    if append and replace_member:
        raise typer.BadParameter("It is either --append or --replace-member.")
    target = target_of(package)
    attempt = Attempt("plan", target, quoted(os.fsencode(origin)), defaults=defaults_of(context))

    options = None if no_recall else typed_options(context)

    def work(workers: Workers) -> View:
        request = selection_of(rules, tables, typed_lists(context), options).request(
            origin_of(origin),
            target.package.path,
            mode=mode,
            append=Append.REPLACE if replace_member else append,
            replaced=os.fsencode(replace_member),
            readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
            force=force,
            strict=strict,
        )
        return plan_view(
            job.plan(request, workers, target.opened),
            attempt,
            has_tree=tree,
            has_readme=readme_preview,
            defaults=attempt.defaults,
            unused_settings=unused_settings_of(context),
        )

    run_with_workers(attempt, work, run_options, trusted=trust.users(), wait_seconds=wait)
