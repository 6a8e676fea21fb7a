"""`pack diff`: what a new plan would change."""

import os

from qa2pack.pack.commands.options import (
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
    from qa2pack.manifest.actions import Mode
    from qa2pack.manifest.alma.member_ids import Append
    from qa2pack.pack.commands.run import run
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.exit_codes import Exit
    from qa2pack.pack.jobs.workers import RunOptions
    from qa2pack.pack.settings.selection import Selection
    from qa2pack.pack.target import origin_of, quoted, target_of
    from qa2pack.pack.views.diff import print_difference

    run_options = RunOptions(jobs, is_quiet=quiet, is_json=json)
    target = target_of(package)
    attempt = Attempt("diff", target, quoted(os.fsencode(origin)))
    selection = Selection(tuple(include or ()), tuple(exclude or ()), layout, rehash, as_is, no_split, follow_outside)

    def work() -> Exit:
        # Nothing is replaced and nothing linked by what is only compared: no package stands against it.
        request = selection.request(origin_of(origin), target.package.path, mode=Mode.COPY, append=Append.MEMBER)
        return print_difference(attempt, request, os.fsencode(member), run_options)

    run(attempt, work, is_json=json, is_output_all=True)
