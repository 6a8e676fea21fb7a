"""`pack diff`: what a new plan would change."""

import os

import typer

from qa2pack.pack.commands.base import defaults_of, typed_options
from qa2pack.pack.commands.options import (
    MemberOption,
    OriginArgument,
    PackageArgument,
    RuleOptions,
    RunOptions,
    TableOptions,
)


def diff(
    context: typer.Context,
    origin: OriginArgument,
    package: PackageArgument,
    *,
    member: MemberOption = "",
    rules: RuleOptions,
    tables: TableOptions,
    run_options: RunOptions,
) -> None:
    """Show what a new plan of ORIGIN would change in PACKAGE.

    Compares with the member that was packaged from ORIGIN, in its mode. Nothing is written, not even a plan. README
    is not compared, because each plan makes it again.

    Example: pack diff IRC10216_setup3_b6 2011.0.00229.S
    """
    from qa2pack.manifest.actions import Mode
    from qa2pack.manifest.alma.member_ids import Append
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.commands.selection import selection_of
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import diff as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.target import origin_of, quoted, target_of
    from qa2pack.pack.views.diff import diff_view
    from qa2pack.pack.views.view import View

    target = target_of(package)
    attempt = Attempt("diff", target, quoted(os.fsencode(origin)), defaults=defaults_of(context))

    def work(workers: Workers) -> View:
        # A comparison replaces and links nothing, so checks of the destination do not apply.
        request = selection_of(rules, tables, options=typed_options(context)).request(
            origin_of(origin), target.package.path, mode=Mode.COPY, append=Append.MEMBER
        )
        return diff_view(job.diff(target, request, os.fsencode(member), workers), attempt)

    run_with_workers(attempt, work, run_options, is_output_all=True)
