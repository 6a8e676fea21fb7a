"""`pack plan`: make the plan of a package and show it."""

import os
from typing import Annotated

import typer

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.commands.base import defaults_of, typed_lists
from qa2pack.pack.commands.options import (
    ClusterRunOptions,
    OriginArgument,
    PackageArgument,
    RuleOptions,
    TableOptions,
    TrustOptions,
)

_APPENDS = [each.value for each in Append if each]


def _append_of(text: str) -> Append:
    """Return the value of --append; an empty one is accepted, but not listed as a choice."""
    try:
        return Append(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, _APPENDS))}.") from error


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
Force = Annotated[bool, typer.Option("--force", help="Replace a destination that this program did not make.")]
Tree = Annotated[bool, typer.Option("--tree", help="Show the whole tree as it will be.")]
Strict = Annotated[
    bool, typer.Option("--strict", envvar="PACK_STRICT", help="Refuse where otherwise a warning is given.")
]


def plan(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    readme: Readme = None,
    append: AppendTo = Append.NOTHING,
    mode: How = Mode.FAKE,
    rules: RuleOptions,
    force: Force = False,
    strict: Strict = False,
    tables: TableOptions,
    tree: Tree = False,
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

    target = target_of(package)
    attempt = Attempt("plan", target, quoted(os.fsencode(origin)))

    def work(workers: Workers) -> View:
        request = selection_of(rules, tables, typed_lists(context)).request(
            origin_of(origin),
            target.package.path,
            mode=mode,
            append=append,
            readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
            force=force,
            strict=strict,
        )
        return plan_view(
            job.plan(request, workers, target.opened), attempt, has_tree=tree, defaults=defaults_of(context)
        )

    run_with_workers(attempt, work, run_options, trusted=trust.users())
