"""`pack apply`: apply the plan, or finish an apply that was stopped."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import ClusterRunOptions, PackageArgument, RehashOption, TrustOptions

KeepPrevious = Annotated[
    bool,
    typer.Option(
        "--keep-previous", envvar="PACK_KEEP_PREVIOUS", help="Keep a package that is replaced for `pack rollback`."
    ),
]


def apply(
    package: PackageArgument,
    *,
    keep_previous: KeepPrevious = False,
    rehash: RehashOption = False,
    trust: TrustOptions,
    run_options: ClusterRunOptions,
) -> None:
    """Apply the plan, or finish an apply that was stopped.

    The path shows the whole old package or the whole new one. However it was stopped, the same command goes on.

    Example: pack apply 2011.0.00229.S
    """
    import sys

    from qa2pack.executor.apply import ApplyOptions
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import apply as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.apply import apply_view, resume_lines
    from qa2pack.pack.views.view import View

    target = target_of(package)
    options = ApplyOptions(keeps_previous=keep_previous, is_rehashing=rehash)

    def work(workers: Workers) -> View:
        for line in resume_lines(target):
            print(line, file=sys.stderr)
        return apply_view(job.apply(target.package, options, workers, target.opened), target)

    run_with_workers(Attempt("apply", target), work, run_options, trusted=trust.users())
