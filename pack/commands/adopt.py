"""`pack adopt`: manifests for members that have none."""

from qa2pack.pack.commands.options import PackageArgument, RunOptions, TrustOptions, WaitOption


def adopt(
    package: PackageArgument,
    *,
    wait: WaitOption = 0,
    trust: TrustOptions,
    run_options: RunOptions,
) -> None:
    """Write manifests for members of PACKAGE that have none.

    The old script left such members. What is on disk now counts as right from then on: `pack verify` finds what
    changes later.

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
        existing_package(target)
        return adopt_view(job.adopt(target.package, workers, target.opened), target)

    run_with_workers(Attempt("adopt", target), work, run_options, trusted=trust.users(), wait_seconds=wait)
