"""`pack adopt`: manifests for members that have none."""

from typing import Annotated

import typer

from qa2pack.pack.commands.options import PackageArgument, RunOptions, TrustOptions, WaitOption

AdoptedLayout = Annotated[
    str,
    typer.Option("--layout", metavar="NAME|FILE", help="Their layout: its tree tells the members. [default: cycle0]"),
]


def adopt(
    package: PackageArgument,
    *,
    layout: AdoptedLayout = "",
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Write manifests for members of PACKAGE that have none.

    The old script left such members. What is on disk now counts as right from then on: `pack verify` finds what
    changes later. Members of a package that was made with another layout than cycle0 are known by the tree of that
    layout, which is given with --layout; they remember it, and `pack verify` applies its checks.

    Example: pack adopt 2011.0.00229.S
    """
    from qa2pack.pack.commands.run import run_with_workers
    from qa2pack.pack.errors.attempt import Attempt
    from qa2pack.pack.jobs import adopt as job
    from qa2pack.pack.jobs.engines import Workers
    from qa2pack.pack.jobs.read import existing_package
    from qa2pack.pack.target import target_of
    from qa2pack.pack.views.adopt import adopt_view
    from qa2pack.pack.views.view import View

    target = target_of(package)

    def work(workers: Workers) -> View:
        if not layout:
            existing_package(target)
        return adopt_view(job.adopt(target.package, workers, target.opened, layout=layout), target)

    run_with_workers(Attempt("adopt", target), work, run_options, trusted=trust.users(), wait_seconds=wait)
