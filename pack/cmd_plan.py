"""`pack plan`: find out what packaging would do, keep it as a plan, and show it."""

import os
from typing import Annotated

import typer

from manifest.ids import Append
from manifest.request import Mode, PlanRequest
from manifest.wish import parse_include
from pack import PROGRAM
from pack.options import (
    AsIsOption,
    ClusterOption,
    ExcludeOption,
    FollowOutsideOption,
    IncludeOption,
    JobsOption,
    JsonOption,
    LayoutOption,
    NoSplitOption,
    OriginArgument,
    PackageArgument,
    QuietOption,
    RehashOption,
)

Readme = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Header of the README. [default: a template]", show_default=False),
]
AppendTo = Annotated[
    Append,
    typer.Option(
        metavar="group|member",
        help="Add the next group, or the next member to the last group. [default: replace the package]",
        show_default=False,
    ),
]
How = Annotated[
    Mode,
    typer.Option(metavar="MODE", help="fake: empty files; copy; hard: hard links; move; ticket."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a destination that is no package of this program.")]
Tree = Annotated[bool, typer.Option("--tree", help="Show the whole tree as it will be.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse where otherwise a warning is given.")]


def plan(  # noqa: PLR0913, PLR0917 - one parameter per option
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
    follow_outside: FollowOutsideOption = False,
    tree: Tree = False,
    jobs: JobsOption = 0,
    cluster: ClusterOption = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Find out what packaging ORIGIN as PACKAGE would do.

    Nothing is changed: the plan is kept beside the package, shown, and waits for `pack apply`.

    Example: pack plan IRC10216_setup3_b6 2011.0.00229.S --mode hard --readme README.header.txt
    """
    from pack.attempt import Attempt
    from pack.exits import Exit
    from pack.planning import planned, print_plan
    from pack.running import run
    from pack.target import origin_of, quoted, target_of

    target = target_of(package)
    attempt = Attempt("plan", target, quoted(os.fsencode(origin)))

    def work() -> Exit:
        request = PlanRequest(
            origin=origin_of(origin),
            package=target.package.path,
            readme=None if readme is None else os.path.abspath(os.fsencode(readme)),
            append=append,
            mode=mode,
            include=tuple(map(parse_include, include or ())),
            exclude=tuple(exclude or ()),
            layout=layout,
            is_rehashing=rehash,
            is_forced=force,
            is_splitting=not no_split,
            is_as_is=as_is,
            may_leave=follow_outside,
            is_strict=strict,
            program=PROGRAM,
        )
        print_plan(planned(request, jobs=jobs, cluster=cluster, is_quiet=quiet), attempt, is_json=json, has_tree=tree)
        return Exit.DONE

    run(attempt, work, is_json=json)
