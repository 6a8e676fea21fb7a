"""`pack plan`: make the plan of a package and show it."""

import os
from typing import Annotated

import typer

from qa2pack.manifest.actions import Mode
from qa2pack.manifest.alma.member_ids import Append
from qa2pack.pack.commands.base import defaults_of, typed_lists
from qa2pack.pack.commands.options import (
    AsIsOption,
    BandwidthOption,
    CasaWeightsOption,
    ClusterOption,
    ExcludeOption,
    FollowOutsideOption,
    IncludeOption,
    InsecureClusterOption,
    JobsOption,
    JsonOption,
    LayoutOption,
    NoSplitOption,
    OriginArgument,
    PackageArgument,
    QuietOption,
    RehashOption,
    TrustOwnerOption,
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


def plan(  # noqa: PLR0913, PLR0917 - one parameter per option
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    readme: Readme = None,
    append: AppendTo = Append.NOTHING,
    mode: How = Mode.FAKE,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    layout: LayoutOption = "cycle0",
    rehash: RehashOption = False,
    force: Force = False,
    strict: Strict = False,
    as_is: AsIsOption = False,
    no_split: NoSplitOption = False,
    casa_weights: CasaWeightsOption = False,
    follow_outside: FollowOutsideOption = False,
    tree: Tree = False,
    trust_owner: TrustOwnerOption = None,
    jobs: JobsOption = 0,
    bandwidth: BandwidthOption = 0,
    cluster: ClusterOption = "",
    insecure_cluster: InsecureClusterOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plan how ORIGIN is packaged as PACKAGE, and show the plan.

    Nothing is changed: the plan is kept beside the package and waits for `pack apply`.

    Example: pack plan IRC10216_setup3_b6 2011.0.00229.S --mode hard --readme README.header.txt
    """
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.exit_codes import Exit
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.settings.selection import Selection
    from qa2pack.pack.settings.trusted_owners import trusted_users
    from qa2pack.pack.target import origin_of, quoted, target_of
    from qa2pack.pack.views.plan import make_plan, print_plan

    run_options = RunOptions(
        jobs,
        cluster,
        bandwidth,
        is_quiet=quiet,
        is_json=json,
        is_insecure=insecure_cluster,
        trusted=trusted_users(trust_owner),
    )
    target = target_of(package)
    attempt = Attempt("plan", target, quoted(os.fsencode(origin)))
    selection = Selection(
        tuple(include or ()),
        tuple(exclude or ()),
        layout,
        rehash,
        as_is,
        no_split,
        follow_outside,
        casa_weights,
        typed_lists(context),
    )

    def work() -> Exit:
        request = selection.request(
            origin_of(origin),
            target.package.path,
            mode=mode,
            append=append,
            readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
            is_forced=force,
            is_strict=strict,
        )
        made = make_plan(request, attempt.target, run_options)
        print_plan(made, attempt, is_json=json, has_tree=tree, defaults=defaults_of(context))
        return Exit.DONE

    run(attempt, work, is_json=json)
