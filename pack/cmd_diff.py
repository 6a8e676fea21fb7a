"""`pack diff`: what a new plan would change."""

import os

from manifest.wish import parse_include
from pack.options import (
    AsIsOption,
    ExcludeOption,
    FollowOutsideOption,
    IncludeOption,
    JobsOption,
    JsonOption,
    LayoutOption,
    MemberOption,
    NoSplitOption,
    OriginArgument,
    PackageArgument,
    QuietOption,
    RehashOption,
)


def diff(  # noqa: PLR0913, PLR0917 - one parameter per option
    origin: OriginArgument,
    package: PackageArgument,
    member: MemberOption = "",
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    layout: LayoutOption = "cycle0",
    rehash: RehashOption = False,
    as_is: AsIsOption = False,
    no_split: NoSplitOption = False,
    follow_outside: FollowOutsideOption = False,
    jobs: JobsOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show what a new plan of ORIGIN would change in PACKAGE.

    Compares with the member that was packaged from ORIGIN, in its mode. Nothing is written, no plan either; README,
    which each plan makes anew, is not compared.

    Example: pack diff IRC10216_setup3_b6 2011.0.00229.S
    """
    from manifest.ids import Append
    from manifest.request import Mode, PlanRequest
    from pack import PROGRAM
    from pack.attempt import Attempt
    from pack.differing import differed
    from pack.exits import Exit
    from pack.running import run
    from pack.target import origin_of, quoted, target_of

    target = target_of(package)
    attempt = Attempt("diff", target, quoted(os.fsencode(origin)))

    def work() -> Exit:
        request = PlanRequest(
            origin=origin_of(origin),
            package=target.package.path,
            append=Append.MEMBER,
            mode=Mode.COPY,
            include=tuple(map(parse_include, include or ())),
            exclude=tuple(exclude or ()),
            layout=layout,
            is_rehashing=rehash,
            is_splitting=not no_split,
            is_as_is=as_is,
            may_leave=follow_outside,
            program=PROGRAM,
        )
        return differed(attempt, request, os.fsencode(member), jobs=jobs, is_quiet=quiet, is_json=json)

    run(attempt, work, is_json=json)
